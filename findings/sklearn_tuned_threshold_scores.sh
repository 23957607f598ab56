#!/usr/bin/env bash
# TunedThresholdClassifierCV accepts scores of probabilities, but gives them the labels 0 and 1: for neg_brier_score and neg_log_loss it tunes the accuracy, and its best_score_ for roc_auc is not the AUC.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, recall_score
from sklearn.model_selection import TunedThresholdClassifierCV, cross_val_score

print(f"scikit-learn {sklearn.__version__}, numpy {np.__version__}")
random = np.random.default_rng(0)
melanoma = (random.random(2000) < 0.1).astype(int)
features = random.normal(size=(2000, 2)) + melanoma[:, None]
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for scoring in ("accuracy", "balanced_accuracy", "neg_brier_score", "neg_log_loss", "roc_auc", "average_precision"):
        tuned = TunedThresholdClassifierCV(LogisticRegression(), scoring=scoring, cv=5).fit(features, melanoma)
        usual = cross_val_score(LogisticRegression(), features, melanoma, scoring=scoring, cv=5).mean()
        answers = tuned.predict(features)
        found[scoring] = float(tuned.best_threshold_), float(tuned.best_score_), float(usual), recall_score(melanoma, answers)
        print(f"{scoring}: threshold {tuned.best_threshold_:.3f}, best_score_ {tuned.best_score_:.3f}, by cross_val_score {usual:.3f}; sensitivity {found[scoring][3]:.2f}, accuracy {accuracy_score(melanoma, answers):.2f}")
print("warnings:", len(warned))
same = found["neg_brier_score"][0] == found["neg_log_loss"][0] == found["accuracy"][0] and found["roc_auc"][:2] == found["balanced_accuracy"][:2]
sys.exit(not (same and found["neg_log_loss"][1] < -2 and found["neg_log_loss"][2] > -0.4 and found["roc_auc"][2] - found["roc_auc"][1] > 0.03 and not warned))
P
echo "expected: scores that need probabilities are refused, or best_score_ is what cross_val_score says"
check
