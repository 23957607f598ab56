#!/usr/bin/env bash
# lifelines draws a line between the steps of a Cox model's survival, Kaplan and Meier's has steps: what lies between depends on who was censored when.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv lifelines==0.30.3 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys, warnings
import lifelines, numpy as np, pandas as pd
from lifelines import CoxPHFitter, KaplanMeierFitter

warnings.simplefilter("ignore")
print(f"lifelines {lifelines.__version__}")
times = [12, 13.5, 15, 18, 21, 23.9, 24]
random = np.random.default_rng(0)
found = {}
for censored in (12.1, 23.9):  # months: ten patients left the study then, between the deaths in months 12 and 24
    months = np.r_[np.repeat([6.0, 12, 24, 36], 10), np.full(10, censored), np.full(20, 60.0)]
    died = np.r_[np.ones(40), np.zeros(30)].astype(int)
    patients = pd.DataFrame({"months": months, "died": died, "thickness": random.permutation(np.resize([0.5, 1, 2, 4], 70))})
    cox = CoxPHFitter().fit(patients, "months", "died")
    typical = pd.DataFrame({"thickness": [patients["thickness"].mean()]})
    found["Cox", censored] = cox.predict_survival_function(typical, times=times).iloc[:, 0].to_numpy()
    found["Kaplan-Meier", censored] = KaplanMeierFitter().fit(months, died).predict(times).to_numpy()
print(f"{'months':31}", *(f"{each:6}" for each in times))
for (name, censored), survival in found.items():
    print(f"{name:12}, censored at {censored}  ", *(f"{each:6.3f}" for each in survival))
steps = all(len(set(np.round(found["Kaplan-Meier", each][:-1], 9))) == 1 for each in (12.1, 23.9))
early, late = (found["Cox", each] for each in (12.1, 23.9))
sys.exit(not (steps and early[4] < early[0] - 0.05 and abs(late[4] - late[0]) < 0.001 and abs(late[5] - late[0]) < 0.001))
P
echo "expected: survival falls when somebody dies, in months 12 and 24, and stays what it is between"
check
