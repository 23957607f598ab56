#!/usr/bin/env bash
# The WebAssembly backend of TensorFlow.js adds up an image in float32: the mean of 12 million pixels of 0.7 is 0.61, and of 36 million 0.47; on the CPU it is 0.7.
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
    for (const [rows, columns] of [[224, 224], [1500, 2000], [3000, 4000], [6000, 6000]]) {
        const image = tf.fill([rows, columns], 0.7);
        found[`${backend} ${rows}`] = tf.mean(image).dataSync()[0];
        console.log(`${backend}: the mean of ${rows} x ${columns} pixels of 0.7 is ${found[`${backend} ${rows}`].toFixed(4)}`);
        image.dispose();
    }
}
const off = (name) => Math.abs(found[name] - 0.7);
process.exit(off("cpu 6000") < 0.001 && off("wasm 224") < 0.001 && off("wasm 3000") > 0.01 && off("wasm 6000") > 0.1 ? 0 : 1);
J
echo "expected: 0.7, as from the CPU"
check_node try.mjs
