#!/usr/bin/env bash
# OpenCV multiplies the colours of a TIFF file by its transparency, of a PNG file it does not: the same pixels, half as bright.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv opencv-python-headless==5.0.0.93 tifffile==2026.3.3 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import pathlib, sys
import cv2, numpy as np, PIL, tifffile
from PIL import Image

root = pathlib.Path(sys.argv[1])
pixels = np.empty((8, 8, 4), np.uint8)
pixels[:] = 200, 150, 130, 128  # skin at the soft edge of a cut-out, half transparent
print(f"OpenCV {cv2.__version__}, Pillow {PIL.__version__}, tifffile {tifffile.__version__}: pixels {pixels[0, 0].tolist()}")
Image.fromarray(pixels).save(root / "Pillow.png")
Image.fromarray(pixels).save(root / "Pillow.webp", lossless=True, exact=True)
Image.fromarray(pixels).save(root / "Pillow.tif")
tifffile.imwrite(root / "tifffile.tif", pixels, photometric="rgb", extrasamples=["unassalpha"])
tifffile.imwrite(root / "tifffile 16 bits.tif", pixels.astype(np.uint16) * 257, photometric="rgb", extrasamples=["unassalpha"])
found = {}
for name in ("Pillow.png", "Pillow.webp", "Pillow.tif", "tifffile.tif", "tifffile 16 bits.tif"):
    read = [cv2.imread(str(root / name), flag)[0, 0] for flag in (cv2.IMREAD_UNCHANGED, cv2.IMREAD_COLOR)]
    unchanged, colour = read[0][[2, 1, 0, 3]], read[1][::-1]
    found[name] = unchanged.tolist(), colour.tolist()
    stored = f" (stored: {tifffile.imread(root / name)[0, 0].tolist()})" if name.endswith("tif") else ""
    print(f"{name}{stored}: IMREAD_UNCHANGED {found[name][0]}, IMREAD_COLOR {found[name][1]}")
right, wrong = ([200, 150, 130, 128], [200, 150, 130]), ([100, 75, 65, 128], [100, 75, 65])
sys.exit(not (found["Pillow.png"] == found["Pillow.webp"] == right and found["Pillow.tif"] == found["tifffile.tif"] == wrong))
P
mkdir "$folder/images"
echo "expected: 200, 150, 130 from each file: the alpha of the TIFF files is stored as unassociated, as that of PNG is"
check "$folder/images"
