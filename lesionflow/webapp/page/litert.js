"use strict";

/* Inference by LiteRT, with the file that `lesionflow export --format litert` writes: one image to its probabilities. */

const threads = 1; // several need WebAssembly of their own
let litert = null, network = null;

const addressOf = (script) => URL.createObjectURL(new Blob([script], { type: "text/javascript" }));

async function startRuntime({ core, utils, builds }) {
  const utilsAddress = JSON.stringify(addressOf(utils)); // a module of a blob finds no other by its name
  litert = await import(addressOf(core.replace('"@litertjs/wasm-utils"', utilsAddress)));
  const { loader, wasm } = (await litert.supportsFeature("relaxedSimd")) ? builds.relaxed : builds.compatible;
  self.Module = { wasmBinary: await unpacked(wasm, "runtime.js") };
  await litert.loadLiteRt(`${addressOf(loader)}#.js`); // an address with another ending is a folder to it
}

async function startNetwork(file) {
  network = await litert.loadAndCompile(file, { accelerator: "wasm" });
}

/** Pixels of images, (count, height, width, 3) uint8, to probabilities and distance of each. */
async function infer(pixels, count, { height, width }) {
  const length = pixels.length / count, found = [];
  for (let start = 0; start < pixels.length; start += length) {
    const image = new litert.Tensor(pixels.subarray(start, start + length), [1, height, width, 3]);
    const said = await network.run({ image });
    const [probabilities, [distance]] = [said.probabilities, said.distance].map((each) => [...(each?.toTypedArray() ?? [NaN])]);
    found.push({ probabilities, distance });
    for (const each of [image, ...Object.values(said)]) each.delete();
  }
  return found;
}
