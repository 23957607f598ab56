#!/usr/bin/env bash
# PyCM leaves out the start of a precision-recall curve: its area for a classifier that is always right and sure is 0, and falls with the number of ties.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pycm==4.6 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np
from pycm import PRCurve, ROCCurve
from sklearn.metrics import average_precision_score, roc_auc_score

print("PyCM", version("pycm"), "scikit-learn", version("scikit-learn"))
melanoma = np.repeat([0, 1], [80, 20])
classifiers = {
    "always right, 0 or 1": melanoma.astype(float),
    "always right, 0.1 or 0.9": np.where(melanoma == 1, 0.9, 0.1),
    "always right, all different": np.r_[np.linspace(0, 0.4, 80), np.linspace(0.6, 1, 20)],
    "low, middle, high": np.r_[np.repeat([0.1, 0.5, 0.9], [60, 15, 5]), np.repeat([0.1, 0.5, 0.9], [2, 8, 10])],
    "0.5 for each image": np.full(100, 0.5),
}
found, said = {}, []
for name, scores in classifiers.items():
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        both = np.c_[1 - scores, scores]
        precision_recall = PRCurve(melanoma, both, classes=[0, 1]).area()[1]
        roc = ROCCurve(melanoma, both, classes=[0, 1]).area()[1]
    said += warned
    average = average_precision_score(melanoma, scores)
    found[name] = precision_recall, average
    print(f"{name}: area below precision and recall {precision_recall:.2f}, average precision {average:.2f}; AUC {roc:.2f} and {roc_auc_score(melanoma, scores):.2f}")
print(f"warnings: {len(said)}")
areas = [area for area, _ in found.values()]
sys.exit(not (areas[0] == areas[1] == areas[4] == 0 and abs(areas[2] - 0.95) < 0.001 and found["low, middle, high"][0] < 0.5 * found["low, middle, high"][1] and not said))
P
echo "expected: 1.00 for who is always right, 0.20 for who says the same for each image, and about the average precision for others"
check
