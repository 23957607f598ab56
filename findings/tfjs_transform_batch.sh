#!/usr/bin/env bash
# The CPU backend of TensorFlow.js transforms only the first image of a batch: the others are black, without an error; with WebAssembly all are right.
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
const skin = [0.86, 0.67, 0.59];
const images = () => tf.tile(tf.tensor4d(skin, [1, 1, 1, 3]), [4, 32, 32, 1]);
const means = (batch) => Array.from(tf.mean(batch, [1, 2, 3]).dataSync()).map((value) => value.toFixed(2));
const found = {};
for (const backend of ["cpu", "wasm"]) {
    await tf.setBackend(backend);
    const one = means(tf.image.transform(images(), tf.tensor2d([[1, 0, 0, 0, 1, 0, 0, 0]]), "bilinear", "nearest"));
    const each = means(tf.image.transform(images(), tf.tensor2d(Array(4).fill([0.9, 0.1, 1, -0.1, 0.9, 2, 0, 0])), "nearest", "nearest"));
    console.log(`${backend}: four images of skin are ${means(images()).join(", ")} on average; moved by nothing ${one.join(", ")}; each turned and moved ${each.join(", ")}`);
    found[backend] = [one, each];
}
const all = (values, expected) => values.every((value, place) => value === expected[place]);
const black = ["0.71", "0.00", "0.00", "0.00"];
const right = Array(4).fill("0.71");
process.exit(found.cpu.every((values) => all(values, black)) && found.wasm.every((values) => all(values, right)) ? 0 : 1);
J
echo "expected: 0.71 for each image, as the border is repeated"
check_node try.mjs
