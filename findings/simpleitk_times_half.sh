#!/usr/bin/env bash
# SimpleITK turns the number in image * 0.5 into the image's type first: an image of integers times 0.5 is black, and times 1.5 unchanged, while image / 2 is right.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv simpleitk==2.5.7 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, SimpleITK

print(f"SimpleITK {SimpleITK.Version.VersionString()}, numpy {np.__version__}")
terms = {
    "image * 0.5": lambda image: image * 0.5,
    "0.5 * image": lambda image: 0.5 * image,
    "image * 1.5": lambda image: image * 1.5,
    "image / 2": lambda image: image / 2,
    "image - 0.5": lambda image: image - 0.5,
    "Multiply(image, 0.5)": lambda image: SimpleITK.Multiply(image, 0.5),
    "ShiftScale(image, 0, 0.5)": lambda image: SimpleITK.ShiftScale(image, 0, 0.5),
}
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for kind in np.uint8, np.int16, np.float32:
        image = SimpleITK.GetImageFromArray(np.full((8, 8), 100, kind))
        found[kind] = {}
        for what, term in terms.items():
            result = SimpleITK.GetArrayFromImage(term(image))
            found[kind][what] = float(result[0, 0])
        print(f"100 as {kind.__name__}: " + ", ".join(f"{what} {value:g}" for what, value in found[kind].items()))
print(f"NumPy, of uint8: {(np.full(1, 100, np.uint8) * 0.5)[0]:g}; warnings: {len(told)}")
right = dict(zip(terms, (50, 50, 150, 50, 99.5, 50, 50)))
wrong = right | {"image * 0.5": 0, "0.5 * image": 0, "image * 1.5": 100, "image - 0.5": 100, "Multiply(image, 0.5)": 0}
sys.exit(list(found.values()) != [wrong, wrong, right])
P
echo "expected: half of 100 is 50"
check
