#!/usr/bin/env bash
# Keras on TensorFlow counts the pixels of a uint8 image in uint8: the histogram of 50,176 pixels adds up to 256, and with range=(0, 256) all but one bin are 0; in float16, on JAX as well, counts stop at 2,048.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install on_tensorflow keras==3.15.1 tensorflow-cpu==2.21.0 numpy==2.4.6
install on_jax keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import keras, numpy as np

on = keras.backend.backend()
print(f"Keras {keras.__version__} on {on}")
pixels = np.random.default_rng(0).integers(0, 256, 224 * 224).astype(np.uint8)
cases = {
    "uint8 in 4 bins": (pixels, 4, (0, 255)),
    "uint8 in 4 bins of (0, 256)": (pixels, 4, (0, 256)),
    "float16 in 4 bins": ((pixels / 255).astype(np.float16), 4, (0, 1)),
    "float32 in 4 bins": ((pixels / 255).astype(np.float32), 4, (0, 1)),
}
found, right = {}, {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for name, (image, bins, limits) in cases.items():
        counts = keras.ops.convert_to_numpy(keras.ops.histogram(image, bins, limits)[0])
        found[name], right[name] = counts.tolist(), np.histogram(image, bins, limits)[0].tolist()
        print(f"{name}: {found[name]} ({counts.dtype}), sum {sum(found[name]):.0f}; NumPy: {right[name]}")
told = [str(each.message)[:90] for each in warned if "overflow" in str(each.message)]
print(f"warnings of an overflow: {told}")
held = found["float32 in 4 bins"] == right["float32 in 4 bins"] and max(found["float16 in 4 bins"]) == 2048 and not told
if on == "tensorflow":
    held &= sum(found["uint8 in 4 bins"]) < 1024 and found["uint8 in 4 bins of (0, 256)"].count(0) >= 3
else:
    held &= found["uint8 in 4 bins"] == right["uint8 in 4 bins"]
sys.exit(not held)
P
echo "expected: NumPy's counts, of each type and on each backend"
for backend in tensorflow jax; do
    KERAS_BACKEND=$backend TF_CPP_MIN_LOG_LEVEL=3 "$folder/on_$backend/bin/python" "$folder/try.py" 2>"$folder/errors" || {
        tail -n 20 "$folder/errors"
        echo changed
        exit 1
    }
done
