#!/usr/bin/env bash
# With bottleneck installed, pandas adds up float32 one by one for standard deviations and variances: that of 12 million pixels is 0.09 instead of 0.02; without it, and for means, they are right.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pandas==3.1.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import PackageNotFoundError, version
import numpy as np, pandas as pd

try:
    bottleneck = version("bottleneck")
except PackageNotFoundError:
    bottleneck = "not installed"
print("pandas", pd.__version__, "numpy", np.__version__, "bottleneck", bottleneck)
numbers = np.random.default_rng(0)
ratios = []
for name, mean, deviation, count in ("days of 100,000 visits", 10_000, 10, 100_000), ("3 million pixels", 0.7, 0.01, 3_000_000), ("12 million pixels, one photograph", 0.7, 0.02, 12_000_000), ("12 million pixels that are all 0.7", 0.7, 0, 12_000_000):
    values = pd.Series(numbers.normal(mean, deviation, count).astype(np.float32))
    true, found = values.astype(np.float64).std(), values.std()
    print(f"{name}: deviation {found:.4f}, by pandas in float64 {true:.4f}, by NumPy in float32 {values.to_numpy().std():.4f}; of a frame {values.to_frame('value').std().value:.4f}; variance {values.var():.6f}; mean {values.mean():.4f}, in float64 {values.astype(np.float64).mean():.4f}")
    ratios.append((found - true) / mean)
right = all(abs(ratio) < 1e-6 for ratio in ratios)
wrong = ratios[0] > 1e-4 and ratios[1] > 0.01 and ratios[2] > 0.08 and ratios[3] > 0.1
sys.exit(not (right if sys.argv[1] == "without" else wrong))
P
echo "expected: the same deviations with bottleneck, which pandas recommends for speed, as without"
check without
"$folder/venv/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check bottleneck==1.6.0
check with
