#!/usr/bin/env bash
# xarray lets numbers wrap around that a packed type cannot hold: of a picture of 0 to 1 stored as uint8, 1.02 comes back as 0.016 and -0.01 as 0.99, white as black.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv xarray==2026.9.0 netCDF4==1.7.5.1.post1 numpy==2.4.6 pandas==3.1.1
cat >"$folder/try.py" <<'P'
import sys, warnings
import netCDF4, numpy as np, xarray

print(f"xarray {xarray.__version__}, netCDF4 {netCDF4.__version__}")
cases = {
    "uint8": (np.array([0, 0.5, 1, 1.02, -0.01]), 1 / 255),  # brightness after sharpening
    "int16": (np.array([-3.2, 0.5, 3.2, 3.3, 5]), 1e-4),  # logits
}
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for kind, (numbers, step) in cases.items():
        packed = {"dtype": kind, "scale_factor": step, "_FillValue": None if kind == "uint8" else -32768}
        path = f"{sys.argv[1]}/{kind}.nc"
        xarray.Dataset({"values": ("x", numbers)}).to_netcdf(path, encoding={"values": packed})
        found[kind] = xarray.open_dataset(path)["values"].values
        print(f"{kind} in steps of {step:.3g}: {numbers.tolist()} are read as {found[kind].round(3).tolist()}")
print(f"warnings: {[str(each.message)[:90] for each in warned]}")
inside = all(np.abs(found[kind][:3] - numbers[:3]).max() < step for kind, (numbers, step) in cases.items())
sys.exit(not (inside and found["uint8"][3] < 0.05 and found["uint8"][4] > 0.95 and found["int16"][3] < -3 and found["int16"][4] < 0 and not any("overflow" in str(each.message) for each in warned)))
P
echo "expected: the nearest number that can be stored, or an exception, for what is outside of the range"
check "$folder"
