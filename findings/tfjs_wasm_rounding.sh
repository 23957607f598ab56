#!/usr/bin/env bash
# The WebAssembly backend of TensorFlow.js fills pooled images with zeros if sizes are rounded up, and truncates the colour with which rotation fills the corners to an integer.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install_node @tensorflow/tfjs-core@4.22.0 @tensorflow/tfjs-backend-cpu@4.22.0 @tensorflow/tfjs-backend-wasm@4.22.0
cat >"$folder/try.mjs" <<'J'
import { createRequire } from "module";
import { dirname } from "path";
import * as tf from "@tensorflow/tfjs-core";
import "@tensorflow/tfjs-backend-cpu";
import { setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
setWasmPaths(dirname(createRequire(import.meta.url).resolve("@tensorflow/tfjs-backend-wasm")) + "/");
console.log(`tfjs ${tf.version_core}, node ${process.version}`);
const found = {};
for (const backend of ["cpu", "wasm"]) {
    await tf.setBackend(backend);
    const numbers = (tensor) => Array.from(tensor.dataSync()).map((value) => +value.toFixed(2));
    const ramp = tf.reshape(tf.range(0, 36), [1, 6, 6, 1]);
    const floor = numbers(tf.maxPool(ramp, 3, 2, 0, "floor"));
    const ceil = numbers(tf.maxPool(ramp, 3, 2, 0, "ceil"));
    const means = numbers(tf.avgPool(ramp, 3, 2, 0, "ceil"));
    const skin = numbers(tf.image.rotateWithOffset(tf.fill([1, 9, 9, 3], 0.8), 0.8, [0.86, 0.67, 0.59])).slice(0, 3);
    console.log(`${backend}: maxima of 3 x 3 with stride 2, rounded down ${floor.join(" ")}, rounded up ${ceil.join(" ")}, means ${means.join(" ")}; the corner of a rotated image ${skin.join(" ")}`);
    found[backend] = [floor, ceil, means, skin].map(String);
}
const wrong = found.cpu.map((value, place) => value !== found.wasm[place]);
process.exit(String(wrong) === "false,true,true,true" && found.cpu[1] === "14,16,17,26,28,29,32,34,35" && found.wasm[1] === "14,16,26,28,0,0,0,0,0" && found.wasm[3] === "0,0,0" ? 0 : 1);
J
echo "expected: the same from both, with maxima 14 16 17 26 28 29 32 34 35 and the corner 0.86 0.67 0.59"
check_node try.mjs
