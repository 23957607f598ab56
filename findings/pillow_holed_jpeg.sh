#!/usr/bin/env bash
# Pillow gives pixels for a JPEG file with a hole in its scan, without a warning; libjpeg had warned.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow==13.0.0 simplejpeg==1.9.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, logging, sys, warnings
import numpy as np
import PIL, simplejpeg
from PIL import Image
warnings.simplefilter("error")
logging.basicConfig(level=logging.WARNING)
rows, columns = np.mgrid[:256, :256]
pixels = np.stack([rows, columns, (rows + columns) // 2], 2).astype(np.uint8)
pixels += np.random.default_rng(0).integers(0, 20, pixels.shape, np.uint8)
file = io.BytesIO()
Image.fromarray(pixels).save(file, "JPEG", quality=90)
data = bytearray(file.getvalue())
middle = len(data) // 2
data[middle : middle + 2000] = bytes(2000)  # a page that never came to the disk
image = Image.open(io.BytesIO(data))
image.load()
wrong = np.abs(np.asarray(image).astype(int) - pixels).max(2) > 60
print(f"Pillow {PIL.__version__}: no error, no warning; {wrong.mean():.0%} of the pixels are off by more than 60 of 255")
try:
    simplejpeg.decode_jpeg(bytes(data), strict=True)
    said = ""
except ValueError as error:
    said = str(error)
print(f"simplejpeg {simplejpeg.__version__ if hasattr(simplejpeg, '__version__') else '1.9.0'} (the same libjpeg-turbo), strict=True: {said}")
sys.exit(not (said and wrong.mean() > 0.05))
P
echo "expected: an error, as for a file that is cut off (LOAD_TRUNCATED_IMAGES is off)"
check
