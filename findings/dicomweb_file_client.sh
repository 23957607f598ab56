#!/usr/bin/env bash
# dicomweb-client searches a folder as it was when it was first asked: later files are not found, deleted ones are, and a range of dates finds everything.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv dicomweb-client==0.61.2 pydicom==3.0.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import pathlib, sys
from importlib.metadata import version
from dicomweb_client import DICOMfileClient
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, VLPhotographicImageStorage, generate_uid

print(*(f"{name} {version(name)}" for name in ("dicomweb-client", "pydicom")))
root = pathlib.Path(sys.argv[1])
root.mkdir()


def photograph(name, date):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = VLPhotographicImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.StudyDate = generate_uid(), generate_uid(), date
    dataset.PatientID, dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "P1", "XC", 1, 1
    for empty in ("StudyTime", "AccessionNumber", "ReferringPhysicianName", "StudyID", "PatientName", "PatientBirthDate", "PatientSex"):
        setattr(dataset, empty, "")
    dataset.Rows = dataset.Columns = 2
    dataset.SamplesPerPixel, dataset.PlanarConfiguration, dataset.PhotometricInterpretation = 3, 0, "RGB"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = bytes(12)
    dataset.save_as(root / name, enforce_file_format=True)


def count(filters=None, **options):
    return len(DICOMfileClient(root.as_uri(), **options).search_for_instances(search_filters=filters))


photograph("0.dcm", "20260102")
found = [count()]
photograph("1.dcm", "20260203")
photograph("2.dcm", "20260304")
found += [count(), count(update_db=True)]
(root / "1.dcm").unlink()
found += [count(), count(update_db=True)]
dates = [count({"StudyDate": date}) for date in ("20260102", "20260101-20260131")]
print(f"one file: {found[0]} found; two more: {found[1]}, with update_db=True {found[2]}; one of them deleted: {found[3]}, with update_db=True {found[4]}")
print(f"of 2 January {dates[0]}, of January, as 20260101-20260131 (PS3.18, PS3.4 C.2.2.2.5), {dates[1]}")
sys.exit(not (found == [1, 1, 3, 3, 3] and dates == [1, 3]))
P
echo "expected: the files that are there, and those of January"
check "$folder/images"
