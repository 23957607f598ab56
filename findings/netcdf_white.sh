#!/usr/bin/env bash
# netCDF4 takes the largest number of an unsigned type for missing: white, 255 of 8 and 65535 of 16 bits, is masked when it is read back, and in no mean.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv netCDF4==1.7.5.1.post1 xarray==2026.9.0 numpy==2.4.6 pandas==3.1.1
cat >"$folder/try.py" <<'P'
import sys, warnings
import netCDF4, numpy as np, xarray

print(f"netCDF4 {netCDF4.__version__}, xarray {xarray.__version__}")
held = True
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for bits in 8, 16:
        white = 2**bits - 1
        image = np.full((8, 8), white // 5, f"u{bits // 8}")
        image[:, 4:] = white  # half of it is overexposed
        path = f"{sys.argv[1]}/{bits}.nc"
        with netCDF4.Dataset(path, "w") as file:
            file.createDimension("y", 8), file.createDimension("x", 8)
            file.createVariable("image", image.dtype, ("y", "x"))[:] = image
        with netCDF4.Dataset(path) as file:
            attributes, read = file["image"].ncattrs(), file["image"][:]
            file["image"].set_auto_mask(False)
            plain = file["image"][:]
        other = xarray.open_dataset(path)["image"].values
        print(f"{bits} bits, written with a mean of {image.mean():.0f}; attributes {attributes}: netCDF4 reads {np.ma.count_masked(read)} of 64 pixels as missing, mean {read.mean():.0f}; with set_auto_mask(False) {plain.mean():.0f}; xarray {other.mean():.0f}")
        held &= np.ma.count_masked(read) == 32 and read.mean() == white // 5 and attributes == []
        held &= bool((plain == image).all() and (other == image).all())
print(f"warnings: {len(warned)}")
sys.exit(not held or bool(warned))
P
echo "expected: the pixels that were written, as no value was declared to stand for missing ones"
check "$folder"
