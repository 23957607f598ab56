#!/usr/bin/env bash
# In bfloat16, TensorFlow's gradient of a strided convolution that sees one pixel is now and then another for the same numbers, or NaN.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
grep -qE "avx512_bf16|amx_bf16" /proc/cpuinfo || { echo "not asked: this processor has no bfloat16"; exit 0; }
install venv tensorflow==2.21.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, tensorflow as tf

tf.random.set_seed(0)
found = {}
for kind in tf.bfloat16, tf.float32:
    image, above = (tf.cast(tf.random.stateless_normal((32, 1, 1, each), (0, each)), kind) for each in (192, 256))
    found[kind.name] = gradients = set()
    for _ in range(200):
        for _ in range(4):  # what other work of a training leaves in memory that is free again
            tf.fill([2**20], tf.constant(float("nan"), kind))
        gradient = tf.raw_ops.Conv2DBackpropFilter(
            input=image, filter_sizes=(3, 3, 192, 256), out_backprop=above, strides=[1, 2, 2, 1], padding="SAME"
        )
        gradients.add(tf.cast(gradient, tf.float32).numpy().tobytes())
    lost = sum(np.isnan(np.frombuffer(each, np.float32)).any() for each in gradients)
    print(f"{kind.name}: {len(gradients)} different gradients in 200 calls with the same numbers, {lost} of them with NaN")
print(f"TensorFlow {tf.__version__}: a padded kernel of 3 x 3 in steps of 2, over images of one pixel")
sys.exit(not (len(found["bfloat16"]) > 1 == len(found["float32"])))
P
echo "expected: the same numbers have the same gradient at each call"
check
