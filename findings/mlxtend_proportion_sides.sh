#!/usr/bin/env bash
# mlxtend gives the p-value of a difference of two proportions for one side only, and by their order: 0.019 or 0.981, where the two-sided one is 0.037.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv mlxtend==0.25.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
from mlxtend.evaluate import proportion_difference
from scipy.stats import norm

print(*(f"{name} {version(name)}" for name in ("mlxtend", "scipy")))
first, second = (float(proportion_difference(*pair, n_1=500)[1]) for pair in ((0.80, 0.85), (0.85, 0.80)))
both = float(2 * norm.sf(0.05 / ((0.80 * 0.20 + 0.85 * 0.15) / 500) ** 0.5))
print(f"sensitivities of 0.80 and 0.85 in 500 images each: p = {first:.4f}; named the other way round: p = {second:.4f}; two-sided, by hand: {both:.4f}")
equal = float(proportion_difference(0.8, 0.8, n_1=500)[1])
print(f"two that are equal: p = {equal}; a one-sided p of 0.04, significant here, is 0.08 as a difference")
sys.exit(not (abs(first + second - 1) < 1e-9 and abs(2 * first - both) < 1e-9 and first < 0.02 and equal == 0.5))
P
echo "expected: p is that of a difference, whichever of the two models is named first"
check
