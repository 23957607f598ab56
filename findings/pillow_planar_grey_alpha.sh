#!/usr/bin/env bash
# Of a compressed grey TIFF with alpha whose two channels are stored by plane, Pillow gives an alpha of 0 everywhere.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow==13.0.0 tifffile==2026.3.3 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys
import numpy as np
import PIL, tifffile
from PIL import Image

grey = np.full((4, 6), 90, np.uint8)
alpha = np.full((4, 6), 255, np.uint8)


def read(planes):
    """What Pillow and tifffile make of a file: the first pixel."""
    file = io.BytesIO()
    pixels = np.stack([grey, alpha]) if planes == "separate" else np.stack([grey, alpha], -1)
    options = {"photometric": "minisblack", "extrasamples": ["unassalpha"], "compression": "zlib", "metadata": None}
    tifffile.imwrite(file, pixels, planarconfig=planes, **options)
    theirs = tifffile.imread(io.BytesIO(file.getvalue()))
    theirs = theirs[:, 0, 0] if planes == "separate" else theirs[0, 0]
    image = Image.open(io.BytesIO(file.getvalue()))
    return image.mode, image.getpixel((0, 0)), tuple(int(value) for value in theirs)


print(f"Pillow {PIL.__version__}, tifffile {tifffile.__version__}")
found = {planes: read(planes) for planes in ("contig", "separate")}
for planes, (mode, pixel, theirs) in found.items():
    print(f"{planes}: Pillow's mode {mode}, pixel {pixel}; tifffile {theirs}")
sys.exit(not (found["contig"][1] == found["contig"][2] == (90, 255) == found["separate"][2] != found["separate"][1]))
P
echo "expected: grey 90 and alpha 255, however the channels are stored"
check
