#!/usr/bin/env bash
# Keras's RandomBrightness of uint8 images wraps around where they become too bright, light skin of 220 becomes 40 instead of 255, and never makes them darker, while it clips floats and darkens them, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import keras, numpy as np

print(f"Keras {keras.__version__} on {keras.backend.backend()}")
image = np.full((1, 32, 32, 3), 220, np.uint8)  # light skin
image[:, 8:24, 8:24] = 60  # the lesion
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for factor in (0.3, -0.3):
        for kind in (np.uint8, np.float32):
            changed = np.asarray(keras.layers.RandomBrightness((factor, factor), seed=0)(image.astype(kind), training=True))
            found[factor, kind] = float(changed[0, 0, 0, 0]), float(changed[0, 16, 16, 0])
            print(f"RandomBrightness({factor}) of {np.dtype(kind)}: skin of 220 is {found[factor, kind][0]:.4g}, the lesion of 60 {found[factor, kind][1]:.4g} ({changed.dtype})")
    contrast = np.asarray(keras.layers.RandomContrast((0.9, 0.9), seed=0)(image, training=True))
    print(f"RandomContrast of uint8: skin {contrast[0, 0, 0, 0]}, lesion {contrast[0, 16, 16, 0]} ({contrast.dtype})")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
sys.exit(not (found[0.3, np.uint8][0] < 60 and found[0.3, np.float32][0] == 255 and found[-0.3, np.uint8] == (220, 60) and found[-0.3, np.float32][0] < 150))
P
echo "expected: 255 and 0, as for floats"
KERAS_BACKEND=jax check
