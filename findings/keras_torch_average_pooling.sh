#!/usr/bin/env bash
# Keras on PyTorch counts border pixels twice in AveragePooling2D(3, 2, padding="same") where a side of the image is even.
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu makes the installation of PyTorch a small one.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 torch==2.13.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import keras, numpy as np

print(*(f"{name} {version(name)}" for name in ("keras", "torch")), "backend", keras.backend.backend())


def by_hand(image, size, stride):
    rows, columns = image.shape[:2]
    out = np.empty((-(-rows // stride), -(-columns // stride), 3))
    before = [max((steps - 1) * stride + size - side, 0) // 2 for steps, side in zip(out.shape, (rows, columns))]
    for row, column in np.ndindex(out.shape[:2]):
        top, left = row * stride - before[0], column * stride - before[1]
        out[row, column] = image[max(top, 0) : top + size, max(left, 0) : left + size].mean(axis=(0, 1))
    return out


largest = {}
for rows, columns, size, stride in ((9, 9, 3, 2), (8, 8, 2, 2), (8, 8, 3, 1), (8, 8, 3, 2), (9, 8, 3, 2)):
    image = np.random.default_rng(0).random((rows, columns, 3), np.float32)
    inputs = keras.Input(image.shape)
    model = keras.Model(inputs, keras.layers.AveragePooling2D(size, stride, padding="same")(inputs))
    off = np.abs(model.predict(image[None], verbose=0)[0] - by_hand(image, size, stride)).max(axis=2)
    largest[rows, columns, size, stride] = off.max()
    case = f"{rows} x {columns}, windows {size} x {size}, strides {stride}"
    print(f"{case}: off by up to {off.max():.2f}, within the border {off[1:-1, 1:-1].max():.2f}")
found = list(largest.values())
sys.exit(not (max(found[:3]) < 1e-5 and min(found[3:]) > 0.05))
P
echo "expected: the mean of the pixels of a window that lie in the image, as on TensorFlow and JAX"
KERAS_BACKEND=torch check
