#!/usr/bin/env bash
# tifffile with compression="jpeg" keeps the lower 12 bits of colours of 16 bits: 30,000 is written as 1,328, without an error.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tifffile==2026.3.3 imagecodecs==2026.3.6 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np, tifffile

print(*(f"{name} {version(name)}" for name in ("tifffile", "imagecodecs", "numpy")))
file = f"{sys.argv[1]}/image.tif"
found = {}
for name, pixels in {
    "12 bits, colours": np.full((64, 64, 3), 3000, np.uint16),
    "16 bits, colours": np.full((64, 64, 3), 30_000, np.uint16),
    "16 bits, grey": np.full((64, 64), 30_000, np.uint16),
    "16 bits, grey, from dark to light": np.linspace(0, 65_535, 64 * 64).astype(np.uint16).reshape(64, 64),
    "16 bits, colours, from dark to light": np.linspace(0, 65_535, 64 * 64 * 3).astype(np.uint16).reshape(64, 64, 3),
}.items():
    try:
        tifffile.imwrite(file, pixels, photometric="rgb" if pixels.ndim == 3 else "minisblack", compression="jpeg")
    except Exception as error:
        print(f"{name}: {type(error).__name__}: {error}")
        continue
    read = tifffile.imread(file)
    bits = tifffile.TiffFile(file).pages[0].bitspersample
    found[name] = int(pixels.max()), int(read.max()), int(np.abs(read.astype(int) - pixels).max())
    print(f"{name}: at most {found[name][0]}, read again {found[name][1]}, off by up to {found[name][2]}; the file says {bits} bits a sample")
sys.exit(not (found["12 bits, colours"][2] < 20 and found["16 bits, colours"][1] == 30_000 % 4096 and found["16 bits, colours, from dark to light"][1] < 4096))
P
echo "expected: about the same colours, as JPEG is lossy, or an error"
check "$folder"
