#!/usr/bin/env bash
# OpenVINO's max pooling of an ONNX graph with ceil_mode adds a row and a column of -3e38 where the last window lies outside of the image, as with 1 x 1 and a stride of 2.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, onnx, onnxruntime, openvino
from onnx import TensorProto, helper
from onnx.reference import ReferenceEvaluator

print("openvino", openvino.__version__, "onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
image = np.random.default_rng(0).random((1, 3, 16, 16)).astype(np.float32)
held = True
for kernel, stride, ceil in (1, 2, 0), (1, 2, 1), (2, 3, 1), (3, 2, 1), (2, 5, 1), (1, 4, 1):
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in "xyz"]
    nodes = [
        helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[kernel] * 2, strides=[stride] * 2, ceil_mode=ceil),
        helper.make_node("GlobalAveragePool", ["y"], ["z"]),
    ]
    model = helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:]), opset_imports=[helper.make_opsetid("", 22)], ir_version=10)
    onnx.checker.check_model(model)
    graph, core = model.SerializeToString(), openvino.Core()
    result = core.compile_model(core.read_model(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(image)
    found = [np.array(result[place]) for place in range(2)]
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]).run(None, {"x": image})
    right = ReferenceEvaluator(model).run(None, {"x": image})
    print(
        f"{kernel} x {kernel}, stride {stride}, ceil_mode {ceil}: {found[0].shape[2]} x {found[0].shape[3]}, smallest {found[0].min():.3g}, mean {found[1].mean():.3g} by OpenVINO;"
        f" {session[0].shape[2]} x {session[0].shape[3]}, {session[0].min():.3g} and {session[1].mean():.3g} by ONNX Runtime; {right[0].shape[2]} x {right[0].shape[3]} by the reference"
    )
    outside = bool(ceil) and (-(-(16 - kernel) // stride)) * stride >= 16  # the last window would start behind the image
    held &= (found[0].min() < -1e38) == outside and (found[0].shape != session[0].shape) == outside and np.array_equal(session[0], right[0])
sys.exit(not held)
P
echo "expected: a window that starts outside of the image is left out, as ONNX says: the smallest number is one of the image"
ORT_DISABLE_TELEMETRY=1 check
