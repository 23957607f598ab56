#!/usr/bin/env bash
# Which rows pandas' query finds depends on whether numexpr is installed: of uint8 columns "red + green > 300" finds rows only with it, and of uint16 columns it squares 60,000 to a negative number, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pandas==3.1.1 numexpr==2.14.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import importlib.metadata, sys, warnings
import numpy as np, pandas as pd

kind = sys.argv[1]
print(f"pandas {pd.__version__}", f"numexpr {importlib.metadata.version('numexpr')}" if kind == "with" else "without numexpr")
random = np.random.default_rng(0)
frame = pd.DataFrame({"red": random.integers(100, 256, 1000), "green": random.integers(50, 256, 1000)}).astype(np.uint8)
frame["area"] = random.integers(100, 60000, 1000).astype(np.uint16)
true = frame.astype(np.int64)
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for condition in ("red + green > 300", "red - green < 0", "red * 2 > 400", "area * area > 1e9", "red > 200"):
        found[condition] = len(frame.query(condition)), len(true.query(condition))
        print(f"  {condition}: {found[condition][0]} of 1,000 rows; {found[condition][1]} with columns of int64")
    squared = frame.eval("area * area")
    plus = frame.eval("red + green")
    print(f"  area * area is {squared.dtype} from {squared.min()} to {squared.max()}; red + green is {plus.dtype} up to {plus.max()}; outside of eval {(frame.red + frame.green).dtype} up to {(frame.red + frame.green).max()}")
print("  warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
if kind == "with":
    holds = found["red + green > 300"][0] == found["red + green > 300"][1] > 300 and found["area * area > 1e9"][0] < found["area * area > 1e9"][1] and squared.min() < 0
else:
    holds = found["red + green > 300"][0] == 0 == found["red - green < 0"][0] and found["red > 200"][0] == found["red > 200"][1]
sys.exit(not holds)
P
echo "expected: the same rows of the same table, whatever else is installed"
check with
"$folder/venv/bin/python" -m pip uninstall --quiet --yes --disable-pip-version-check numexpr 2>"$folder/pip.log"
check without
