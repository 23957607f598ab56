#!/usr/bin/env bash
# The WebAssembly backend of TensorFlow.js turns NaN into 0 in relu6 and clipByValue: a network whose weights are NaN answers with plausible numbers.
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
    const text = (tensor) => Array.from(tensor.dataSync()).map((value) => +value.toFixed(2)).join(", ");
    const values = tf.tensor1d([1, NaN, 3, -1]);
    const images = tf.fill([1, 8, 8, 3], 0.5);
    const kernel = tf.fill([3, 3, 3, 4], NaN);
    const features = tf.relu6(tf.conv2d(images, kernel, 2, "same"));
    const probabilities = tf.softmax(tf.matMul(tf.reshape(tf.mean(features, [1, 2]), [1, 4]), tf.ones([4, 2])));
    found[backend] = [text(tf.relu(values)), text(tf.relu6(values)), text(tf.clipByValue(values, 0, 2)), text(probabilities)];
    ["relu", "relu6", "clipByValue from 0 to 2", "a network of two classes whose first kernel is NaN"].forEach((name, place) => console.log(`${backend}: ${name}: ${found[backend][place]}`));
}
process.exit(found.cpu[3] === "NaN, NaN" && found.wasm[3] === "0.5, 0.5" && found.cpu[1] === "1, NaN, 3, 0" && found.wasm[1] === "1, 0, 3, 0" ? 0 : 1);
J
echo "expected: NaN stays NaN, as on the CPU"
check_node try.mjs
