#!/usr/bin/env bash
# usearch takes uint8 for packed bits, and the first eighth of the numbers for all: images with the same top rows are copies, at a distance of 0; as float32 they are right.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv usearch==2.26.6 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np
from usearch.index import Index

print("usearch", version("usearch"))
random = np.random.default_rng(0)
thumbnails = np.full((50, 16, 16), 200, np.uint8)  # even skin
thumbnails[:, 3:13, 3:13] = random.integers(20, 180, (50, 10, 10))  # and another lesion in each
thumbnails = thumbnails.reshape(50, 256)
right = np.sort(((thumbnails[1:].astype(float) - thumbnails[0]) ** 2).sum(1))[0]
found, bits = {}, False
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for kind in "uint8", "float32":
        index = Index(ndim=256, metric="l2sq")
        index.add(np.arange(50), thumbnails.astype(kind))
        distances = index.search(thumbnails[0].astype(kind), 50).distances
        stored = np.asarray(index.get(5)).ravel()
        found[kind] = float(distances[1]), float(distances[-1])
        print(f"{kind}, stored as {index.dtype.name}: pixels of an image are {stored.min():g} to {stored.max():g}; the other images are {distances[1]:.4g} to {distances[-1]:.4g} from the first")
        bits |= kind == "uint8" and bool((stored == np.unpackbits(thumbnails[5, :32])).all())
print(f"NumPy: {right:.4g} from the first to the nearest; uint8 are the bits of the first 32 pixels: {bits}; warnings: {len(warned)}")
try:
    Index(ndim=256, metric="l2sq").add(np.arange(50), thumbnails.astype(np.int16))
    refused = False
except Exception as error:
    refused = True
    print(f"int16 is refused: {type(error).__name__}: {error}")
sys.exit(not (found["uint8"] == (0, 0) and bits and abs(found["float32"][0] / right - 1) < 0.02 and refused and not warned))
P
echo "expected: numbers of uint8 are stored, or refused, as those of int16 are; 256 columns of packed bits would be 2,048 dimensions"
check
