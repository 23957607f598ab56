#!/usr/bin/env bash
# skl2onnx: nearest neighbours weighted by distance lose their weights, and a tuned threshold has no effect, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv skl2onnx==1.20.0 scikit-learn==1.9.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, onnx, onnxruntime, skl2onnx, sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import TunedThresholdClassifierCV
from sklearn.neighbors import KNeighborsClassifier

print("skl2onnx", skl2onnx.__version__, "scikit-learn", sklearn.__version__, "onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
random = np.random.default_rng(0)
rows, new = random.normal(size=(2, 2000, 4)).astype(np.float32)
truth = lambda table: (table[:, 0] + table[:, 1] * table[:, 2] + random.normal(0, 1, len(table)) > 1.5).astype(int)  # a rare diagnosis
melanoma, new_melanoma = truth(rows), truth(new)
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for name, model in (
        ("5 neighbours, each counts the same", KNeighborsClassifier()),
        ("5 neighbours, weighted by distance", KNeighborsClassifier(weights="distance")),
        ("logistic regression", LogisticRegression()),
        ("logistic regression, its threshold tuned", TunedThresholdClassifierCV(LogisticRegression(), scoring="balanced_accuracy", random_state=0)),
    ):
        model.fit(rows, melanoma)
        made = skl2onnx.to_onnx(model, rows[:1], options={"zipmap": False})
        session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
        labels, probabilities = session.run(None, {made.graph.input[0].name: new})
        off = float(np.abs(probabilities - model.predict_proba(new)).max())
        other = int((labels != model.predict(new)).sum())
        found[name] = off, other
        threshold = f", threshold {model.best_threshold_:.2f}" if hasattr(model, "best_threshold_") else ""
        print(f"{name}{threshold}: probabilities off by up to {off:.6f}, {other} of {len(new)} labels differ;", end=" ")
        print(f"sensitivity {recall_score(new_melanoma, model.predict(new)):.2f} in scikit-learn, {recall_score(new_melanoma, labels):.2f} in the graph")
print("warnings:", [str(each.message)[:80] for each in told])
(even, _), (weighted, _), (plain, plain_other), (tuned, tuned_other) = found.values()
sys.exit(not (even < 1e-5 and weighted > 0.05 and plain < 1e-5 and plain_other == 0 and tuned < 1e-5 and tuned_other > 200 and not told))
P
echo "expected: the same probabilities and labels from the graph as from scikit-learn, or an error"
ORT_DISABLE_TELEMETRY=1 check
