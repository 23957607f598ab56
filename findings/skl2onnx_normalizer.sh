#!/usr/bin/env bash
# skl2onnx divides by the largest number where Normalizer("max") divides by the largest absolute one: rows are many times too large or have their signs turned, and a classifier behind it is wrong, without a message; l1 and l2 are right.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv skl2onnx==1.20.0 scikit-learn==1.9.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np, onnxruntime
from skl2onnx import to_onnx
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

print(*(f"{name} {version(name)}" for name in ("skl2onnx", "scikit-learn", "onnxruntime")))
random = np.random.default_rng(0)
rows = random.normal(size=(2000, 4)).astype(np.float32)  # features of a network
labels = (rows[:, 0] + rows[:, 1] > 0).astype(int)


def run(model, array):
    session = onnxruntime.InferenceSession(to_onnx(model, array[:1]).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {"X": array})[0]


apart, accuracy = {}, {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for norm in ("l1", "l2", "max"):
        for name, array in (("with both signs", rows), ("all positive", np.abs(rows))):
            right = Normalizer(norm).fit_transform(array)
            answer = run(Normalizer(norm).fit(array), array)
            apart[norm, name] = float(np.abs(answer - right).max())
            turned = (np.sign(answer) != np.sign(right)).any(1).mean()
            print(f"Normalizer({norm}), features {name}: up to {apart[norm, name]:.3g} off, the signs of {turned:.1%} of the rows turned")
        model = make_pipeline(Normalizer(norm), LogisticRegression()).fit(rows, labels)
        accuracy[norm] = float((model.predict(rows) == labels).mean()), float((run(model, rows) == labels).mean())
        print(f"  a logistic regression behind it: accuracy {accuracy[norm][0]:.3f}, from the graph {accuracy[norm][1]:.3f}")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
sys.exit(not (apart["max", "with both signs"] > 5 and max(value for key, value in apart.items() if key != ("max", "with both signs")) < 1e-5 and accuracy["max"][1] < accuracy["max"][0] - 0.02 and abs(accuracy["l2"][0] - accuracy["l2"][1]) < 0.002))
P
echo "expected: the numbers of scikit-learn, as for l1 and l2"
check
