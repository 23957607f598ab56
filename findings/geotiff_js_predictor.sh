#!/usr/bin/env bash
# geotiff.js undoes the predictor of a big-endian TIFF as if it were little-endian: 16 and 32 bits and floats are wrong, uncompressed they are right.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tifffile==2026.3.3 imagecodecs==2026.3.6 opencv-python-headless==5.0.0.93 numpy==2.4.6
install_node geotiff@3.0.5
"$folder/venv/bin/python" - "$folder" <<'P'
import sys
import cv2, imagecodecs, numpy as np, tifffile

print("tifffile", tifffile.__version__, "imagecodecs", imagecodecs.__version__, "OpenCV", cv2.__version__)
y, x = np.mgrid[:48, :48]
grey = ((x - 24) ** 2 + (y - 24) ** 2 < 100) * -30_000 + 50_000 + x * 97 + y * 13  # a dark lesion on skin, both in gradients
levels = {"16": grey.astype(np.uint16), "32": (grey * 50_000).astype(np.uint32), "float": (grey / 65535).astype(np.float32)}
for name, image in levels.items():
    image.astype("<f8").tofile(f"{sys.argv[1]}/{name}.numbers")
    for order in "little", "big":
        for packed in "plain", "lzw", "predicted":
            path = f"{sys.argv[1]}/{name}-{order}-{packed}.tif"
            given = {"compression": "lzw", "predictor": packed == "predicted"} if packed != "plain" else {}
            tifffile.imwrite(path, image, byteorder="<>"[order == "big"], photometric="minisblack", **given)
            if name != "32":  # OpenCV reads these
                assert np.array_equal(cv2.imread(path, cv2.IMREAD_UNCHANGED), image), path
P
cat >"$folder/try.mjs" <<'J'
import { readFileSync } from "fs";
import { fromArrayBuffer } from "geotiff";
const bytesOf = (name) => {
  const bytes = readFileSync(new URL(name, import.meta.url));
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
};
const { version } = JSON.parse(readFileSync(new URL("node_modules/geotiff/package.json", import.meta.url)));
console.log(`geotiff ${version}, node ${process.version}; OpenCV reads all files of 16 bits and floats as they were written`);
let held = true;
for (const name of ["16", "32", "float"]) {
  const numbers = new Float64Array(bytesOf(`${name}.numbers`));
  for (const order of ["little", "big"])
    for (const packed of ["plain", "lzw", "predicted"]) {
      const image = await (await fromArrayBuffer(bytesOf(`${name}-${order}-${packed}.tif`))).getImage();
      const read = await image.readRasters({ interleave: true });
      const wrong = numbers.reduce((count, number, index) => count + (number !== read[index]), 0);
      console.log(`${name}, ${order}-endian, ${packed}: ${wrong} of ${numbers.length} pixels are wrong; row 24 is ${Array.from(read.slice(24 * 48, 24 * 48 + 3))}, should be ${Array.from(numbers.slice(24 * 48, 24 * 48 + 3))}`);
      held &&= order === "big" && packed === "predicted" ? wrong > 1000 : wrong === 0;
    }
}
process.exit(held ? 0 : 1);
J
echo "expected: the same pixels, whatever the byte order and the compression"
check_node try.mjs
