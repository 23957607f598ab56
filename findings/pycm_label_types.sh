#!/usr/bin/env bash
# PyCM compares labels as text: the answers 0.0 and 1.0 of a model are none of the labels 0 and 1, so that a model that is always right has an accuracy of 0, with four classes.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pycm==4.6 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np
from pycm import ConfusionMatrix
from sklearn.metrics import accuracy_score

print("PyCM", version("pycm"), "scikit-learn", version("scikit-learn"))
labels = np.repeat([0, 1], [80, 20])
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for kind in "int32", "float32", "bool", "str":
        answers = labels.astype(kind)
        judged = ConfusionMatrix(labels, answers)
        found[kind] = judged.Overall_ACC
        other = "refused" if kind == "str" else f"{accuracy_score(labels, answers):.2f}"
        print(f"labels of {labels.dtype}, the same as {kind}: accuracy {judged.Overall_ACC:.2f}, sensitivities {judged.TPR}; scikit-learn {other}")
print(f"warnings: {len(warned)}")
sys.exit(not (found == {"int32": 1, "float32": 0, "bool": 0, "str": 1} and not warned))
P
echo "expected: 1 and 1.0 are equal, an accuracy of 1; and what is text is not a number"
check
