#!/usr/bin/env bash
# OpenVINO computes int64 in 32 bits and float64 in float32: of an id of an ONNX graph only the lower half is left, so that other images count as equal, and a time in milliseconds is negative, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv openvino==2026.4.0 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np, onnx, onnxruntime, openvino
from onnx import TensorProto, helper

print(*(f"{name} {version(name)}" for name in ("openvino", "onnx", "onnxruntime")))
core = openvino.Core()
kinds = {"int64": TensorProto.INT64, "uint64": TensorProto.UINT64, "float64": TensorProto.DOUBLE, "int32": TensorProto.INT32, "bool": TensorProto.BOOL}


def both(operator, kind, first, second, answer=None):
    """The numbers of OpenVINO and of ONNX Runtime for an operator of two inputs, as PyTorch exports it."""
    first, second = (np.array(each, kind) for each in (first, second))
    inputs = [helper.make_tensor_value_info(name, kinds[kind], each.shape) for name, each in (("a", first), ("b", second))]
    graph = helper.make_graph([helper.make_node(operator, ["a", "b"], ["c"])], "g", inputs, [helper.make_tensor_value_info("c", kinds[answer or kind], first.shape)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    right = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"a": first, "b": second})[0]
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled([first, second])[0], right


day = 1_764_547_200_000  # 1 December 2025 in milliseconds
cases = {
    "a time in milliseconds and an hour": ("Add", "int64", [day], [3_600_000]),
    "fingerprints of 64 bits that are equal": ("Equal", "int64", [2**40 + 7, 2**50 + 7, 8], [2**40 + 7, 2**41 + 7, 2**35 + 8], "bool"),
    "a number of bytes, 3 GB, twice": ("Mul", "int64", [3_000_000_000], [2]),
    "2^31 is larger than 1": ("Greater", "int64", [2**31], [1], "bool"),
    "seconds with thousandths, float64, difference": ("Sub", "float64", [1_764_547_200.75], [1_764_547_200.25]),
    "2 billion less 1 billion, int64": ("Sub", "int64", [2_000_000_000], [1_000_000_000]),
}
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, case in cases.items():
        found[name] = both(*case)
        print(f"{name}: {found[name][0].tolist()} of {found[name][0].dtype} by OpenVINO, {found[name][1].tolist()} by ONNX Runtime")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
equal = {name: np.array_equal(*pair) for name, pair in found.items()}
sys.exit(not (not equal["a time in milliseconds and an hour"] and found["fingerprints of 64 bits that are equal"][0].sum() > 1 and not equal["seconds with thousandths, float64, difference"] and equal["2 billion less 1 billion, int64"]))
P
echo "expected: the numbers of ONNX Runtime, or an error for types that are not supported"
check
