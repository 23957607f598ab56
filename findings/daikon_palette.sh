#!/usr/bin/env bash
# daikon stretches the colours of a palette, each of red, green and blue by itself, and reads negative numbers of 12 bits as large ones.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pydicom==3.0.2 numpy==2.4.6
install_node daikon@1.2.46
"$folder/venv/bin/python" - "$folder" <<'P'
import sys
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_color_lut
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

print("pydicom", pydicom.__version__)


def image(name, pixels, photometric, stored, signed, **tags):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, photometric
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8 * pixels.itemsize, stored, stored - 1, signed
    for tag, value in tags.items():
        setattr(dataset, tag, value)
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
    dataset.save_as(f"{sys.argv[1]}/{name}.dcm", enforce_file_format=True)
    return pydicom.dcmread(f"{sys.argv[1]}/{name}.dcm")


colours = np.array([(220, 170, 150), (90, 50, 40), (200, 160, 140)])
palette = {}
for band, colour in enumerate(("Red", "Green", "Blue")):
    palette[f"{colour}PaletteColorLookupTableDescriptor"] = [3, 0, 16]
    palette[f"{colour}PaletteColorLookupTableData"] = (colours[:, band] * 257).astype("<u2").tobytes()
index = np.repeat(np.arange(3, dtype=np.uint8), 8).reshape(3, 8)
read = image("palette", index, "PALETTE COLOR", 8, 0, **palette)
print("pydicom:", *(tuple((apply_color_lut(read.pixel_array, read)[row, 0] // 257).tolist()) for row in range(3)))
values = np.repeat(np.array([-100, -1, 100], np.int16), 8).reshape(3, 8)
print("pydicom, 12 bits:", image("signed", (values.view(np.uint16) & 0xFFF), "MONOCHROME2", 12, 1).pixel_array[:, 0].tolist())
print("pydicom, 16 bits:", image("signed16", values, "MONOCHROME2", 16, 1).pixel_array[:, 0].tolist())
P
cat >"$folder/try.mjs" <<'J'
import { readFileSync } from "fs";
import { createRequire } from "module";
const require = createRequire(import.meta.url);
const daikon = require("daikon");
console.log(`daikon ${require("daikon/package.json").version}, node ${process.version}`);

const open = (name) => {
  const bytes = readFileSync(new URL(`${name}.dcm`, import.meta.url));
  return daikon.Series.parseImage(new DataView(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length)));
};
const shown = Array.from(open("palette").getInterpretedData(false, true).data);
const colours = [0, 1, 2].map((row) => shown.slice(row * 24, row * 24 + 3));
console.log(`daikon: ${colours.map((colour) => `(${colour.join(", ")})`).join(" ")}`);
const [twelve, sixteen] = ["signed", "signed16"].map((name) => {
  const data = Array.from(open(name).getInterpretedData(false, true).data);
  return [0, 1, 2].map((row) => data[row * 8]);
});
console.log(`daikon, 12 bits: ${twelve}; 16 bits: ${sixteen}`);
const stretched = String(colours) === "255,255,255,0,0,0,216,234,232";
process.exit(stretched && String(twelve) === "3996,4095,100" && String(sixteen) === "-100,-1,100" ? 0 : 1);
J
echo "expected: the colours (220, 170, 150), (90, 50, 40) and (200, 160, 140), and the numbers -100, -1 and 100"
check_node try.mjs
