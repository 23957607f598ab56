#!/usr/bin/env bash
# onnxmltools ignores what LightGBM does with the sum of the trees: its sigmoid, the one-against-all of multiclassova, the square of reg_sqrt and the mean of a random forest, without a message.
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
grade = np.digitize(score, [-0.7, 0.7])
days = score * 10 + 1000
options = dict(n_estimators=30, n_jobs=1, verbose=-1, deterministic=True)
forest = dict(boosting_type="rf", bagging_freq=1, bagging_fraction=0.6)
off = {}
for name, model, target in (
    ("two diagnoses", lightgbm.LGBMClassifier(**options), sick),
    ("two diagnoses, sigmoid=3", lightgbm.LGBMClassifier(sigmoid=3, **options), sick),
    ("two diagnoses, random forest", lightgbm.LGBMClassifier(**forest, **options), sick),
    ("three grades", lightgbm.LGBMClassifier(**options), grade),
    ("three grades, multiclassova", lightgbm.LGBMClassifier(objective="multiclassova", **options), grade),
    ("days", lightgbm.LGBMRegressor(**options), days),
    ("days, reg_sqrt", lightgbm.LGBMRegressor(reg_sqrt=True, **options), days),
    ("days, random forest", lightgbm.LGBMRegressor(**forest, **options), days),
):
    expected, exported = both(model.fit(table, target), table)
    exported = exported.reshape(expected.shape)
    off[name] = float(np.abs(expected - exported).max() / max(1, np.abs(expected).mean()))
    print(f"{name}: {np.ravel(expected)[:3].round(3).tolist()} by LightGBM, {np.ravel(exported).astype(float)[:3].round(3).tolist()} by the graph, up to {off[name]:.2f} off")
plain = "two diagnoses", "three grades", "days"
print("days: as a share of their mean")
sys.exit(not (all(off[name] < 1e-4 for name in plain) and all(off[name] > 0.15 for name in off if name not in (*plain, "days, random forest"))))
P
echo "expected: the same numbers from the graph, or an error"
check
