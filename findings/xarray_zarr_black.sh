#!/usr/bin/env bash
# xarray takes zarr's fill value, 0 by default, for missing: black in a uint8 image of zarr format 2 is NaN and in no mean; in format 3 it is 0.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv xarray==2026.9.0 zarr==3.1.6 numpy==2.4.6 pandas==3.1.1
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, xarray, zarr

print(f"xarray {xarray.__version__}, zarr {zarr.__version__}")
image = np.full((8, 8), 200, np.uint8)
image[:, :4] = 0  # half of it is black
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for layout in 2, 3:
        path = f"{sys.argv[1]}/{layout}.zarr"
        names = {"dimension_names": ("y", "x")} if layout == 3 else {"attributes": {"_ARRAY_DIMENSIONS": ["y", "x"]}}
        zarr.open_group(path, mode="w", zarr_format=layout).create_array("image", data=image, **names)
        stored = zarr.open_group(path)["image"]
        read = xarray.open_zarr(path, consolidated=False)["image"]
        found[layout] = (str(read.dtype), float(read.mean()), int(read.isnull().sum()))
        print(f"format {layout}, fill value {stored.fill_value}: zarr {stored.dtype}, mean {stored[:].mean():.0f}; xarray {read.dtype}, mean {found[layout][1]:.0f}, {found[layout][2]} of 64 pixels missing")
print(f"warnings: {[str(each.message) for each in warned]}")
plain = xarray.open_zarr(f"{sys.argv[1]}/2.zarr", consolidated=False, mask_and_scale=False)["image"]
print(f"format 2 with mask_and_scale=False: {plain.dtype}, mean {float(plain.mean()):.0f}")
sys.exit(not (found == {2: ("float32", 200, 32), 3: ("uint8", 100, 0)} and plain.mean() == 100 and not warned))
P
echo "expected: uint8 with a mean of 100, whichever library reads it: all pixels were written"
check "$folder"
