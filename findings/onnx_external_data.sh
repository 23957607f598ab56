#!/usr/bin/env bash
# onnx adds weights to the end of a file of external data: each time a model is saved over itself it grows by all of its weights; and saving takes the weights out of the model in memory.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnx==1.23.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import pathlib, sys
import numpy as np, onnx
from onnx import TensorProto, helper, numpy_helper

print(f"onnx {onnx.__version__}")
folder = pathlib.Path(sys.argv[1])


def network(weights):
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 300]) for name in ("image", "logits")]
    node = helper.make_node("MatMul", ["image", "weights"], ["logits"])
    graph = helper.make_graph([node], "head", values[:1], values[1:], [numpy_helper.from_array(weights, "weights")])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)


weights = np.random.default_rng(0).normal(size=(300, 300)).astype(np.float32)
sizes, in_memory, right = [], [], []
for epoch in range(4):
    model = network(weights + epoch)
    before = len(model.SerializeToString())
    onnx.save_model(model, folder / "best.onnx", save_as_external_data=True, location="best.onnx.data")
    sizes.append((folder / "best.onnx.data").stat().st_size)
    in_memory.append((before, len(model.SerializeToString())))
    read = numpy_helper.to_array(onnx.load(folder / "best.onnx").graph.initializer[0])
    right.append(np.array_equal(read, weights + np.float32(epoch)))
print(f"weights: {weights.nbytes:,} bytes; the file of weights after each of four savings: {', '.join(f'{size:,}' for size in sizes)}")
print(f"read again they are right: {right}; bytes of the model in memory before and after: {in_memory[0]}")
sys.exit(not (sizes == [weights.nbytes * times for times in (1, 2, 3, 4)] and all(right) and in_memory[0][0] > 360_000 > 1000 > in_memory[0][1]))
P
echo "expected: the file is written anew, and the model in memory stays what it was"
check "$folder"
