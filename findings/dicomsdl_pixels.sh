#!/usr/bin/env bash
# dicomsdl takes pixels of 8 signed bits for unsigned and those of 32 bits for 16, and gives YCbCr for an uncompressed image where it gives RGB for the same one as JPEG.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv dicomsdl==0.109.4 pydicom==3.0.2 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys
from importlib.metadata import version
import dicomsdl
import numpy as np
from PIL import Image
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels import pixel_array
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, SecondaryCaptureImageStorage, generate_uid

print(*(f"{name} {version(name)}" for name in ("dicomsdl", "pydicom")))


def written(pixels, photometric="MONOCHROME2", jpeg=None):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = JPEGBaseline8Bit if jpeg else ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1 if pixels.ndim == 2 else 3, photometric
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, int(pixels.dtype.kind == "i")
    dataset.PixelData = encapsulate([jpeg]) if jpeg else pixels.tobytes()
    dataset["PixelData"].VR = "OB" if pixels.itemsize == 1 or jpeg else "OW"
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


skin = np.full((16, 16, 3), (200, 150, 130), np.uint8)
skin_ycbcr = np.asarray(Image.fromarray(skin).convert("YCbCr"))
jpeg = io.BytesIO()
Image.fromarray(skin).save(jpeg, "JPEG", quality=95, subsampling=0)
cases = {
    "8 bits, signed": (np.full((16, 16), -100, np.int8), {}),
    "16 bits, signed": (np.full((16, 16), -100, np.int16), {}),
    "32 bits": (np.full((16, 16), 100_000, np.uint32), {}),
    "YBR_FULL, JPEG": (skin, {"photometric": "YBR_FULL", "jpeg": jpeg.getvalue()}),
    "YBR_FULL, uncompressed": (skin_ycbcr, {"photometric": "YBR_FULL"}),
}
found = {}
for name, (pixels, options) in cases.items():
    data = written(pixels, **options)
    by_pydicom = pixel_array(dcmread(io.BytesIO(data)))
    with open(f"{sys.argv[1]}/image.dcm", "wb") as file:
        file.write(data)
    dicom = dicomsdl.open(f"{sys.argv[1]}/image.dcm")
    by_dicomsdl = dicom.pixelData(storedvalue=True)
    found[name] = by_dicomsdl.dtype.name, np.unique(by_dicomsdl.reshape(-1, *pixels.shape[2:]), axis=0).tolist()
    print(f"{name}: dicomsdl {found[name]}, pydicom {by_pydicom.dtype.name} {np.unique(by_pydicom.reshape(-1, *pixels.shape[2:]), axis=0).tolist()}")
ycbcr, rgb = (np.array(found[f"YBR_FULL, {name}"][1][0]) for name in ("uncompressed", "JPEG"))
sys.exit(
    not (
        found["8 bits, signed"] == ("uint8", [156])
        and found["16 bits, signed"] == ("int16", [-100])
        and found["32 bits"][0] == "uint16"
        and 100_000 not in found["32 bits"][1]
        and abs(rgb - (200, 150, 130)).max() < 4
        and np.array_equal(ycbcr, skin_ycbcr[0, 0])
    )
)
P
echo "expected: pixels as the file states them, or an error"
check "$folder"
