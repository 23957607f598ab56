"use strict";

/* The worker: the runtime, the model, and one image after the other, of which the next is decoded while one is inferred. */

const DECODED_AHEAD = 2;
const waiting = []; // jobs of the page, in order
let model = null, ready = false, busy = false;

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

async function start(runtime) {
  await new Blob(["a file"]).arrayBuffer().catch(() => {
    throw new Error("it reads no images for a page from the disk; put the folder on a web server");
  }); // WebKit
  await startRuntime(runtime);
}

async function startModel(runtime, bundle) {
  model = bundle.model;
  const [network] = await Promise.all([unpacked(bundle.network, "model.js"), runtime]);
  await startNetwork(network);
  await predict(new Uint8Array(3 * model.height * model.width), 1);
  ready = true;
}

/** Pixels of images, (count, height, width, 3) uint8, to what is said of each. */
async function predict(pixels, count) {
  const found = await infer(pixels, count, model);
  return found.map(({ probabilities, distance }) => decide(probabilities, distance, model));
}

function decodeAhead() {
  for (const job of waiting.slice(0, DECODED_AHEAD)) {
    job.sample ??= sampleOf(job.file);
    job.decoded ??= decodeImage(job.file, model.height, model.width).catch((error) => error);
  }
}

/** Do what waits, in order; an image that cannot be decoded has an answer that says so. */
async function work() {
  if (busy || !ready) return;
  busy = true;
  while (waiting.length) {
    decodeAhead();
    const job = waiting.shift(), image = await job.decoded, sample = await job.sample;
    decodeAhead();
    try {
      self.postMessage({ id: job.id, kind: job.kind, sample, ...(await answer(job, image)) });
    } catch (error) {
      self.postMessage({ id: job.id, kind: job.kind, sample, error: { reason: "unreadable", detail: String(error) } });
    }
  }
  busy = false;
}

async function answer(job, image) {
  if (image instanceof Error) return { error: { reason: image.reason, detail: image.detail } };
  const [said] = await predict(image.pixels, 1);
  if (job.kind === "score") return { said };
  const { height, width } = model;
  const tell = (share) => self.postMessage({ id: job.id, kind: "progress", share });
  self.postMessage({ id: job.id, kind: "seen", pixels: image.pixels, height, width, said });
  const map = await occlude(predict, image.pixels, height, width, job.target, tell);
  return { said, map };
}

let runtime = null;
self.onmessage = async ({ data }) => {
  try {
    if (data.kind === "runtime") runtime = start(data);
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
