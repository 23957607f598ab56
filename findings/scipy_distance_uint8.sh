#!/usr/bin/env bash
# SciPy's distance functions of two vectors subtract, square and add in uint8: the cosine distance of two different images is 0, the Manhattan distance 100 times too large; cdist is right.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, scipy
from scipy.spatial import distance

print("scipy", scipy.__version__, "numpy", np.__version__)
random = np.random.default_rng(0)
image = random.integers(20, 236, 1024).astype(np.uint8)
copy = (image + random.integers(-2, 3, 1024)).astype(np.uint8)  # the same image, saved again
other = random.integers(20, 236, 1024).astype(np.uint8)
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for name in "cityblock", "euclidean", "chebyshev", "cosine", "sqeuclidean", "correlation":
        one = getattr(distance, name)
        for kind, another in ("copy", copy), ("other image", other):
            wrong, right = float(one(image, another)), float(one(image.astype(float), another.astype(float)))
            many = float(distance.cdist(image[None], another[None], name)[0, 0])
            found[name, kind] = wrong, right, many
            print(f"{name} to the {kind}: {wrong:.4g} for uint8, {right:.4g} for floats, {many:.4g} by cdist of uint8")
print("warnings:", [str(each.message) for each in warned])
held = all(np.isclose(right, many) for _, right, many in found.values())
held &= all(np.isclose(found[name, kind][0], found[name, kind][1]) for name in ("sqeuclidean", "correlation") for kind in ("copy", "other image"))
held &= all(found[name, "copy"][0] > 10 * found[name, "copy"][1] for name in ("cityblock", "euclidean", "chebyshev"))
held &= abs(found["cosine", "other image"][0] - found["cosine", "other image"][1]) > 0.1
sys.exit(not held)
P
echo "expected: the same distances from uint8 and floats, one pair at a time or by cdist"
check
