#!/usr/bin/env bash
# tract runs an LSTM, GRU or RNN whose direction is reverse forwards, computes CELU without its factor alpha below 0 and ignores SpaceToDepth's mode, without a message; bidirectional ones are right.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tract==0.23.9 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np, onnx, onnx.reference, onnxruntime, tract
from onnx import TensorProto, helper, numpy_helper

print(*(f"{name} {version(name)}" for name in ("tract", "onnx", "onnxruntime")))
random = np.random.default_rng(0)
visits = random.normal(size=(5, 1, 3)).astype(np.float32)  # three features of one lesion at five visits
maps = np.arange(32, dtype=np.float32).reshape(1, 2, 4, 4)


def shown(numbers):
    return " ".join(f"{number:.2f}" for number in numbers.ravel()[:4])


def answers(node, given, opset):
    weights = {}
    if node.op_type in ("LSTM", "GRU", "RNN"):
        gates, ways = {"LSTM": 4, "GRU": 3, "RNN": 1}[node.op_type], 2 if node.attribute[0].s == b"bidirectional" else 1
        seeded = np.random.default_rng(1)
        weights = {"W": seeded.normal(size=(ways, gates * 4, 3)).astype(np.float32), "R": seeded.normal(size=(ways, gates * 4, 4)).astype(np.float32)}
    kind = helper.np_dtype_to_tensor_dtype(given.dtype)
    graph = helper.make_graph(
        [node], "lesion", [helper.make_tensor_value_info("x", kind, given.shape)], [helper.make_tensor_value_info("y", kind, (None,) * (1 if node.op_type == "Celu" else 4))],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, "graph.onnx")
    right = onnx.reference.ReferenceEvaluator(model).run(None, {"x": given})[0]
    runtime = None
    if opset < 27:
        runtime = onnxruntime.InferenceSession("graph.onnx", providers=["CPUExecutionProvider"]).run(None, {"x": given})[0]
    return tract.onnx().load("graph.onnx").into_model().into_runnable().run([given])[0].to_numpy(), right, runtime


cases = {}
for cell in ("LSTM", "GRU", "RNN"):
    for direction in ("forward", "reverse", "bidirectional"):
        cases[f"{cell}, {direction}"] = helper.make_node(cell, ["x", "W", "R"], ["y"], direction=direction, hidden_size=4), visits, 22
for alpha in (1.0, 2.0):
    cases[f"Celu, alpha={alpha}"] = helper.make_node("Celu", ["x"], ["y"], alpha=alpha), np.linspace(-3, 3, 7, dtype=np.float32), 22
for mode in ("DCR", "CRD"):
    cases[f"SpaceToDepth, {mode}"] = helper.make_node("SpaceToDepth", ["x"], ["y"], blocksize=2, mode=mode), maps, 28
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, (node, given, opset) in cases.items():
        answer, right, runtime = answers(node, given, opset)
        assert runtime is None or np.allclose(runtime, right, atol=1e-4)
        off = float(np.abs(answer.astype(float) - right.astype(float)).max())
        found[name] = off > 0.01
        print(f"{name}: {'up to ' + format(off, '.2f') + ' off' if found[name] else 'right'}; {shown(answer)} instead of {shown(right)}")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
sys.exit([name for name, wrong in found.items() if wrong] != ["LSTM, reverse", "GRU, reverse", "RNN, reverse", "Celu, alpha=2.0", "SpaceToDepth, CRD"])
P
echo "expected: the numbers of ONNX's reference and of ONNX Runtime, or an error, as for operators that tract doesn't have"
cd "$folder" && check
