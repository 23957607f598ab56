#!/usr/bin/env bash
# scikit-image's gabor of a picture of 8 bits, as in its own example, returns uint8, in which negative responses wrap around: -2 is 254, and the energy of skin without stripes is 1,900 instead of 0.5.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv scikit-image==0.26.0 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np
from skimage.filters import gabor, gaussian

print(*(f"{name} {version(name)}" for name in ("scikit-image", "numpy")))
random = np.random.default_rng(0)
y, x = np.mgrid[:128, :128]
skin = np.clip(150 + gaussian(random.normal(0, 60, (128, 128)), 2), 0, 255).round().astype(np.uint8)
striped = np.clip(skin + 30 * np.sin(2 * np.pi * 0.2 * x), 0, 255).round().astype(np.uint8)  # stripes of 5 pixels
energies = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, picture in (("skin", skin), ("with stripes", striped)):
        for kind in (np.uint8, np.int16, np.float64):
            real, imaginary = gabor(picture.astype(kind), frequency=0.2)
            energies[name, kind.__name__] = float(np.mean(real.astype(float) ** 2 + imaginary.astype(float) ** 2))
            if name == "skin":
                print(f"{kind.__name__}: responses of {real.dtype}, {real.min():.1f} to {real.max():.1f}")
for name in ("skin", "with stripes"):
    print(f"energy of {name}:", {kind: round(energies[name, kind], 1) for kind in ("uint8", "int16", "float64")})
print("stripes over skin:", {kind: round(energies["with stripes", kind] / energies["skin", kind], 2) for kind in ("uint8", "int16", "float64")}, "warnings:", len(said))
ratio = {kind: energies["with stripes", kind] / energies["skin", kind] for kind in ("uint8", "float64")}
sys.exit(not (energies["skin", "uint8"] > 20 * energies["skin", "float64"] and ratio["float64"] > 5 * ratio["uint8"]))
P
echo "expected: responses below and above 0, as from float64"
check
