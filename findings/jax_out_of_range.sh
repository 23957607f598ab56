#!/usr/bin/env bash
# JAX squeezes a number into the type of a uint8 image, also in comparisons: "image > -1" and "image < 256" are false everywhere, clip(0, 256) is black and at[0].set(300) is 44; NumPy compares and clips by value and refuses the rest.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import jax, jax.numpy as jnp, numpy as np

print(f"JAX {jax.__version__}, NumPy {np.__version__}")
pixels = np.array([220, 170, 150, 60], np.uint8)


def put(image):
    if isinstance(image, np.ndarray):
        image = image.copy()
        image[0] = 300
        return image
    return image.at[0].set(300)


calls = {
    "image > -1": lambda image: image > -1,
    "image < 256": lambda image: image < 256,
    "image.clip(0, 256)": lambda image: image.clip(0, 256),
    "image + 300": lambda image: image + 300,
    "the first pixel set to 300": put,
}
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for name, call in calls.items():
        found[name] = []
        for image in (jnp.asarray(pixels), pixels):
            try:
                found[name].append(np.asarray(call(image)).tolist())
            except OverflowError:
                found[name].append("refused")
        print(f"{name} for {pixels.tolist()}: JAX {found[name][0]}, NumPy {found[name][1]}")
try:
    alone = jnp.uint8(300)
except OverflowError:
    alone = "refused"
print(f"jnp.uint8(300): {alone}; warnings: {[str(each.message)[:90] for each in warned]}")
by_jax, by_numpy = ([results[k] for results in found.values()] for k in (0, 1))
held = by_jax == [[False] * 4, [False] * 4, [0] * 4, [8, 214, 194, 104], [44, 170, 150, 60]] and not warned and alone == "refused"
sys.exit(not (held and by_numpy == [[True] * 4, [True] * 4, pixels.tolist(), "refused", "refused"]))
P
echo "expected: true everywhere and the image itself, or an exception, as jnp.uint8(300) raises one"
check
