#!/usr/bin/env bash
# fpdf2 and ReportLab print a grey picture of 16 or 12 bits as a white rectangle, one of floats in black and one of signed numbers in black and white, without a message; PyMuPDF prints 16 bits, and img2pdf prints or refuses them.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv fpdf2==2.8.9 reportlab==5.1.0 img2pdf==0.6.3 pikepdf==10.18.0 pymupdf==2.0 pypdfium2==5.15.2 pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, logging, sys, tempfile, warnings
from importlib.metadata import version
from pathlib import Path
import fpdf, img2pdf, numpy as np, pymupdf, pypdfium2, tifffile
from PIL import Image
from reportlab.pdfgen.canvas import Canvas

print(*(f"{name} {version(name)}" for name in ("fpdf2", "reportlab", "img2pdf", "pymupdf", "pypdfium2", "pillow")))
logging.disable(logging.INFO)
rows, columns = np.mgrid[:96, :128]
levels = np.full((96, 128), 183, np.uint16)  # skin, in levels of 0 to 255
levels[(rows - 40) ** 2 + (columns - 50) ** 2 < 500] = 61  # a lesion
colours = Image.merge("RGB", [Image.fromarray(levels.astype(np.uint8))] * 3)
folder = Path(tempfile.mkdtemp())
Image.fromarray(levels.astype(np.uint8)).save(folder / "grey of 8 bits.png")
colours.save(folder / "colours of 8 bits.png")
Image.fromarray(levels * 257).save(folder / "grey of 16 bits.png")
(folder / "grey of 12 bits.pgm").write_bytes(b"P5 128 96 4095\n" + (levels * 16).astype(">u2").tobytes())
tifffile.imwrite(folder / "grey of 16 bits.tif", levels * 257)
tifffile.imwrite(folder / "signed 16 bits.tif", (levels.astype(np.int32) * 257 - 32768).astype(np.int16))
tifffile.imwrite(folder / "floats of 0 to 1.tif", (levels / 255).astype(np.float32))


def by_fpdf2(path):
    document = fpdf.FPDF(unit="pt", format=(128, 96))
    document.set_margin(0)
    document.set_auto_page_break(False)
    document.add_page()
    document.image(path, 0, 0, 128, 96)
    return bytes(document.output())


def by_reportlab(path):
    written = io.BytesIO()
    canvas = Canvas(written, pagesize=(128, 96))
    canvas.drawImage(str(path), 0, 0, 128, 96)
    canvas.save()
    return written.getvalue()


def by_pymupdf(path):
    document = pymupdf.open()
    page = document.new_page(width=128, height=96)
    page.insert_image(page.rect, filename=path)
    return document.tobytes()


def by_img2pdf(path):
    return img2pdf.convert(str(path), layout_fun=img2pdf.get_layout_fun((128.0, 96.0)))


found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for writer in (by_fpdf2, by_reportlab, by_pymupdf, by_img2pdf):
        shown = []
        for path in sorted(folder.iterdir()):
            try:
                page = pypdfium2.PdfDocument(writer(path))[0].render(scale=1).to_numpy()
                skin, lesion = int(page[5, 110].max()), int(page[40, 50].max())
                found[writer.__name__, path.name] = skin, lesion
                shown.append(f"{path.name}: skin {skin}, lesion {lesion}")
            except Exception as refused:
                found[writer.__name__, path.name] = None
                shown.append(f"{path.name}: {type(refused).__name__}")
        print(f"{writer.__name__[3:]}: " + "; ".join(shown))
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")


def is_shown(writer, name, skin, lesion):
    answer = found[writer, name]
    return answer is not None and max(abs(answer[0] - skin), abs(answer[1] - lesion)) < 3


wrong = {"grey of 16 bits.png": (255, 255), "grey of 12 bits.pgm": (255, 255), "grey of 16 bits.tif": (255, 255), "signed 16 bits.tif": (255, 0), "floats of 0 to 1.tif": (0, 0)}
sys.exit(
    not (
        all(is_shown(writer, name, *levels) for writer in ("by_fpdf2", "by_reportlab") for name, levels in wrong.items())
        and all(is_shown(writer, name, 183, 61) for writer in ("by_fpdf2", "by_reportlab", "by_pymupdf", "by_img2pdf") for name in ("grey of 8 bits.png", "colours of 8 bits.png"))
        and is_shown("by_pymupdf", "grey of 16 bits.png", 183, 61) and found["by_img2pdf", "grey of 16 bits.tif"] is None
    )
)
P
echo "expected: skin of 183 and a lesion of 61, or an error"
check
