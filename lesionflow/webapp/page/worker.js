"use strict";

/* The worker: the runtime, the model, and one image after the other, of which the next is decoded while one is inferred. */

const DECODED_AHEAD = 2;
const TOGETHER = 8; // files that are read at once, and answers in a message, of which each costs the page a millisecond
const READ_TOGETHER = 4 * 2 ** 20; // bytes
const SOON = 200; // milliseconds after which answers are told, as of large images
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
  for (const [i, job] of waiting.slice(0, DECODED_AHEAD).entries()) {
    if (!job.read) readAhead(i);
    job.decoded ??= decodeImage(job.file, model.height, model.width, job.read).catch((error) => error);
  }
}

/** Have jobs read together, from one on that is not, as far as they are small. */
function readAhead(first) {
  let last = first, bytes = 0;
  do bytes += waiting[last++].file.size;
  while (last < first + TOGETHER && waiting[last] && !waiting[last].read && bytes + waiting[last].file.size <= READ_TOGETHER);
  const jobs = waiting.slice(first, last);
  readersOf(jobs.map(({ file }) => file)).forEach((read, i) => { jobs[i].read = read; });
}

/** Do what waits, in order; an image that cannot be decoded has an answer that says so. */
async function work() {
  if (busy || !ready) return;
  busy = true;
  let answers = [], told = performance.now();
  while (waiting.length) {
    decodeAhead();
    const job = waiting.shift(), image = await job.decoded, sample = image.sample ?? (await sampleOf(job.file));
    decodeAhead();
    const said = await answer(job, image).catch((error) => ({ error: { reason: "unreadable", detail: String(error) } }));
    if (job.kind === "explain") self.postMessage({ id: job.id, kind: "explain", ...said });
    else answers.push({ id: job.id, sample, ...said });
    if (answers.length < TOGETHER && waiting.length && performance.now() < told + SOON) continue;
    self.postMessage({ kind: "answers", answers });
    [answers, told] = [[], performance.now()];
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
    } else if (data.kind === "explain") waiting.unshift(data); // somebody waits for it
    else waiting.push(...data.jobs);
    await work();
  } catch (error) {
    if (error.file) self.postMessage({ kind: "damaged", file: error.file });
    else self.postMessage({ kind: "broken", detail: String(error.message ?? error) });
  }
};
