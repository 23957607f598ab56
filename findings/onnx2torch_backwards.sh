#!/usr/bin/env bash
# onnx2torch adds up backwards: CumSum without the attribute `reverse` runs from the end, NonZero is transposed and IsInf ignores the sign, without a message, while ONNX Runtime and the converter's other operators are right.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnx2torch==1.5.15 torch==2.14.1 torchvision==0.29.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np, onnxruntime, torch
from onnx import TensorProto, checker, helper
from onnx2torch import convert

print(*(f"{name} {version(name)}" for name in ("onnx2torch", "torch", "onnx", "onnxruntime")))
hazards = np.array([[0.02, 0.05, 0.10, 0.20]], np.float32)  # risk of a melanoma in each of four years
found = {}


def both(name, array, output, opset=14, constant=None, **attributes):
    kind = {"float32": TensorProto.FLOAT, "bool": TensorProto.BOOL}[str(array.dtype)]
    inputs = ["x"] + (["axis"] if constant is not None else [])
    constants = [helper.make_tensor("axis", TensorProto.INT64, (), [constant])] if constant is not None else []
    graph = helper.make_graph([helper.make_node(name, inputs, ["y"], **attributes)], "g", [helper.make_tensor_value_info("x", kind, array.shape)], [helper.make_tensor_value_info("y", output, [2, "n"] if name == "NonZero" else array.shape)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    checker.check_model(model)
    right = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": array})[0]
    answer = convert(model)(torch.from_numpy(array)).numpy()
    found[name, *attributes] = answer, right
    print(f"{name} {attributes or ''}: {np.array2string(answer, precision=2).replace(chr(10), '')}, by ONNX Runtime {np.array2string(right, precision=2).replace(chr(10), '')}")


with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    both("CumSum", hazards, TensorProto.FLOAT, constant=1)
    both("CumSum", hazards, TensorProto.FLOAT, constant=1, exclusive=1)
    both("CumSum", hazards, TensorProto.FLOAT, constant=1, reverse=0)
    both("NonZero", hazards > 0.06, TensorProto.INT64)
    both("IsInf", np.array([1, np.inf, -np.inf], np.float32), TensorProto.BOOL, detect_negative=0)
    both("Softmax", hazards, TensorProto.FLOAT, axis=1)
print("warnings:", sorted({str(each.message)[:60] for each in said if "onnx2torch" in str(each.filename)}) or "none")
plain, exclusive, stated = found["CumSum",], found["CumSum", "exclusive"], found["CumSum", "reverse"]
sys.exit(
    not (
        np.allclose(plain[0][0], hazards[0, ::-1].cumsum()[::-1]) and np.allclose(plain[1][0], hazards[0].cumsum()) and abs(exclusive[0] - exclusive[1]).max() > 0.1
        and np.allclose(*stated) and found["NonZero",][0].shape == (2, 2) and (found["NonZero",][0] == found["NonZero",][1].T).all() and (found["IsInf", "detect_negative"][0] != found["IsInf", "detect_negative"][1]).any() and np.allclose(*found["Softmax", "axis"])
    )
)
P
echo "expected: the numbers of ONNX Runtime, as for other operators, or an error"
check
