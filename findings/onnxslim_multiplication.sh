#!/usr/bin/env bash
# onnxslim takes what multiplies the columns of a convolution's result for one factor a channel, where there are as many columns as channels.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnxslim==0.1.98 onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np, onnx, onnxruntime, onnxslim
from onnx import TensorProto, helper, numpy_helper

print(*(f"{name} {version(name)}" for name in ("onnxslim", "onnx", "onnxruntime")))
random = np.random.default_rng(0)
features = random.normal(size=(1, 16, 7, 7)).astype(np.float32)  # 7 x 7, as of an image of 224 x 224
kernel = random.normal(size=(7, 16, 1, 1)).astype(np.float32)  # seven diagnoses
window = np.hanning(9)[1:8].astype(np.float32)  # what is in the middle counts more than the edge


def computed(model):
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": features})[0]


off = []
for name, factors in (("columns", window), ("rows", window[:, None]), ("channels", window[:, None, None])):
    nodes = [helper.make_node("Conv", ["x", "w"], ["map"]), helper.make_node("Mul", ["map", "f"], ["y"])]
    ends = (helper.make_tensor_value_info(end, TensorProto.FLOAT, [1, size, 7, 7]) for end, size in (("x", 16), ("y", 7)))
    graph = helper.make_graph(nodes, "g", [next(ends)], [next(ends)], [numpy_helper.from_array(kernel, "w"), numpy_helper.from_array(factors, "f")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    expected = computed(model)
    slim = onnxslim.slim(model)
    off.append(np.abs(computed(slim) - expected).max())
    print(f"times one factor for each of 7 {name} {factors.shape}: {' and '.join(node.op_type for node in slim.graph.node)}, {off[-1]:.2g} off of {np.abs(expected).max():.2g}")
sys.exit(not (off[0] > 1 and off[1] > 1 and off[2] < 1e-4))
P
echo "expected: a slimmed graph computes what it computed; shapes are matched from the end, so that (7,) are columns and (7, 1) rows"
ORT_DISABLE_TELEMETRY=1 check
