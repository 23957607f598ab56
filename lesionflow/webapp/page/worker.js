"use strict";

/* The worker: the runtime, the model, and one image after the other, of which the next is decoded while one is inferred. */

const DECODED_AHEAD = 2;
const threads = self.crossOriginIsolated ? Math.min(4, Math.max(1, Math.floor((navigator.hardwareConcurrency || 2) / 2))) : 1;
const waiting = []; // jobs of the page, in order
let model = null, session = null, busy = false;

function bytesOf(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const characters = atob(text), bytes = new Uint8Array(characters.length);
  for (let i = 0; i < characters.length; i++) bytes[i] = characters.charCodeAt(i);
  return bytes;
}

/** What a script of the page has compressed, with a checksum; file: the script. */
async function unpacked(text, file) {
  try {
    const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  } catch (error) {
    throw Object.assign(error, { file });
  }
}

async function startRuntime({ wasm, loader }) {
  await new Blob(["a file"]).arrayBuffer().catch(() => {
    throw new Error("it reads no images for a page from the disk; put the folder on a web server");
  }); // WebKit
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmBinary = (await unpacked(wasm, "runtime.js")).buffer;
  ort.env.wasm.wasmPaths = { mjs: URL.createObjectURL(new Blob([loader], { type: "text/javascript" })) };
}

async function startModel(runtime, bundle) {
  model = bundle.model;
  const [graph] = await Promise.all([unpacked(bundle.graph, "model.js"), runtime]);
  // What there is to optimise was optimised when the page was made.
  session = await ort.InferenceSession.create(graph, { graphOptimizationLevel: "disabled", logSeverityLevel: 3 });
  await predict(new Uint8Array(3 * model.height * model.width), 1);
}

/** Pixels of images, (count, height, width, 3) uint8, to what is said of each. */
async function predict(pixels, count) {
  const { height, width } = model;
  const input = new ort.Tensor("float32", Float32Array.from(pixels), [count, height, width, 3]);
  const found = await session.run({ [session.inputNames[0]]: input });
  const [logits, distances] = session.outputNames.map((name) => found[name]);
  const classes = logits.data.length / count;
  const said = [];
  for (let i = 0; i < count; i++) {
    const distance = distances ? distances.data[i] : NaN;
    said.push(decide(logits.data.subarray(i * classes, (i + 1) * classes), distance, model));
  }
  return said;
}

function decodeAhead() {
  for (const job of waiting.slice(0, DECODED_AHEAD)) {
    job.decoded ??= decodeImage(job.file, model.height, model.width).catch((error) => error);
  }
}

/** Do what waits, in order; an image that cannot be decoded has an answer that says so. */
async function work() {
  if (busy || !session) return;
  busy = true;
  while (waiting.length) {
    decodeAhead();
    const job = waiting.shift(), image = await job.decoded;
    decodeAhead();
    try {
      self.postMessage({ id: job.id, kind: job.kind, ...(await answer(job, image)) });
    } catch (error) {
      self.postMessage({ id: job.id, kind: job.kind, error: { reason: "unreadable", detail: String(error) } });
    }
  }
  busy = false;
}

async function answer(job, image) {
  if (image instanceof Error) return { error: { reason: image.reason, detail: image.detail } };
  const [said] = await predict(image.pixels, 1);
  if (job.kind === "score") return { said, format: image.format };
  const { height, width } = model;
  const tell = (share) => self.postMessage({ id: job.id, kind: "progress", share });
  self.postMessage({ id: job.id, kind: "seen", pixels: image.pixels, height, width, said });
  const map = await occlude(predict, image.pixels, height, width, job.target, tell);
  return { said, map };
}

let runtime = null;
self.onmessage = async ({ data }) => {
  try {
    if (data.kind === "runtime") runtime = startRuntime(data);
    else if (data.kind === "model") {
      await startModel(runtime, data.bundle);
      self.postMessage({ kind: "ready", threads });
    } else waiting.push(data);
    await work();
  } catch (error) {
    if (error.file) self.postMessage({ kind: "damaged", file: error.file });
    else self.postMessage({ kind: "broken", detail: String(error.message ?? error) });
  }
};
