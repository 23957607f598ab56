"use strict";

/* Inference by ONNX Runtime Web, whose own script comes before this, with the bundle's graph. */

const threads = self.crossOriginIsolated ? Math.min(4, Math.max(1, Math.floor((navigator.hardwareConcurrency || 2) / 2))) : 1;
let session = null;

async function startRuntime({ wasm, loader }) {
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = (await unpacked(wasm, "runtime.js")).buffer;
  ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(new Blob([loader], { type: "text/javascript" })) };
}

async function startNetwork(graph) {
  // What there is to optimise was optimised when the page was made.
  session = await ort.InferenceSession.create(graph, { graphOptimizationLevel: "disabled", logSeverityLevel: 3 });
}

/** Pixels of images, (count, height, width, 3) uint8, to probabilities and distance of each. */
async function infer(pixels, count, { height, width, calibration }) {
  const input = new ort.Tensor("float32", Float32Array.from(pixels), [count, height, width, 3]);
  const found = await session.run({ [session.inputNames[0]]: input });
  const [logits, distances] = session.outputNames.map((name) => found[name]);
  const classes = logits.data.length / count;
  return Array.from({ length: count }, (_, i) => ({
    probabilities: calibrated(logits.data.subarray(i * classes, (i + 1) * classes), calibration),
    distance: distances ? distances.data[i] : NaN,
  }));
}
