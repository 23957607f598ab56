#!/usr/bin/env bash
# The Hausdorff distance of MISeval compares rows of pixels instead of places: a lesion found 30 pixels too low is at a distance of 0, one found 30 pixels too far right at 4.5.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv miseval==1.3.0 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import importlib.metadata, sys, warnings
import numpy as np
from miseval import evaluate
from scipy.spatial.distance import directed_hausdorff

print(f"miseval {importlib.metadata.version('miseval')}")


def mask(top, left):
    drawn = np.zeros((64, 64), np.uint8)
    drawn[top : top + 20, left : left + 20] = 1
    return drawn


def distance(one, other):
    places = np.argwhere(one), np.argwhere(other)
    return max(directed_hausdorff(*places)[0], directed_hausdorff(*places[::-1])[0])


truth, found = mask(10, 10), {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for name, other in (("the same", mask(10, 10)), ("5 lower", mask(15, 10)), ("30 lower", mask(40, 10)), ("5 further right", mask(10, 15)), ("30 further right", mask(10, 40))):
        found[name] = [float(evaluate(truth, other, metric=metric)) for metric in ("HD", "DSC")] + [distance(truth, other)]
        print(f"{name}: Hausdorff distance {found[name][0]:.2f}, Dice {found[name][1]:.2f}; SciPy, of the places of pixels: {found[name][2]:.2f}")
sys.exit(not (found["30 lower"][0] == found["5 lower"][0] == 0 and found["30 lower"][1] == 0 and abs(found["30 further right"][0] - 20**0.5) < 1e-4 and found["30 lower"][2] == found["30 further right"][2] == 30))
P
echo "expected: 30 pixels for a lesion found 30 pixels too low or too far right"
check
