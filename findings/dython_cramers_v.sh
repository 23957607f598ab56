#!/usr/bin/env bash
# dython's Cramér's V of two categories applies Yates' correction: a column and its own copy have 0.77 with ten patients, and 1 where there are three categories.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv dython==0.7.12 scikit-learn==1.9.1 seaborn==0.13.2 psutil==7.2.2 matplotlib==3.11.2 pandas==3.1.1 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import matplotlib
matplotlib.use("agg")
import numpy as np, pandas as pd
from dython.nominal import associations, cramers_v, theils_u
from scipy.stats.contingency import association

warnings.simplefilter("ignore")
print(*(f"{name} {version(name)}" for name in ("dython", "pandas", "scipy", "numpy")))
found = []
for patients in 10, 20, 60:
    for names in ["female", "male"], ["head", "trunk", "leg"]:
        sex = np.resize(names, patients)
        value, plain = cramers_v(sex, sex), cramers_v(sex, sex, bias_correction=False)
        exact = association(pd.crosstab(sex, sex).to_numpy(), method="cramer")
        found.append((len(names), value, plain, exact))
        print(f"{patients} patients, a column of {len(names)} categories and its copy: {value:.3f}, without bias correction {plain:.3f}; by SciPy {exact:.3f}; Theil's U {theils_u(sex, sex):.3f}")
table = pd.DataFrame({"melanoma": np.resize(["yes", "no"], 12), "excised": np.resize(["yes", "no"], 12), "age": np.arange(12.0)})
together = associations(table, compute_only=True)["corr"].loc["melanoma", "excised"]
print(f"associations, 12 patients, melanoma and excised, the same for each of them: {together:.3f}")
two = [row for row in found if row[0] == 2]
three = [row for row in found if row[0] == 3]
sys.exit(not (together < 0.85 and two[0][1] < 0.8 and all(abs(value - 1) < 1e-9 for _, value, plain, exact in three) and all(plain < 0.99 and value < 0.99 for _, value, plain, _ in two) and all(abs(exact - 1) < 1e-9 for *_, exact in found)))
P
echo "expected: 1, as for any column and its copy"
check
