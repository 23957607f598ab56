#!/usr/bin/env bash
# png-js loses the last quarter of a palette, which it shows as transparent black, unless the file has transparent colours; UPNG.js slants grey of 2 and 4 bits if the width is odd.
# It needs Node.js 20.15 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install_node png-js@2.0.0 upng-js@2.1.0 pngjs@7.0.0
cat >"$folder/try.cjs" <<'J'
const { crc32, deflateSync } = require("zlib");
const PNGJS = require("png-js");
const UPNG = require("upng-js");
const { PNG } = require("pngjs");

const chunk = (type, data) => {
  const body = Buffer.concat([Buffer.from(type), data]);
  const framed = Buffer.alloc(body.length + 8);
  framed.writeUInt32BE(data.length);
  body.copy(framed, 4);
  framed.writeUInt32BE(crc32(body), body.length + 4);
  return framed;
};
function png(width, height, depth, colourType, value, extra = []) {
  const rows = Buffer.alloc(height * (1 + Math.ceil((width * depth) / 8)));
  const stride = rows.length / height;
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) rows[y * stride + 1 + Math.floor((x * depth) / 8)] |= value(x, y) << (8 - depth - ((x * depth) % 8));
  const head = Buffer.alloc(13);
  head.writeUInt32BE(width, 0); head.writeUInt32BE(height, 4); head[8] = depth; head[9] = colourType;
  return Buffer.concat([Buffer.from("89504e470d0a1a0a", "hex"), chunk("IHDR", head), ...extra, chunk("IDAT", deflateSync(rows)), chunk("IEND", Buffer.alloc(0))]);
}
const readers = {
  "png-js": (file) => new Promise((done) => new PNGJS(file).decode(done)),
  "upng-js": async (file) => new Uint8Array(UPNG.toRGBA8(UPNG.decode(Uint8Array.from(file).buffer))[0]),
  pngjs: async (file) => PNG.sync.read(file).data,
};
// 256 shades of skin, from light to dark; each column has its own
const palette = Array.from({ length: 256 }, (_, i) => [250 - i / 2, 200 - i / 2, 180 - i / 2].map(Math.floor));
const PLTE = chunk("PLTE", Buffer.from(palette.flat()));
const shades = [palette.map((colour) => [...colour, 255])];
const inside = (x, y) => (x - 24) ** 2 + (y - 24) ** 2 < 144;
const grey = (depth, width) => {
  const [lesion, skin] = depth === 2 ? [1, 2] : [4, 12];
  const value = (x, y) => (inside(x, y) ? lesion : skin);
  const shade = (x, y) => Math.round((value(x, y) * 255) / (2 ** depth - 1));
  return [png(width, 48, depth, 0, value), width, (x, y) => [shade(x, y), shade(x, y), shade(x, y), 255]];
};
const images = {
  "256 colours": [png(256, 48, 8, 3, (x) => x, [PLTE]), 256, (x) => shades[0][x]],
  "256 colours, all stated as opaque": [png(256, 48, 8, 3, (x) => x, [PLTE, chunk("tRNS", Buffer.alloc(256, 255))]), 256, (x) => shades[0][x]],
  "grey of 4 bits, width 48": grey(4, 48), "grey of 4 bits, width 47": grey(4, 47),
  "grey of 2 bits, width 48": grey(2, 48), "grey of 2 bits, width 47": grey(2, 47),
};
(async () => {
  console.log(Object.keys(readers).map((name) => `${name} ${require("fs").readFileSync(`${__dirname}/node_modules/${name}/package.json`, "utf8").match(/"version": "([^"]*)"/)[1]}`).join(", ") + `, node ${process.version}`);
  const found = {};
  for (const [what, [file, width, right]] of Object.entries(images)) {
    const wrong = {};
    for (const [name, read] of Object.entries(readers)) {
      const pixels = await read(file);
      wrong[name] = 0;
      for (let i = 0; i < width * 48; i++) wrong[name] += right(i % width, Math.floor(i / width)).some((value, band) => pixels[i * 4 + band] !== value);
      if (name === "png-js" && what === "256 colours") console.log(`png-js, the darkest shade ${shades[0][255]} of 256 is ${Array.from(pixels.slice(255 * 4, 256 * 4))}`);
    }
    console.log(`${what}: of ${width * 48} pixels are wrong ${Object.entries(wrong).map(([name, count]) => `${count} by ${name}`).join(", ")}`);
    found[what] = wrong;
  }
  const all = Object.values(found);
  const lost = found["256 colours"]["png-js"] === 64 * 48 && found["256 colours, all stated as opaque"]["png-js"] === 0;
  const slanted = [4, 2].every((depth) => found[`grey of ${depth} bits, width 48`]["upng-js"] === 0 && found[`grey of ${depth} bits, width 47`]["upng-js"] > 400);
  process.exit(lost && slanted && all.every((wrong) => wrong.pngjs === 0) ? 0 : 1);
})();
J
echo "expected: each pixel has the colour that the file gives it"
check_node try.cjs
