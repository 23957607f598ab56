#!/usr/bin/env bash
# numexpr adds float32 up in float32 and small integers in int32: the mean of 36 million pixels of 0.7 is 0.47, the sum of bright uint8 pixels is negative, and max skips NaN, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv numexpr==2.14.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numexpr, numpy as np

print(*(f"{name} {version(name)}" for name in ("numexpr", "numpy")))
numexpr.set_num_threads(1)
found = {}


def show(name, expression, right, divisor=1, **arrays):
    found[name] = float(numexpr.evaluate(expression, local_dict=arrays)) / divisor
    print(f"{name}: {found[name]:.10g} by numexpr, {float(right):.10g} by NumPy")


with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for millions in (6, 12, 36):  # photographs of 2, 4 and 12 megapixels
        pixels = np.full(millions * 10**6, 0.7, np.float32)
        show(f"mean of {millions} million pixels of 0.7", "sum(x)", pixels.mean(), pixels.size, x=pixels)
    bright = np.full(12_000_000, 200, np.uint8)
    show("sum of 12 million pixels of 200, uint8", "sum(x)", bright.sum(), x=bright)
    show("sum of squares of a million of them", "sum(x * x)", (bright[:10**6].astype(np.int64) ** 2).sum(), x=bright[:10**6])
    dose = np.full(4, 60000, np.uint16)
    print("60,000 squared, uint16:", numexpr.evaluate("x * x", local_dict={"x": dose})[0])
    scores = np.array([0.2, np.nan, 0.9])
    show("largest of 0.2, NaN and 0.9", "max(x)", scores.max(), x=scores)
    show("sum of them", "sum(x)", scores.sum(), x=scores)
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
wrong = found["mean of 6 million pixels of 0.7"] > 0.71 and found["mean of 36 million pixels of 0.7"] < 0.5
sys.exit(not (wrong and found["sum of 12 million pixels of 200, uint8"] < 0 and found["largest of 0.2, NaN and 0.9"] == 0.9))
P
echo "expected: sums of 64 bits, as NumPy has for integers, and means within rounding of NumPy's"
check
