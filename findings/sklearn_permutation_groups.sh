#!/usr/bin/env bash
# scikit-learn's permutation test with groups shuffles labels within a lesion only, where all are the same: p = 1, however good the classifier.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, permutation_test_score

print(f"scikit-learn {sklearn.__version__}")
random = np.random.default_rng(0)
lesion = np.repeat(np.arange(150), 2)  # two images each
melanoma = np.repeat(random.random(150) < 0.3, 2).astype(int)
features = random.normal(size=(300, 5))
features[:, 0] += 2 * melanoma
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for name, cv, groups in (
        ("by lesion, groups=lesion", GroupKFold(5), lesion),
        ("by lesion, the folds given", list(GroupKFold(5).split(features, melanoma, lesion)), None),
    ):
        score, permuted, p_value = permutation_test_score(LogisticRegression(), features, melanoma, groups=groups, cv=cv, n_permutations=50, random_state=0, scoring="roc_auc")
        found[name] = p_value
        print(f"{name}: AUC {score:.2f}, of permuted labels {permuted.min():.2f} to {permuted.max():.2f}, p = {p_value:.3f}")
print(f"warnings: {len(told)}")
sys.exit(not (found["by lesion, groups=lesion"] == 1 and found["by lesion, the folds given"] < 0.03 and not told))
P
echo "expected: groups say which images stay together in a fold, and an AUC of 0.9 is better than chance"
check
