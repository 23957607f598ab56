#!/usr/bin/env bash
# SciPy subtracts the pairs of ttest_rel, and adds up for tmean, in uint8: p is 2e-7 instead of 0.45 for grades of 0 to 10.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, scipy
from scipy import stats

print("scipy", scipy.__version__, "numpy", np.__version__)
random = np.random.default_rng(0)
before = random.integers(0, 11, 60).astype(np.uint8)  # grades of 0 to 10 by one reader, twice
after = np.clip(before.astype(int) + random.integers(-2, 3, 60), 0, 10).astype(np.uint8)
bright = random.integers(190, 221, 60).astype(np.uint8)
tests = {
    "ttest_rel": lambda one, other: stats.ttest_rel(one, other).pvalue,
    "ttest_1samp of the differences": lambda one, other: stats.ttest_1samp(one.astype(float) - other, 0).pvalue,
    "wilcoxon": lambda one, other: stats.wilcoxon(one, other).pvalue,
    "ttest_ind": lambda one, other: stats.ttest_ind(one, other).pvalue,
    "tmean": lambda one, other: stats.tmean(one),
}
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for name, test in tests.items():
        values = (bright, bright) if name == "tmean" else (before, after)
        found[name] = [float(test(*(each.astype(kind) for each in values))) for kind in (np.uint8, np.int64, np.float64)]
        print(f"{name}: {found[name][0]:.4g} for uint8, {found[name][1]:.4g} for int64, {found[name][2]:.4g} for float64")
print(f"mean difference {(before.astype(float) - after).mean():.2f}; warnings: {len(warned)}")
small, same, right = found["ttest_rel"]
average = found["tmean"]
held = small < 1e-4 and same == right > 0.1 and average[0] < 10 and average[1] == average[2] > 200
held &= all(len(set(np.round(found[name], 12))) == 1 for name in ("wilcoxon", "ttest_ind", "ttest_1samp of the differences"))
sys.exit(not held or bool(warned))
P
echo "expected: the same p, and the same mean, whatever type of integers the grades have"
check
