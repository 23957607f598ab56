#!/usr/bin/env bash
# dcmjs cuts numbers to the 16 characters of a decimal string, and the exponent with them: 3.3e-7 is written as 3.3.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pydicom==3.0.2
install_node dcmjs@0.52.2
cat >"$folder/try.mjs" <<'J'
import { readFileSync, writeFileSync } from "fs";
import { createRequire } from "module";
const require = createRequire(import.meta.url);
const dcmjs = require("dcmjs");
console.log(`dcmjs ${JSON.parse(readFileSync(new URL("node_modules/dcmjs/package.json", import.meta.url))).version}, node ${process.version}`);
const { DicomMetaDictionary, DicomDict } = dcmjs.data;
const file = new DicomDict({ "00020010": { vr: "UI", Value: ["1.2.840.10008.1.2.1"] } });
const numbers = { RescaleSlope: 1 / 3e6, RescaleIntercept: -1 / 3, WindowCenter: 1e22 / 3, PixelSpacing: [1 / 7e6, 0.25] };
console.log("written:", JSON.stringify(numbers));
file.dict = DicomMetaDictionary.denaturalizeDataset({ ...numbers, _vrMap: {}, _meta: {} });
writeFileSync(new URL("numbers.dcm", import.meta.url), Buffer.from(file.write()));
J
echo "expected: the numbers as written, rounded"
node "$folder/try.mjs"
cat >"$folder/try.py" <<'P'
import sys
import pydicom
from pydicom.valuerep import format_number_as_ds

print("pydicom", pydicom.__version__)
dataset = pydicom.dcmread(f"{sys.argv[1]}/numbers.dcm")
slope, intercept, centre, spacing = dataset.RescaleSlope, dataset.RescaleIntercept, dataset.WindowCenter, dataset.PixelSpacing
print(f"slope {slope}, intercept {intercept}, centre {centre}, spacing {spacing}")
print(f"pydicom would write {format_number_as_ds(1 / 3e6)}, {format_number_as_ds(1e22 / 3)} and {format_number_as_ds(1 / 7e6)}")
sys.exit(not (3.3 < slope < 3.4 and abs(intercept + 1 / 3) < 1e-9 and 3.3 < centre < 3.4 and 1.4 < spacing[0] < 1.5 and spacing[1] == 0.25))
P
check "$folder"
