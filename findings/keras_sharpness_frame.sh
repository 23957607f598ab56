#!/usr/bin/env bash
# Keras's RandomSharpness takes what is outside of the image for black: sharpened, an even picture gets a lighter frame, softened a darker one, without a message, while Pillow leaves the border as it is.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 pillow==13.0.0
cat >"$folder/try.py" <<'P'
import sys, warnings
import keras, numpy as np
from PIL import Image, ImageEnhance, __version__

print(f"Keras {keras.__version__} on {keras.backend.backend()}, Pillow {__version__}")
even = np.full((1, 32, 32, 3), 150, np.float32)
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for factor in (1.0, 0.75, 0.5, 0.0):  # 0.5 is the image as it is, and 0.0 as soft as can be
        layer = keras.layers.RandomSharpness((factor, factor), seed=0)
        changed = np.asarray(layer(even, training=True))[0, ..., 0]
        pillow = np.asarray(ImageEnhance.Sharpness(Image.fromarray(even[0].astype(np.uint8))).enhance(2 * factor))[..., 0]
        found[factor] = float(changed[16, 16]), float(changed[0, 16]), float(changed[0, 0]), set(pillow.ravel().tolist())
        print(f"RandomSharpness({factor}) of an image that is 150 everywhere: middle {found[factor][0]:.0f}, edge {found[factor][1]:.0f}, corner {found[factor][2]:.0f}; by Pillow {sorted(found[factor][3])}")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
sys.exit(not (found[1.0][2] > 190 and found[1.0][1] > 170 and found[0.0][2] < 110 and abs(found[1.0][0] - 150) < 1 and all(each[3] == {150} for each in found.values())))
P
echo "expected: an even picture stays even, as by Pillow"
KERAS_BACKEND=jax check
