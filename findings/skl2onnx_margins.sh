#!/usr/bin/env bash
# skl2onnx gives other labels to one against the rest of a support vector machine with two classes, as it cuts its margins at 0.5 instead of 0, and has five rows for all images where five such machines are bagged, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv skl2onnx==1.20.0 scikit-learn==1.9.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np, onnxruntime
from skl2onnx import to_onnx
from sklearn.ensemble import BaggingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

print(*(f"{name} {version(name)}" for name in ("skl2onnx", "scikit-learn", "onnxruntime")))
random = np.random.default_rng(0)
rows = random.normal(size=(600, 6)).astype(np.float32)
two = (rows[:, 0] + rows[:, 1] + 0.5 * random.normal(size=600) > 0.6).astype(int)  # 1 is a melanoma
three = np.digitize(rows[:, 0] + rows[:, 1] + 0.5 * random.normal(size=600), [-0.6, 0.6])
found = {}
models = {
    "OneVsRest of a support vector machine, 2 classes": (OneVsRestClassifier(LinearSVC()), two),
    "OneVsRest of a support vector machine, 3 classes": (OneVsRestClassifier(LinearSVC()), three),
    "OneVsRest of a logistic regression, 2 classes": (OneVsRestClassifier(LogisticRegression()), two),
    "the support vector machine alone": (LinearSVC(), two),
    "five of them, bagged": (BaggingClassifier(LinearSVC(), n_estimators=5, random_state=0), two),
    "five logistic regressions, bagged": (BaggingClassifier(LogisticRegression(), n_estimators=5, random_state=0), two),
}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, (model, labels) in models.items():
        right = model.fit(rows, labels).predict(rows)
        graph = to_onnx(model, rows[:1]).SerializeToString()
        answer = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(None, {"X": rows})[0]
        if len(answer) != len(rows):
            found[name] = len(answer)
            print(f"{name}: {len(answer)} labels for {len(rows)} rows")
            continue
        found[name] = float((answer == right).mean())
        print(f"{name}: {found[name]:.1%} of the labels as in scikit-learn" + (f", sensitivity {recall_score(labels, answer):.2f} instead of {recall_score(labels, right):.2f}" if labels is two else ""))
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
wrong, three_classes, logistic, alone, bagged, bagged_logistic = found.values()
sys.exit(not (0.5 < wrong < 0.95 and min(three_classes, logistic, alone, bagged_logistic) > 0.99 and bagged == 5))
P
echo "expected: the labels of scikit-learn, one for each row, or an error"
check
