#!/usr/bin/env bash
# SimpleITK turns a DICOM image whose white is 0 round and leaves the file's word for that in its metadata: who goes by it turns the image back into a negative.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv SimpleITK==2.5.7 pydicom==3.0.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np, pydicom, SimpleITK as sitk
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

print(*(f"{name} {version(name)}" for name in ("SimpleITK", "pydicom")))
path = f"{sys.argv[1]}/image.dcm"
stored = np.array([[0, 100, 1000, 3000], [500, 500, 500, 4095]], np.uint16)
found = {}
for kind in ("MONOCHROME1", "MONOCHROME2"):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, kind
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.WindowCenter, dataset.WindowWidth = 500, 1000  # of the numbers that are stored
    dataset.PixelData = stored.tobytes()
    dataset.save_as(path, enforce_file_format=True)
    image = sitk.ReadImage(path)
    found[kind] = sitk.GetArrayFromImage(image)[0], image.GetMetaData("0028|0004").strip(), float(image.GetMetaData("0028|1050"))
    print(f"{kind}: SimpleITK {found[kind][0].tolist()}, which says {found[kind][1]} and a window around {found[kind][2]:.0f}; pydicom {pydicom.dcmread(path).pixel_array.tolist()}")
pixels, said, center = found["MONOCHROME1"]
sys.exit(not (np.array_equal(pixels, 4095 - stored) and said == "MONOCHROME1" and center == 500 and np.array_equal(found["MONOCHROME2"][0], stored)))
P
echo "expected: the numbers of the file, to which its metadata belong; or others, with metadata that say so"
check "$folder"
