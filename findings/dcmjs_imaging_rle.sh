#!/usr/bin/env bash
# dcmjs-imaging scrambles colours that are compressed as RLE, and shows pixels of 8 signed bits as if they had no sign.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pydicom==3.0.2 numpy==2.4.6
install_node dcmjs-imaging@0.2.5 dcmjs@0.51.1 daikon@1.2.46
"$folder/venv/bin/python" - "$folder" <<'P'
import sys
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, RLELossless, SecondaryCaptureImageStorage, generate_uid

print("pydicom", pydicom.__version__)


def image(name, pixels, stored, signed, rle=False):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (3, "RGB") if pixels.ndim == 3 else (1, "MONOCHROME2")
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8 * pixels.itemsize, stored, stored - 1, signed
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
    if rle:
        dataset.compress(RLELossless)
    dataset.save_as(f"{sys.argv[1]}/{name}.dcm", enforce_file_format=True)
    read = pydicom.dcmread(f"{sys.argv[1]}/{name}.dcm").pixel_array
    print(f"pydicom, {name}: skin {read[0, 0].tolist()}, lesion {read[24, 24].tolist()}")


y, x = np.mgrid[:48, :48]
lesion = (x - 24) ** 2 + (y - 24) ** 2 < 100
rgb = np.where(lesion[..., None], (90, 50, 40), (220, 170, 150)).astype(np.uint8)
image("rgb", rgb, 8, 0)
image("rgb-rle", rgb, 8, 0, rle=True)
grey = np.where(lesion, -50, 100) - (y == 47) * 1  # one row a level darker
image("signed8", grey.astype(np.int8), 8, 1)
image("signed16", grey.astype(np.int16), 16, 1)
P
cat >"$folder/try.mjs" <<'J'
import { readFileSync } from "fs";
import { createRequire } from "module";
const require = createRequire(import.meta.url);
const { DicomImage, NativePixelDecoder } = require("dcmjs-imaging");
const daikon = require("daikon");
console.log(["dcmjs-imaging", "dcmjs", "daikon"].map((name) => `${name} ${JSON.parse(readFileSync(new URL(`node_modules/${name}/package.json`, import.meta.url))).version}`).join(", ") + `, node ${process.version}`);
await NativePixelDecoder.initializeAsync();

const bytesOf = (name) => {
  const bytes = readFileSync(new URL(`${name}.dcm`, import.meta.url));
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
};
const found = {};
for (const name of ["rgb", "rgb-rle", "signed16", "signed8"]) {
  const pixels = new Uint8Array(new DicomImage(bytesOf(name)).render().pixels);
  const at = (row, column) => Array.from(pixels.slice((row * 48 + column) * 4, (row * 48 + column) * 4 + 3));
  found[name] = [at(0, 10), at(24, 24)];
  console.log(`dcmjs-imaging, ${name}: skin ${found[name][0]}, lesion ${found[name][1]}`);
}
const rle = Array.from(daikon.Series.parseImage(new DataView(bytesOf("rgb-rle"))).getInterpretedData(false, true).data);
const other = [rle.slice(0, 3), rle.slice((24 * 48 + 24) * 3, (24 * 48 + 24) * 3 + 3)];
console.log(`daikon, rgb-rle: skin ${other[0]}, lesion ${other[1]}`);
const right = "220,170,150,90,50,40";
const lighter = ([skin, lesion]) => skin[0] - lesion[0];
const same = String(found.rgb) === right && String(other) === right && lighter(found.signed16) > 200;
process.exit(same && String(found["rgb-rle"]) !== right && lighter(found.signed8) < -200 ? 0 : 1);
J
echo "expected: skin 220,170,150 and lesion 90,50,40 however it is compressed, and in grey the skin much lighter than the lesion"
check_node try.mjs
