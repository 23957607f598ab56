#!/usr/bin/env bash
# OpenCV's networks pad at the wrong side for an ONNX graph's auto_pad: convolutions and pooling of 3 x 3 with a stride of 2 over 224 pixels are shifted, without an error.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv opencv-python-headless==5.0.0.93 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import cv2, numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper

print("opencv", cv2.__version__, "onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__, "numpy", np.__version__)
numbers = np.random.default_rng(0)


def outputs(operator, image, **attributes):
    weights, inputs = [], ["x"]
    if "Conv" in operator:
        weights, inputs = [numpy_helper.from_array(numbers.normal(size=(3, 3, *attributes["kernel_shape"])).astype(np.float32), "w")], ["x", "w"]
    graph = helper.make_graph([helper.make_node(operator, inputs, ["y"], **attributes)], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, image.shape)], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    expected = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": image})[0]
    network = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))
    network.setInput(image)
    return expected, network.forward()


held = True
for side, kernel, stride, wrong in (224, 3, 2, "SAME_UPPER"), (224, 5, 2, "SAME_UPPER"), (32, 2, 1, "SAME_LOWER"), (225, 3, 2, ""), (224, 3, 1, ""):
    image = numbers.normal(size=(1, 3, side, side)).astype(np.float32)
    for auto_pad in "SAME_UPPER", "SAME_LOWER":
        found = []
        for operator in "Conv", "MaxPool", "AveragePool":
            expected, got = outputs(operator, image, auto_pad=auto_pad, kernel_shape=[kernel, kernel], strides=[stride, stride])
            found.append(float(np.abs(got - expected).mean() / expected.std()))
        print(f"{kernel} x {kernel}, stride {stride}, {side} pixels, {auto_pad}: a mean difference of {found[0]:.2f}, {found[1]:.2f} and {found[2]:.2f} standard deviations for a convolution, maxima and means")
        held &= min(found) > 0.2 if auto_pad == wrong else max(found) < 1e-4
expected, got = outputs("ConvTranspose", numbers.normal(size=(1, 3, 8, 8)).astype(np.float32), auto_pad="SAME_UPPER", kernel_shape=[3, 3], strides=[2, 2])
print(f"a transposed convolution with stride 2 and SAME_UPPER makes {got.shape[2:]} of (8, 8), by ONNX Runtime {expected.shape[2:]}")
sys.exit(not (held and got.shape[2:] != (16, 16) and expected.shape[2:] == (16, 16)))
P
echo "expected: differences of 0.00, since SAME_UPPER puts the odd border pixel at the end and SAME_LOWER at the beginning"
check
