#!/usr/bin/env bash
# skl2onnx squares the odds of a linear discriminant analysis of two classes, and gives other labels than scikit-learn for SGDClassifier with the loss modified_huber, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv skl2onnx==1.20.0 scikit-learn==1.9.1 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np, onnxruntime
from skl2onnx import to_onnx
from sklearn.datasets import make_classification
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.neighbors import KNeighborsClassifier

print(*(f"{name} {version(name)}" for name in ("skl2onnx", "scikit-learn", "onnxruntime", "numpy")))
features, diagnoses = make_classification(1200, 8, n_informative=5, n_classes=3, random_state=0)
features = features.astype(np.float32)
train, test = slice(600), slice(600, None)
cases = {
    "logistic regression": (LogisticRegression(), 2),
    "linear discriminant analysis": (LinearDiscriminantAnalysis(), 2),
    "linear discriminant analysis, three classes": (LinearDiscriminantAnalysis(), 3),
    "SGDClassifier(loss='modified_huber'), three classes": (SGDClassifier(loss="modified_huber", random_state=0), 3),
}
found = {}
for name, (model, classes) in cases.items():
    labels = diagnoses if classes == 3 else (diagnoses == 1).astype(int)
    model.fit(features[train], labels[train])
    session = onnxruntime.InferenceSession(to_onnx(model, features[:1], options={"zipmap": False}).SerializeToString())
    label, probability = session.run(None, {session.get_inputs()[0].name: features[test]})
    theirs = model.predict_proba(features[test])
    off, other = np.abs(theirs - probability).max(), np.mean(model.predict(features[test]) != label)
    found[name] = off, other
    print(f"{name}: probabilities differ by up to {off:.3f}, labels of {other:.0%}; accuracy {np.mean(model.predict(features[test]) == labels[test]):.3f} in scikit-learn, {np.mean(label == labels[test]):.3f} in the graph")
    if name == "linear discriminant analysis":
        squared = theirs**2 / (theirs**2).sum(axis=1, keepdims=True)
        print(f"  scikit-learn's odds, squared, are off by {np.abs(squared - probability).max():.1g}")
        found["squared"] = np.abs(squared - probability).max(), 0
two, three, huber = (found[name] for name in list(cases)[1:])
right = max(found["logistic regression"]) < 1e-4 and max(three) < 1e-4
sys.exit(not (right and two[0] > 0.1 and found["squared"][0] < 1e-4 and huber[0] < 1e-4 and huber[1] > 0.2))
P
echo "expected: a graph has the probabilities and labels of the model that it was made from"
check
