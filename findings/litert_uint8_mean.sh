#!/usr/bin/env bash
# LiteRT's mean of uint8 is 0, whatever the image, where TensorFlow's is its mean; of int32 and float32 it is right, and other reductions of uint8 are refused.
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
image = np.random.default_rng(0).integers(100, 201, (1, 64, 64, 3)).astype(np.uint8)  # skin


def both(function, values):
    concrete = tf.function(function, input_signature=[tf.TensorSpec(values.shape, values.dtype)]).get_concrete_function()
    interpreter = Interpreter(model_content=tf.lite.TFLiteConverter.from_concrete_functions([concrete]).convert())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], values)
    interpreter.invoke()
    return [np.ravel(result)[:3].tolist() for result in (concrete(tf.constant(values)).numpy(), interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))]


results = {}
for name, axes in ("colours", (1, 2)), ("grey", 3), ("all", None):
    for kind in np.uint8, np.int32, np.float32:
        expected, found = both(lambda values, axes=axes: tf.reduce_mean(values, axes), image.astype(kind))
        results[name, kind] = expected, found
        print(f"mean of {kind.__name__}, {name}: TensorFlow {np.round(expected, 2).tolist()}, LiteRT {np.round(found, 2).tolist()}")
darker = lambda values: tf.cast(values, tf.int32) - tf.cast(tf.reduce_mean(values, (1, 2), keepdims=True), tf.int32)
expected, found = both(darker, image)
print(f"the image less its mean: TensorFlow {expected}, LiteRT {found}")
wrong = all(set(found) == {0} and min(expected) > 99 for (_, kind), (expected, found) in results.items() if kind is np.uint8)
right = all(np.allclose(found, expected, rtol=1e-4) for (_, kind), (expected, found) in results.items() if kind is not np.uint8)
sys.exit(not (wrong and right and expected != found))
P
echo "expected: the same means from both, about 150"
check
