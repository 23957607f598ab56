#!/usr/bin/env bash
# onnxmltools gives the trees of XGBoost to the wrong outputs if a step has several trees for each class, or the table several targets: probabilities are up to 0.7 off, and the second target is 0, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnxmltools==1.16.0 xgboost==3.2.0 skl2onnx==1.20.0 onnx==1.23.2 onnxruntime==1.32.0 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np, onnxmltools, onnxruntime, xgboost
from onnxmltools.convert.common.data_types import FloatTensorType

print(*(f"{name} {version(name)}" for name in ("onnxmltools", "xgboost", "onnxruntime", "numpy")))
numbers = np.random.default_rng(0)
table = numbers.normal(0, 1, (1500, 5)).astype(np.float32)
score = table[:, 0] + table[:, 1] * table[:, 2]
grade = np.digitize(score, [-0.7, 0.7])
diameters = np.c_[score * 2 + 10, 8 - score]  # in mm
options = dict(n_estimators=20, max_depth=4, n_jobs=1, random_state=0)
forest = dict(num_parallel_tree=5, subsample=0.6)
off = {}
for name, model, target in (
    ("three grades", xgboost.XGBClassifier(**options), grade),
    ("three grades, num_parallel_tree=5", xgboost.XGBClassifier(**forest, **options), grade),
    ("a diameter", xgboost.XGBRegressor(**options), diameters[:, 0]),
    ("a diameter, num_parallel_tree=5", xgboost.XGBRegressor(**forest, **options), diameters[:, 0]),
    ("two diameters", xgboost.XGBRegressor(**options), diameters),
):
    model.fit(table, target)
    graph = onnxmltools.convert_xgboost(model, initial_types=[("x", FloatTensorType([None, table.shape[1]]))])
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = model.predict_proba(table) if target is grade else model.predict(table)
    exported = np.asarray(session.run(None, {"x": table})[-1]).reshape(expected.shape)
    off[name] = float(np.abs(expected - exported).max())
    accuracy = f"; accuracy {(expected.argmax(1) == grade).mean():.3f} and {(exported.argmax(1) == grade).mean():.3f}" if target is grade else ""
    print(f"{name}: {np.ravel(expected).astype(float)[:4].round(3).tolist()} by XGBoost, {np.ravel(exported).astype(float)[:4].round(3).tolist()} by the graph, up to {off[name]:.2f} off{accuracy}")
right = "three grades", "a diameter", "a diameter, num_parallel_tree=5"
sys.exit(not (all(off[name] < 1e-3 for name in right) and off["three grades, num_parallel_tree=5"] > 0.3 and off["two diameters"] > 3))
P
echo "expected: the same numbers from the graph, or an error"
check
