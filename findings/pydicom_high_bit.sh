#!/usr/bin/env bash
# pydicom looks for a sample in the lowest bits, wherever the header's high bit says that it is; after JPEG-LS the same pixels come out unmoved.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pydicom==3.0.2 pylibjpeg==2.1.0 pylibjpeg-libjpeg==2.5.0 imagecodecs==2026.3.6 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys
import imagecodecs, numpy as np, pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.uid import ExplicitVRLittleEndian, JPEGLosslessSV1, JPEGLSLossless, SecondaryCaptureImageStorage, generate_uid

pixels = np.add.outer(np.arange(16) * 200, np.arange(16) * 60).astype(np.uint16)  # 0 to 3,900: 12 bits
cells = pixels << 4  # in the upper 12 bits of 16, as high bit 15 says


def read(syntax, data, high_bit):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, high_bit, 0
    dataset.PixelData = encapsulate([data]) if syntax.is_compressed else data
    dataset["PixelData"].VR = "OB" if syntax.is_compressed else "OW"
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    file.seek(0)
    return pixel_array(pydicom.dcmread(file))


found = {
    "high bit 11, uncompressed": read(ExplicitVRLittleEndian, pixels.tobytes(), 11),
    "high bit 15, uncompressed": read(ExplicitVRLittleEndian, cells.tobytes(), 15),
    "high bit 15, lossless JPEG": read(JPEGLosslessSV1, imagecodecs.ljpeg_encode(cells, bitspersample=16), 15),
    "high bit 15, JPEG-LS": read(JPEGLSLossless, imagecodecs.jpegls_encode(cells), 15),
}
print(f"pydicom {pydicom.__version__}, the fourth row of one image of 12 bits:", *pixels[3, :5])
for name, values in found.items():
    print(f"{name}:", *values[3, :5])
wanted = pixels, cells & 0xFFF, cells & 0xFFF, cells
sys.exit(not all(np.array_equal(values, right) for values, right in zip(found.values(), wanted)))
P
echo "expected: the bits below the high bit, and one result of one image, however it is compressed without loss"
check
