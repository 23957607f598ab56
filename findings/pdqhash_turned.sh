#!/usr/bin/env bash
# pdqhash reads a rotated, transposed or Fortran-ordered array as its memory lies: its hash is that of noise, while mirrored and cropped views are read correctly.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pdqhash==0.2.8 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np, pdqhash

print(*(f"{name} {version(name)}" for name in ("pdqhash", "numpy")))
random = np.random.default_rng(0)
image = np.kron(random.integers(0, 256, (10, 15, 3)), np.ones((20, 20, 1))).astype(np.uint8)  # 200 x 300
views = {
    "np.rot90(image)": np.rot90(image),
    "transposed": image.transpose(1, 0, 2),
    "Fortran-ordered": np.asfortranarray(image),
    "mirrored": image[:, ::-1],
    "cropped": image[20:180, 40:260],
    "BGR to RGB": image[..., ::-1],
    "planes to pixels": np.moveaxis(np.ascontiguousarray(np.moveaxis(image, -1, 0)), 0, -1),
}
found = {}
for name, view in views.items():
    (of_view, quality), (of_copy, _) = pdqhash.compute(view), pdqhash.compute(np.ascontiguousarray(view))
    found[name] = int((of_view != of_copy).sum())
    print(f"{name}: {found[name]} of 256 bits differ between the view and its copy; quality {quality} of 100")
print("two images count as one up to 31 bits; 128 is chance")
turned = [found.pop(name) for name in ("np.rot90(image)", "transposed", "Fortran-ordered")]
sys.exit(not (min(turned) > 90 and not any(found.values())))
P
echo "expected: the hash is that of the pixels, of a view and of its copy"
check
