#!/usr/bin/env bash
# A sum in a LiteRT model whose activations have 16 bits stops at the largest of its inputs: 1 instead of 32; the mean of the same features, and the sum in 8 bits, are right.
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
batches = np.random.default_rng(0).uniform(0, 1, (20, 1, 8, 8, 4)).astype(np.float32)  # features after a ReLU
sets = {"8 bits": tf.lite.OpsSet.TFLITE_BUILTINS_INT8, "16 bits": tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8}


def quantised(function, operations):
    concrete = tf.function(function, input_signature=[tf.TensorSpec(batches[0].shape, tf.float32)]).get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([batch] for batch in batches)
    converter.target_spec.supported_ops = [operations]
    interpreter = Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], batches[0])
    interpreter.invoke()
    return np.ravel(concrete(tf.constant(batches[0])).numpy()), np.ravel(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


off = {}
for name, function in ("sum", lambda x: tf.reduce_sum(x, (1, 2))), ("mean", lambda x: tf.reduce_mean(x, (1, 2))), ("sum of channels", lambda x: tf.reduce_sum(x, 3)):
    for bits, operations in sets.items():
        expected, found = quantised(function, operations)
        off[name, bits] = float(np.abs(found / expected - 1).max())
        print(f"{name}, {bits}: {expected[:4].round(3).tolist()} in float32, {found[:4].round(3).tolist()} quantised: up to {off[name, bits]:.1%} off")
sys.exit(not (off["sum", "16 bits"] > 0.5 and off["sum of channels", "16 bits"] > 0.1 and off["mean", "16 bits"] < 0.01 and off["mean", "8 bits"] < 0.05 and off["sum", "8 bits"] < 0.05))
P
echo "expected: as in float32, by less than 1 % with 16 bits"
check
