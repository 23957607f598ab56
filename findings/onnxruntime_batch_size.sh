#!/usr/bin/env bash
# ONNX Runtime on one thread: an image of a batch of 16 costs more than one of a batch of 2, in a network of depthwise convolutions.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, time
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper

random = np.random.default_rng(0)
nodes, weights = [], [numpy_helper.from_array(np.float32(value), name) for name, value in (("low", 0), ("high", 6))]


def convolution(source, channels, filters, size, stride=1, groups=1, clipped=True):
    name, inputs = f"layer{len(nodes)}", channels // groups * size**2
    kernel = random.normal(0, (2 / inputs) ** 0.5, (filters, channels // groups, size, size)).astype(np.float32)
    weights.append(numpy_helper.from_array(kernel, name + "/kernel"))
    options = {"strides": [stride] * 2, "group": groups, "auto_pad": "SAME_UPPER"}
    nodes.append(helper.make_node("Conv", [source, name + "/kernel"], [name], **options))
    if clipped:
        nodes.append(helper.make_node("Clip", [name, "low", "high"], [name + "/clipped"]))
    return nodes[-1].output[0]


# EfficientNet-Lite0: how much wider within a block, filters, blocks, stride of the first, size of the depthwise kernels
STAGES = (1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5), (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)
last, channels = convolution("images", 3, 32, 3, stride=2), 32
for wider, filters, blocks, stride, size in STAGES:
    for block in range(blocks):
        wide = channels * wider
        inner = convolution(last, channels, wide, 1) if wider > 1 else last
        inner = convolution(inner, wide, wide, size, stride if block == 0 else 1, groups=wide)
        inner = convolution(inner, wide, filters, 1, clipped=False)
        if block:
            nodes.append(helper.make_node("Add", [last, inner], [inner + "/added"]))
        last, channels = nodes[-1].output[0], filters
nodes.append(helper.make_node("GlobalAveragePool", [convolution(last, channels, 1280, 1)], ["features"]))
inputs = [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, 224, 224])]
outputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", 1280, 1, 1])]
graph = helper.make_graph(nodes, "lite0", inputs, outputs, weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
images = random.random((32, 3, 224, 224), np.float32)
sizes, times = (1, 2, 4, 8, 16, 32), {}
for _ in range(6):
    for size in sizes:
        began = time.process_time()
        for start in range(0, len(images), size):
            session.run(None, {"images": images[start : start + size]})
        times.setdefault(size, []).append((time.process_time() - began) / len(images) * 1000)
best = {size: min(found) for size, found in times.items()}
print(f"onnxruntime {onnxruntime.__version__}, one thread, CPU time of an image, the least of six rounds:")
print("  " + ", ".join(f"batch of {size}: {value:.1f} ms" for size, value in best.items()))
print(f"an image of a batch of 16 takes {best[16] / best[2]:.2f} times one of a batch of 2")
sys.exit(best[16] / best[2] < 1.06)
P
echo "expected: the larger the batch, the less an image costs, or as much"
"$folder/venv/bin/python" "$folder/try.py" || { echo "changed, or a processor with a larger cache"; exit 1; }
