#!/usr/bin/env bash
# Keras on JAX blurs an image across and between its colours, not down: red turns orange.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import keras, numpy as np


def shown(values):
    return " ".join(f"{value:.2f}" for value in values)


red, line = np.zeros((2, 1, 9, 9, 3), np.float32)
red[..., 0] = 1
line[0, 4, :, :] = 1  # across: a blur takes it apart downwards
blurred_red, blurred_line = (
    keras.ops.convert_to_numpy(keras.ops.image.gaussian_blur(image, kernel_size=(3, 3), sigma=(1.0, 1.0)))[0] for image in (red, line)
)
layer = keras.layers.RandomGaussianBlur(factor=1.0, kernel_size=3, sigma=1.0, value_range=(0, 1))
layered = keras.ops.convert_to_numpy(layer(red, training=True))[0, 4, 4]
middle, rows = blurred_red[4, 4], blurred_line[:, 4, 1]
print(f"Keras {keras.__version__} on {keras.backend.backend()}: red becomes {shown(middle)} (in the layer RandomGaussianBlur {shown(layered)});")
print(f"  a white line, one row high, from top to bottom {shown(rows)}")
right = np.allclose(middle, (1, 0, 0), atol=1e-5) and rows[3] > 0.1
wrong = middle[1] > 0.1 and rows[3] == 0
sys.exit({(True, False): 0, (False, True): 3}.get((bool(right), bool(wrong)), 1))
P
echo "expected: one colour stays what it is away from the edge, on each backend"
for backend in numpy jax; do
    code=0
    KERAS_BACKEND=$backend "$folder/venv/bin/python" "$folder/try.py" 2>"$folder/errors" || code=$?
    [[ $backend$code == numpy0 || $backend$code == jax3 ]] || { cat "$folder/errors"; echo changed; exit 1; }
done
