#!/usr/bin/env bash
# exif-js finds no EXIF data behind XMP, and exifr none behind a large colour profile if it is given the file's path instead of its bytes: the photograph stays on its side, without an error.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow==13.0.0
install_node exif-js@2.3.0 exifr@7.1.3 exifreader@4.46.0 image-size@2.1.0
"$folder/venv/bin/python" - "$folder" <<'P'
import io, struct, sys
from PIL import Image, __version__


def segment(marker, data):
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


exif = Image.Exif()
exif[274] = 6  # a quarter turn
buffer = io.BytesIO()
Image.new("RGB", (60, 40), (220, 170, 150)).save(buffer, "JPEG")
jpeg = buffer.getvalue()
(size,) = struct.unpack(">H", jpeg[4:6])
body = jpeg[4 + size :]  # behind JFIF's segment
first = segment(0xE1, exif.tobytes())
xmp = segment(0xE1, b'http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x="adobe:ns:meta/"></x:xmpmeta>')
profile = b"".join(segment(0xE2, b"ICC_PROFILE\0" + bytes([part, 3]) + bytes(65000)) for part in (1, 2, 3))
for name, segments in ("alone", first), ("behind XMP", xmp + first), ("behind a profile", profile + first):
    with open(f"{sys.argv[1]}/{name}.jpg", "wb") as file:
        file.write(b"\xff\xd8" + segments + body)
    image = Image.open(f"{sys.argv[1]}/{name}.jpg")
    image.load()
    print(f"EXIF {name}: orientation {image.getexif()[274]} by Pillow {__version__}")
P
cat >"$folder/try.cjs" <<'J'
const { readFileSync } = require("fs");
global.self = global;
const exifjs = require("exif-js");
const exifr = require("exifr");
const ExifReader = require("exifreader");
const { imageSize } = require("image-size");

const readers = {
  "exif-js": (path, bytes) => exifjs.readFromBinaryFile(bytes).Orientation,
  "exifr, by bytes": (path, bytes) => exifr.orientation(bytes),
  "exifr, by path": (path) => exifr.orientation(path),
  exifreader: (path, bytes) => ExifReader.load(bytes).Orientation?.value,
  "image-size": (path, bytes) => imageSize(new Uint8Array(bytes)).orientation,
};
(async () => {
  const version = (name) => JSON.parse(readFileSync(`${__dirname}/node_modules/${name}/package.json`)).version;
  console.log(["exif-js", "exifr", "exifreader", "image-size"].map((name) => `${name} ${version(name)}`).join(", ") + `, node ${process.version}`);
  const missed = [];
  for (const where of ["alone", "behind XMP", "behind a profile"]) {
    const path = `${__dirname}/${where}.jpg`;
    const file = readFileSync(path);
    const bytes = file.buffer.slice(file.byteOffset, file.byteOffset + file.byteLength);
    const seen = [];
    for (const [name, read] of Object.entries(readers)) {
      const orientation = await read(path, bytes);
      seen.push(`${name} ${orientation}`);
      if (orientation !== 6) missed.push(`${where}: ${name} ${orientation}`);
    }
    console.log(`EXIF ${where}: ${seen.join("; ")}`);
  }
  process.exit(JSON.stringify(missed) === JSON.stringify(["behind XMP: exif-js undefined", "behind a profile: exifr, by path undefined"]) ? 0 : 1);
})();
J
echo "expected: orientation 6, a quarter turn, wherever EXIF stands in the file"
check_node try.cjs
