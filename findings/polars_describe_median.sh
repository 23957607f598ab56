#!/usr/bin/env bash
# polars: the 50 % of describe() is not the median, quantile(0.5) neither: quantiles are the nearest value that there is, unlike those of NumPy, pandas and its own median.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv polars==2.1.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, polars as pl

print(f"polars {pl.__version__}, numpy {np.__version__}")
probabilities = pl.Series("melanoma", [0.02, 0.04, 0.90, 0.95])
described = dict(zip(*probabilities.describe().get_columns(), strict=True))
found = {"describe 50%": described["50%"], "quantile(0.5)": probabilities.quantile(0.5), "median": probabilities.median(), "NumPy": float(np.quantile(probabilities, 0.5))}
print(", ".join(f"{name} {value:.2f}" for name, value in found.items()))
folds = pl.Series("auc", [0.81, 0.84, 0.86, 0.88, 0.93])
ends = [folds.quantile(q) for q in (0.25, 0.9)], np.quantile(folds, [0.25, 0.9]).round(3).tolist()
print(f"quarter and nine tenths of five folds: polars {ends[0]}, NumPy {ends[1]}")
sys.exit(not (found["describe 50%"] == found["quantile(0.5)"] == 0.9 and abs(found["median"] - 0.47) < 1e-9 and abs(found["NumPy"] - 0.47) < 1e-9))
P
echo "expected: half of the values lie below the 50 %, which is the median"
check
