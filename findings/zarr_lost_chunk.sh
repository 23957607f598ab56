#!/usr/bin/env bash
# zarr takes a chunk whose file is lost for one that was never written: an image of a store that was copied in part is black, without an error.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv zarr==3.1.6 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from pathlib import Path
import numpy as np, zarr

print(f"zarr {zarr.__version__}, numpy {np.__version__}")
store = Path(sys.argv[1]) / "images.zarr"
images = zarr.open(store, mode="w", shape=(10, 32, 32, 3), chunks=(1, 32, 32, 3), dtype="uint8")
images[:] = np.random.default_rng(0).integers(1, 256, images.shape)
[lost] = store.rglob("3/0/0/0")
lost.unlink()
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    read = zarr.open(store, mode="r")[:]
black = [index for index, image in enumerate(read) if not image.any()]
print(f"without {lost.relative_to(store)}: black images {black}, means {read.mean(axis=(1, 2, 3)).round().astype(int).tolist()}; warnings: {len(told)}")
print(f"chunks that are there: {zarr.open(store, mode='r').nchunks_initialized} of {images.nchunks}; a chunk of zeros is not stored, so that this says nothing of one that is lost")
images[5] = 0
kept = zarr.open(store, mode="r").nchunks_initialized
print(f"an image is made black on purpose: {kept} of {images.nchunks}")
sys.exit(not (black == [3] and not told and kept == 8))
P
echo "expected: a part that was written and is not there any more is an error"
check "$folder"
