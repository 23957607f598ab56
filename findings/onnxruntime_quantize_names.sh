#!/usr/bin/env bash
# ONNX Runtime: quantize_static takes a constant that is named like a tensor with _scale behind for the scale that it should add itself.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantType, quantize_static

print(*(f"{name} {version(name)}" for name in ("onnxruntime", "onnx")))
images = np.random.default_rng(0).normal(size=(16, 3, 8, 8)).astype(np.float32)
kernel = np.random.default_rng(1).normal(size=(4, 3, 3, 3)).astype(np.float32)


class Images(CalibrationDataReader):
    def __init__(self):
        self.left = iter(images)

    def get_next(self):
        image = next(self.left, None)
        return None if image is None else {"x": image[None]}


def run(file):
    return onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"]).run(None, {"x": images})[0]


error = {}
for name in ("y_factor", "y_scale"):
    nodes = [helper.make_node("Mul", ["x", name], ["y"]), helper.make_node("Conv", ["y", "kernel"], ["z"])]
    graph = helper.make_graph(
        nodes, "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 8, 8])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, ["batch", 4, 6, 6])],
        [numpy_helper.from_array(np.float32(4), name), numpy_helper.from_array(kernel, "kernel")],
    )
    plain, quantised = f"{sys.argv[1]}/plain.onnx", f"{sys.argv[1]}/quantised.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8), plain)
    quantize_static(plain, quantised, Images(), op_types_to_quantize=["Conv"], weight_type=QuantType.QInt8)
    error[name] = float(np.abs(run(quantised) - run(plain)).max() / np.abs(run(plain)).max())
    print(f"y = x * {name}: the quantised graph is off by {error[name]:.1%} of the largest output")
sys.exit(not (error["y_factor"] < 0.03 and error["y_scale"] > 0.1))
P
echo "expected: the name of a constant changes nothing"
ORT_DISABLE_TELEMETRY=1 check "$folder"
