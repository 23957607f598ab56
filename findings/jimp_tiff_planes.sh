#!/usr/bin/env bash
# Jimp and UTIF.js read a TIFF stored by plane as if it were stored by pixel, two thirds of it black, and signed numbers as unsigned, without an error.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install_node jimp@1.6.1 utif@3.1.0 sharp@0.35.5
cat >"$folder/try.mjs" <<'J'
import { readFileSync } from "fs";
import { createRequire } from "module";
import { Jimp } from "jimp";
const require = createRequire(import.meta.url);
const UTIF = require("utif");
const sharp = require("sharp");

const SIDE = 48;
const inside = (pixel) => (pixel % SIDE - 24) ** 2 + (Math.floor(pixel / SIDE) - 24) ** 2 < 144;

// An uncompressed little-endian TIFF with one strip for each block.
function tiff(blocks, { bits, samples, photometric, planar = 1, format = 1 }) {
  const placed = []; // the offset of each block, behind the header
  let end = 8;
  for (const block of blocks) { placed.push(end); end += block.length; }
  const extra = [];
  let afterwards = end; // arrays that do not fit into an entry
  const fitting = (values, size) => {
    const bytes = Buffer.alloc(Math.max(4, values.length * size));
    values.forEach((value, i) => bytes.writeUIntLE(value, i * size, size));
    if (bytes.length === 4) return bytes;
    const offset = Buffer.alloc(4);
    offset.writeUInt32LE(afterwards);
    extra.push(bytes);
    afterwards += bytes.length;
    return offset;
  };
  const entry = (tag, type, values) => {
    const head = Buffer.alloc(8);
    head.writeUInt16LE(tag, 0); head.writeUInt16LE(type, 2); head.writeUInt32LE(values.length, 4);
    return Buffer.concat([head, fitting(values, type === 3 ? 2 : 4)]);
  };
  const each = (value) => Array(samples).fill(value);
  const entries = [
    entry(256, 4, [SIDE]), entry(257, 4, [SIDE]), entry(258, 3, each(bits)), entry(259, 3, [1]), entry(262, 3, [photometric]),
    entry(273, 4, placed), entry(277, 3, [samples]), entry(278, 4, [SIDE]), entry(279, 4, blocks.map((block) => block.length)),
    entry(284, 3, [planar]), entry(339, 3, each(format)),
  ];
  const header = Buffer.from([0x49, 0x49, 42, 0, 0, 0, 0, 0]);
  header.writeUInt32LE(afterwards, 4);
  const count = Buffer.alloc(2);
  count.writeUInt16LE(entries.length);
  return Buffer.concat([header, ...blocks, ...extra, count, ...entries, Buffer.alloc(4)]);
}

const readers = {
  jimp: async (file) => (await Jimp.read(file)).bitmap.data,
  utif: async (file) => { const [page] = UTIF.decode(file); UTIF.decodeImage(file, page); return UTIF.toRGBA8(page); },
  sharp: async (file) => sharp(file).ensureAlpha().raw().toBuffer(),
};
const at = (pixels, pixel) => Array.from(pixels.slice(pixel * 4, pixel * 4 + 3));
const SKIN = [220, 170, 150], LESION = [90, 50, 40], CENTRE = 24 * SIDE + 24;
const colours = Array.from({ length: SIDE * SIDE }, (_, pixel) => (inside(pixel) ? LESION : SKIN));
const byPixel = tiff([Buffer.from(colours.flat())], { bits: 8, samples: 3, photometric: 2 });
const byPlane = tiff([0, 1, 2].map((band) => Buffer.from(colours.map((colour) => colour[band]))), { bits: 8, samples: 3, photometric: 2, planar: 2 });
const grey = Buffer.alloc(SIDE * SIDE * 2);
for (let pixel = 0; pixel < SIDE * SIDE; pixel++) grey.writeInt16LE(inside(pixel) ? -1000 : 1000, pixel * 2);
const signed = tiff([grey], { bits: 16, samples: 1, photometric: 1, format: 2 });

const version = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
console.log(["jimp", "utif", "sharp"].map((name) => `${name} ${version(name)}`).join(", ") + `, node ${process.version}`);
const found = {};
for (const [name, read] of Object.entries(readers)) {
  const wrong = {};
  for (const [how, file] of [["by pixel", byPixel], ["by plane", byPlane]]) {
    const pixels = await read(file);
    wrong[how] = colours.filter((colour, pixel) => at(pixels, pixel).some((value, band) => value !== colour[band])).length;
    console.log(`${name}, colours stored ${how}: skin ${at(pixels, 0)}, lesion ${at(pixels, CENTRE)}; ${wrong[how]} of ${colours.length} pixels are wrong`);
  }
  found[name] = [wrong["by pixel"], wrong["by plane"]];
  if (name !== "sharp") {
    const pixels = await read(signed);
    const [skin, lesion] = [at(pixels, 0)[0], at(pixels, CENTRE)[0]];
    console.log(`${name}, signed grey of 16 bits, skin 1000 and lesion -1000: skin ${skin}, lesion ${lesion} of 255`);
    found[name].push(lesion > skin);
  }
}
const all = SIDE * SIDE;
process.exit(JSON.stringify(found) === JSON.stringify({ jimp: [0, all, true], utif: [0, all, true], sharp: [0, 0] }) ? 0 : 1);
J
echo "expected: skin 220,170,150 and lesion 90,50,40 for both ways of storing them, and a lesion that is darker than the skin, or an error"
check_node try.mjs
