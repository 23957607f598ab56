#!/usr/bin/env bash
# deid's DicomCleaner writes the pixels that pydicom returns under the header of the file that it read: colours stored by plane, YCbCr and big-endian numbers are another picture in the cleaned file.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv deid==0.4.13 pydicom==3.0.2 matplotlib==3.11.2 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import pathlib, sys, warnings
from importlib.metadata import version
import numpy as np, pydicom
from deid.dicom import DicomCleaner
from deid.logger import bot
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.pixels import pixel_array
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, VLPhotographicImageStorage, generate_uid

bot.level = 0
print(*(f"{name} {version(name)}" for name in ("deid", "pydicom", "numpy")))
folder = pathlib.Path(__file__).parent
(folder / "deid.recipe").write_text("FORMAT dicom\n\n%filter graylist\n\nLABEL A scale at the top\ncontains Modality XC\n  coordinates 0,0,48,8\n")
image = np.full((48, 48, 3), (220, 170, 150), np.uint8)
image[16:32, 16:32] = 90, 50, 40
image[2:6, 4:40] = 255
ycbcr = np.asarray(Image.fromarray(image).convert("YCbCr"))
twelve = image[..., 0] * np.uint16(16)


def file(name, pixels, interpretation, by_plane=0, order="<"):
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRBigEndian if order == ">" else ExplicitVRLittleEndian
    data.SOPClassUID = VLPhotographicImageStorage
    data.SOPInstanceUID, data.StudyInstanceUID, data.SeriesInstanceUID = generate_uid(), generate_uid(), generate_uid()
    data.Modality, data.PatientID, data.PatientName = "XC", "1", "A"
    data.Rows = data.Columns = 48
    data.SamplesPerPixel, data.PhotometricInterpretation = pixels.ndim * 2 - 3, interpretation
    if pixels.ndim == 3:
        data.PlanarConfiguration = by_plane
    bits = pixels.itemsize * 8
    data.BitsAllocated, data.BitsStored, data.HighBit, data.PixelRepresentation = bits, {8: 8, 16: 12}[bits], {8: 7, 16: 11}[bits], 0
    data.PixelData = (pixels.transpose(2, 0, 1) if by_plane else pixels).astype(pixels.dtype.newbyteorder(order)).tobytes()
    data["PixelData"].VR = "OB" if bits == 8 else "OW"
    data.save_as(folder / name, enforce_file_format=True)


file("RGB by pixel.dcm", image, "RGB")
file("RGB by plane.dcm", image, "RGB", by_plane=1)
file("YBR_FULL.dcm", ycbcr, "YBR_FULL")
file("12 bits, little-endian.dcm", twelve, "MONOCHROME2")
file("12 bits, big-endian.dcm", twelve, "MONOCHROME2", order=">")
off = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for path in sorted(folder.glob("*.dcm")):
        cleaner = DicomCleaner(output_folder=str(folder / "cleaned"), deid=str(folder / "deid.recipe"))
        cleaner.detect(str(path))
        cleaner.clean()
        before, after = pixel_array(path).astype(int), pixel_array(cleaner.save_dicom()).astype(int)
        changed = np.abs(before - after)[8:] > 3
        off[path.stem] = changed.reshape(40 * 48, -1).any(1).mean()
        print(f"{path.stem}: skin {before[40, 4].tolist()} becomes {after[40, 4].tolist()}, lesion {before[24, 24].tolist()} becomes {after[24, 24].tolist()}; {off[path.stem]:.0%} of the pixels below the scale differ")
print(f"warnings: {len(told)}")
right = ["RGB by pixel", "12 bits, little-endian"]
sys.exit(not (all(off[name] == 0 for name in right) and all(share > 0.7 for name, share in off.items() if name not in right) and not told))
P
echo "expected: the scale at the top is black, and each pixel below it as it was"
check
