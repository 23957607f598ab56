#!/usr/bin/env bash
# Pillow reads big-endian TIFF files with floats, or with signed integers, in the wrong byte order if they are compressed.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow==13.0.0 tifffile==2026.3.3 imagecodecs==2026.3.6 opencv-python-headless==5.0.0.93 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import cv2, numpy as np, PIL, tifffile
from PIL import Image

print("pillow", PIL.__version__, "tifffile", tifffile.__version__, "OpenCV", cv2.__version__)
y, x = np.mgrid[:48, :48]
grey = np.where((x - 24) ** 2 + (y - 24) ** 2 < 100, 90, 220)  # a dark lesion on skin
held = True
for name, image in (
    ("float32", (grey / 255).astype(np.float32)), ("int32", grey.astype(np.int32)), ("int16", grey.astype(np.int16)), ("uint16", grey.astype(np.uint16))
):
    for order in "<>":
        for compression in None, "zlib", "lzw":
            path = f"{sys.argv[1]}/{name}{order}{compression}.tif"
            tifffile.imwrite(path, image, byteorder=order, compression=compression, photometric="minisblack")
            pixels = np.asarray(Image.open(path))
            same = np.array_equal(pixels, image)
            other = np.array_equal(cv2.imread(path, cv2.IMREAD_UNCHANGED), image)
            if order == ">":
                print(f"{name}, big-endian, {compression or 'not compressed'}: skin {pixels[0, 0]}, lesion {pixels[24, 24]}, should be {image[0, 0]} and {image[24, 24]}; OpenCV is right: {other}")
            held &= other and same == (order == "<" or compression is None or name == "uint16")
sys.exit(not held)
P
echo "expected: the same pixels in either byte order, compressed or not, or an error"
check "$folder"
