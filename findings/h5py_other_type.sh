#!/usr/bin/env bash
# h5py converts by HDF5's rules, not NumPy's: 12 bits written to uint8 are white, and dataset.astype("int8") is another array than dataset[:].astype("int8").
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv h5py==3.16.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import h5py, numpy as np

print(f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}, numpy {np.__version__}")
with warnings.catch_warnings(record=True) as told, h5py.File(f"{sys.argv[1]}/images.h5", "w") as file:
    warnings.simplefilter("always")
    dataset = file.create_dataset("images", (5,), "uint8")
    found = {}
    for name, pixels in (
        ("12 bits", np.array([100, 300, 1000, 3000, 4095], "uint16")),
        ("floats", np.array([-5.5, 0.9, 254.9, 300, np.nan])),
        ("uint8", np.array([0, 100, 127, 128, 255], "uint8")),
    ):
        dataset[:] = pixels
        found[name] = dataset[:].tolist()
        print(f"{name}, {pixels.tolist()}, written to uint8: {found[name]}")
    theirs, ours = dataset.astype("int8")[:].tolist(), dataset[:].astype("int8").tolist()
    print(f'uint8 read as dataset.astype("int8")[:] {theirs}, as dataset[:].astype("int8") {ours}')
print(f"warnings: {len(told)}")
sys.exit(not (found["12 bits"] == [100, 255, 255, 255, 255] and found["floats"] == [0, 0, 254, 255, 0] and theirs == [0, 100, 127, 127, 127] and ours == [0, 100, 127, -128, -1] and not told))
P
echo "expected: what does not fit is refused, or becomes what NumPy's astype makes of it, the same in both ways of asking"
check "$folder"
