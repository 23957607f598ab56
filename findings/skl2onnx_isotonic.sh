#!/usr/bin/env bash
# skl2onnx turns isotonic calibration into a staircase: between two knots scikit-learn interpolates, the ONNX graph takes the nearest.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv scikit-learn==1.9.1 skl2onnx==1.20.0 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np, onnxruntime
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LogisticRegression
from skl2onnx import to_onnx

print(*(f"{name} {version(name)}" for name in ("scikit-learn", "skl2onnx", "onnxruntime")))
scores = np.repeat(np.float32([-2, 2]), 100)[:, None]  # of 200 lesions, none of them between
malignant = np.tile(np.arange(10), 20) < np.where(scores[:, 0] < 0, 1, 9)
asked = np.linspace(-2, 2, 9, dtype=np.float32)[:, None]
largest = {}
for method in ("sigmoid", "isotonic"):
    model = CalibratedClassifierCV(LogisticRegression(), method=method, ensemble=False).fit(scores, malignant)
    graph = to_onnx(model, scores[:1], options={"zipmap": False}).SerializeToString()
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    probability, found = model.predict_proba(asked)[:, 1], session.run(None, {"X": asked})[1][:, 1]
    largest[method] = np.abs(probability - found).max()
    print(f"{method}: differs by at most {largest[method]:.2g}")
    print("  scikit-learn", *(f"{each:.2f}" for each in probability))
    print("  ONNX        ", *(f"{each:.2f}" for each in found))
sys.exit(not (largest["sigmoid"] < 1e-5 and largest["isotonic"] > 0.3))
P
echo "expected: the graph gives the calibrated probabilities of the classifier"
ORT_DISABLE_TELEMETRY=1 check
