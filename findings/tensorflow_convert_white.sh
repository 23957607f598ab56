#!/usr/bin/env bash
# tf.image.convert_image_dtype makes white black: 1.0 is 0 as uint32 and -2147483648 as int32; and white of 8 bits is 65280 of 65535.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tensorflow==2.21.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, tensorflow as tf

print("tensorflow", tf.__version__, "numpy", np.__version__)
convert = tf.image.convert_image_dtype
found = {}
for kind in "uint8", "uint16", "int16", "uint32", "int32":
    highest = int(np.iinfo(kind).max)
    floats = convert(tf.constant([0.0, 0.5, 1.0]), kind).numpy().tolist()
    saturated = convert(tf.constant([0.0, 0.5, 1.0]), kind, saturate=True).numpy().tolist()
    try:
        bytes_ = convert(tf.constant([0, 128, 255], tf.uint8), kind).numpy().tolist()
    except (TypeError, tf.errors.OpError) as error:
        bytes_ = type(error).__name__
    found[kind] = floats, saturated, bytes_
    print(f"{kind}, to {highest}: 0, 0.5 and 1 are {floats}, with saturate=True {saturated}; 0, 128 and 255 of uint8 are {bytes_}")
held = found["uint32"][0][2] == 0 and found["int32"][0][2] == -(2**31) and found["uint16"][0][2] == 65535 and found["uint8"][0][2] == 255
sys.exit(not (held and found["uint16"][2] == [0, 32768, 65280] and found["int16"][2][2] == 32640))
P
echo "expected: white is the largest number, as documented: images are scaled to the range of the new type"
TF_CPP_MIN_LOG_LEVEL=3 check
