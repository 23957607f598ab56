#!/usr/bin/env bash
# tf2onnx: TF2ONNX_CATCH_ERRORS=TRUE, as any other value, has an optimizer's error end the conversion; without the variable it is caught.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tensorflow==2.21.0 tf2onnx==1.17.0 onnx==1.23.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import os
import sys
from importlib.metadata import version

import tensorflow as tf
import tf2onnx
from tf2onnx.optimizer.identity_optimizer import IdentityOptimizer


def fails(self, graph, *others):
    raise RuntimeError("this optimizer fails")


IdentityOptimizer.optimize = fails  # as one does that meets a graph which it does not know
print(*(f"{name} {version(name)}" for name in ("tensorflow", "tf2onnx")))
convert = tf.function(lambda values: tf.identity(values) + 1.0)
said = {}
for value in (None, "TRUE", "FALSE"):
    os.environ.pop("TF2ONNX_CATCH_ERRORS", None)
    if value:
        os.environ["TF2ONNX_CATCH_ERRORS"] = value
    try:
        tf2onnx.convert.from_function(convert, input_signature=[tf.TensorSpec((2, 3), tf.float32)])
        said[value] = "caught: a graph is made"
    except RuntimeError as error:
        said[value] = f"not caught: {error}"
    print(f"TF2ONNX_CATCH_ERRORS {value or 'unset'}: {said[value]}")
caught = {value: told.startswith("caught") for value, told in said.items()}
sys.exit(caught != {None: True, "TRUE": False, "FALSE": False})
P
echo "expected: TRUE catches the errors of optimizers, as without the variable, and FALSE does not"
TF_CPP_MIN_LOG_LEVEL=3 check
