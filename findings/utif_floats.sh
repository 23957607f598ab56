#!/usr/bin/env bash
# UTIF shows a TIFF of floats from 0 to 255 inverted, skin of 200 as 56 and a lesion of 60 as 196, one of 64 bits in black, and colours too bright.
# It needs Node.js and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install_node utif2@4.1.0
cat >"$folder/try.cjs" <<'J'
const UTIF = require("utif2");

// an uncompressed TIFF of 48 x 48; kind 1 is unsigned, 3 is floating point
function tiff(bits, kind, skin, lesion) {
  const bands = skin.length;
  const bytes = bits / 8;
  const pixels = Buffer.alloc(48 * 48 * bands * bytes);
  const write = { "1,8": "writeUInt8", "1,16": "writeUInt16LE", "3,32": "writeFloatLE", "3,64": "writeDoubleLE" }[`${kind},${bits}`];
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
  "grey of 8 bits": tiff(8, 1, ...shade(1)), "grey of 16 bits": tiff(16, 1, ...shade(257)),
  "floats of 32 bits, 0 to 1": tiff(32, 3, ...shade(1 / 255)), "floats of 32 bits, 0 to 255": tiff(32, 3, ...shade(1)), "floats of 64 bits, 0 to 1": tiff(64, 3, ...shade(1 / 255)),
  "colours of 8 bits": tiff(8, 1, ...colour(1)), "floats of 32 bits with colours, 0 to 1": tiff(32, 3, ...colour(1 / 255)),
};
console.log(`utif2 ${JSON.parse(require("fs").readFileSync(`${__dirname}/node_modules/utif2/package.json`)).version}, node ${process.version}`);
const found = {};
for (const [name, file] of Object.entries(images)) {
  const [page] = UTIF.decode(file);
  UTIF.decodeImage(file, page);
  const shown = UTIF.toRGBA8(page);
  const pixel = (x, y) => Array.from(shown.slice((y * 48 + x) * 4, (y * 48 + x) * 4 + 3));
  found[name] = [pixel(2, 2)[0], pixel(24, 24)[0]];
  console.log(`${name}: the skin is ${pixel(2, 2)}, the lesion ${pixel(24, 24)}`);
}
const is = (name, skin, lesion) => found[name][0] === skin && found[name][1] === lesion;
const right = is("grey of 8 bits", 200, 60) && is("grey of 16 bits", 200, 60) && is("floats of 32 bits, 0 to 1", 200, 60) && is("colours of 8 bits", 220, 90);
process.exit(right && is("floats of 32 bits, 0 to 255", 56, 196) && is("floats of 64 bits, 0 to 1", 0, 0) && is("floats of 32 bits with colours, 0 to 1", 239, 160) ? 0 : 1);
J
echo "expected: skin of 200 and a lesion of 60, or 220, 170, 150 and 90, 50, 40, whatever the numbers' type and range, or an error"
check_node try.cjs
