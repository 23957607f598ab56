#!/usr/bin/env bash
# OpenVINO ignores the attributes keep_aspect_ratio_policy, exclude_outside and antialias of ONNX's Resize: images are stretched and have aliases, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv openvino==2026.4.1 onnx==1.23.2 onnxruntime==1.32.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, onnx, onnxruntime, openvino
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

print("openvino", openvino.__version__, "onnx", onnx.__version__, "onnxruntime", onnxruntime.__version__)
rows, columns = np.mgrid[:60, :80]
image = np.where((columns - 40) ** 2 + (rows - 30) ** 2 < 400, 0.3, 0.8).astype(np.float32)[None, None]  # a round lesion of 40 x 40


def answers(image, sizes, **attributes):
    values = numpy_helper.from_array(np.array(sizes, np.int64), "sizes")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None] * 4) for name in "xy"]
    node = helper.make_node("Resize", ["x", "", "", "sizes"], ["y"], **attributes)
    model = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:], [values]), opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    graph = model.SerializeToString()
    compiled = openvino.Core().compile_model(openvino.Core().read_model(graph), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    return np.array(compiled(image)[0]), session.run(None, {"x": image})[0], ReferenceEvaluator(model).run(None, {"x": image})[0]


def lesion(picture):
    dark = picture[0, 0] < 0.55
    return f"{dark.any(1).sum()} x {dark.any(0).sum()} in {picture.shape[2]} x {picture.shape[3]}"


held = True
for policy in "stretch", "not_larger", "not_smaller":
    found = answers(image, [32, 32], axes=[2, 3], mode="linear", keep_aspect_ratio_policy=policy)
    print(f"{policy}, to 32 x 32: the lesion has {lesion(found[0])} pixels by OpenVINO, {lesion(found[1])} by ONNX Runtime, {lesion(found[2])} by ONNX's reference")
    held &= found[0].shape[2:] == (32, 32) and found[1].shape == found[2].shape and (found[1].shape[2:] == (32, 32)) == (policy == "stretch")
texture = np.random.default_rng(0).random((1, 1, 30, 40)).astype(np.float32)
for exclude in 0, 1:
    found = answers(texture, [1, 1, 60, 80], mode="cubic", cubic_coeff_a=-0.5, exclude_outside=exclude)
    off = [float(np.abs(each - found[2]).max()) for each in found[:2]]
    print(f"cubic, exclude_outside={exclude}: up to {off[0]:.4f} of 1 from the reference by OpenVINO, {off[1]:.4f} by ONNX Runtime")
    held &= off[1] < 1e-4 and (off[0] > 0.01) == bool(exclude)
for mode in "linear", "cubic":
    plain, smooth = (answers(texture, [1, 1, 8, 11], mode=mode, antialias=antialias) for antialias in (0, 1))
    off = [float(np.abs(each - smooth[2]).max()) for each in smooth[:2]]
    same = np.array_equal(plain[0], smooth[0])
    print(f"{mode}, antialias=1, made smaller: up to {off[0]:.4f} from the reference by OpenVINO{', the same as without it' if same else ''}; {off[1]:.4f} by ONNX Runtime")
    held &= off[1] < 1e-4 and off[0] > 0.1 and same
sys.exit(not held)
P
echo "expected: 24 x 32 and 32 x 43 pixels, with a round lesion, or an error"
ORT_DISABLE_TELEMETRY=1 check
