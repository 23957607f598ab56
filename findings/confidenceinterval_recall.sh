#!/usr/bin/env bash
# confidenceinterval's recall and F1 of two classes are the accuracy, where scikit-learn's functions of these names mean the positive class.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv confidenceinterval==1.0.5 scikit-learn==1.9.1 numpy==2.4.6 pandas==3.1.1
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import confidenceinterval, numpy as np
from sklearn import metrics

print("confidenceinterval", version("confidenceinterval"), "scikit-learn", version("scikit-learn"))
melanoma = np.repeat([1, 0], [20, 80])
called = np.concatenate([np.repeat([1, 0], [8, 12]), np.repeat([1, 0], [4, 76])])
accuracy = metrics.accuracy_score(melanoma, called)
print(f"20 melanomas, 8 of them called, among 100 lesions: accuracy {accuracy:.2f}")
right = []
for name in ("recall_score", "precision_score", "f1_score"):
    expected, interval = getattr(metrics, name)(melanoma, called), getattr(confidenceinterval, name)
    value, (low, high) = interval(melanoma, called)
    try:
        binary = f"{interval(melanoma, called, average='binary')[0]:.2f}"
    except AssertionError as error:
        binary = f"AssertionError: {str(error).split(' [')[0]} ..."
    print(f"{name}: scikit-learn {expected:.2f}; confidenceinterval {value:.2f} ({low:.2f} to {high:.2f}); with average='binary' {binary}")
    right.append(abs(value - accuracy) < 1e-6 and abs(value - expected) > 0.1)
sys.exit(not all(right))
P
echo "expected: it says that it has scikit-learn's interface: the values of scikit-learn, with intervals"
check
