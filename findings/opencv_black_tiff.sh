#!/usr/bin/env bash
# OpenCV returns a black image for a TIFF file whose compression it does not know, such as JPEG 2000 of slide scanners.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv opencv-python-headless==5.0.0.93 tifffile==2026.3.3 imagecodecs==2026.3.6 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import pathlib, sys
import cv2, numpy as np, PIL, tifffile
from PIL import Image

file = pathlib.Path(sys.argv[1]) / "slide.tif"
pixels = np.random.default_rng(0).integers(100, 256, (64, 96, 3), np.uint8)
print(f"OpenCV {cv2.__version__}, Pillow {PIL.__version__}; files written with tifffile {tifffile.__version__}")
found = {}
for compression in ("zlib", "webp", "jpeg2000", "jpegxl"):
    tifffile.imwrite(file, pixels, photometric="rgb", compression=compression)
    assert (tifffile.imread(file) == pixels).all()
    read = cv2.imread(str(file))
    found[compression] = "None" if read is None else "the image" if (read[..., ::-1] == pixels).all() else "black" if not read.any() else "other pixels"
    try:
        Image.open(file).load()
        other = "decodes it"
    except OSError as error:
        other = type(error).__name__
    print(f"{compression}: cv2.imread returns {found[compression]}; Pillow: {other}")
sys.exit(list(found.values()) != ["the image", "None", "black", "black"])
P
echo "expected: the image, or None, as imread returns for what it cannot read"
check "$folder"
