#!/usr/bin/env bash
# jpeg-js, and so Jimp and image-js, convert a JPEG whose colours are stored as RGB from YCbCr, although its marker says that they are not: skin turns green.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow==13.0.0
install_node jpeg-js@0.4.4 jimp@1.6.1 image-js@1.7.0 sharp@0.35.5
"$folder/venv/bin/python" - "$folder" <<'P'
import sys
from PIL import Image, __version__

image = Image.new("RGB", (48, 48), (220, 170, 150))
image.paste((90, 50, 40), (16, 16, 32, 32))
for name, keep_rgb in ("ycbcr", False), ("rgb", True):
    image.save(f"{sys.argv[1]}/{name}.jpg", quality=95, subsampling=0, keep_rgb=keep_rgb)
    read = Image.open(f"{sys.argv[1]}/{name}.jpg")
    print(f"Pillow {__version__}, stored as {name}, Adobe's marker says {read.info.get('adobe_transform')}: skin {read.getpixel((4, 4))}, lesion {read.getpixel((24, 24))}")
P
cat >"$folder/try.mjs" <<'J'
import { readFileSync } from "fs";
import { createRequire } from "module";
import { Jimp } from "jimp";
import { decode } from "image-js";
const require = createRequire(import.meta.url);
const jpeg = require("jpeg-js");
const sharp = require("sharp");

const readers = {
  "jpeg-js": async (file) => jpeg.decode(file).data,
  jimp: async (file) => (await Jimp.read(file)).bitmap.data,
  "image-js": async (file) => decode(file).getRawImage().data,
  sharp: async (file) => sharp(file).ensureAlpha().raw().toBuffer(),
};
const COLOURS = { skin: [4 * 48 + 4, [220, 170, 150]], lesion: [24 * 48 + 24, [90, 50, 40]] };
const version = (name) => JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version;
console.log(Object.keys(readers).map((name) => `${name} ${version(name)}`).join(", ") + `, node ${process.version}`);
const found = {};
for (const [name, read] of Object.entries(readers)) {
  found[name] = [];
  for (const stored of ["ycbcr", "rgb"]) {
    const pixels = await read(readFileSync(new URL(`${stored}.jpg`, import.meta.url)));
    const seen = Object.entries(COLOURS).map(([what, [at, right]]) => {
      const colour = Array.from(pixels.slice(at * 4, at * 4 + 3));
      return { text: `${what} ${colour}`, off: Math.max(...colour.map((value, band) => Math.abs(value - right[band]))) };
    });
    console.log(`${name}, stored as ${stored}: ${seen.map(({ text }) => text).join(", ")}`);
    found[name].push(Math.max(...seen.map(({ off }) => off)));
  }
}
const wrong = ["jpeg-js", "jimp", "image-js"].every((name) => found[name][0] < 6 && found[name][1] > 60);
process.exit(wrong && Math.max(...found.sharp) < 6 ? 0 : 1);
J
echo "expected: skin 220,170,150 and lesion 90,50,40, however the colours are stored"
check_node try.mjs
