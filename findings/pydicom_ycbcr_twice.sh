#!/usr/bin/env bash
# pydicom with Pillow converts YCbCr to RGB twice where a JPEG frame has an Adobe marker: skin turns green.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pydicom==3.0.2 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys
import numpy as np
import PIL, pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.uid import JPEGBaseline8Bit, SecondaryCaptureImageStorage, generate_uid

colour = (200, 30, 40)
file = io.BytesIO()
Image.new("RGB", (64, 64), colour).save(file, "JPEG", quality=95)
data = file.getvalue()
assert data[2:4] == b"\xff\xe0"  # the JFIF segment, in whose place comes Adobe's, with transform 1: the same YCbCr
length = int.from_bytes(data[4:6], "big")
data = data[:2] + b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x01" + data[4 + length :]
print("Pillow alone:", Image.open(io.BytesIO(data)).convert("RGB").getpixel((32, 32)))

dataset = Dataset()
dataset.file_meta = FileMetaDataset()
dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = SecondaryCaptureImageStorage
dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
dataset.Rows = dataset.Columns = 64
dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "YBR_FULL_422", 0
dataset.BitsAllocated = dataset.BitsStored = 8
dataset.HighBit, dataset.PixelRepresentation = 7, 0
dataset.PixelData = encapsulate([data])
dataset["PixelData"].VR = "OB"
written = io.BytesIO()
dataset.save_as(written, enforce_file_format=True)
written.seek(0)
found = tuple(int(value) for value in pixel_array(pydicom.dcmread(written))[32, 32])
print(f"expected from pydicom {pydicom.__version__} with Pillow {PIL.__version__}: about {colour}")
print("true:", found)
sys.exit(max(abs(a - b) for a, b in zip(colour, found)) < 20)
P
check
