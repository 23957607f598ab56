#!/usr/bin/env bash
# zarr: an array that is made smaller and then larger shows some of the images that were cut off again: those in the last chunk that was kept.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv zarr==3.1.6 h5py==3.16.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import h5py, numpy as np, zarr

print(f"zarr {zarr.__version__}, h5py {h5py.__version__}")
images = np.full((10, 8, 8), 200, np.uint8)
chunked = {"shape": images.shape, "chunks": (4, 8, 8), "dtype": "uint8"}
array = zarr.create_array(store=f"{sys.argv[1]}/images.zarr", fill_value=0, **chunked)
dataset = h5py.File(f"{sys.argv[1]}/images.h5", "w").create_dataset("images", maxshape=(None, 8, 8), fillvalue=0, **chunked)
found = {}
for name, stored in (("zarr", array), ("h5py", dataset)):
    stored[:] = images
    stored.resize((5, 8, 8))  # an import that failed halfway is taken back
    stored.resize((10, 8, 8))  # room for the next one
    found[name] = stored[:, 0, 0].tolist()
    print(f"{name}: ten images of 200 in chunks of 4, made 5 and then 10 images: {found[name]}")
sys.exit(not (found["zarr"] == [200] * 8 + [0] * 2 and found["h5py"] == [200] * 5 + [0] * 5))
P
echo "expected: five images of 200, and five of the fill value, 0"
check "$folder"
