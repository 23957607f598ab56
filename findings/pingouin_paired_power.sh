#!/usr/bin/env bash
# pingouin computes the power of a paired t-test from the spread between patients, not from that of the differences: 0.39 instead of 1.00.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pingouin==0.7.0 scikit-learn==1.9.1 statsmodels==0.15.0 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, pandas as pd, pingouin, scipy
from scipy import stats

print("pingouin", pingouin.__version__, "scipy", scipy.__version__, "pandas", pd.__version__)
random = np.random.default_rng(0)
before = random.normal(8, 3, 30)  # millimetres, of 30 lesions
after = before + random.normal(0.6, 0.6, 30)  # each has grown a little
test = pingouin.ttest(after, before, paired=True).iloc[0]
told, p = float(test["power"]), float(stats.ttest_rel(after, before).pvalue)
growth = after - before
size = float(growth.mean() / growth.std(ddof=1))
draws = random.normal(growth.mean(), growth.std(ddof=1), (20_000, 30))
true = float((stats.ttest_1samp(draws, 0, axis=1).pvalue < 0.05).mean())
one = float(pingouin.ttest(growth, 0).iloc[0]["power"])
print(f"a paired test of 30 lesions: p = {p:.1g}; pingouin's power {told:.2f}; of the same differences, tested against 0, {one:.2f}; simulated {true:.2f}")
print(f"effect: {float(test['cohen_d']):.2f} of the spread between lesions, {size:.2f} of that of the differences")
sys.exit(not (p < 1e-4 and told < 0.5 and one > 0.95 and true > 0.95))
P
echo "expected: the power of the test that was made, which is that of the differences against 0"
check
