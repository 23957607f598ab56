#!/usr/bin/env bash
# ONNX Runtime computes nodes on which no requested output depends, also when it is told to compute the others alone.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import json, sys
import numpy as np, onnxruntime
from onnx import TensorProto, helper, numpy_helper


def computed(outputs, last_node, path):
    """How many nodes run for x2 in a chain x0 -> x1 -> ... -> x10 with these declared outputs."""
    nodes = [helper.make_node("MatMul", [f"x{i}", f"w{i}"], [f"x{i + 1}"]) for i in range(last_node)]
    weights = [numpy_helper.from_array(np.eye(4, dtype=np.float32), f"w{i}") for i in range(last_node)]
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x0", *outputs)]
    graph = helper.make_graph(nodes, "chain", value[:1], value[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.enable_profiling, options.profile_file_prefix = True, sys.argv[1]
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    asked = onnxruntime.RunOptions()
    asked.only_execute_path_to_fetches = path
    session.run(["x2"], {"x0": np.ones((1, 4), np.float32)}, asked)
    with open(session.end_profiling()) as events:
        return sum(each["name"].endswith("_kernel_time") for each in json.load(events))


print(f"onnxruntime {onnxruntime.__version__}, nodes computed of 10 for the output of the second:")
found = {
    "x2 asked for, x10 an output too": computed(["x10", "x2"], 10, False),
    "the same with only_execute_path_to_fetches": computed(["x10", "x2"], 10, True),
    "x2 the only output of the graph": computed(["x2"], 10, False),
    "the other nodes cut out of the graph": computed(["x2"], 2, False),
}
for name, nodes in found.items():
    print(f"  {name}: {nodes}")
sys.exit(list(found.values()) != [10, 10, 10, 2])
P
echo "expected: 2, at least where only_execute_path_to_fetches is set or nothing else is an output"
export ORT_DISABLE_TELEMETRY=1
"$folder/venv/bin/python" "$folder/try.py" "$folder/profile" || { echo "changed: fewer nodes are computed"; exit 1; }
