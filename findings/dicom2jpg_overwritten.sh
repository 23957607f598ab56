#!/usr/bin/env bash
# dicom2jpg names its pictures by study, series and instance number: images without these numbers overwrite each other, and nothing says so.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv dicom2jpg==0.1.10 pydicom==3.0.2 opencv-python==5.0.0.93 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import pathlib, sys
from importlib.metadata import version
import dicom2jpg, numpy as np, pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, VLPhotographicImageStorage, generate_uid

print(*(f"{name} {version(name)}" for name in ("dicom2jpg", "pydicom")))
root = pathlib.Path(sys.argv[1])


def photograph(path, level, series, number, part):
    """An image of one visit, in a series of its own; the numbers of series and image may be empty (PS3.3 C.7.3.1, C.7.6.1: type 2)."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = VLPhotographicImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.PatientID, dataset.Modality, dataset.AccessionNumber = "P1", "XC", ""
    dataset.StudyDate, dataset.StudyTime, dataset.BodyPartExamined = "20260102", "101500", part
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study, generate_uid()
    dataset.SeriesNumber, dataset.InstanceNumber = series, number
    dataset.Rows = dataset.Columns = 16
    dataset.SamplesPerPixel, dataset.PlanarConfiguration, dataset.PhotometricInterpretation = 3, 0, "RGB"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    pixels = np.full((16, 16, 3), level, np.uint8)
    pixels[0] = 0
    dataset.PixelData = pixels.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)


found = {}
for name, numbers in (("numbered 1 to 6", range(1, 7)), ("without numbers", [None] * 6)):
    study = generate_uid()
    for index, number in enumerate(numbers):
        photograph(root / name / f"{index}.dcm", 40 * (index + 1), number, number, f"PART {index}")
    for anonymous in (False, True):
        target = root / f"{name} {anonymous}"
        said = dicom2jpg.dicom2png(root / name, target_root=target, anonymous=anonymous, multiprocessing=False)
        found[name, anonymous] = len(list(target.rglob("*.png")))
        print(f"six photographs, {name}, anonymous={anonymous}: returns {said}, writes {found[name, anonymous]} files")
sys.exit(list(found.values()) != [6, 6, 1, 1])
P
echo "expected: six pictures, or a word about those that are not there"
check "$folder/images"
