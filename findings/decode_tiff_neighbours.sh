#!/usr/bin/env bash
# decode-tiff takes the green and the blue of a grey pixel from its neighbours at the right, and looks at how many numbers a pixel has, not at what they mean: four inks, planes and 16 bits become other colours.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tifffile==2026.3.3 pillow==13.0.0 numpy==2.4.6
npm install --silent --no-audit --no-fund --prefix "$folder" decode-tiff@0.2.1 >"$folder/npm.log" 2>&1 || {
    cat "$folder/npm.log" >&2
    exit 2
}
"$folder/venv/bin/python" - "$folder" <<'P'
import sys
import numpy as np, PIL, tifffile
from PIL import Image

print(f"written by tifffile {tifffile.__version__} and Pillow {PIL.__version__}, uncompressed, 48 x 48")
skin, lesion = (220, 170, 150), (90, 50, 40)
image = np.full((48, 48, 3), skin, np.uint8)
image[:, 16:] = lesion
picture = Image.fromarray(image)
picture.save(f"{sys.argv[1]}/colours.tif")
picture.convert("CMYK").save(f"{sys.argv[1]}/four inks.tif")
picture.convert("L").save(f"{sys.argv[1]}/grey.tif")
tifffile.imwrite(f"{sys.argv[1]}/grey in which 0 is white.tif", 255 - np.asarray(picture.convert("L")), photometric="miniswhite")
tifffile.imwrite(f"{sys.argv[1]}/colours of 16 bits.tif", image * np.uint16(257), photometric="rgb")
tifffile.imwrite(f"{sys.argv[1]}/colours by plane.tif", image.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate")
P
cat >"$folder/try.mjs" <<'J'
import { readFileSync } from "fs";
import { createRequire } from "module";
const require = createRequire(import.meta.url);
const { decode } = require("decode-tiff");

console.log(`decode-tiff ${JSON.parse(readFileSync(new URL("node_modules/decode-tiff/package.json", import.meta.url))).version}, node ${process.version}`);
const shades = { skin: [183, 183, 183], edge: [183, 183, 183], lesion: [61, 61, 61] };
const colours = { skin: [220, 170, 150], edge: [220, 170, 150], lesion: [90, 50, 40] };
const columns = { skin: 4, edge: 15, lesion: 40 };
const found = {};
for (const [name, right] of [["colours", colours], ["grey", shades], ["grey in which 0 is white", shades], ["four inks", colours], ["colours of 16 bits", colours], ["colours by plane", colours]]) {
  const { width, height, data } = decode(readFileSync(new URL(`${name}.tif`, import.meta.url)));
  const seen = Object.entries(columns).map(([what, column]) => {
    const at = (24 * width + column) * 4;
    const shown = Array.from(data.slice(at, at + 4));
    return { text: `${what} ${shown}`, off: Math.max(...right[what].map((value, band) => Math.abs(value - shown[band]))) };
  });
  found[name] = seen.map(({ off }) => off);
  console.log(`${name}: ${width} x ${height}, ${data.length / width / height} numbers a pixel; in the middle row ${seen.map(({ text }) => text).join(", ")}`);
}
const near = (off) => off < 3;
const grey = near(found.grey[0]) && found.grey[1] > 100 && near(found.grey[2]);
const others = ["grey in which 0 is white", "four inks", "colours of 16 bits", "colours by plane"].every((name) => Math.max(...found[name]) > 40);
process.exit(found.colours.every(near) && grey && others ? 0 : 1);
J
echo "expected: skin of 220,170,150,255 and a lesion of 90,50,40,255, in grey 183 and 61 with its skin as far as the edge; or an error"
node "$folder/try.mjs" 2>"$folder/errors" || {
    tail -n 20 "$folder/errors"
    echo changed
    exit 1
}
