#!/usr/bin/env bash
# ONNX Runtime's quantize_static rounds the softmax at the graph's end to steps of 1/255: small probabilities are 0, and 1 is none.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import logging, pathlib, sys
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, quantize_static

logging.disable(logging.WARNING)
folder, random = pathlib.Path(sys.argv[1]), np.random.default_rng(0)
features = random.normal(size=(2000, 16)).astype(np.float32)
weights = (1.5 * random.normal(size=(16, 7))).astype(np.float32)
nodes = [helper.make_node("MatMul", ["x", "w"], ["logits"], "last"), helper.make_node("Softmax", ["logits"], ["p"], "softmax", axis=1)]
ends = (helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", size]) for name, size in (("x", 16), ("p", 7)))
graph = helper.make_graph(nodes, "g", [next(ends)], [next(ends)], [numpy_helper.from_array(weights, "w")])
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), folder / "float.onnx")


class Images(CalibrationDataReader):
    def __init__(self):
        self.rows = ({"x": features[index : index + 1]} for index in range(200))

    def get_next(self):
        return next(self.rows, None)


print("onnxruntime", onnxruntime.__version__)
shares = {}
for excluded in ([], ["last"], ["softmax"]):
    quantize_static(folder / "float.onnx", folder / "int8.onnx", Images(), nodes_to_exclude=excluded)
    session = onnxruntime.InferenceSession(folder / "int8.onnx", providers=["CPUExecutionProvider"])
    found = session.run(None, {"x": features})[0]
    shares[" ".join(excluded)] = (found == 0).mean(), found.max(), len(np.unique(found))
    print(
        f"nodes_to_exclude={excluded}: {len(np.unique(found))} values, {(found == 0).mean():.0%} are 0, the next is "
        f"{found[found > 0].min():.2g}, the largest {found.max():.4f}; rows sum to {found.sum(1).min():.3f} to {found.sum(1).max():.3f}"
    )
rounded = all(zeros > 0.3 and most < 0.998 and values < 257 for zeros, most, values in (shares[""], shares["last"]))
sys.exit(not (rounded and shares["softmax"][0] == 0))
P
echo "expected: the graph's output is float32: probabilities that sum to 1, as a softmax gives them, of logits that are a little off"
ORT_DISABLE_TELEMETRY=1 check "$folder"
