#!/usr/bin/env bash
# sharp shows a grey TIFF of floats from 0 to 1 in black and one with colours too bright, and of 32 bits the skin in black and the lesion in white.
# It needs Node.js 20.9 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install_node sharp@0.35.5
cat >"$folder/try.cjs" <<'J'
const sharp = require("sharp");

// an uncompressed TIFF of 48 x 48; kind 1 is unsigned, 3 is floating point
function tiff(bits, kind, skin, lesion) {
  const bands = skin.length;
  const bytes = bits / 8;
  const pixels = Buffer.alloc(48 * 48 * bands * bytes);
  const write = { "1,8": "writeUInt8", "1,16": "writeUInt16LE", "1,32": "writeUInt32LE", "3,32": "writeFloatLE" }[`${kind},${bits}`];
  for (let y = 0; y < 48; y++)
    for (let x = 0; x < 48; x++)
      ((x - 24) ** 2 + (y - 24) ** 2 < 144 ? lesion : skin).forEach((value, band) => pixels[write](value, ((y * 48 + x) * bands + band) * bytes));
  const entries = [[256, 48], [257, 48], [258, bits], [259, 1], [262, bands === 3 ? 2 : 1], [273, 8], [277, bands], [278, 48], [279, pixels.length], [339, kind]];
  const directory = Buffer.alloc(2 + entries.length * 12 + 4);
  const extra = Buffer.alloc(12); // three numbers do not fit into an entry
  directory.writeUInt16LE(entries.length);
  entries.forEach(([tag, value], i) => {
    const at = 2 + i * 12;
    const three = bands === 3 && (tag === 258 || tag === 339);
    directory.writeUInt16LE(tag, at); directory.writeUInt16LE(three ? 3 : 4, at + 2); directory.writeUInt32LE(three ? 3 : 1, at + 4);
    const place = tag === 258 ? 0 : 6;
    if (three) for (let band = 0; band < 3; band++) extra.writeUInt16LE(value, place + band * 2);
    directory.writeUInt32LE(three ? 8 + pixels.length + directory.length + place : value, at + 8);
  });
  const head = Buffer.from([0x49, 0x49, 42, 0, 0, 0, 0, 0]);
  head.writeUInt32LE(8 + pixels.length, 4);
  return Buffer.concat([head, pixels, directory, extra]);
}
const shade = (factor) => [[200 * factor], [60 * factor]];
const colour = (factor) => [[220, 170, 150], [90, 50, 40]].map((values) => values.map((value) => value * factor));
const images = {
  "grey of 8 bits": tiff(8, 1, ...shade(1)), "grey of 16 bits": tiff(16, 1, ...shade(257)), "grey of 32 bits": tiff(32, 1, ...shade(16843009)),
  "grey of floats, 0 to 1": tiff(32, 3, ...shade(1 / 255)), "colours of 16 bits": tiff(16, 1, ...colour(257)), "colours of floats, 0 to 1": tiff(32, 3, ...colour(1 / 255)),
};
(async () => {
  console.log(`sharp ${sharp.versions.sharp}, libvips ${sharp.versions.vips}, node ${process.version}`);
  const found = {};
  for (const [name, file] of Object.entries(images)) {
    const { data, info } = await sharp(file).png().toBuffer().then((png) => sharp(png).raw().toBuffer({ resolveWithObject: true }));
    const pixel = (x, y) => Array.from(data.slice((y * 48 + x) * info.channels, (y * 48 + x) * info.channels + 3));
    found[name] = [pixel(2, 2), pixel(24, 24)];
    console.log(`${name}: as PNG the skin is ${found[name][0]}, the lesion ${found[name][1]}`);
  }
  const is = (name, skin, lesion) => JSON.stringify(found[name].map((pixel) => pixel[0])) === JSON.stringify([skin, lesion]);
  const right = is("grey of 8 bits", 200, 60) && is("grey of 16 bits", 200, 60) && is("colours of 16 bits", 220, 90);
  process.exit(right && is("grey of 32 bits", 0, 255) && is("grey of floats, 0 to 1", 0, 0) && is("colours of floats, 0 to 1", 239, 160) ? 0 : 1);
})();
J
echo "expected: skin of 200 and a lesion of 60, or 220, 170, 150 and 90, 50, 40, whatever the numbers' type, or an error"
check_node try.cjs
