#!/usr/bin/env bash
# pillow-jxl-plugin writes the JPEG file that an image was opened from, not the pixels that the image has by now.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow-jxl-plugin==1.3.8 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import pathlib, sys, warnings
from importlib.metadata import version
import numpy as np
import pillow_jxl  # registers the format
from PIL import Image, ImageDraw

warnings.simplefilter("ignore")  # there is one, on how it is stored: without loss
folder = pathlib.Path(sys.argv[1])
rows, columns = np.mgrid[:64, :96]
Image.fromarray(np.stack([200 - rows, 120 + columns, 100 + rows], 2).astype(np.uint8)).save(folder / "lesion.jpg", quality=95)
print("pillow-jxl-plugin", version("pillow-jxl-plugin"), "with Pillow", version("pillow"))


def saved(image, kind, **options):
    image.save(folder / f"again.{kind}", **options)
    again = Image.open(folder / f"again.{kind}").convert("RGB")
    return again.size, again.getpixel((5, 5))


found = {}
for kind, options in (("png", {}), ("jxl", {"lossless": True}), ("jxl", {"lossless": True, "lossless_jpeg": False})):
    small, marked = (Image.open(folder / "lesion.jpg") for _ in range(2))
    small.thumbnail((48, 32))
    ImageDraw.Draw(marked).rectangle((0, 0, 40, 20), fill=(0, 0, 0))
    found[kind, len(options)] = size, colour = saved(small, kind, **options)[0], saved(marked, kind, **options)[1]
    print(f"{kind} {options}: thumbnail of {size[0]} x {size[1]}; in the black rectangle {colour}")
right = (48, 32), (0, 0, 0)
wrong = found.pop(("jxl", 1))
sys.exit(not (set(found.values()) == {right} and wrong[0] == (96, 64) and min(wrong[1]) > 50))
P
echo "expected: 48 x 32 and black, in each format"
check "$folder"
