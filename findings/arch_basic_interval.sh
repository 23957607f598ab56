#!/usr/bin/env bash
# arch's bootstrap gives the "basic" interval, mirrored at the estimate: an AUC is between 0.84 and 1.02, a sensitivity of 29 of 30 between 0.93 and 1.03.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv arch==8.0.0 scikit-learn==1.9.1 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1 statsmodels==0.15.0
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np
from arch.bootstrap import IIDBootstrap
from sklearn.metrics import roc_auc_score

warnings.simplefilter("ignore")
print(f"arch {version('arch')}")
random = np.random.default_rng(0)
melanoma = np.repeat([1, 0], [15, 60])
score = random.normal(size=75) + 2.2 * melanoma
found = {}
for name, statistic, data in (("AUC", roc_auc_score, (melanoma, score)), ("sensitivity", np.mean, (np.repeat([1, 0], [29, 1]),))):
    for method in (None, "percentile", "bca"):
        options = {"method": method} if method else {}
        low, high = IIDBootstrap(*data, seed=1).conf_int(statistic, 2000, **options).ravel()
        found[name, method] = low, high
        print(f"{name} {statistic(*data):.3f}, conf_int(method={method!r}): {low:.3f} to {high:.3f}".replace("method=None", ""))
sys.exit(not (all(found[name, None][1] > 1 for name in ("AUC", "sensitivity")) and all(found[name, method][1] <= 1 for name in ("AUC", "sensitivity") for method in ("percentile", "bca"))))
P
echo "expected: an interval of values that the statistic can have"
check
