#!/usr/bin/env bash
# tableone tests missing values as a category of their own: p < 0.001 between two hospitals whose lesions lie at the same sites, where one wrote fewer down.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tableone==0.9.6 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, pandas as pd, tableone
from scipy.stats import chi2_contingency

print(f"tableone {tableone.__version__}, pandas {pd.__version__}")
random = np.random.default_rng(0)
site = np.array(random.choice(["back", "face", "leg"], 400), object)
hospital = np.repeat(["Vienna", "Brisbane"], 200)
site[200 + random.permutation(200)[:40]] = None  # not written down
patients = pd.DataFrame({"site": site, "hospital": hospital})
options = {"columns": ["site"], "categorical": ["site"], "groupby": "hospital", "pval": True, "pval_digits": 6}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    given, without = (tableone.TableOne(patients, **options, **more) for more in ({}, {"include_null": False}))
print(given.tabulate(tablefmt="plain"))
p_values = [float(str(table.htest_table["P-Value"].iloc[0])) for table in (given, without)]
by_hand = chi2_contingency(pd.crosstab(patients["site"], patients["hospital"]))[1]
print(f"p by default {p_values[0]:.2g}, with include_null=False {p_values[1]:.3f}, of the sites that are known, by SciPy {by_hand:.3f}; warnings: {len([each for each in told if issubclass(each.category, UserWarning)])}")
sys.exit(not (p_values[0] < 0.001 and abs(p_values[1] - by_hand) < 0.01 and by_hand > 0.5))
P
echo "expected: a test of sites is one of the sites that are known"
check
