#!/usr/bin/env bash
# statsmodels adds 0.5 to a table that has a zero, for every question: p is 0.054 for 0.027, and its test of McNemar is not the one of its own function.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv statsmodels==0.15.0 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, scipy, statsmodels
from scipy.stats import chi2_contingency
from statsmodels.stats.contingency_tables import SquareTable, Table, Table2x2, mcnemar

print(f"statsmodels {statsmodels.__version__}, scipy {scipy.__version__}")
by_hospital = np.array([[0, 20], [8, 30]])  # melanomas and others
by_model = np.array([[80, 7], [0, 13]])  # right and wrong, of two networks
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    p_values = {
        "two hospitals, Table2x2": Table2x2(by_hospital).test_nominal_association().pvalue,
        "two hospitals, Table": Table(by_hospital).test_nominal_association().pvalue,
        "two hospitals, Table2x2(shift_zeros=False)": Table2x2(by_hospital, shift_zeros=False).test_nominal_association().pvalue,
        "two hospitals, SciPy": chi2_contingency(by_hospital, correction=False)[1],
        "two networks, SquareTable.symmetry": SquareTable(by_model).symmetry().pvalue,
        "two networks, mcnemar": mcnemar(by_model, exact=False, correction=False).pvalue,
    }
    table = Table2x2(by_hospital).table
for name, p_value in p_values.items():
    print(f"{name}: p = {p_value:.4f}")
print(f"what Table2x2 counts: {table.tolist()}; warnings: {len(told)}")
found = list(p_values.values())
sys.exit(not (found[0] > 0.05 > 0.03 > found[3] and abs(found[2] - found[3]) < 1e-9 and found[4] > 2 * found[5] and not told))
P
echo "expected: half a case for an odds ratio, whose logarithm would not exist, and a test of the counts as they are"
check
