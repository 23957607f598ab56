#!/usr/bin/env bash
# OpenCV takes the bytes of a big-endian array, as from a DICOM file, as little-endian, without an error; so do imagecodecs and tifffile when they write JPEG 2000.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv opencv-python-headless==5.0.0.93 imagecodecs==2026.3.6 tifffile==2026.3.3 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys, warnings
from importlib.metadata import version
import cv2, imagecodecs, numpy as np, tifffile
from PIL import Image

print(*(f"{name} {version(name)}" for name in ("opencv-python-headless", "imagecodecs", "tifffile", "pillow", "numpy")))
y, x = np.mgrid[:48, :48]
native = np.where((x - 24) ** 2 + (y - 24) ** 2 < 144, 1000, 3000).astype("<u2")
swapped = native.astype(">u2")  # the same numbers
assert (native == swapped).all()


def by_tiff(image, **options):
    file = io.BytesIO()
    tifffile.imwrite(file, image, **options)
    file.seek(0)
    return tifffile.imread(file)


def by_pillow(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return np.asarray(Image.open(file))


ways = {
    "cv2.resize": lambda image: cv2.resize(image, (48, 48), interpolation=cv2.INTER_NEAREST),
    "cv2.flip, twice": lambda image: cv2.flip(cv2.flip(image, 1), 1),
    "cv2.imencode as PNG": lambda image: cv2.imdecode(cv2.imencode(".png", image)[1], cv2.IMREAD_UNCHANGED),
    "imagecodecs.jpeg2k": lambda image: imagecodecs.jpeg2k_decode(imagecodecs.jpeg2k_encode(image)),
    "tifffile, JPEG 2000": lambda image: by_tiff(image, compression="jpeg2000"),
    "tifffile, JPEG 2000, byteorder='>'": lambda image: by_tiff(image, compression="jpeg2000", byteorder=">"),
    "tifffile, LZW, byteorder='>'": lambda image: by_tiff(image, compression="lzw", byteorder=">"),
    "Pillow as PNG": by_pillow,
}
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for name, way in ways.items():
        results = [np.asarray(way(image)) for image in (native, swapped)]
        found[name] = tuple(bool((result == native).all()) for result in results)
        print(f"{name}: skin 3000 and lesion 1000 are {results[0][0, 0]} and {results[0][24, 24]} from a little-endian array, {results[1][0, 0]} and {results[1][24, 24]} from a big-endian one")
print(f"warnings: {len(told)}")
sys.exit(list(found.values()) != [(True, False)] * 5 + [(False, False), (True, True), (True, True)])
P
echo "expected: equal numbers give equal images, or an error"
check
