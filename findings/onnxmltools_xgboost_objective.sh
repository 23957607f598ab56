#!/usr/bin/env bash
# onnxmltools exports XGBoost's reg:logistic and binary:hinge without their last step: the ONNX graph's probabilities are logits, -4 to 4, and its answers 0 and 1 are sums, without a message.
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
sick = (score + numbers.normal(0, 0.5, len(score)) > 0).astype(int)
share = 1 / (1 + np.exp(-score))  # of readers who say melanoma
counts = numbers.poisson(np.exp(score / 3))
off = {}
for objective, target in ("reg:squarederror", share), ("count:poisson", counts), ("reg:gamma", share), ("reg:logistic", share), ("binary:hinge", sick):
    model = xgboost.XGBRegressor(objective=objective, n_estimators=20, max_depth=4, n_jobs=1, random_state=0).fit(table, target)
    graph = onnxmltools.convert_xgboost(model, initial_types=[("x", FloatTensorType([None, table.shape[1]]))])
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=["CPUExecutionProvider"])
    expected, exported = model.predict(table).astype(float), np.ravel(session.run(None, {"x": table})[-1]).astype(float)
    off[objective] = np.abs(expected - exported).max()
    print(f"{objective}: {expected.min():.2f} to {expected.max():.2f} by XGBoost, {exported.min():.2f} to {exported.max():.2f} by the graph, up to {off[objective]:.2f} off; above 0.5 are {(expected > 0.5).mean():.1%} and {(exported > 0.5).mean():.1%}")
wrong = "reg:logistic", "binary:hinge"
sys.exit(not (all(off[objective] > 1 for objective in wrong) and all(value < 1e-2 for objective, value in off.items() if objective not in wrong)))
P
echo "expected: the same numbers from the graph, or an error"
check
