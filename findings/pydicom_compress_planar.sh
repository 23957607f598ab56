#!/usr/bin/env bash
# pydicom compresses images that are stored by plane as if they were stored by pixel.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pydicom==3.0.2 pylibjpeg==2.1.0 pylibjpeg-openjpeg==2.6.0 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys, warnings
import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import get_frame
from pydicom.uid import ExplicitVRLittleEndian, JPEG2000Lossless, RLELossless, VLPhotographicImageStorage, generate_uid

warnings.simplefilter("error")
rows, columns = np.mgrid[:64, :96]
pixels = np.stack([200 - rows, 120 + columns // 2, 100 + (rows + columns) // 3], 2).astype(np.uint8)
print("pydicom", pydicom.__version__)
right = {}
for planar in (0, 1):
    for syntax in (RLELossless, JPEG2000Lossless):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.SOPClassUID, dataset.SOPInstanceUID = VLPhotographicImageStorage, generate_uid()
        dataset.Rows, dataset.Columns, dataset.SamplesPerPixel = *pixels.shape[:2], 3
        dataset.PhotometricInterpretation, dataset.PlanarConfiguration = "RGB", planar
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 8, 8, 7, 0
        dataset.add_new("PixelData", "OB", (pixels.transpose(2, 0, 1) if planar else pixels).tobytes())
        assert (dataset.pixel_array == pixels).all()
        dataset.compress(syntax)
        own = (dataset.pixel_array == pixels).all()
        size, right[planar, syntax] = len(dataset.PixelData), own
        said = f"PlanarConfiguration {planar}, {syntax.name}, {size} bytes: pydicom's own pixels are {'the same' if own else 'others'}"
        if syntax == JPEG2000Lossless:
            other = np.asarray(Image.open(io.BytesIO(get_frame(dataset.PixelData, 0))))
            right[planar, syntax] = (other == pixels).all()
            said += f", those in the codestream {'the same' if right[planar, syntax] else 'others'}"
        print(said)
sys.exit(list(right.values()) != [True, True, False, False])
P
echo "expected: what is compressed without loss is, when it is decoded, what it was"
check
