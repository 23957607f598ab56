#!/usr/bin/env bash
# Keras on PyTorch pads with the border pixel where "symmetric" asks for the mirror image: the same line of code gives another border than on JAX.
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu makes the installation of PyTorch a small one.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 torch==2.13.0 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import keras, numpy as np

row = np.arange(1, 6, dtype=np.float32)
found = keras.ops.convert_to_numpy(keras.ops.pad(row, ((3, 3),), mode="symmetric"))
image = np.random.default_rng(0).random((1, 32, 32, 3), np.float32)
wide = ((0, 0), (8, 8), (8, 8), (0, 0))
off = np.abs(keras.ops.convert_to_numpy(keras.ops.pad(image, wide, mode="symmetric")) - np.pad(image, wide, mode="symmetric")) > 0
print(f"Keras {keras.__version__} on {keras.backend.backend()}: 1 to 5 padded by 3 is {found.astype(int).tolist()}; {off.mean():.0%} of a padded image differ from NumPy's")
mirrored, repeated = [3, 2, 1, 1, 2, 3, 4, 5, 5, 4, 3], [1, 1, 1, 1, 2, 3, 4, 5, 5, 5, 5]
sys.exit(found.tolist() != (repeated if keras.backend.backend() == "torch" else mirrored))
P
echo "expected: NumPy's [3, 2, 1, 1, 2, 3, 4, 5, 5, 4, 3] on each backend, as documented"
for backend in jax torch; do
    KERAS_BACKEND=$backend check
done
