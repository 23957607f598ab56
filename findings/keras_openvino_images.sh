#!/usr/bin/env bash
# Keras on OpenVINO: grey of a uint8 image is black, bicubic ignores antialias, nearest takes other pixels, and max and top_k pass over NaN.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 openvino==2026.4.1 jax==0.10.2 jaxlib==0.10.2 pillow==13.0.0 numpy==2.4.6
"$folder/venv/bin/python" -m pip uninstall --quiet --yes openvino-telemetry # it would send usage data
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import keras, numpy as np
from PIL import Image

backend, ops = keras.backend.backend(), keras.ops
print(f"Keras {keras.__version__} on {backend} {version(backend)}, beside Pillow {version('pillow')}")
random = np.random.default_rng(0)
skin = random.integers(150, 200, (8, 8, 3), np.uint8)
pixels = random.random((64, 64), np.float32)
ramp = np.arange(10, dtype=np.float32)[None]


def resized(image, size, antialias=False, **options):
    return ops.convert_to_numpy(ops.image.resize(image[None, ..., None], size, antialias=antialias, **options))[0, ..., 0]


grey = ops.convert_to_numpy(ops.image.rgb_to_grayscale(skin))
print(f"  grey of uint8 skin: {grey.min()} to {grey.max()}")
small, plain = (resized(pixels, (8, 8), antialias, interpolation="bicubic") for antialias in (True, False))
off, ignored = np.abs(small - Image.fromarray(pixels).resize((8, 8), Image.Resampling.BICUBIC)).max(), np.array_equal(small, plain)
print(f"  64 x 64 to 8 x 8, bicubic with antialias=True: {off:.3f} off Pillow's at most; without antialias the same: {ignored}")
taken = resized(ramp, (1, 7), interpolation="nearest")[0].astype(int).tolist()
pillow = np.asarray(Image.fromarray(ramp).resize((7, 1), Image.Resampling.NEAREST))[0].astype(int).tolist()
print("  nearest, 10 pixels to 7:", *taken, "Pillow:", *pillow)
unsure = np.array([0.2, np.nan, 0.7, 0.1], np.float32)
most, two = (ops.convert_to_numpy(found).tolist() for found in (ops.max(unsure), ops.top_k(unsure, 2)[0]))
print("  of 0.2, nan, 0.7, 0.1 the max: {:.1f}; the top_k: {:.1f}, {:.1f}".format(most, *two))
right = grey.min() > 150, off < 0.01 and not ignored, taken == pillow, np.isnan(most), np.isnan(two).any()
wrong = grey.max() == 0, off > 0.1 and ignored, taken != pillow, most > 0.6, np.isfinite(two).all()
sys.exit(0 if all(right) else 3 if all(wrong) else 1)
P
echo "expected: one backend gives what another gives"
for backend in jax openvino; do
    code=0
    KERAS_BACKEND=$backend "$folder/venv/bin/python" "$folder/try.py" 2>"$folder/errors" || code=$?
    [[ $backend$code == jax0 || $backend$code == openvino3 ]] || { cat "$folder/errors"; echo changed; exit 1; }
done
