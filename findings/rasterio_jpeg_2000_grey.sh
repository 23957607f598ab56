#!/usr/bin/env bash
# rasterio writes three bands as a JPEG 2000 file that calls itself grey: OpenCV shows the red band in grey, Pillow calls it broken.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv rasterio==1.4.4 opencv-python-headless==5.0.0.93 pillow==13.0.0 imagecodecs==2026.3.6 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import logging, pathlib, sys
import cv2, imagecodecs, numpy as np, PIL, rasterio
from PIL import Image
from rasterio.enums import ColorInterp

root = pathlib.Path(sys.argv[1])
print(f"rasterio {rasterio.__version__} with GDAL {rasterio.__gdal_version__}, OpenCV {cv2.__version__}, Pillow {PIL.__version__}")
pixels = np.empty((64, 64, 3), np.uint8)
pixels[:] = 200, 150, 130
spaces = {16: "sRGB", 17: "grey", 18: "sYCC"}
found = {}
for name, driver, more, interpreted in (
    ("GTiff", "GTiff", {}, False),
    ("JPEG 2000", "JP2OpenJPEG", {"QUALITY": 100, "REVERSIBLE": "YES"}, False),
    ("JPEG 2000, photometric='RGB'", "JP2OpenJPEG", {"QUALITY": 100, "REVERSIBLE": "YES", "photometric": "RGB"}, False),
    ("JPEG 2000, colorinterp set", "JP2OpenJPEG", {"QUALITY": 100, "REVERSIBLE": "YES"}, True),
):
    file = root / f"{name}.{'tif' if driver == 'GTiff' else 'jp2'}"
    with rasterio.open(file, "w", driver=driver, width=64, height=64, count=3, dtype="uint8", **more) as dataset:
        dataset.write(pixels.transpose(2, 0, 1))
        if interpreted:
            dataset.colorinterp = ColorInterp.red, ColorInterp.green, ColorInterp.blue
    with rasterio.open(file) as dataset:
        assert (dataset.read().transpose(1, 2, 0) == pixels).all()
    data = file.read_bytes()
    box = data.find(b"colr\x01")
    space = spaces[int.from_bytes(data[box + 7 : box + 11])] if box > 0 else "-"
    read = cv2.imread(str(file))[0, 0, ::-1].tolist()
    try:
        other = np.asarray(Image.open(file))[0, 0].tolist()
    except OSError as error:
        other = f"{type(error).__name__}: {error}"
    found[name] = space, read, other
    print(f"{name}: colour space {space}; OpenCV {read}; Pillow {other}")
right = [200, 150, 130]
grey = found["JPEG 2000"], found["JPEG 2000, photometric='RGB'"]
good = found["GTiff"][1:], found["JPEG 2000, colorinterp set"][1:]
sys.exit(not (all(space == "grey" and read == [200] * 3 and isinstance(other, str) for space, read, other in grey) and all(values == (right, right) for values in good)))
P
mkdir "$folder/images"
echo "expected: three bands of 8 bits are RGB, as in a GeoTIFF file"
check "$folder/images"
