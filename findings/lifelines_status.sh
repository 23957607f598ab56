#!/usr/bin/env bash
# lifelines takes every status other than 0 for a death, statsmodels for that many: R's 1, censored, is one and R's 2, dead, is one or two.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv lifelines==0.30.3 statsmodels==0.15.0 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys, warnings
import lifelines, numpy as np, pandas as pd, statsmodels
from lifelines.statistics import logrank_test
from lifelines.utils import concordance_index
from statsmodels.duration.survfunc import SurvfuncRight

print("lifelines", lifelines.__version__, "statsmodels", statsmodels.__version__, "pandas", pd.__version__)
random = np.random.default_rng(0)
thick = np.arange(300) % 2
death, end = random.exponential(12 - 8 * thick), random.uniform(1, 10, 300)  # years
years, died = np.minimum(death, end).round(2) + 0.01, (death <= end).astype(int)
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for name, status in ("0 and 1", died), ("1 and 2", died + 1):
        table = pd.DataFrame({"years": years, "status": status, "thick": thick})
        curve = lifelines.KaplanMeierFitter().fit(years, status)
        hazard = float(np.exp(lifelines.CoxPHFitter().fit(table, "years", "status").params_["thick"]))
        test = logrank_test(years[thick == 1], years[thick == 0], status[thick == 1], status[thick == 0]).test_statistic
        survived = SurvfuncRight(years, status)
        rest = float(survived.surv_prob[survived.surv_times <= 5][-1])
        found[name] = float(curve.predict(5.0)), hazard, test, concordance_index(years, -thick, status), rest
        print(f"status {name}, {died.sum()} of 300 died: survival after 5 years {found[name][0]:.2f}, hazard ratio {hazard:.2f}, log-rank {test:.1f}, concordance {found[name][3]:.2f}; statsmodels: survival {rest:.2f}")
ours = [str(each.message) for each in told if "pandas" not in str(each.message).lower()]
print("warnings:", ours)
right, wrong = found.values()
held = right[0] - wrong[0] > 0.15 and right[1] - wrong[1] > 0.3 and abs(right[4] - right[0]) < 0.01 and wrong[0] - wrong[4] > 0.1
sys.exit(not (held and not ours))
P
echo "expected: that a status of 1 and 2, as R's survival has it, is understood or refused"
check
