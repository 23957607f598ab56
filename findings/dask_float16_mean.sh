#!/usr/bin/env bash
# dask sums and counts float16 in float16: the mean colour of images that are 0.5 everywhere is 0.22, without a warning, where NumPy's is 0.5.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv "dask[array]==2026.8.0" numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import dask, dask.array as da, numpy as np

print(f"dask {dask.__version__}, numpy {np.__version__}")
found = {}
for side in (32, 48, 224):
    images = np.full((8, side, side, 3), 0.5, np.float16)
    chunked = da.from_array(images, chunks=(2, side, side, 3))
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        mean = float(chunked.mean(axis=(0, 1, 2)).compute()[0])
    found[side] = round(mean, 2), bool(warned)
    by_numpy = float(images.mean(axis=(0, 1, 2))[0])
    print(f"8 images of {side} x {side}: the mean of red is {mean:.2f} by dask, {'with' if warned else 'without'} a warning, and {by_numpy:.2f} by NumPy")
    assert by_numpy == 0.5
sys.exit(found != {32: (0.5, False), 48: (0.22, False), 224: (0.0, True)})
P
echo "expected: 0.5, as by NumPy, whatever the number of pixels"
check
