#!/usr/bin/env bash
# ONNX Runtime draws 1 with the opposite probability in ONNX's Bernoulli: 10 % ones for a probability of 0.9, and none for 1, without a message; onnx's reference evaluator draws 90 %.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np
import onnxruntime
from onnx import TensorProto, checker, helper
from onnx.reference import ReferenceEvaluator

print(*(f"{name} {version(name)}" for name in ("onnxruntime", "onnx")))
count = 20000


def model(opset):
    nodes = [helper.make_node("Bernoulli", ["probability"], ["drawn"]), helper.make_node("Mul", ["features", "drawn"], ["kept"])]
    tensors = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [count]) for name in ("probability", "features", "drawn", "kept")]
    graph = helper.make_graph(nodes, "dropped_features", tensors[:2], tensors[2:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    checker.check_model(made, full_check=True)
    return made


shares = {}
for opset in (15, 21):
    session = onnxruntime.InferenceSession(model(opset).SerializeToString(), providers=["CPUExecutionProvider"])
    reference = ReferenceEvaluator(model(opset))
    for probability in (0.0, 0.05, 0.5, 0.9, 1.0):
        feed = {"probability": np.full(count, probability, np.float32), "features": np.ones(count, np.float32)}
        shares[opset, probability] = [float(each.run(None, feed)[0].mean()) for each in (session, reference)]
        print(f"opset {opset}, probability {probability}: a share of ones of {shares[opset, probability][0]:.3f}, by the reference {shares[opset, probability][1]:.3f}")
wrong = all(abs(found - (1 - probability)) < 0.02 for (_, probability), (found, _) in shares.items())
right = all(abs(found - probability) < 0.02 for (_, probability), (_, found) in shares.items())
sys.exit(not (wrong and right))
P
echo "expected: ones with the probability that the input states, as the operator's documentation says"
check
