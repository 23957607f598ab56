#!/usr/bin/env bash
# onnxmltools ignores zero_as_missing of LightGBM: rows with a 0 take the other branch in the ONNX graph, and probabilities are up to 0.7 off, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnxmltools==1.16.0 lightgbm==4.7.0 skl2onnx==1.20.0 onnx==1.23.2 onnxruntime==1.32.0 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import lightgbm, numpy as np, onnxmltools, onnxruntime
from onnxmltools.convert.common.data_types import FloatTensorType

print(*(f"{name} {version(name)}" for name in ("onnxmltools", "lightgbm", "onnxruntime", "scikit-learn", "numpy")))
numbers = np.random.default_rng(0)


def both(model, table):
    """The model's probabilities or values, and those of its ONNX graph."""
    kind = {"zipmap": False} if hasattr(model, "predict_proba") else {}
    graph = onnxmltools.convert_lightgbm(model, initial_types=[("x", FloatTensorType([None, table.shape[1]]))], **kind)
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = model.predict_proba(table) if kind else model.predict(table)
    return expected, np.asarray(session.run(None, {"x": table})[-1]).reshape(len(table), -1)


table = numbers.normal(0, 1, (1500, 5)).astype(np.float32)
score = table[:, 0] + table[:, 1] * table[:, 2]
grade = np.digitize(score, [-0.7, 0.7])
table[numbers.random(table.shape) < 0.3] = 0  # a table in which 0 stands for unknown
found = {}
for missing in False, True:
    expected, exported = both(lightgbm.LGBMClassifier(n_estimators=30, zero_as_missing=missing, n_jobs=1, verbose=-1, deterministic=True).fit(table, grade), table)
    difference = np.abs(expected - exported).max(1)
    zeros = (table == 0).any(1)
    found[missing] = difference
    accuracy = [float((values.argmax(1) == grade).mean()) for values in (expected, exported)]
    print(f"zero_as_missing={missing}: probabilities of the graph are up to {difference.max():.2f} off, in {(difference > 0.01).mean():.0%} of the rows, accuracy {accuracy[0]:.3f} and {accuracy[1]:.3f}; of the rows without a 0 up to {difference[~zeros].max():.2f} off")
sys.exit(not (found[False].max() < 1e-4 and found[True].max() > 0.3 and (found[True] > 0.01).mean() > 0.3))
P
echo "expected: the same numbers from the graph, or an error"
check
