#!/usr/bin/env bash
# OpenVINO's model cache does not look at the weights: with a new .bin, or a new file of external data, the old network answers.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv openvino==2026.4.1 onnx==1.23.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import os, shutil, sys
import numpy as np, onnx, openvino
from onnx import TensorProto, helper, numpy_helper
from openvino import opset13 as opset

print("openvino", openvino.__version__, "onnx", onnx.__version__)
folder = sys.argv[1]
image = np.ones((1, 64), np.float32)


def save(name, weight):
    """The same network with other weights, as OpenVINO's two files and as ONNX with external data."""
    os.makedirs(f"{folder}/{name}")
    given = opset.parameter([1, 64], np.float32, name="image")
    weights = opset.constant(np.full((64, 2), weight, np.float32), name="weights")
    product = opset.matmul(given, weights, False, False, name="logits")
    result = opset.result(product, name="result")
    openvino.save_model(openvino.Model([result], [given], "network"), f"{folder}/{name}/network.xml", compress_to_fp16=False)
    ends = [helper.make_tensor_value_info(end, TensorProto.FLOAT, shape) for end, shape in (("x", [1, 64]), ("y", [1, 2]))]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", ends[:1], ends[1:], [numpy_helper.from_array(np.full((64, 2), weight, np.float32), "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.save_model(model, f"{folder}/{name}/network.onnx", save_as_external_data=True, location="weights.data", size_threshold=0)


def answer(file, cache=True, read=False):
    core = openvino.Core()
    core.set_property({"CACHE_DIR": f"{folder}/cache"} if cache else {})
    path = f"{folder}/served/{file}"
    return float(core.compile_model(core.read_model(path) if read else path, "CPU")(image)[0][0, 0])


save("served", 1.0)
save("retrained", 2.0)
held = True
for file, weights in ("network.xml", "network.bin"), ("network.onnx", "weights.data"):
    same = open(f"{folder}/served/{file}", "rb").read() == open(f"{folder}/retrained/{file}", "rb").read()
    before = answer(file)
    shutil.copyfile(f"{folder}/retrained/{weights}", f"{folder}/served/{weights}")
    after, uncached, read = answer(file), answer(file, cache=False), answer(file, read=True)
    print(f"{file}: the same in both, as only the weights differ: {same}; before {before:.0f}, with the new {weights} {after:.0f}; without the cache {uncached:.0f}, by read_model with it {read:.0f}")
    held &= same and (before, after, uncached, read) == (64, 64, 128, 128)
sys.exit(not held)
P
echo "expected: 64 before and 128 with the new weights, from each: a cache must notice that they changed"
check "$folder"
