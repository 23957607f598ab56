#!/usr/bin/env bash
# statsmodels' multipletests, where one p-value is missing: Benjamini-Hochberg rejects and gives NaN for all, Hommel rejects nothing, Holm counts the missing one.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv statsmodels==0.15.0 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, statsmodels
from statsmodels.stats.multitest import multipletests

print(f"statsmodels {statsmodels.__version__}, numpy {np.__version__}")
known = [0.001, 0.01, 0.03, 0.2]
missing = [*known[:3], np.nan, known[3]]  # a diagnosis without images has no p-value
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for method in ("holm", "fdr_bh", "fdr_by", "simes-hochberg", "hommel"):
        for name, p_values in (("known", known), ("missing", missing)):
            rejected, corrected = multipletests(p_values, method=method)[:2]
            found[method, name] = rejected.sum(), corrected
            print(f"{method:15} {name:8} rejected {rejected.sum()}, corrected {np.round(corrected, 4).tolist()}")
print(f"warnings: {len([each for each in told if issubclass(each.category, UserWarning)])}")
holds = found["fdr_bh", "missing"][0] == 3 and np.isnan(found["fdr_bh", "missing"][1]).all()
holds &= found["hommel", "known"][0] > 0 and found["hommel", "missing"][0] == 0 and np.isnan(found["simes-hochberg", "missing"][1]).all()
holds &= abs(found["holm", "missing"][1][0] - 0.005) < 1e-9 and abs(found["holm", "known"][1][0] - 0.004) < 1e-9
sys.exit(not holds)
P
echo "expected: what is missing is refused, or left out and the rest as without it"
check
