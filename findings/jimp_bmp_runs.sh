#!/usr/bin/env bash
# Jimp reads a run-length encoded BMP with wrong colours, blue and red gone, without an error.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install_node jimp@1.6.1 bmp-js@0.1.0
cat >"$folder/try.mjs" <<'J'
import { readFileSync } from "fs";
import { createRequire } from "module";
import { Jimp } from "jimp";
const bmp = createRequire(import.meta.url)("bmp-js");

const SIDE = 48, SKIN = [220, 170, 150], LESION = [90, 50, 40], CENTRE = 24 * SIDE + 24;
const inside = (x, y) => (x - 24) ** 2 + (y - 24) ** 2 < 144;

// A BMP with a palette of two colours, each row as runs of one colour, from the bottom up; or as plain bytes.
function file(bits, runs) {
  const data = [];
  for (let y = SIDE - 1; y >= 0; y--) {
    const row = Array.from({ length: SIDE }, (_, x) => Number(inside(x, y)));
    if (!runs) { data.push(...row); continue; }
    for (let start = 0; start < SIDE; ) {
      let end = start;
      while (end < SIDE && row[end] === row[start]) end++;
      data.push(end - start, row[start] * (bits === 4 ? 17 : 1));
      start = end;
    }
    data.push(0, 0);
  }
  if (runs) data.push(0, 1);
  const palette = [SKIN, LESION].flatMap(([red, green, blue]) => [blue, green, red, 0]);
  const head = Buffer.alloc(54);
  head.write("BM");
  head.writeUInt32LE(54 + palette.length + data.length, 2);
  head.writeUInt32LE(54 + palette.length, 10);
  head.writeUInt32LE(40, 14); head.writeInt32LE(SIDE, 18); head.writeInt32LE(SIDE, 22);
  head.writeUInt16LE(1, 26); head.writeUInt16LE(bits, 28); head.writeUInt32LE(runs ? { 8: 1, 4: 2 }[bits] : 0, 30);
  head.writeUInt32LE(data.length, 34); head.writeUInt32LE(2, 46);
  return Buffer.concat([head, Buffer.from([...palette, ...data])]);
}

const version = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
console.log(["jimp", "bmp-js", "bmp-ts"].map((name) => `${name} ${version(name)}`).join(", ") + `, node ${process.version}`);
const found = [];
for (const [how, bits, runs] of [["plain bytes", 8, false], ["runs of 8 bits", 8, true], ["runs of 4 bits", 4, true]]) {
  const bytes = file(bits, runs);
  const byJimp = (await Jimp.read(bytes)).bitmap.data;
  const byBmpJs = bmp.decode(bytes).data; // alpha, blue, green, red
  const colours = [0, CENTRE].map((at) => [Array.from(byJimp.slice(at * 4, at * 4 + 3)), Array.from(byBmpJs.slice(at * 4 + 1, at * 4 + 4)).reverse()]);
  console.log(`${how}: skin ${colours[0][0]} and lesion ${colours[1][0]} by Jimp, ${colours[0][1]} and ${colours[1][1]} by bmp-js`);
  found.push([0, 1].map((reader) => String(colours[0][reader]) === String(SKIN) && String(colours[1][reader]) === String(LESION)));
}
process.exit(JSON.stringify(found) === "[[true,true],[false,true],[false,true]]" ? 0 : 1);
J
echo "expected: skin 220,170,150 and lesion 90,50,40, or an error"
check_node try.mjs
