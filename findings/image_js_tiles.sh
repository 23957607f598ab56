#!/usr/bin/env bash
# image-js reads a TIFF stored in tiles as coloured noise, and a BMP with a palette as the numbers of its colours, without an error.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tifffile==2026.3.3 numpy==2.4.6 pillow==13.0.0
install_node image-js@1.7.0
"$folder/venv/bin/python" - "$folder" <<'P'
import sys
from pathlib import Path
import numpy as np, tifffile
from PIL import Image

folder = Path(sys.argv[1])
y, x = np.mgrid[:64, :64]
image = np.where(((x - 32) ** 2 + (y - 32) ** 2 < 200)[..., None], (90, 50, 40), (220, 170, 150)).astype(np.uint8)
tifffile.imwrite(folder / "strips.tif", image, photometric="rgb")
tifffile.imwrite(folder / "tiles.tif", image, photometric="rgb", tile=(32, 32))
palette = Image.fromarray(image).quantize(2)
palette.save(folder / "palette.png", bits=8)
palette.save(folder / "palette.bmp")
(folder / "right.raw").write_bytes(image.tobytes())
for name in "strips.tif", "tiles.tif", "palette.png", "palette.bmp":
    assert np.array_equal(np.asarray(Image.open(folder / name).convert("RGB")), image)
P
cat >"$folder/try.mjs" <<'J'
import { readFileSync } from "fs";
import { decode } from "image-js";

const near = (name) => new URL(name, import.meta.url);
const right = readFileSync(near("right.raw"));
const version = (name) => JSON.parse(readFileSync(near(`node_modules/${name}/package.json`))).version;
console.log(["image-js", "tiff", "fast-bmp", "fast-png"].map((name) => `${name} ${version(name)}`).join(", ") + `, node ${process.version}`);
const found = {};
for (const name of ["strips.tif", "tiles.tif", "palette.png", "palette.bmp"]) {
  const image = decode(readFileSync(near(name)));
  const { data, channels } = image.getRawImage();
  let wrong = 0;
  for (let pixel = 0; pixel < 64 * 64; pixel++)
    wrong += [0, 1, 2].some((band) => data[pixel * channels + Math.min(band, channels - 1)] !== right[pixel * 3 + band]);
  const at = (pixel) => Array.from(data.slice(pixel * channels, (pixel + 1) * channels));
  console.log(`${name}: ${image.width} x ${image.height}, ${image.colorModel}; first pixels ${[0, 1, 2].map(at).join(" | ")}, centre ${at(32 * 64 + 32)}; ${wrong} of 4096 pixels are wrong`);
  found[name] = wrong;
}
process.exit(found["strips.tif"] === 0 && found["palette.png"] === 0 && found["tiles.tif"] > 3000 && found["palette.bmp"] === 4096 ? 0 : 1);
J
echo "expected: skin 220,170,150 and a lesion 90,50,40 in the middle, or an error; Pillow reads all four files as the same image"
check_node try.mjs
