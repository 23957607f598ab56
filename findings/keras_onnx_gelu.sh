#!/usr/bin/env bash
# Keras on TensorFlow exports GELU and Normalization(mean, variance) to ONNX without an exception; ONNX Runtime cannot run what is written.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 tensorflow==2.21.0 tf2onnx==1.17.0 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import keras, numpy as np, onnxruntime

print(*(f"{name} {version(name)}" for name in ("keras", "tensorflow", "tf2onnx", "onnxruntime")))
images = np.random.default_rng(0).random((2, 8, 8, 3), np.float32)
said = {}
for name, layer in {
    "SiLU": keras.layers.Activation("silu"),
    "GELU": keras.layers.Activation("gelu"),
    "GELU, approximate": keras.layers.Lambda(lambda values: keras.ops.gelu(values, approximate=True)),
    "Normalization(mean, variance)": keras.layers.Normalization(mean=[0.7, 0.5, 0.5], variance=[0.02, 0.03, 0.03]),
}.items():
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layer(inputs))
    file = f"{sys.argv[1]}/network.onnx"
    expected = model.predict(images, verbose=0)  # Keras exports only what has been called
    model.export(file, format="onnx", verbose=False)
    try:
        session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
        names = [given.name for given in session.get_inputs()]
        found = session.run(None, {names[0]: images})[0]
        said[name] = "runs" if np.abs(found - expected).max() < 1e-5 else "gives others"
    except Exception as error:
        said[name] = f"fails: ...{str(error).strip()[-110:]}"
    print(f"{name}: exported; ONNX Runtime {said[name]}")
right = said["SiLU"] == said["GELU, approximate"] == "runs"
sys.exit(not (right and "Erfc" in said["GELU"] and "missing from input feed" in said["Normalization(mean, variance)"]))
P
echo "expected: an export that raises nothing is a file that runs and gives what predict gives"
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 ORT_DISABLE_TELEMETRY=1 check "$folder"
