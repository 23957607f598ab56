#!/usr/bin/env bash
# tensorstore's median of an even number of pixels is the lower one of the two in the middle, so that each level of a pyramid is darker: 150 becomes 137 after four. The mean of 36 million float32 of 0.7 is 0.47, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tensorstore==0.1.86 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np, tensorstore

print(*(f"{name} {version(name)}" for name in ("tensorstore", "numpy")))


def smaller(pixels, factors, method):
    return tensorstore.downsample(tensorstore.array(pixels), factors, method).read().result()


random = np.random.default_rng(0)
image = np.clip(random.normal(150, 20, (256, 256)), 0, 255).astype(np.uint8)  # skin with noise
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for method in ("mean", "median"):
        levels = [image]
        for _ in range(4):
            levels.append(smaller(levels[-1], [2, 2], method))
        found[method] = [round(float(level.mean()), 1) for level in levels]
        print(f"{method}: mean of the image and of four levels, each half the size: {found[method]}")
    found["by NumPy"] = round(float(np.median(image.reshape(128, 2, 128, 2), axis=(1, 3)).mean()), 1)
    print(f"NumPy's median of 2 x 2: {found['by NumPy']}")
    found["half"] = smaller(np.array([0.0, 10, 20, 30], np.float32), [4], "median").tolist()[0]
    print("median of 0, 10, 20 and 30:", found["half"])
    count = 36_000_000
    found["pixels"] = smaller(np.full(count, 0.7, np.float32), [count], "mean").tolist()[0]
    print(f"mean of {count:,} pixels of 0.7: {found['pixels']:.3f}")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
darker = found["median"][0] - found["median"][4] > 10 and abs(found["mean"][0] - found["mean"][4]) < 1 and abs(found["by NumPy"] - found["median"][0]) < 1
sys.exit(not (darker and found["half"] == 10 and found["pixels"] < 0.5))
P
echo "expected: the median is 15 of 0, 10, 20 and 30, and a level is as bright as the one before"
check
