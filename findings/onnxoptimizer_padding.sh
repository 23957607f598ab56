#!/usr/bin/env bash
# onnxoptimizer moves a border of zeros into max pooling, which pads with the smallest number, and into average pooling, which does not count its own border: other numbers, no error.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnxoptimizer==0.4.2 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np, onnx, onnxoptimizer, onnxruntime
from onnx import TensorProto, helper, numpy_helper

print(*(f"{name} {version(name)}" for name in ("onnxoptimizer", "onnx", "onnxruntime", "numpy")))
image = np.random.default_rng(0).normal(-1, 1, (1, 3, 8, 8)).astype(np.float32)  # features before an activation


def difference(operator, **attributes):
    nodes = [helper.make_node("Pad", ["x", "border"], ["padded"]), helper.make_node(operator, ["padded"], ["y"], kernel_shape=[3, 3], strides=[2, 2], **attributes)]
    border = numpy_helper.from_array(np.array([0, 0, 1, 1, 0, 0, 1, 1]), "border")
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, image.shape)], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)], [border])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    new = onnxoptimizer.optimize(model)
    onnx.checker.check_model(new, full_check=True)
    before, after = (onnxruntime.InferenceSession(each.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": image})[0] for each in (model, new))
    shapes = before.shape == after.shape
    off = float(np.abs(before - after).max()) if shapes else float("nan")
    print(f"{operator} {attributes}: {[node.op_type for node in new.graph.node]} instead of {[node.op_type for node in model.graph.node]};", f"off by up to {off:.2f}" if shapes else f"{after.shape} instead of {before.shape}")
    return off


maxima, more, means, counted, same = difference("MaxPool"), difference("MaxPool", pads=[1, 1, 1, 1]), difference("AveragePool", pads=[1, 1, 1, 1]), difference("AveragePool"), difference("AveragePool", auto_pad="SAME_UPPER")
sys.exit(not (maxima > 0.5 and more > 0.5 and means > 0.1 and counted < 1e-5 and np.isnan(same)))
P
echo "expected: the same numbers as before, by up to 0.00"
check
