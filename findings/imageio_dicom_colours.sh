#!/usr/bin/env bash
# imageio takes the first third of a colour DICOM image for the whole one, in grey, and reads through all files of a folder to show one of them.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv imageio==2.38.1 pydicom==3.0.2 numpy==2.4.6 pillow==13.0.0
cat >"$folder/try.py" <<'P'
import contextlib, io, pathlib, re, sys
from importlib.metadata import version
import imageio.v2, imageio.v3, numpy as np, pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, VLPhotographicImageStorage, generate_uid

print(*(f"{name} {version(name)}" for name in ("imageio", "pydicom")))
root = pathlib.Path(sys.argv[1])


def store(name, pixels, photometric, planes=0):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = VLPhotographicImageStorage if pixels.ndim == 3 else SecondaryCaptureImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.InstanceNumber = generate_uid(), generate_uid(), 1
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    dataset.SamplesPerPixel = 3 if pixels.ndim == 3 else 1
    if pixels.ndim == 3:
        dataset.PlanarConfiguration = planes
    dataset.PhotometricInterpretation, dataset.BitsAllocated, dataset.BitsStored = photometric, 8, 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = (pixels.transpose(2, 0, 1) if planes else pixels).tobytes()
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(root / name, enforce_file_format=True)


down, across = np.mgrid[0:30, 0:40]
lesion = np.where(((down - 15) ** 2 + (across - 20) ** 2 < 80)[..., None], [110, 60, 40], [230, 170, 150]).astype(np.uint8)
store("a/rgb.dcm", lesion, "RGB")
store("b/planes.dcm", lesion, "RGB", 1)
store("c/grey.dcm", lesion[..., 0].copy(), "MONOCHROME2")
right = {}
for name in ("a/rgb.dcm", "b/planes.dcm", "c/grey.dcm"):
    theirs, stored = np.asarray(imageio.v2.imread(root / name)), pydicom.dcmread(root / name).pixel_array
    right[name] = np.array_equal(theirs, stored)
    print(f"{name}: imageio {theirs.shape}, begins {theirs.ravel()[:6].tolist()}; pydicom {stored.shape}: alike {right[name]}")
    if theirs.ndim == 2 and name.startswith("a"):
        first_third = np.array_equal(theirs.ravel(), stored.ravel()[: theirs.size])
        print(f"  the bytes R, G, B, R ... of the first ten rows, as thirty rows of grey: {first_third}")
for index in range(200):  # notes beside the image, one folder further down
    (root / "c" / "deeper").mkdir(exist_ok=True)
    (root / "c" / "deeper" / f"{index}.txt").write_text("note")
with contextlib.redirect_stdout(io.StringIO()) as told:
    alone = imageio.v3.imread(root / "c" / "grey.dcm")
examined = max(int(each) for each in re.findall(r"(\d+) files", told.getvalue()))
print(f"imageio.v3.imread of grey.dcm, with 200 text files in a folder beside it: {examined} files are examined")
sys.exit(not (list(right.values()) == [False, False, True] and first_third and examined == 201))
P
echo "expected: colours, as pydicom has them, or an error; and one file is read to show one"
check "$folder/images"
