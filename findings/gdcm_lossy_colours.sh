#!/usr/bin/env bash
# gdcmconv --lossy --jpeg stores colours as YCbCr and leaves "RGB" as the photometric interpretation: pydicom, and GDCM itself, show skin in purple and the lesion in blue.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv python-gdcm==3.2.6 pydicom==3.0.2 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, pathlib, subprocess, sys
import gdcm, numpy as np, PIL, pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, VLPhotographicImageStorage, generate_uid

print("gdcm", gdcm.Version.GetVersion(), "pydicom", pydicom.__version__, "pillow", PIL.__version__, "numpy", np.__version__)
folder = pathlib.Path(__file__).parent
image = np.full((64, 64, 3), (220, 170, 150), np.uint8)
image[20:44, 20:44] = 90, 50, 40
photograph = Dataset()
photograph.file_meta = FileMetaDataset()
photograph.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
photograph.SOPClassUID = VLPhotographicImageStorage
photograph.SOPInstanceUID, photograph.StudyInstanceUID, photograph.SeriesInstanceUID = generate_uid(), generate_uid(), generate_uid()
photograph.Modality, photograph.PatientID, photograph.PatientName = "XC", "1", "A"
photograph.Rows = photograph.Columns = 64
photograph.SamplesPerPixel, photograph.PlanarConfiguration, photograph.PhotometricInterpretation = 3, 0, "RGB"
photograph.BitsAllocated, photograph.BitsStored, photograph.HighBit, photograph.PixelRepresentation = 8, 8, 7, 0
photograph.PixelData = image.tobytes()
photograph.save_as(folder / "rgb.dcm", enforce_file_format=True)


def spots(pixels):
    return pixels[[2, 30], [2, 30]].astype(int)


held = True
for options in ["--jpeg"], ["--lossy", "--jpeg"], ["--lossy", "--jpeg", "-q", "90"], ["--lossy", "--jpegls", "-e", "2"], ["--lossy", "--j2k", "-q", "30"]:
    subprocess.run([pathlib.Path(sys.executable).with_name("gdcmconv"), *options, folder / "rgb.dcm", folder / "new.dcm"], check=True, capture_output=True)
    stored = pydicom.dcmread(folder / "new.dcm")
    reader = gdcm.ImageReader()
    reader.SetFileName(str(folder / "new.dcm"))
    reader.Read()
    by_gdcm = np.frombuffer(reader.GetImage().GetBuffer().encode("utf-8", "surrogateescape"), np.uint8).reshape(64, 64, 3)
    found = {"GDCM": spots(by_gdcm)}
    if "--jpegls" not in options and "--j2k" not in options and "--lossy" in options:
        found["Pillow, from the JPEG alone"] = spots(np.asarray(Image.open(io.BytesIO(pydicom.encaps.get_frame(stored.PixelData, 0, number_of_frames=1)))))
        found["pydicom"] = spots(stored.pixel_array)
    print(" ".join(options), "is", stored.PhotometricInterpretation + ":", "; ".join(f"skin {each[0].tolist()}, lesion {each[1].tolist()} by {name}" for name, each in found.items()))
    for name, each in found.items():
        wrong = int(np.abs(each - spots(image.astype(int))).max()) > 50
        held &= wrong == (options[:2] == ["--lossy", "--jpeg"] and not name.startswith("Pillow"))
    held &= stored.PhotometricInterpretation == "RGB"
sys.exit(not held)
P
echo "expected: skin of about 220, 170, 150 and a lesion of about 90, 50, 40; or YBR_FULL_422 as the photometric interpretation of YCbCr"
check
