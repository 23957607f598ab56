#!/usr/bin/env bash
# LiteRT's maximum skips NaN, and its average pooling makes it minus infinity: a network whose features are NaN answers with plausible numbers.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tensorflow==2.21.0 keras==3.15.1 ai-edge-litert==2.3.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import os, sys
from importlib.metadata import version

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="")
import numpy as np, tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

print(*(f"{name} {version(name)}" for name in ("ai-edge-litert", "tensorflow", "numpy")))
numbers = np.random.default_rng(0)
features = numbers.normal(0, 1, (1, 8, 8, 3)).astype(np.float32)
features[..., 1] = np.nan  # a channel whose weights are NaN
weights = numbers.normal(0, 1, (3, 2)).astype(np.float32)


def both(function):
    concrete = tf.function(function, input_signature=[tf.TensorSpec(features.shape, features.dtype)]).get_concrete_function()
    interpreter = Interpreter(model_content=tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], features)
    interpreter.invoke()
    return concrete(tf.constant(features)).numpy(), interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


found = {}
for name, function in {
    "relu": lambda x: tf.nn.relu(x)[0, 0, 0],
    "mean": lambda x: tf.reduce_mean(x, (1, 2)),
    "average pooling": lambda x: tf.nn.avg_pool2d(x, 8, 1, "VALID"),
    "maximum over the channels": lambda x: tf.reduce_max(x, 3)[0, 0, :3],
    "global average pooling, relu, dense and softmax": lambda x: tf.nn.softmax(tf.matmul(tf.nn.relu(tf.reshape(tf.nn.avg_pool2d(x, 8, 1, "VALID"), [1, 3])), weights)),
    "maximum over the channels, dense and sigmoid": lambda x: tf.sigmoid(tf.matmul(tf.reshape(tf.reduce_max(x, 3), [1, 64]), tf.ones([64, 1]) / 64)),
}.items():
    found[name] = expected, actual = tuple(np.ravel(result) for result in both(function))
    print(f"{name}: TensorFlow {expected.astype(float).round(3).tolist()}, LiteRT {actual.astype(float).round(3).tolist()}")
skipped = [name for name, (expected, actual) in found.items() if np.isnan(expected).any() and not np.isnan(actual).any()]
sys.exit(not (skipped == [name for name in found if name not in ("relu", "mean")] and found["average pooling"][1][1] == -np.inf))
P
echo "expected: NaN where TensorFlow has it"
check
