#!/usr/bin/env bash
# Blosc2's expressions squeeze a number into the type of an array in comparisons: "image < 256" of uint8 is false everywhere, as is "level <= 65536" of uint16, while "image > -1" is right, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv blosc2==4.14.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import blosc2, numpy as np

print(*(f"{name} {version(name)}" for name in ("blosc2", "numpy")))
random = np.random.default_rng(0)
arrays = {"uint8": random.integers(0, 256, 10000).astype(np.uint8), "uint16": random.integers(0, 65536, 10000).astype(np.uint16), "int8": random.integers(-128, 128, 10000).astype(np.int8)}
cases = [("uint8", "<", 256), ("uint8", "<=", 255), ("uint8", ">", -1), ("uint8", ">=", 300), ("uint8", "!=", 256), ("uint8", "<", 256.0), ("uint8", "<", 300), ("uint16", "<=", 65536), ("int8", "<", 128), ("int8", ">", -129)]
compare = {"<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b, "!=": lambda a, b: a != b}
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for kind, sign, number in cases:
        packed = blosc2.asarray(arrays[kind])
        right = int(compare[sign](arrays[kind], number).sum())
        counts = []
        for make in (lambda: compare[sign](packed, number), lambda: blosc2.lazyexpr(f"x {sign} {number}", {"x": packed})):
            try:
                counts.append(int(make().compute()[:].sum()))
            except Exception as error:
                counts.append(type(error).__name__)
        found[kind, sign, number] = *counts, right
        print(f"{kind} {sign} {number}: {counts[0]} of 10,000, as a text {counts[1]}; by NumPy {right}")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
sys.exit(not (found["uint8", "<", 256][0] == 0 and found["uint8", "<", 256][2] == 10000 and found["uint8", "<=", 255][0] == 10000 == found["uint8", ">", -1][0]))
P
echo "expected: the numbers of NumPy, or an error, as for image + 300"
check
