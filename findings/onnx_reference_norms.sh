#!/usr/bin/env bash
# onnx's reference evaluator, which others are checked against, divides by the sum of the numbers instead of their absolute values in LpNormalization, counts ignored labels in the mean of a negative log likelihood, and leaves out the last row of SAME_LOWER pooling.
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

print(*(f"{name} {version(name)}" for name in ("onnx", "onnxruntime")))
random = np.random.default_rng(0)


def both(operator, inputs, **attributes):
    """What the reference evaluator and ONNX Runtime make of one operator."""
    names = [f"input{i}" for i in range(len(inputs))]
    given = [helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(each.dtype), each.shape) for name, each in zip(names, inputs)]
    graph = helper.make_graph([helper.make_node(operator, names, ["result"], **attributes)], "g", given, [helper.make_tensor_value_info("result", TensorProto.FLOAT, [] if operator.endswith("Loss") else [f"side{i}" for i in range(inputs[0].ndim)])])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    checker.check_model(made)
    feed = dict(zip(names, inputs))
    return ReferenceEvaluator(made).run(None, feed)[0], onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feed)[0]


features = random.normal(size=(4, 3)).astype(np.float32)
norms = {p: both("LpNormalization", [features], axis=1, p=p) for p in (1, 2)}
sums = {p: np.abs(each[0]).sum(1) if p == 1 else np.sqrt((each[0] ** 2).sum(1)) for p, each in norms.items()}
print(f"LpNormalization: norms afterwards {np.round(sums[1], 2).tolist()} for p=1 and {np.round(sums[2], 2).tolist()} for p=2; up to {np.abs(norms[1][0] - norms[1][1]).max():.1f} from ONNX Runtime")

logits = random.normal(size=(6, 3)).astype(np.float32)
log_probabilities = (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)
labels = np.array([0, -1, 2, 1, -1, 0])
known = labels >= 0
right = -log_probabilities[np.arange(6), labels][known].mean()
loss = both("NegativeLogLikelihoodLoss", [log_probabilities, labels], ignore_index=-1)
weighted = both("NegativeLogLikelihoodLoss", [log_probabilities, labels, np.ones(3, np.float32)], ignore_index=-1)
print(f"negative log likelihood with two of six labels ignored: {loss[0]:.4f}, with weights of 1 {weighted[0]:.4f}, by ONNX Runtime {loss[1]:.4f}, by hand {right:.4f}")

image = random.normal(size=(1, 1, 7, 9)).astype(np.float32)
shapes = {(name, mode): [each.shape[2:] for each in both(name, [image], kernel_shape=[2, 2], strides=[2, 2], auto_pad=mode)] for name in ("MaxPool", "AveragePool") for mode in ("SAME_UPPER", "SAME_LOWER")}
print("2 x 2 pooling of 7 x 9 by steps of 2, reference and ONNX Runtime:", {" ".join(key): value for key, value in shapes.items()})
ok = np.allclose(norms[1][1], features / np.abs(features).sum(1, keepdims=True), atol=1e-6) and np.allclose(norms[2][0], norms[2][1], atol=1e-6) and abs(loss[1] - right) < 1e-5 > abs(weighted[0] - right)
wrong = sums[1].max() > 1.5 and abs(loss[0] - right * 4 / 6) < 1e-5 and shapes["MaxPool", "SAME_LOWER"] == [(3, 4), (4, 5)]
sys.exit(not (ok and wrong))
P
echo "expected: a norm of 1, a mean over the labels that count, and as many rows as SAME says, as by ONNX Runtime"
check
