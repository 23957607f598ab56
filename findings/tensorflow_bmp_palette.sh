#!/usr/bin/env bash
# TensorFlow reads a BMP file with a palette without the palette: places in it become shades of grey.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tensorflow==2.21.0 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys
import numpy as np, PIL, tensorflow as tf
from PIL import Image

image = Image.new("RGB", (64, 64), (205, 160, 135))
image.paste((90, 50, 40), (16, 16, 48, 48))
print(f"TensorFlow {tf.__version__}, Pillow {PIL.__version__}")
found = {}
for name, given in ("BMP", image), ("BMP with a palette", image.quantize(16)):
    file = io.BytesIO()
    given.save(file, "BMP")
    pixels = tf.io.decode_image(file.getvalue(), channels=3, expand_animations=False).numpy()
    found[name] = [tuple(map(int, pixels[place])) for place in ((4, 4), (32, 32))]
    pillow = [Image.open(file).convert("RGB").getpixel(place) for place in ((4, 4), (32, 32))]
    print(f"{name}: skin and lesion by Pillow {pillow}, by TensorFlow {found[name]}")
sys.exit(not (found["BMP"] == pillow and max(map(max, found["BMP with a palette"])) < 16))
P
echo "expected: the same colours of both files, or an error"
TF_CPP_MIN_LOG_LEVEL=3 check
