#!/usr/bin/env bash
# Keras' RandomPosterization draws the number of bits for each image, from 1 up to one less than it is told to keep.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import keras, numpy as np

print(f"Keras {keras.__version__} on {keras.backend.backend()}")
levels = np.arange(256, dtype="float32").reshape(1, 16, 16, 1).repeat(3, -1).repeat(200, 0)  # 200 images of all 256 levels
found = {}
for bits in (8, 6, 4, 2):
    images = np.asarray(keras.layers.RandomPosterization(factor=bits, seed=0)(levels, training=True))
    kept, images_of = np.unique([round(np.log2(len(np.unique(image)))) for image in images], return_counts=True)
    found[bits] = kept.tolist()
    print(f"factor={bits}: images by the bits that are kept:", {int(k): int(n) for k, n in zip(kept, images_of)})
    if bits == 8:
        print(f"  a level is off by up to {np.abs(images - levels).max():.0f} of 255")
sys.exit(not all(found[bits] == list(range(1, bits)) for bits in found))
P
echo "expected: as documented, factor is 'the number of bits to keep for each channel': with 8 an image stays as it is, with 4 it has 16 levels"
KERAS_BACKEND=jax check
