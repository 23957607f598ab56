#!/usr/bin/env bash
# Keras's RandomSaturation, and so RandomColorJitter, limits the saturation to the range of the pixels: for 0 to 255, the default, it goes above 1, and colours below 0, a lesion's blue to -15 or -6,840, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import keras, numpy as np

print(f"Keras {keras.__version__} on {keras.backend.backend()}")
pixels = np.array([[[[220, 170, 150], [90, 40, 20]]]], np.float32)  # skin and a lesion
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for make in (keras.layers.RandomSaturation, keras.layers.RandomColorJitter):
        for factor in (0.4, 0.6, 0.99):  # 0.5 is the image as it is
            for limit in (255, 1):
                name = {"factor": (factor, factor)} if make is keras.layers.RandomSaturation else {"saturation_factor": (factor, factor)}
                changed = np.asarray(make(value_range=(0, limit), seed=0, **name)(pixels * limit / 255, training=True)) * 255 / limit
                found[make.__name__, factor, limit] = changed[0, 0]
                print(f"{make.__name__}({factor}) of 0 to {limit}: skin {changed[0, 0, 0].round().tolist()}, lesion {changed[0, 0, 1].round().tolist()}")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
wrong = all(found[name, 0.6, 255].min() < -10 and found[name, 0.99, 255].min() < -1000 and found[name, 0.6, 1].min() >= 0 == found[name, 0.99, 1].min() for name in ("RandomSaturation", "RandomColorJitter"))
sys.exit(not (wrong and np.allclose(found["RandomSaturation", 0.4, 255], found["RandomSaturation", 0.4, 1], atol=0.01)))
P
echo "expected: the same colours, from 0 to 255, for both ranges"
KERAS_BACKEND=jax check
