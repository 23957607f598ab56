#!/usr/bin/env bash
# pandas' diff of unsigned integers wraps around before it becomes float64: a grade that falls by 1 has a change of 255.0; by group it is right for uint8, and wrong for UInt8.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pandas==3.1.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, pandas as pd

print("pandas", pd.__version__, "numpy", np.__version__)
lesion = ["a", "a", "a", "b", "b", "b"]
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for kind in "uint8", "UInt8", "UInt16", "UInt64", "Int8", "Float32":
        grade = pd.Series([3, 2, 5, 4, 4, 1], dtype=kind)
        grouped, alone = grade.groupby(lesion).diff(), grade.diff()
        found[kind] = [float(each) for each in grouped.dropna()], [float(each) for each in alone.dropna()]
        print(f"{kind}: by lesion {found[kind][0]}, as {grouped.dtype}; all in a row {found[kind][1]}, as {alone.dtype}")
print("warnings:", len(warned))
right = [-1, 3, 0, -3], [-1, 3, -1, 0, -3]
held = all(found[kind] == right for kind in ("Int8", "Float32"))
held &= found["uint8"] == (right[0], [255, 3, 255, 0, 253]) and found["UInt8"] == ([255, 3, 0, 253], [255, 3, 255, 0, 253])
sys.exit(not held or bool(warned))
P
echo "expected: changes of -1, 3, 0 and -3 within the lesions, from every type"
check
