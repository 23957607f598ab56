#!/usr/bin/env bash
# SimpleITK's SquaredDifference squares in the image's type: 8-bit images that are 16 or 32 levels apart have the difference 0, and black and white 1.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv SimpleITK==2.5.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, SimpleITK as sitk

print("SimpleITK", sitk.Version.VersionString(), "numpy", np.__version__)
found = {}
for kind, (apart) in (np.uint8, (5, 15, 16, 32, 48, 255)), (np.uint16, (5, 255, 256, 512)), (np.int16, (5, 181, 182, 256)):
    for each in apart:
        first, second = (sitk.GetImageFromArray(np.full((8, 8), value, kind)) for value in (0, each))
        squared = sitk.SquaredDifference(first, second)
        found[kind.__name__, each] = float(sitk.GetArrayFromImage(squared).mean())
        print(f"{kind.__name__} images {each} apart: a mean squared difference of {found[kind.__name__, each]:g} instead of {each**2}, as {squared.GetPixelIDTypeAsString()}")
held = found["uint8", 16] == found["uint8", 32] == found["uint16", 256] == 0 and found["uint8", 15] == 225 and found["uint8", 255] == 1
sys.exit(not (held and found["int16", 182] < 0))
P
echo "expected: the square of the difference, or the largest number, as where sums are too large"
check
