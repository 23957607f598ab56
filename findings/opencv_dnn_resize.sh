#!/usr/bin/env bash
# OpenCV's networks ignore antialias in an ONNX graph's Resize, shift half_pixel_symmetric by half a pixel, and have another cubic curve in GridSample, without an error.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv opencv-python-headless==5.0.0.93 onnx==1.23.2 onnxruntime==1.32.0 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import cv2, numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

print("opencv", cv2.__version__, "onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__, "numpy", np.__version__)


def outputs(operator, image, inputs, more, opset, **attributes):
    constants = [numpy_helper.from_array(value, name) for name, value in more.items()]
    graph = helper.make_graph([helper.make_node(operator, inputs, ["y"], **attributes)], "g", [helper.make_tensor_value_info("x", TensorProto.FLOAT, image.shape)], [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None] * 4)], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    expected = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, {"x": image})[0]
    network = cv2.dnn.readNetFromONNX(np.frombuffer(model.SerializeToString(), np.uint8))
    network.setInput(image)
    return expected, network.forward()


def resized(image, side, **attributes):
    return outputs("Resize", image, ["x", "", "", "s"], {"s": np.array([1, 1, side, side], np.int64)}, 19, **attributes)


rows, columns = np.mgrid[:96, :96]
skin = np.where((rows - 48) ** 2 + (columns - 48) ** 2 < 900, 90.0, 200.0)
skin[:, ::8] = 20  # hairs
image = skin[None, None].astype(np.float32)
held = True
for mode, pillow in ("linear", Image.Resampling.BILINEAR), ("cubic", Image.Resampling.BICUBIC):
    for antialias in 0, 1:
        attributes = {"mode": mode, "antialias": antialias, "exclude_outside": antialias} | ({"cubic_coeff_a": -0.5} if mode == "cubic" and antialias else {})
        expected, got = resized(image, 24, **attributes)
        by_pillow = np.asarray(Image.fromarray(image[0, 0]).resize((24, 24), pillow))
        print(f"96 to 24 pixels, {mode}, antialias={antialias}: off by up to {np.abs(got - expected).max():.1f} of 255; Pillow, which has antialias, is {np.abs(by_pillow - got[0, 0]).max():.1f} away, and {np.abs(by_pillow - expected[0, 0]).max():.1f} from ONNX Runtime")
        held &= (np.abs(got - expected).max() > 20) == bool(antialias)
ramp = np.broadcast_to(np.arange(8, dtype=np.float32), (1, 1, 8, 8)).copy()
for way in "half_pixel", "half_pixel_symmetric":
    expected, got = resized(ramp, 16, mode="linear", coordinate_transformation_mode=way)
    print(f"8 to 16 pixels, {way}: {got[0, 0, 0, :6].round(2).tolist()} instead of {expected[0, 0, 0, :6].round(2).tolist()}")
    held &= (float(np.abs(got - expected).max()) > 0.2) == (way == "half_pixel_symmetric")
places = np.random.default_rng(0).uniform(-0.6, 0.6, (1, 40, 40, 2)).astype(np.float32)
for mode in "linear", "nearest", "cubic":
    expected, got = outputs("GridSample", image, ["x", "g"], {"g": places}, 20, mode=mode, align_corners=0)
    print(f"GridSample, {mode}: off by up to {np.abs(got - expected).max():.1f} of 255")
    held &= (np.abs(got - expected).max() > 5) == (mode == "cubic")
sys.exit(not held)
P
echo "expected: the same as ONNX Runtime, or a refusal"
check
