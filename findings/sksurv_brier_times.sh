#!/usr/bin/env bash
# scikit-survival sorts the times of the Brier score, but not the columns of probabilities that belong to them.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv scikit-survival==0.26.0 scikit-learn==1.7.2 numpy==1.26.4 pandas==2.3.3 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np
from sksurv.metrics import brier_score, integrated_brier_score
from sksurv.util import Surv

print(*(f"{name} {version(name)}" for name in ("scikit-survival", "numpy")))
random = np.random.default_rng(0)
rate = random.uniform(0.02, 0.4, 1000)  # deaths a year, known exactly
died, left = random.exponential(1 / rate), random.uniform(0, 20, 1000)
outcome = Surv.from_arrays(died < left, np.minimum(died, left))
found = {}
for years in [1, 3, 10], [3, 1, 10], [10, 3, 1]:
    alive = np.exp(-np.outer(rate, years))  # a column for each of these years
    times, scores = brier_score(outcome, outcome, alive, years)
    found[tuple(years)] = dict(zip(times.tolist(), scores, strict=True)), integrated_brier_score(outcome, outcome, alive, years)
    print(f"years {years}:", ", ".join(f"{time} {score:.3f}" for time, score in found[tuple(years)][0].items()), f"; integrated {found[tuple(years)][1]:.3f}")
(right, total), (swapped, other), (turned, reversed_) = found.values()
sys.exit(not (total < 0.2 and swapped[1] > 1.4 * right[1] and turned[1] > 3 * right[1] and abs(swapped[10] - right[10]) < 1e-12 and reversed_ > 2 * total and other > 1.2 * total))
P
echo "expected: the same score for the same year, or an error"
check
