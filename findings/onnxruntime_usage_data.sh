#!/usr/bin/env bash
# ONNX Runtime's Linux wheels keep a device id and an event database in the user's cache folder.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnxruntime==1.32.0 onnx==1.19.1
cat >"$folder/try.py" <<'P'
import os, sys
import onnxruntime
if "late" in sys.argv:
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
from onnx import TensorProto, helper
value = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1]), helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])
graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value[0]], [value[1]])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
P
written() { # CASE VARIABLE=VALUE... -- ARGUMENTS
    local home="$folder/home-$1"
    mkdir "$home"
    env -i "PATH=$PATH" "HOME=$home" ${2:+"$2"} "$folder/venv/bin/python" "$folder/try.py" "${3:-}"
    (cd "$home" && find . -type f | sort | tr '\n' ' ')
}
plain="$(written plain)" off="$(written off ORT_DISABLE_TELEMETRY=1)" late="$(written late "" late)" ci="$(written ci CI=true)"
echo "onnxruntime 1.32.0, an empty home, one session of an identity graph"
echo "expected: nothing in the home"
echo "true:                                  ${plain:-nothing}"
echo "ORT_DISABLE_TELEMETRY=1:               ${off:-nothing}"
echo "the same, set after the import:        ${late:-nothing}"
echo "CI=true (so that no CI ever sees it):  ${ci:-nothing}"
[[ $plain == *deviceid* && $plain == *onnxruntime.db* && $late == *deviceid* && -z $off && -z $ci ]] || { echo changed; exit 1; }
