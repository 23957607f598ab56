#!/usr/bin/env bash
# highdicom takes 12 bits of 16 as 16: negative numbers come out as positive ones, and what stands in the other bits is part of the pixel.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv highdicom==0.28.2 pydicom==3.0.2 pyjpegls==1.5.1 SimpleITK==2.5.7 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import pathlib, sys
from importlib.metadata import version
import highdicom, numpy as np, SimpleITK
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, JPEGLSLossless, generate_uid

print(*(f"{name} {version(name)}" for name in ("highdicom", "pydicom", "SimpleITK")))
path = str(pathlib.Path(sys.argv[1]) / "image.dcm")


def written(stored, signed, compressed=False):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = CTImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = generate_uid(), generate_uid(), generate_uid()
    dataset.PatientID = dataset.PatientName = dataset.PatientBirthDate = dataset.PatientSex = ""
    dataset.StudyDate = dataset.StudyTime = dataset.StudyID = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "CT", 1, 1
    dataset.ImagePositionPatient, dataset.ImageOrientationPatient = [0, 0, 0], [1, 0, 0, 0, 1, 0]
    dataset.PixelSpacing, dataset.SliceThickness = [1, 1], 1
    dataset.Rows, dataset.Columns = stored.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, int(signed)
    dataset.PixelData = stored.astype("<u2").tobytes()
    dataset["PixelData"].VR = "OW"
    if compressed:
        dataset.compress(JPEGLSLossless)
    dataset.save_as(path, enforce_file_format=True)


values = np.arange(-1000, 1000, 125).reshape(4, 4)
positive = values + 2000
found = {}
for name, true, stored, signed, compressed in (
    ("signed, the other bits 0", values, values & 0xFFF, True, False),
    ("signed, the other bits the sign", values, values & 0xFFFF, True, False),
    ("unsigned, an overlay in the other bits", positive, positive | 0x1000, False, False),
    ("signed, the other bits 0, JPEG-LS", values, values & 0xFFF, True, True),
):
    written(stored, signed, compressed)
    read = {
        "pydicom": dcmread(path).pixel_array,
        "SimpleITK": SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))[0],
        "highdicom": highdicom.imread(path).get_frame(1, apply_modality_transform=False, apply_voi_transform=False),
    }
    found[name] = [bool((pixels == true).all()) for pixels in read.values()]
    print(f"{name}: {true[0].tolist()} read as", "; ".join(f"{reader} {pixels[0].astype(int).tolist()}" for reader, pixels in read.items()))
print({name: right[2] for name, right in found.items()})
both = [right for name, right in found.items() if "JPEG" not in name]
sys.exit([tuple(right) for right in both] != [(True, True, False), (True, True, True), (True, True, False)])
P
mkdir "$folder/images"
echo "expected: BitsStored says which bits are the number: -1000, -875, ..., by each reader"
check "$folder/images"
