#!/usr/bin/env bash
# onnx's reference evaluator resizes 10 pixels to 14 with one of them replaced by its neighbour, in every mode, and align_corners does not align the last corner if the scale gives a fraction of a pixel.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnx==1.23.2 onnxruntime==1.32.0 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, onnx, onnxruntime, PIL
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from PIL import Image

print("onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__, "pillow", PIL.__version__, "numpy", np.__version__)


def both(row, sizes=None, scales=None, **attributes):
    values = numpy_helper.from_array(np.array([1, 1, 1, sizes], np.int64) if sizes else np.array([1, 1, 1, scales], np.float32), "values")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in "xy"]
    node = helper.make_node("Resize", ["x", "", "", "values"] if sizes else ["x", "", "values"], ["y"], **attributes)
    model = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:], [values]), opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    image = row[None, None, None]
    return ReferenceEvaluator(model).run(None, {"x": image})[0].ravel(), session.run(None, {"x": image})[0].ravel()


random = np.random.default_rng(0)
row = random.random(10).astype(np.float32)
held = True
for mode in "nearest", "linear", "cubic":
    reference, session = both(row, sizes=14, mode=mode)
    off = np.abs(reference - session)
    wrong = np.flatnonzero(off > 1e-4)
    print(f"{mode}, 10 to 14 pixels: {len(wrong)} wrong, {off.max():.2f} of 1 off", *(f"(pixel {each} is {reference[each]:.3f}, by ONNX Runtime {session[each]:.3f})" for each in wrong))
    held &= wrong.tolist() == [10] and off.max() > 0.05
    if mode == "linear":
        by_pillow = np.asarray(Image.fromarray(row[None]).resize((14, 1), Image.Resampling.BILINEAR)).ravel()
        print(f"    ONNX Runtime and Pillow differ by {np.abs(session - by_pillow).max():.1e}")
        held &= np.abs(session - by_pillow).max() < 1e-5
pairs = [(old, new) for old in range(2, 40) for new in range(old, 60)]
wrong = []
for old, new in pairs:
    noise = random.random(old).astype(np.float32)
    reference, session = both(noise, sizes=new, mode="linear")
    if np.abs(reference - session).max() > 1e-3:
        wrong.append((old, new))
print(f"wrong for {len(wrong)} of {len(pairs)} pairs of sizes:", ", ".join(f"{old} to {new}" for old, new in wrong))
held &= 5 < len(wrong) < 30
ramp = np.linspace(0, 1, 10, dtype=np.float32)
for mode in "linear", "cubic":
    for scale in 1.7, 1.75, 1.79:  # 17 pixels, 17.5 and 17.9, which are 17 as well
        reference, session = both(ramp, scales=scale, mode=mode, coordinate_transformation_mode="align_corners")
        print(f"align_corners, {mode}, 0 to 1 times {scale}: {len(reference)} pixels, the last is {reference[-1]:.3f}, by ONNX Runtime {session[-1]:.3f}")
        held &= len(reference) == len(session) == 17 and abs(session[-1] - 1) < 1e-5 and (reference[-1] < 0.99) == (scale != 1.7)
sys.exit(not held)
P
echo "expected: the numbers of Pillow and ONNX Runtime, and with align_corners 1 as the last pixel"
ORT_DISABLE_TELEMETRY=1 check
