#!/usr/bin/env bash
# h5py denies that a file with a damaged index holds a name: `in` is False where listing the names is an error.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv h5py==3.16.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import os, sys
from pathlib import Path
import h5py, numpy as np

print(f"h5py {h5py.__version__}, HDF5 {h5py.version.hdf5_version}")
folder = Path(sys.argv[1])
with h5py.File(folder / "whole.h5", "w") as file:
    for number in range(8):
        file[f"image{number}"] = np.void(os.urandom(900))
whole, found = (folder / "whole.h5").read_bytes(), {}
for start in range(400, len(whole) - 400, 400):
    damaged = folder / f"{start}.h5"
    damaged.write_bytes(whole[:start] + bytes(400) + whole[start + 400 :])

    def answer(question):
        try:
            return question()
        except Exception as error:
            return type(error).__name__

    with h5py.File(damaged, "r") as file:
        asked = [answer(lambda: "image3" in file) for _ in range(2)]
        listed = answer(lambda: len(list(file)))
    if listed != 8 or asked != [True, True]:
        found[start] = asked, listed
        print(f"400 bytes from {start} on are 0: 'image3' in file: {asked[0]}, again: {asked[1]}; names listed: {listed}")
denied = [(asked, listed) for asked, listed in found.values() if asked[1] is False and listed == "RuntimeError"]
sys.exit(not denied)
P
echo "expected: a file whose index cannot be read raises, whatever it is asked"
"$folder/venv/bin/python" "$folder/try.py" "$folder" 2>"$folder/errors" || { cat "$folder/errors"; echo changed; exit 1; }
