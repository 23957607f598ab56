#!/usr/bin/env bash
# In ONNX Runtime's ReduceMax, ReduceMin and ArgMax a NaN counts where it is the first value and is skipped everywhere else, and GlobalMaxPool skips it always: features with NaN in them look fine, or are NaN, by the place of the NaN.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper

print(*(f"{name} {version(name)}" for name in ("onnxruntime", "onnx")))
random = np.random.default_rng(0)


def session(operator, shape, axes=None, **attributes):
    """A graph of this one operator."""
    constants = [helper.make_tensor("axes", TensorProto.INT64, [len(axes)], axes)] if axes else []
    node = helper.make_node(operator, ["values", "axes"] if axes else ["values"], ["result"], **attributes)
    out = helper.make_tensor_value_info("result", TensorProto.INT64 if operator.startswith("Arg") else TensorProto.FLOAT, [1] if operator.startswith("Arg") else [1, 1, 1, 1])
    graph = helper.make_graph([node], "g", [helper.make_tensor_value_info("values", TensorProto.FLOAT, shape)], [out], constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    checker.check_model(made)
    return onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])


maps = random.normal(size=(1, 1, 7, 7)).astype(np.float32)
reducers = {"ReduceMax": session("ReduceMax", [1, 1, 7, 7], [2, 3]), "ReduceMin": session("ReduceMin", [1, 1, 7, 7], [2, 3]), "GlobalMaxPool": session("GlobalMaxPool", [1, 1, 7, 7]), "ReduceMean": session("ReduceMean", [1, 1, 7, 7], [2, 3])}
found = {}
for place in ((0, 0), (0, 1), (3, 3), (6, 6)):
    spoiled = maps.copy()
    spoiled[0, 0, place[0], place[1]] = np.nan
    for name, each in reducers.items():
        found[name, place] = float(each.run(None, {"values": spoiled})[0].ravel()[0])
    print(f"NaN at {place}:", ", ".join(f"{name} {found[name, place]:.3f}" for name in reducers), f"; by NumPy {spoiled.max():.3f}")
arg = session("ArgMax", [1, 7], axis=1, keepdims=0)
logits = np.array([[0.1, 0.2, 3.0, 0.4, 0.5, 0.6, 0.7]], np.float32)
called = []
for place in range(7):
    spoiled = logits.copy()
    spoiled[0, place] = np.nan
    called.append(int(arg.run(None, {"values": spoiled})[0][0]))
print("ArgMax with NaN at 0 to 6:", called, "; by NumPy it is NaN's place:", [int(np.argmax(np.where(np.arange(7) == place, np.nan, logits[0]))) for place in range(7)])
later = ((0, 1), (3, 3), (6, 6))
held = all(np.isnan(found[name, (0, 0)]) and all(np.isfinite(found[name, place]) for place in later) for name in ("ReduceMax", "ReduceMin"))
sys.exit(not (held and all(np.isnan(found["ReduceMean", place]) for place in later) and called[0] == 0 and called[1] == 2 and called[6] == 2))
P
echo "expected: NaN wherever it is, as for a mean and by NumPy, or nowhere"
check
