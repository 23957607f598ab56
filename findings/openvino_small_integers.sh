#!/usr/bin/env bash
# OpenVINO stops at 0 and 255 where ONNX's uint8 wraps around, and in int8 a difference stops while a sum wraps around; the mean and the sum of an image of uint8 are 0, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv openvino==2026.4.0 onnx==1.23.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np, onnx, openvino
from onnx import helper
from onnx.reference import ReferenceEvaluator
from openvino import opset13 as operators

print(*(f"{name} {version(name)}" for name in ("openvino", "onnx")))
core = openvino.Core()
first, second = np.array([10, 200, 60, 255], np.uint8), np.array([200, 100, 30, 255], np.uint8)


def from_onnx(operator, kind):
    a, b = first.astype(kind), second.astype(kind)
    number = helper.np_dtype_to_tensor_dtype(a.dtype)
    values = [helper.make_tensor_value_info(name, number, (4,)) for name in "abc"]
    model = helper.make_model(helper.make_graph([helper.make_node(operator, ["a", "b"], ["c"])], "g", values[:2], values[2:]), opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return compiled([a, b])[0], ReferenceEvaluator(model).run(None, {"a": a, "b": b})[0]


def over_image(operator, kind):
    image = np.tile(first, 100).astype(kind)
    given = operators.parameter([400], image.dtype)
    model = openvino.Model([operators.result(operator(given, [0], False))], [given])
    return core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})([image])[0]


found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for operator in ("Sub", "Add", "Mul"):
        for kind in (np.uint8, np.int8, np.uint16, np.int16):
            answer, right = from_onnx(operator, kind)
            found[operator, kind] = answer.tolist(), right.tolist()
            print(f"{operator} of {kind.__name__}: {answer.tolist()}, by the reference {right.tolist()}")
    for kind in (np.uint8, np.uint16, np.int32):
        found["mean", kind] = int(over_image(operators.reduce_mean, kind)), int(over_image(operators.reduce_sum, kind))
        print(f"an image of {kind.__name__} with a mean of 131.25: mean {found['mean', kind][0]}, sum {found['mean', kind][1]} of 52500")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
stops = found["Sub", np.uint8][0] == [0, 100, 30, 0] and found["Add", np.uint8][0][1] == 255 and found["Add", np.uint8][1][1] == 44
wraps = found["Add", np.int8][0][:1] == [-46] and found["Sub", np.uint16][0][0] == 65346
sys.exit(not (stops and wraps and found["mean", np.uint8][0] == 0 and found["mean", np.uint16] == (131, 52500)))
P
echo "expected: one rule for all integers, that of the reference, and a mean of 131"
check
