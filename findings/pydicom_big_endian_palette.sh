#!/usr/bin/env bash
# pydicom reads a palette with entries of 8 bits from a big-endian file with each pair of entries swapped.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pydicom==3.0.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_color_lut
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

entries = np.arange(256, dtype=np.uint8)  # entry n is n: the colours of the pixels are the pixels
pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
print("pydicom", pydicom.__version__)
found = {}
for syntax, order in ((ExplicitVRLittleEndian, "<u2"), (ExplicitVRBigEndian, ">u2")):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Rows = dataset.Columns = 8
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "PALETTE COLOR"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    # PS3.3 C.7.6.3.1.6: entries of 8 bits are packed into words, the first of each pair in the word's low byte.
    words = (entries[0::2].astype(int) | entries[1::2].astype(int) << 8).astype(order).tobytes()
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [256, 0, 8])
        setattr(dataset, f"{colour}PaletteColorLookupTableData", words)
        dataset[f"{colour}PaletteColorLookupTableData"].VR = "OW"
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OB"
    written = io.BytesIO()
    dataset.save_as(written, enforce_file_format=True)
    written.seek(0)
    read = pydicom.dcmread(written)
    found[syntax.name] = apply_color_lut(read.pixel_array, read)[0, :, 0].tolist()
    print(f"{syntax.name}: pixels {pixels[0].tolist()} have the red values {found[syntax.name]}")
little, big = found.values()
sys.exit(little == big)
P
echo "expected: the same colours in both byte orders"
check
