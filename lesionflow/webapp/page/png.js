"use strict";

/* PNG files: what their chunks say, and whether they are whole: as lesionflow/images/pillow_formats.py. */

const PICTURE = ["IHDR", "PLTE", "tRNS", "IDAT", "IEND"]; // without the rest no browser turns, colours or animates it
const APART = ["iCCP", "cICP", "gAMA", "cHRM", "sRGB"]; // what pixels mean, said in front of them
const UNSPECIFIED = 2; // of what cICP says in numbers
const TEXTS = ["tEXt", "zTXt", "iTXt"];
const CHANNELS = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 }; // by colour type
const ALPHA_CHANNEL = [4, 6]; // colour types
const CRC = Uint32Array.from({ length: 256 }, (_, value) => {
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value >>> 0;
});

/** Its size, what it says of itself and where its pixels are. Throws `ImageFailure` for a wrong checksum or no end. */
function readPng(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const chunks = new Map(), found = { pixels: [], texts: [], hidden: [], chunks };
  if (latin1(data, 12, 16) === "CgBI") {
    throw new ImageFailure("unsupported", "a PNG of Apple's own kind, as in programs for phones; save it as PNG");
  }
  let position = 8;
  for (;;) {
    if (position + 12 > data.length) throw damaged("it breaks off");
    const length = view.getUint32(position), kind = latin1(data, position + 4, position + 8), end = position + 8 + length;
    if (end + 4 > data.length) throw damaged("it breaks off");
    if (crc(data, position + 4, end) !== view.getUint32(end)) throw damaged(`wrong checksum of its chunk '${kind}'`);
    if (kind === "IDAT") found.pixels.push(data.subarray(position + 8, end));
    else if (TEXTS.includes(kind)) found.texts.push({ kind, bytes: data.subarray(position + 8, end) });
    else if (!chunks.has(kind) && !(APART.includes(kind) && found.pixels.length)) chunks.set(kind, [position, end + 4]);
    if (!PICTURE.includes(kind)) found.hidden.push([position, end + 4]);
    if (kind === "IEND") break;
    position = end + 4;
  }
  found.content = (kind) => (chunks.has(kind) ? data.subarray(chunks.get(kind)[0] + 8, chunks.get(kind)[1] - 4) : null);
  found.header = found.content("IHDR");
  if (found.header?.length !== 13) throw damaged("begins like PNG, but its header cannot be read");
  found.width = view.getUint32(16);
  found.height = view.getUint32(20);
  return found;
}

/** How the colours of a PNG become sRGB, behind a range as in films, which cICP can say. */
async function pngConversion(png) {
  const convert = await pngColours(png), named = png.content("cICP");
  if (convert === undefined || named?.length !== 4 || named[3]) return convert;
  return (pixels) => {
    pixels.forEach((value, i) => { pixels[i] = Math.round(Math.min(Math.max(((value - 16) * 255) / 219, 0), 255)); });
    convert?.(pixels);
  };
}

/** The first of cICP, iCCP, sRGB, gAMA with cHRM counts. */
async function pngColours({ content }) {
  const [named, profile, gamma] = ["cICP", "iCCP", "gAMA"].map(content);
  if (named?.length === 4 && !named.subarray(0, 2).includes(UNSPECIFIED)) return namedConversion(named[0], named[1]);
  if (profile) return profileConversion(await inflated(profile.subarray(profile.indexOf(0) + 2)));
  return content("sRGB") || gamma?.length !== 4 ? null : gammaConversion(gamma, content("cHRM"));
}

/** The bytes of a text by its keyword; null without it. */
async function pngText({ texts }, keyword) {
  for (const { kind, bytes } of texts) {
    const end = bytes.indexOf(0);
    if (latin1(bytes, 0, end) !== keyword) continue;
    if (kind === "tEXt") return bytes.subarray(end + 1);
    if (kind === "zTXt") return inflated(bytes.subarray(end + 2));
    const text = bytes.subarray(bytes.indexOf(0, bytes.indexOf(0, end + 3) + 1) + 1); // behind language and translation
    return bytes[end + 1] ? inflated(text) : text;
  }
  return null;
}

/** EXIF of its own chunk or, as ImageMagick writes it, of a text of hexadecimal digits. */
async function pngExif(png) {
  const text = png.content("eXIf") ? null : await pngText(png, "Raw profile type exif");
  if (!text) return png.content("eXIf");
  const digits = new TextDecoder("latin1").decode(text).split("\n").slice(3).join("");
  return Uint8Array.from(digits.match(/[0-9a-f]{2}/gi) ?? [], (pair) => parseInt(pair, 16));
}

/** A PNG without what is ours to apply, as parts of a file: not all browsers do as they are asked. */
function pngParts(data, { hidden }, hideProfile) {
  const parts = [];
  let from = 0;
  for (const [start, end] of [...hidden].sort((one, other) => one[0] - other[0])) {
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

/** Bytes that the pixels have before compression. */
function pngBytes(png) {
  return pngRows(png).reduce((total, { rows, bytes }) => total + rows * (1 + bytes), 0);
}

/** How many rows of how many bytes there are, pass by pass; a byte before each row says how it is filtered. */
function pngRows({ width, height, header }) {
  const bits = header[8] * CHANNELS[header[9]];
  const passes = header[12] // Adam7: the first pixel of each pass, and its steps
    ? [[0, 0, 8, 8], [4, 0, 8, 8], [0, 4, 4, 8], [2, 0, 4, 4], [0, 2, 2, 4], [1, 0, 2, 2], [0, 1, 1, 2]]
    : [[0, 0, 1, 1]];
  return passes.map(([left, top, right, down]) => {
    const columns = Math.max(0, Math.ceil((width - left) / right)), rows = Math.ceil((height - top) / down);
    return { rows: columns && Math.max(0, rows), bytes: (columns * bits + 7) >> 3 };
  });
}

/** A PNG without its alpha channel, as parts of a file: rows are filtered channel by channel, so that the bytes of one can
    be left out as they are. */
async function withoutAlphaChannel(data, png, hideProfile) {
  const sample = png.header[8] / 8, pixel = sample * CHANNELS[png.header[9]];
  const packed = await inflated(new Blob(png.pixels));
  if (!packed) return [data];
  const kept = new Uint8Array(packed.length);
  let from = 0, to = 0;
  for (const { rows, bytes } of pngRows(png)) {
    for (let row = 0; row < rows; row++) {
      kept[to++] = packed[from++];
      for (const end = from + bytes; from < end; from += sample) {
        for (const alpha = from + pixel - sample; from < alpha;) kept[to++] = packed[from++];
      }
    }
  }
  const pixels = new Blob([kept.subarray(0, to)]).stream().pipeThrough(new CompressionStream("deflate"));
  const header = png.header.with(9, png.header[9] - 4), [start] = png.chunks.get("IHDR");
  const profile = hideProfile || !png.chunks.has("iCCP") ? new Uint8Array() : data.subarray(...png.chunks.get("iCCP"));
  return [
    data.subarray(0, start), pngChunk("IHDR", header), profile,
    pngChunk("IDAT", new Uint8Array(await new Response(pixels).arrayBuffer())), pngChunk("IEND", new Uint8Array()),
  ];
}

function pngChunk(kind, content) {
  const chunk = new Uint8Array(content.length + 12), view = new DataView(chunk.buffer);
  view.setUint32(0, content.length);
  for (let index = 0; index < 4; index++) chunk[4 + index] = kind.charCodeAt(index);
  chunk.set(content, 8);
  view.setUint32(content.length + 8, crc(chunk, 4, content.length + 8));
  return chunk;
}
