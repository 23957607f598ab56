#!/usr/bin/env bash
# OpenVINO computes a float32 model in bfloat16 where the processor has it, without being asked: the same file gives other probabilities there.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
grep -qE "avx512_bf16|amx_bf16" /proc/cpuinfo || { echo "not asked: this processor has no bfloat16"; exit 0; }
install venv openvino==2026.4.1 numpy==2.4.6
"$folder/venv/bin/python" -m pip uninstall --quiet --yes openvino-telemetry # it would send usage data
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, openvino
from openvino import opset13 as ops

random = np.random.default_rng(0)
images = ops.parameter([1, 3, 64, 64], np.float32)
last, channels = images, 3
for _ in range(3):
    kernel = random.normal(0, (2 / channels / 9) ** 0.5, (32, channels, 3, 3)).astype(np.float32)
    last, channels = ops.relu(ops.convolution(last, kernel, [2, 2], [1, 1], [1, 1], [1, 1])), 32
features = ops.reduce_mean(last, np.array([2, 3]), False)
head = random.normal(0, 1, (32, 7)).astype(np.float32)
model = openvino.Model([ops.softmax(ops.matmul(features, head, False, False), 1)], [images], "diagnoses")
image, found = random.random((1, 3, 64, 64), np.float32), {}
for name, options in (
    ("by itself", {}),
    ("INFERENCE_PRECISION_HINT f32", {"INFERENCE_PRECISION_HINT": "f32"}),
    ("EXECUTION_MODE_HINT ACCURACY", {"EXECUTION_MODE_HINT": "ACCURACY"}),
):
    compiled = openvino.Core().compile_model(model, "CPU", options)
    precision = compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name()
    found[name] = precision, compiled(image)[0][0]
    print(f"{name}: {precision}, probabilities", *found[name][1].round(4))
(own, first), (asked, right), (mode, third) = found.values()
print(f"OpenVINO {openvino.__version__}: up to {np.abs(first - right).max():.4f} apart, of a model that is float32 throughout")
sys.exit(not ((own, asked) == ("bf16", "f32") and 1e-4 < np.abs(first - right).max() < 0.1))
P
echo "expected: a model is computed in the type that it is stored in, on each processor"
check
