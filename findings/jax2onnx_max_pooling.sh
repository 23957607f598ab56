#!/usr/bin/env bash
# Keras on JAX exports max pooling as ONNX that the checker accepts and ONNX Runtime does not run.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 jax2onnx==0.17.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import keras, numpy as np, onnx, onnxruntime

print(*(f"{name} {version(name)}" for name in ("keras", "jax", "jax2onnx", "onnx", "onnxruntime")))
images = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
said = {}
for pooling in ("AveragePooling2D", "MaxPooling2D"):
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, getattr(keras.layers, pooling)(2)(inputs))
    expected = keras.ops.convert_to_numpy(model(images))  # Keras exports only what has been called
    file = f"{sys.argv[1]}/{pooling}.onnx"
    model.export(file, format="onnx", verbose=False)
    onnx.checker.check_model(file, full_check=True)
    nodes = onnx.load(file).graph.node
    kernels = [list(each.ints) for node in nodes for each in node.attribute if each.name == "kernel_shape"]
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    try:
        found = session.run(None, {session.get_inputs()[0].name: images})[0]
        said[pooling] = f"differs by {np.abs(found - expected).max():.1g}"
    except Exception as error:
        said[pooling] = str(error).split(":")[-1].strip()
    operators = " ".join(sorted({node.op_type for node in nodes}))
    print(f"{pooling}: {operators}, kernels {kernels}; accepted by the checker; ONNX Runtime: {said[pooling]}")
sys.exit(not ("differs" in said["AveragePooling2D"] and "Unsupported pooling size" in said["MaxPooling2D"]))
P
echo "expected: a graph that was exported and passes the checker runs, as that with average pooling does"
KERAS_BACKEND=jax check "$folder"
