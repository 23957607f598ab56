#!/usr/bin/env bash
# SimpleITK mirrors a TIFF whose orientation is a quarter turn, instead of turning it or leaving it as it is, without an error: left and right are exchanged.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv simpleitk==2.5.7 tifffile==2026.3.3 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from pathlib import Path
import numpy as np, PIL, SimpleITK, tifffile
from PIL import Image, ImageOps

print(f"SimpleITK {SimpleITK.Version.VersionString()}, tifffile {tifffile.__version__}, Pillow {PIL.__version__}")
path = str(Path(sys.argv[0]).with_name("turned.tif"))
stored = np.full((40, 64, 3), (220, 170, 150), np.uint8)
stored[4:14, 6:22] = 90, 50, 40  # a lesion at the upper left
views = {"as stored": stored, "mirrored": stored[:, ::-1], "upside down": stored[::-1], "turned by 180 degrees": stored[::-1, ::-1]}
found = {}
for orientation in range(1, 9):
    tifffile.imwrite(path, stored, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
    right = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    read = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))
    shown = read[..., :3]
    if shown.shape == right.shape and np.array_equal(shown, right):
        found[orientation] = "right"
    else:
        found[orientation] = next((name for name, view in views.items() if np.array_equal(shown, view)), "something else")
    print(f"orientation {orientation}: {read.shape[1]} x {read.shape[0]} with {read.shape[2]} numbers per pixel, {found[orientation]}; upright it is {right.shape[1]} x {right.shape[0]}")
sys.exit(found != {1: "right", 2: "right", 3: "right", 4: "right", 5: "as stored", 6: "mirrored", 7: "turned by 180 degrees", 8: "upside down"})
P
echo "expected: all eight orientations are applied, or none"
check
