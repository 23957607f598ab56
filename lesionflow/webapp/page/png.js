"use strict";

/* PNG files: what their chunks say, and whether they are whole: as lesionflow/images/pillow_formats.py. */

const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

/** Its size, profile, orientation and where its pixels are. Throws `ImageFailure` for a wrong checksum or no end. */
function readPng(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const found = { pixels: [], exif: null, icc: null, chunks: new Set(), hidden: [] };
  let position = 8;
  for (;;) {
    if (position + 12 > data.length) throw damaged("it breaks off");
    const length = view.getUint32(position), kind = latin1(data, position + 4, position + 8), end = position + 8 + length;
    if (end + 4 > data.length) throw damaged("it breaks off");
    if (crc(data, position + 4, end) !== view.getUint32(end)) throw damaged(`wrong checksum of its chunk '${kind}'`);
    if (kind === "IDAT") found.pixels.push(data.subarray(position + 8, end));
    else if (kind === "eXIf") found.exif = data.subarray(position + 8, end);
    else if (kind === "iCCP") found.icc = data.subarray(position + 8, end);
    else if (kind === "IHDR") found.header = data.subarray(position + 8, end);
    found.chunks.add(kind);
    if (kind === "eXIf" || kind === "iCCP") found.hidden.push([position, end + 4]);
    if (kind === "IEND") break;
    position = end + 4;
  }
  if (!found.header || found.header.length !== 13) throw damaged("begins like PNG, but its header cannot be read");
  found.width = view.getUint32(16);
  found.height = view.getUint32(20);
  found.alpha = found.header[9] >= 4 || found.chunks.has("tRNS");
  return found;
}

/** The ICC profile of a PNG; null without one, undefined where its colours are told in another way. */
async function pngProfile({ chunks, icc }) {
  if (chunks.has("cICP")) return undefined;
  if (icc) return inflated(icc.subarray(icc.indexOf(0) + 2));
  return chunks.has("gAMA") && !chunks.has("sRGB") ? undefined : null;
}

/** A PNG without what is ours to apply, as parts of a file: not all browsers do as they are asked. */
function pngParts(data, { hidden }, hideProfile) {
  const parts = [];
  let from = 0;
  for (const [start, end] of hidden) {
    if (latin1(data, start + 4, start + 8) === "iCCP" && !hideProfile) continue;
    parts.push(data.subarray(from, start));
    from = end;
  }
  return [...parts, data.subarray(from)];
}

function crc(data, start, end) {
  let value = 0xffffffff;
  for (let index = start; index < end; index++) value = CRC[(value ^ data[index]) & 0xff] ^ (value >>> 8);
  return (value ^ 0xffffffff) >>> 0;
}

/** Throw `ImageFailure` where the compressed data ends too early: a browser leaves rows black, without an error. */
async function checkRows(png) {
  const expected = pngBytes(png);
  let total = 0;
  const unpacked = new Blob(png.pixels).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
  try {
    for (;;) {
      const { value, done } = await unpacked.read();
      if (done) break;
      total += value.length;
      if (total >= expected) {
        await unpacked.cancel();
        break;
      }
    }
  } catch (error) {
    if (total < expected) throw damaged(String(error.message ?? error));
  }
  if (total < expected) throw damaged(`${total.toLocaleString("en")} of ${expected.toLocaleString("en")} bytes of pixels`);
}

/** Bytes that the pixels have before compression: a byte a row says how it is filtered. */
function pngBytes({ width, height, header }) {
  const bits = header[8] * { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }[header[9]];
  const passes = header[12] // Adam7: the first pixel of each pass, and its steps
    ? [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]]
    : [[0, 0, 1, 1]];
  let total = 0;
  for (const [left, top, right, down] of passes) {
    const columns = Math.ceil((width - left) / right), rows = Math.ceil((height - top) / down);
    if (columns > 0 && rows > 0) total += rows * (1 + ((columns * bits + 7) >> 3));
  }
  return total;
}
