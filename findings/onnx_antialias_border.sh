#!/usr/bin/env bash
# ONNX's Resize with antialias=1 repeats the border's pixels where Pillow leaves them out: a band at the border is other than Pillow's.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnx==1.23.2 onnxruntime==1.32.0 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, onnx, onnxruntime, PIL
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__, "pillow", PIL.__version__)
image = np.full((450, 600), 180, np.float32)  # skin, with a thin dark frame
image[:3], image[-3:], image[:, :3], image[:, -3:] = 20, 20, 20, 20
pillow = np.asarray(Image.fromarray(image).resize((80, 60), Image.Resampling.BILINEAR))
given = {"mode": "linear", "antialias": 1, "coordinate_transformation_mode": "half_pixel"}
found = {}
for outside in (0, 1):
    node = helper.make_node("Resize", ["x", "", "", "size"], ["y"], exclude_outside=outside, **given)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in "xy"]
    size = numpy_helper.from_array(np.array([1, 1, 60, 80]), "size")
    graph = helper.make_graph([node], "g", ends[:1], ends[1:], [size])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    resized = session.run(None, {"x": image[None, None]})[0][0, 0]
    off = np.abs(resized - pillow)
    found[outside] = off.max(), off[2:-2, 2:-2].max()
    default = ", the default" if not outside else ""
    print(f"exclude_outside={outside}{default}: off by up to {off.max():.2f} of 255, within the border {found[outside][1]:.4f}")
    print("  a row's first pixels:", *(f"{each:.1f}" for each in resized[30, :4]), "Pillow:", *(f"{each:.1f}" for each in pillow[30, :4]))
sys.exit(not (found[0][0] > 5 and found[0][1] < 0.01 and found[1][0] < 0.01))
P
echo "expected: the same as Pillow: the centres of pixels lie alike, and the filter is stretched alike"
ORT_DISABLE_TELEMETRY=1 check
