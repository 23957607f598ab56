#!/usr/bin/env bash
# Compiled by numba, the same lines have other numbers: a pixel of uint8 less a brighter one is 1.8e19, the mean of 30 million float32 is 0.56 instead of 0.70, and image + 100 no longer wraps around, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv numba==0.68.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numba, numpy as np

print(*(f"{name} {version(name)}" for name in ("numba", "numpy")))
pixels = np.array([[10, 200], [60, 30]], np.uint8)


def difference(image):
    """The sum of absolute differences of neighbours, in a loop as numba is for."""
    total = 0.0
    for row in range(image.shape[0]):
        total += abs(image[row, 0] - image[row, 1])
    return total


def first(image):
    return image[0, 0] - image[0, 1]


def brighter(image):
    return image + 100


def mean(image):
    return image.mean()


def deviation(image):
    return image.std()


def without_missing(image):
    return np.nanmean(image)


found = {}
photographs = np.full(30_000_000, 0.7, np.float32)  # a batch of 200 images of 224 x 224 in colour
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, function, image in (("10 - 200 of uint8", first, pixels), ("sum of two differences, 190 + 30", difference, pixels), ("image + 100, largest", lambda image: brighter(image).max(), pixels), ("mean of 30 million 0.7", mean, photographs), ("their deviation", deviation, photographs), ("their nanmean", without_missing, photographs)):
        if name.startswith("image"):
            compiled = numba.njit(brighter)(image).max()
        else:
            compiled = numba.njit(function)(image)
        with np.errstate(all="ignore"):
            found[name] = float(compiled), float(function(image))
        print(f"{name}: {found[name][0]:.6g} compiled, {found[name][1]:.6g} by NumPy")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
wrong = found["10 - 200 of uint8"][0] > 1e19 and found["sum of two differences, 190 + 30"][0] > 1e19
sys.exit(not (wrong and 0.5 < found["mean of 30 million 0.7"][0] < 0.6 and found["their deviation"][0] > 0.1 and found["their nanmean"][0] > 0.69 and found["image + 100, largest"] == (300, 160)))
P
echo "expected: NumPy's numbers, which njit is for, or at least the difference of two numbers"
check
