#!/usr/bin/env bash
# onnxmltools exports the linear trees of LightGBM as ordinary ones: each leaf gives its constant instead of its line, and probabilities are up to 0.5 off, without a message.
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
sick = (score + numbers.normal(0, 0.5, len(score)) > 0).astype(int)
days = score * 10 + 1000
found = {}
for linear in False, True:
    options = dict(n_estimators=30, linear_tree=linear, n_jobs=1, verbose=-1, deterministic=True)
    expected, exported = both(lightgbm.LGBMClassifier(**options).fit(table, sick), table)
    found[linear, "probabilities"] = float(np.abs(expected - exported).max())
    accuracy = [float(((values[:, 1] > 0.5) == sick).mean()) for values in (expected, exported)]
    values, exported_values = both(lightgbm.LGBMRegressor(**options).fit(table, days), table)
    error = [float(np.sqrt(np.mean((each - days) ** 2))) for each in (values, exported_values[:, 0])]
    found[linear, "error"] = error[1] / error[0]
    print(f"linear_tree={linear}: probabilities of the graph are up to {found[linear, 'probabilities']:.2f} off, accuracy {accuracy[0]:.3f} and {accuracy[1]:.3f}; error of a regression {error[0]:.2f} and {error[1]:.2f}")
sys.exit(not (found[False, "probabilities"] < 1e-4 and found[False, "error"] < 1.01 and found[True, "probabilities"] > 0.3 and found[True, "error"] > 1.2))
P
echo "expected: the same numbers from the graph, or an error"
check
