#!/usr/bin/env bash
# ONNX Runtime takes a big-endian array as little-endian, without a message, as does openvino.Tensor: an image of a DICOM or TIFF file becomes noise.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnxruntime==1.32.0 openvino==2026.4.1 onnx==1.23.2 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys
from importlib.metadata import version
import jax.numpy as jnp, numpy as np, onnxruntime, openvino
from onnx import TensorProto, helper

print(*(f"{name} {version(name)}" for name in ("onnxruntime", "openvino", "jax")))
found = {}
for kind, dtype in ((TensorProto.UINT16, np.uint16), (TensorProto.FLOAT, np.float32)):
    values = helper.make_tensor_value_info("x", kind, [None]), helper.make_tensor_value_info("y", kind, [None])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "same", [values[0]], [values[1]])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(io.BytesIO(model)), "CPU")
    image = np.array([0, 1, 255, 256, 1000], np.dtype(dtype).newbyteorder(">"))  # equal to the native one, says NumPy
    assert np.array_equal(image, image.astype(dtype))

    def refused(array):
        try:
            return jnp.asarray(array)
        except (TypeError, ValueError):
            return None

    ways = {
        "ONNX Runtime": lambda: session.run(None, {"x": image})[0],
        "ONNX Runtime, OrtValue": lambda: onnxruntime.OrtValue.ortvalue_from_numpy(image).numpy(),
        "openvino.Tensor": lambda: compiled(openvino.Tensor(image))[0],
        "OpenVINO, array": lambda: compiled({"x": image})[0],
        "JAX": lambda: refused(image),
    }
    for way, run in ways.items():
        found[way, dtype.__name__] = result = run()
        print(f"{way}, big-endian {dtype.__name__} {image.astype(int).tolist()}: {'refused' if result is None else [float(f'{value:.3g}') for value in result]}")
    wrong = image.view(dtype)  # the bytes in the wrong order
    for way in ("ONNX Runtime", "ONNX Runtime, OrtValue", "openvino.Tensor"):
        if not np.array_equal(found[way, dtype.__name__], wrong):
            sys.exit(1)
    if not np.array_equal(found["OpenVINO, array", dtype.__name__], image) or found["JAX", dtype.__name__] is not None:
        sys.exit(1)
P
echo "expected: the numbers of the array, or an error, as from JAX and PyTorch"
ORT_DISABLE_TELEMETRY=1 check
