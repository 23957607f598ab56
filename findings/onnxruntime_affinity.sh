#!/usr/bin/env bash
# ONNX Runtime's threads leave the CPU that taskset gave its process, unless their number is set.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
cpus=$(python3 -c "import os; print(*sorted(os.sched_getaffinity(0)))")
[[ $cpus == *" "* ]] || { echo "not asked: this machine has one CPU"; exit 0; }
install venv onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import os, sys
import numpy as np, onnxruntime
from onnx import TensorProto, helper

before = set(os.listdir("/proc/self/task"))
threads = int(sys.argv[1])
value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [8]) for name in "xy"]
graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", value[:1], value[1:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = threads
options.log_severity_level = 4
session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
session.run(None, {"x": np.zeros(8, np.float32)})
allowed = os.sched_getaffinity(0)
outside = [sorted(cpus) for each in set(os.listdir("/proc/self/task")) - before if not (cpus := os.sched_getaffinity(int(each))) <= allowed]
asked = "as many threads as it likes (the default)" if not threads else f"{threads} threads"
print(f"onnxruntime {onnxruntime.__version__}, {asked}: process on CPU {sorted(allowed)}, threads on others: {outside or 'none'}")
sys.exit(bool(outside))
P
echo "expected: all threads of a process stay on the CPU to which taskset bound it"
export ORT_DISABLE_TELEMETRY=1
one=${cpus%% *}
taskset -c "$one" "$folder/venv/bin/python" "$folder/try.py" 2 || { echo "changed: with a number of threads as well"; exit 1; }
! taskset -c "$one" "$folder/venv/bin/python" "$folder/try.py" 0 || { echo "changed: they stay"; exit 1; }
