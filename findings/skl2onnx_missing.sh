#!/usr/bin/env bash
# skl2onnx sends a missing value down the wrong branch of a tree, and a power transformation makes a number of it; an imputer loses its indicators.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv skl2onnx==1.20.0 scikit-learn==1.9.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, onnx, onnxruntime, skl2onnx, sklearn
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import PowerTransformer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

print("skl2onnx", skl2onnx.__version__, "scikit-learn", sklearn.__version__, "onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
random = np.random.default_rng(0)
table = random.normal(size=(2000, 6)).astype(np.float32)  # age, diameter, ...
gaps = table.copy()
gaps[random.random(table.shape) < 0.2] = np.nan
melanoma = (np.isnan(gaps[:, 0]) | (gaps[:, 1] > 0.5)).astype(int)


def graph(model, rows, options=None):
    made = skl2onnx.to_onnx(model, rows[:1], options=options)
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {made.graph.input[0].name: rows})


held = True
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for model in (DecisionTreeClassifier(max_depth=4, random_state=0), RandomForestClassifier(20, max_depth=6, random_state=0), ExtraTreesClassifier(20, max_depth=6, random_state=0)):
        off = {}
        for name, rows in ("complete", table), ("with gaps", gaps):
            labels, probabilities = graph(model.fit(rows, melanoma), rows, {"zipmap": False})
            off[name] = float(np.abs(probabilities - model.predict_proba(rows)).max())
            right = float((model.predict(rows) == melanoma).mean())
            print(f"{type(model).__name__}, {name}: probabilities off by up to {off[name]:.6f}; accuracy {right:.3f} in scikit-learn, {float((labels == melanoma).mean()):.3f} in the graph")
        held &= off["complete"] < 1e-5 and off["with gaps"] > 0.4
    for model in StandardScaler(), PowerTransformer():
        rows, numbers = model.fit(gaps).transform(gaps), graph(model, gaps)[0]
        print(f"{type(model).__name__}: {np.isnan(rows).sum()} missing values in scikit-learn, {np.isnan(numbers).sum()} in the graph")
        held &= np.isnan(rows).sum() > 2000 and (np.isnan(numbers).sum() == 0) == isinstance(model, PowerTransformer)
    imputer = SimpleImputer(add_indicator=True).fit(gaps)
    shapes = imputer.transform(gaps).shape, graph(imputer, gaps)[0].shape
    print(f"SimpleImputer(add_indicator=True): {shapes[0][1]} columns in scikit-learn, {shapes[1][1]} in the graph")
print("warnings:", [str(each.message)[:80] for each in told])
sys.exit(not (held and shapes == ((2000, 12), (2000, 6)) and not told))
P
echo "expected: the same from the graph as from scikit-learn, whose trees accept missing values, or an error"
ORT_DISABLE_TELEMETRY=1 check
