#!/usr/bin/env bash
# ONNX Runtime casts numbers outside of a type's range otherwise in WebAssembly than in Python on x86: a shade of -1.5 is black in one and white in the other, and infinity is the other way round.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv onnxruntime==1.30.0 onnx==1.23.2 numpy==2.4.6
install_node --ignore-scripts onnxruntime-web@1.30.0
cat >"$folder/try.py" <<'P'
import json, os, subprocess, sys
import numpy as np, onnx, onnxruntime
from onnx import TensorProto, helper

folder = sys.argv[1]
shades = np.array([-1.5, -0.5, 0.5, 200.7, 255.5, 256.5, 300.7, np.nan, 1e10, np.inf], np.float32)  # what a sharpened image may have
graphs = {"uint8": [helper.make_node("Cast", ["x"], ["c"], to=TensorProto.UINT8), helper.make_node("Cast", ["c"], ["y"], to=TensorProto.FLOAT)]}
graphs["int32"] = [helper.make_node("Cast", ["x"], ["c"], to=TensorProto.INT32), helper.make_node("Cast", ["c"], ["y"], to=TensorProto.FLOAT)]
found = {}
for name, nodes in graphs.items():
    ends = [helper.make_tensor_value_info(end, TensorProto.FLOAT, [10]) for end in ("x", "y")]
    model = helper.make_model(helper.make_graph(nodes, "g", ends[:1], ends[1:]), opset_imports=[helper.make_opsetid("", 19)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, f"{folder}/{name}.onnx")
    session = onnxruntime.InferenceSession(f"{folder}/{name}.onnx", providers=["CPUExecutionProvider"])
    found["Python", name] = session.run(None, {"x": shades})[0].ravel()
web = subprocess.run(["node", f"{folder}/try.cjs", *graphs], input=" ".join(map(str, shades)), capture_output=True, text=True, check=True).stdout
told = json.loads(web)
for name in graphs:
    found["web", name] = np.array([float(value) for value in told[name]], np.float32)
print(f"onnxruntime {onnxruntime.__version__}, onnxruntime-web {told['version']}, onnx {onnx.__version__}")
print("shades: ", *shades)
for (where, name), numbers in found.items():
    print(f"  {where}, {name}:", *(f"{number:g}" for number in numbers))
python, browser = (found[where, "uint8"] for where in ("Python", "web"))
held = (python[[1, 2, 3, 4, 6]] == browser[[1, 2, 3, 4, 6]]).all() and python[6] == 44 and (python[0], browser[0]) == (255, 0) and (python[8], browser[8]) == (0, 255)
held &= found["Python", "int32"][9] < -2e9 and found["web", "int32"][9] > 2e9
sys.exit(not held)
P
cat >"$folder/try.cjs" <<'J'
const ort = require("onnxruntime-web");
const fs = require("fs");
ort.env.wasm.numThreads = 1;
(async () => {
  const numbers = { nan: NaN, inf: Infinity };
  const shades = fs.readFileSync(0, "utf8").trim().split(" ").map((text) => numbers[text] ?? Number(text));
  const told = { version: JSON.parse(fs.readFileSync(`${__dirname}/node_modules/onnxruntime-web/package.json`)).version };
  for (const name of process.argv.slice(2)) {
    const session = await ort.InferenceSession.create(`${__dirname}/${name}.onnx`, { executionProviders: ["wasm"] });
    const { y } = await session.run({ x: new ort.Tensor("float32", Float32Array.from(shades), [shades.length]) });
    told[name] = Array.from(y.data, String).map((text) => text.replace("Infinity", "inf"));
  }
  fs.writeFileSync(1, JSON.stringify(told));
})();
J
echo "expected: the same graph has the same numbers in the same version; a cast to 8 bits stops at 0 and 255, or wraps around, in both"
ORT_DISABLE_TELEMETRY=1 check "$folder"
