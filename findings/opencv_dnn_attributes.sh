#!/usr/bin/env bash
# OpenCV's networks compute several nodes of an ONNX graph with other numbers and no error: a reversed GRU, the clip of an LSTM, the window of Attention, and Softmax before opset 13.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv opencv-python-headless==5.0.0.93 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import cv2, numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

print("opencv", cv2.__version__, "onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__, "numpy", np.__version__)
numbers = np.random.default_rng(0)
held = True


def compare(name, wrong, image, inputs, outputs, more, opset, operator, by_reference=False, **attributes):
    constants = [numpy_helper.from_array(value.astype(np.float32), key) for key, value in more.items()]
    named = [output for output in outputs if output]
    rank = 4 if named == ["y"] else 3
    graph = helper.make_graph([helper.make_node(operator, inputs, outputs, **attributes)], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, image.shape)], [helper.make_tensor_value_info(output, TensorProto.FLOAT, [None] * rank) for output in named], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    runner = ReferenceEvaluator(model) if by_reference else onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = runner.run(None, {"x": image})[0]
    network = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))
    network.setInput(image)
    got = np.asarray(network.forward(named)[0]).reshape(expected.shape)
    off = float(np.abs(got - expected).max())
    print(f"{name}: off by up to {off:.2f}, where the largest number is {np.abs(expected).max():.2f}")
    return (off > 0.05) == wrong


steps = numbers.normal(size=(6, 2, 3)).astype(np.float32)
for operator, gates, attributes, wrong in (
    ("GRU", 3, {"direction": "forward"}, False),
    ("GRU", 3, {"direction": "reverse"}, True),
    ("LSTM", 4, {"direction": "forward"}, False),
    ("LSTM", 4, {"direction": "reverse"}, True),
    ("LSTM", 4, {"direction": "forward", "clip": 0.2}, True),
):
    weights = {"w": numbers.normal(size=(1, gates * 4, 3)), "r": numbers.normal(size=(1, gates * 4, 4)), "b": numbers.normal(size=(1, gates * 8))}
    held &= compare(f"last state of {operator}, {attributes}", wrong, steps, ["x", "w", "r", "b"], ["", "last"], weights, 17, operator, hidden_size=4, **attributes)
tokens = numbers.normal(size=(1, 2, 12, 4)).astype(np.float32)
for attributes, wrong in ({}, False), ({"is_causal": 1}, False), ({"left_window_size": 2, "right_window_size": 1}, True):
    held &= compare(f"Attention, {attributes}", wrong, tokens, ["x", "x", "x"], ["y"], {}, 25, "Attention", by_reference=True, **attributes)
for opset, wrong in (11, True), (13, False):
    held &= compare(f"Softmax(axis=1) of 4 x 5 x 5 numbers in opset {opset}", wrong, numbers.normal(size=(1, 4, 5, 5)).astype(np.float32), ["x"], ["y"], {}, opset, "Softmax", axis=1)
sys.exit(not held)
P
echo "expected: differences of 0.00, or a refusal; before opset 13, Softmax(axis=1) is over all that follows the first axis"
check
