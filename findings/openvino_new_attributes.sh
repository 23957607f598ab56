#!/usr/bin/env bash
# OpenVINO compiles graphs of opsets that it does not know and ignores what is new in them, the window of Attention, and the older layout of LSTM and GRU: other numbers, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, onnx, openvino
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

print("openvino", openvino.__version__, "onnx", onnx.__version__)
random = np.random.default_rng(0)


def both(opset, kind, inputs, outputs, constants=(), **attributes):
    """Whether OpenVINO's first output is that of the reference, and both in words."""
    given = {f"x{place}": each for place, each in enumerate(inputs)}
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, each.shape) for name, each in given.items()]
    results = [helper.make_tensor_value_info(f"y{place}", TensorProto.FLOAT, shape) for place, shape in enumerate(outputs)]
    weights = [numpy_helper.from_array(each, f"w{place}") for place, each in enumerate(constants)]
    node = helper.make_node(kind, [*given, *(each.name for each in weights)], [each.name for each in results], **attributes)
    model = helper.make_model(helper.make_graph([node], "g", ends, results, weights), opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(model)
    right = ReferenceEvaluator(model).run(None, given)[0]
    core = openvino.Core()
    found = np.array(core.compile_model(core.read_model(model.SerializeToString()), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})(list(given.values()))[0])
    if found.shape != right.shape:
        turned = found.transpose(0, 2, 1, 3)  # as the batch, the direction, the visits, the numbers
        return False, f"shape {found.shape} instead of {right.shape}, and in the right order {np.abs(turned - right).max():.4f} off"
    off = float(np.abs(found - right).max())
    return off < 1e-4, f"{off:.4f} off, where the largest number is {np.abs(right).max():.2f}"


tokens = [random.normal(size=(1, 2, 12, 8)).astype(np.float32) for _ in range(3)]
sequence = random.normal(size=(3, 5, 4)).astype(np.float32)  # three patients, five visits, four numbers
held = True
for name, window in ("none", {}), ("the 2 before", {"left_window_size": 2, "right_window_size": 0}), ("1 on each side", {"left_window_size": 1, "right_window_size": 1}):
    same, words = both(25, "Attention", tokens, [tokens[0].shape], **window)
    print(f"Attention, window {name}: {words}")
    held &= same == (name == "none")
for kind, gates in ("LSTM", 4), ("GRU", 3):
    for layout, given in (0, sequence.transpose(1, 0, 2).copy()), (1, sequence):
        sizes = (1, gates * 6, 4), (1, gates * 6, 6)
        weights = [np.random.default_rng(place).normal(size=size).astype(np.float32) for place, size in enumerate(sizes)]
        shape = [5, 1, 3, 6] if layout == 0 else [3, 5, 1, 6]
        same, words = both(22, kind, [given], [shape], weights, hidden_size=6, layout=layout)
        print(f"{kind}, {'batch' if layout else 'time'} first: {words}")
        held &= same == (layout == 0)
sys.exit(not held)
P
echo "expected: the numbers of ONNX's reference, or an error that says what is not supported"
check
