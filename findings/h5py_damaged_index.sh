#!/usr/bin/env bash
# h5py denies that a file with a damaged index holds a name: `in` is False where listing the names is an error.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv h5py==3.16.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from pathlib import Path
import h5py, numpy as np

print(f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}")
whole, damaged = Path(sys.argv[1], "whole.h5"), Path(sys.argv[1], "damaged.h5")
with h5py.File(whole, "w") as file:
    for number in range(8):
        file[f"image{number}"] = np.void(bytes([number + 1]) * 900)


def answer(question):
    try:
        with h5py.File(damaged, "r") as file:
            return question(file)
    except Exception as error:
        return type(error).__name__


said = {}
for part, mark, length in (("names", b"image0", 64), ("signature", b"TREE", 4)):
    content = bytearray(whole.read_bytes())
    start = content.index(mark)
    content[start : start + length] = bytes(length)
    damaged.write_bytes(content)
    said[part] = answer(lambda file: "image3" in file), answer(lambda file: len(list(file)))
    print(f"zeros in the index's {part}: 'image3' in file: {said[part][0]}; names listed: {said[part][1]}")
sys.exit(said != {"names": (False, "RuntimeError"), "signature": ("RuntimeError", "RuntimeError")})
P
echo "expected: a file whose index cannot be read raises, whatever it is asked"
check "$folder"
