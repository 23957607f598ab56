#!/usr/bin/env bash
# SimpleITK truncates what it interpolates to the image's integers instead of rounding: an image of 8 bits loses half a level in each resampling, 5 levels in ten, and negative numbers rise.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv SimpleITK==2.5.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, SimpleITK as sitk

print("SimpleITK", sitk.Version.VersionString(), "numpy", np.__version__)
rows, columns = np.mgrid[:64, :64]
skin = (120 + 60 * np.sin(columns / 5) * np.cos(rows / 7)).round()
middle = slice(16, 48), slice(16, 48)
found = {}
for name, kind, sign in ("uint8", np.uint8, 1), ("int16", np.int16, 1), ("negative int16", np.int16, -1), ("float32", np.float32, 1):
    original = (sign * skin).astype(kind)
    for interpolator in "sitkNearestNeighbor", "sitkLinear", "sitkBSpline3", "sitkLanczosWindowedSinc":
        image = sitk.GetImageFromArray(original)
        for step in range(10):  # turned to and fro
            turned = sitk.Euler2DTransform((31.5, 31.5), 0.05 if step % 2 == 0 else -0.05)
            image = sitk.Resample(image, image, turned, getattr(sitk, interpolator), float(sign * 120))
        found[name, interpolator] = float(sitk.GetArrayFromImage(image)[middle].mean() - original[middle].mean())
    print(f"{name}: the mean brightness after ten resamplings differs by", ", ".join(f"{found[name, each]:.2f} ({each[4:]})" for each in ("sitkNearestNeighbor", "sitkLinear", "sitkBSpline3", "sitkLanczosWindowedSinc")))
linear = [found[name, "sitkLinear"] for name in ("uint8", "int16", "negative int16", "float32")]
sys.exit(not (linear[0] < -4 and linear[1] < -4 and linear[2] > 4 and abs(linear[3]) < 0.1))
P
echo "expected: differences of about 0, as numbers are rounded"
check
