#!/usr/bin/env bash
# Pillow and OpenCV turn a TIFF file whose white is 0 round if it has 8 bits, and leave it a negative if it has 16.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow==13.0.0 opencv-python-headless==5.0.0.93 pyvips-binary==8.18.7 pyvips==3.2.0 tifffile==2026.3.3 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import cv2, numpy as np, PIL, pyvips, tifffile
from PIL import Image

print(f"Pillow {PIL.__version__}, OpenCV {cv2.__version__}, libvips {'.'.join(str(pyvips.version(place)) for place in range(3))}, tifffile {tifffile.__version__}")
brightness = np.full((8, 8), 0.9)  # of white: a light image
found = {}
for kind, white in ((np.uint8, 255), (np.uint16, 65535)):
    for photometric in ("minisblack", "miniswhite"):
        stored = ((brightness if photometric == "minisblack" else 1 - brightness) * white).round().astype(kind)
        file = f"{sys.argv[1]}/{photometric}, {white}.tif"  # libvips keeps what it read by name
        tifffile.imwrite(file, stored, photometric=photometric)
        read = {
            "Pillow": np.asarray(Image.open(file)) / white,
            "cv2.IMREAD_UNCHANGED": cv2.imread(file, cv2.IMREAD_UNCHANGED) / white,
            "cv2.IMREAD_COLOR": cv2.imread(file)[..., 0] / 255,
            "libvips": pyvips.Image.new_from_file(file).numpy() / white,
        }
        found[kind.__name__, photometric] = [round(float(pixels[0, 0]), 1) for pixels in read.values()]
        print(f"{kind.__name__}, {photometric}, 0.9 of white:", ", ".join(f"{name} {pixels[0, 0]:.1f}" for name, pixels in read.items()))
wrong = found.pop(("uint16", "miniswhite"))
sys.exit(not (wrong == [0.1, 0.1, 0.9, 0.9] and all(row == [0.9] * 4 for row in found.values())))
P
mkdir "$folder/images"
echo "expected: 0.9 everywhere, or 0.1 for both files whose white is 0"
check "$folder/images"
