#!/usr/bin/env bash
# The WebAssembly backend of TensorFlow.js keeps a number's lowest byte when it is cast to bool: a mask of 0 and 255 has 255 times as many pixels, and a pixel of 0.6 is none.
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
const mask = [0, 0, 255, 255, 255, 255, 0, 0];
const other = [0, 0, 0, 255, 254, 254, 254, 0];
const soft = [0, 0.4, 0.6, 1, 1, 0.6, 0.4, 0];
const found = {};
for (const backend of ["cpu", "wasm"]) {
    await tf.setBackend(backend);
    const number = (tensor) => tensor.dataSync()[0];
    const bool = (values) => tf.cast(tf.tensor1d(values, values === soft ? "float32" : "int32"), "bool");
    found[backend] = {
        "pixels of a mask of 0 and 255": number(tf.sum(bool(mask))),
        "its share of the image": number(tf.mean(tf.cast(bool(mask), "float32"))),
        "pixels of a probability above 0": number(tf.sum(bool(soft))),
        "pixels that two masks share": number(tf.sum(tf.logicalAnd(bool(mask), bool(other)))),
        "pixels where 256 is true": number(tf.sum(tf.where(bool([256, 512, 0]), tf.ones([3]), tf.zeros([3])))),
    };
    for (const [name, value] of Object.entries(found[backend])) console.log(`${backend}: ${name}: ${value}`);
}
const [right, wrong] = [Object.values(found.cpu), Object.values(found.wasm)];
process.exit([4, 0.5, 6, 3, 2].every((value, place) => value === right[place]) && right.every((value, place) => value !== wrong[place] || place === 3) && wrong[0] === 1020 && wrong[1] === 127.5 ? 0 : 1);
J
echo "expected: true is 1, whatever number it was: 4 pixels, 0.5 of the image, 6, 3 and 2 pixels"
check_node try.mjs
