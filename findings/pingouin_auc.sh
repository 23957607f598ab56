#!/usr/bin/env bash
# pingouin's effect size "AUC" is computed from Cohen's d, as if values were normal: of the same ranking it is 0.81 of probabilities and 0.90 of their logits, where the AUC is 0.90.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pingouin==0.7.0 scikit-learn==1.9.1 statsmodels==0.15.0 pandas==2.3.3 numpy==2.4.6 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, pingouin
from sklearn.metrics import roc_auc_score

warnings.simplefilter("ignore")
print(f"pingouin {pingouin.__version__}")
random = np.random.default_rng(0)
melanoma = np.repeat([0, 1], [900, 100])
logit = np.where(melanoma, -4, -8) + 2 * random.normal(size=1000)
found = {}
for name, values in (("logits", logit), ("probabilities", 1 / (1 + np.exp(-logit)))):
    stated = pingouin.compute_effsize(values[melanoma == 1], values[melanoma == 0], eftype="AUC")
    exact = pingouin.mwu(values[melanoma == 1], values[melanoma == 0])["CLES"].iloc[0]
    found[name] = stated, roc_auc_score(melanoma, values), exact
    print(f"{name}: compute_effsize(..., eftype='AUC') {stated:.3f}, scikit-learn's AUC {found[name][1]:.3f}, pingouin's CLES of mwu {exact:.3f}")
same = abs(found["logits"][1] - found["probabilities"][1]) < 1e-9
sys.exit(not (same and abs(found["logits"][0] - found["logits"][1]) < 0.02 and found["probabilities"][0] < found["probabilities"][1] - 0.05 and abs(found["probabilities"][2] - found["probabilities"][1]) < 1e-6))
P
echo "expected: an AUC, which knows the order of the values alone"
check
