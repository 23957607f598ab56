#!/usr/bin/env bash
# ImageMagick shows uncompressed DICOM colours of YBR_FULL as if they were RGB: skin is purple and the lesion blue, without a warning; RGB is right.
# It needs Node.js 20.9 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install_node @imagemagick/magick-wasm@0.0.43
cat >"$folder/try.mjs" <<'J'
import { ImageMagick, initializeImageMagick, Magick, MagickFormat } from "@imagemagick/magick-wasm";
import { readFileSync } from "fs";

await initializeImageMagick(readFileSync(new URL("./node_modules/@imagemagick/magick-wasm/dist/x86/magick.wasm", import.meta.url)));

function element(group, number, type, value) {
  let data = Buffer.isBuffer(value) ? value : typeof value === "number" ? Buffer.from([value & 255, value >> 8]) : Buffer.from(value);
  if (data.length % 2) data = Buffer.concat([data, Buffer.from(type === "UI" || type === "OB" ? "\0" : " ")]);
  const head = Buffer.alloc(type === "OB" ? 12 : 8);
  head.writeUInt16LE(group, 0); head.writeUInt16LE(number, 2); head.write(type, 4);
  if (type === "OB") head.writeUInt32LE(data.length, 8);
  else head.writeUInt16LE(data.length, 6);
  return Buffer.concat([head, data]);
}
function dicom(interpretation, pixels, bands, extra = []) {
  const meta = Buffer.concat([element(2, 1, "OB", Buffer.from([0, 1])), element(2, 2, "UI", "1.2.840.10008.5.1.4.1.1.7"), element(2, 3, "UI", "1.2.3.4"), element(2, 16, "UI", "1.2.840.10008.1.2.1")]);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(meta.length);
  const planes = bands === 3 ? [element(0x28, 6, "US", 0)] : [];
  return Buffer.concat([
    Buffer.alloc(128), Buffer.from("DICM"), element(2, 0, "UL", length), meta,
    element(8, 0x16, "UI", "1.2.840.10008.5.1.4.1.1.7"), element(8, 0x18, "UI", "1.2.3.4"), element(8, 0x60, "CS", "XC"),
    element(0x28, 2, "US", bands), element(0x28, 4, "CS", interpretation), ...planes, element(0x28, 16, "US", 48), element(0x28, 17, "US", 48),
    element(0x28, 0x100, "US", 8), element(0x28, 0x101, "US", 8), element(0x28, 0x102, "US", 7), element(0x28, 0x103, "US", 0), ...extra, element(0x7fe0, 16, "OB", pixels),
  ]);
}
const drawn = (skin, lesion) => Buffer.from(Array.from({ length: 48 * 48 }, (_, i) => ((i % 48) - 24) ** 2 + (Math.floor(i / 48) - 24) ** 2 < 144 ? lesion : skin).flat());
// the standard's formula, PS3.3 C.7.6.3.1.2
const ybr = ([r, g, b]) => [0.299 * r + 0.587 * g + 0.114 * b, 128 - 0.1687 * r - 0.3313 * g + 0.5 * b, 128 + 0.5 * r - 0.4187 * g - 0.0813 * b].map(Math.round);
const skin = [220, 170, 150];
const lesion = [90, 50, 40];
const files = { RGB: dicom("RGB", drawn(skin, lesion), 3), YBR_FULL: dicom("YBR_FULL", drawn(ybr(skin), ybr(lesion)), 3) };
console.log(`${Magick.imageMagickVersion}, node ${process.version}`);
const found = {};
for (const [name, file] of Object.entries(files)) {
  const warnings = [];
  ImageMagick.read(file, MagickFormat.Dcm, (image) => {
    image.onWarning = (event) => warnings.push(event.error.message);
    image.getPixels((pixels) => { found[name] = [pixels.getPixel(2, 2), pixels.getPixel(24, 24)].map((pixel) => Array.from(pixel).slice(0, 3)); });
  });
  console.log(`${name}: skin ${found[name][0]}, lesion ${found[name][1]}; warnings: ${warnings.length}`);
}
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
process.exit(same(found.RGB, [skin, lesion]) && same(found.YBR_FULL, [ybr(skin), ybr(lesion)]) ? 0 : 1);
J
echo "expected: skin of 220, 170, 150 and a lesion of 90, 50, 40 from both files, give or take 1"
check_node try.mjs
