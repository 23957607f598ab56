#!/usr/bin/env bash
# onnx.version_converter changes what a graph says: linear resizing moves by part of a pixel, and hardmax picks along another axis.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper, version_converter

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
row = np.arange(0, 200, 40, dtype=np.float32)[None, None, None]


def graph(node, opset, constants=()):
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in "xy"]
    made = helper.make_graph([node], "g", ends[:1], ends[1:], [numpy_helper.from_array(value, name) for name, value in constants])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def run(model, values):
    onnx.checker.check_model(model, full_check=True)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": values})[0]


scales = ("s", np.float32([1, 1, 1, 2]))
cases = {
    "Upsample, linear, opset 9": (graph(helper.make_node("Upsample", ["x", "s"], ["y"], mode="linear"), 9, [scales]), row),
    "Upsample, nearest, opset 9": (graph(helper.make_node("Upsample", ["x", "s"], ["y"], mode="nearest"), 9, [scales]), row),
    "Resize, linear, opset 10": (graph(helper.make_node("Resize", ["x", "s"], ["y"], mode="linear"), 10, [scales]), row),
    "Hardmax, opset 11": (graph(helper.make_node("Hardmax", ["x"], ["y"]), 11), np.float32([3, 1, 2, 5, 4, 0]).reshape(1, 3, 2, 1)),
    "Softmax, opset 11": (graph(helper.make_node("Softmax", ["x"], ["y"]), 11), np.float32([3, 1, 2, 5, 4, 0]).reshape(1, 3, 2, 1)),
}
same = []
for name, (model, values) in cases.items():
    before, after = run(model, values), run(version_converter.convert_version(model, 18), values)
    same.append(np.allclose(before, after, atol=1e-4))
    print(f"{name}, converted to 18: {'the same' if same[-1] else 'others'}")
    if not same[-1]:
        print("  before", *before.ravel().round(2).tolist())
        print("  after ", *after.ravel().round(2).tolist())
sys.exit(same != [False, True, False, False, True])
P
echo "expected: a converted graph computes what it computed before, or the conversion fails"
ORT_DISABLE_TELEMETRY=1 check
