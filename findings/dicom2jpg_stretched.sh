#!/usr/bin/env bash
# dicom2jpg stretches each image from its own darkest to its own brightest pixel: colours change, and a window has no effect.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv dicom2jpg==0.1.10 pydicom==3.0.2 opencv-python==5.0.0.93 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import pathlib, sys
from importlib.metadata import version
import dicom2jpg, numpy as np
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import apply_windowing
from pydicom.uid import ExplicitVRLittleEndian, VLPhotographicImageStorage, generate_uid

print(*(f"{name} {version(name)}" for name in ("dicom2jpg", "pydicom")))
path = pathlib.Path(sys.argv[1]) / "image.dcm"


def written(pixels, **window):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = VLPhotographicImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
    dataset.Rows, dataset.Columns = pixels.shape[:2]
    colour = pixels.ndim == 3
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = dataset.BitsStored = 8 * pixels.itemsize
    dataset.HighBit, dataset.PixelRepresentation = dataset.BitsStored - 1, 0
    for name, value in window.items():
        setattr(dataset, name, value)
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OB" if pixels.itemsize == 1 else "OW"
    dataset.save_as(path, enforce_file_format=True)
    return dicom2jpg.dicom2img(str(path))


skin = np.full((16, 16, 3), (190, 150, 130), np.uint8)
skin[4:8] = 120, 90, 80
shown = written(skin)
print(f"skin {skin[0, 0].tolist()} and lesion {skin[5, 0].tolist()}, RGB of 8 bits, come out as {shown[0, 0].tolist()} and {shown[5, 0].tolist()}")
right = []
for low, high in ((1000, 1400), (1000, 3000)):
    grey = np.linspace(low, high, 256).astype(np.uint16).reshape(16, 16)
    given = written(grey, WindowCenter=2048, WindowWidth=4096)
    expected = apply_windowing(grey, dcmread(path)) / 65535 * 255
    print(f"grey {low} to {high} in a window of 0 to 4096: {given.min()} to {given.max()}; by the window {expected.min():.0f} to {expected.max():.0f}")
    right.append((given.min(), given.max()) == (0, 255) and expected.max() < 200)
sys.exit(not (shown[0, 0].tolist() == [255, 162, 115] and shown[5, 0].tolist() == [92, 23, 0] and all(right)))
P
mkdir "$folder/images"
echo "expected: colours as they are stored; grey as the window says"
check "$folder/images"
