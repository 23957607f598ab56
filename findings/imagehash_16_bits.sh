#!/usr/bin/env bash
# imagehash gives all images of 16 bits, and all floats, one hash: six different pictures are copies of each other, and none is a copy of the same picture with 8 bits.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv imagehash==4.3.2 pillow==13.0.0 numpy==2.4.6 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys, tempfile, warnings
from importlib.metadata import version
from pathlib import Path
import imagehash, numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

print(*(f"{name} {version(name)}" for name in ("imagehash", "pillow")))
folder = Path(tempfile.mkdtemp())
pictures = []
for seed in range(6):
    smooth = gaussian_filter(np.random.default_rng(seed).normal(size=(256, 256)), 12)
    pictures.append(np.clip(128 + smooth / smooth.std() * 40, 20, 235).astype(np.uint8))
hashes = {"average_hash": imagehash.average_hash, "phash": imagehash.phash, "dhash": imagehash.dhash, "whash": imagehash.whash, "crop_resistant_hash": imagehash.crop_resistant_hash}
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, compute in hashes.items():
        of = {}
        for kind, convert in (("8 bits, PNG", lambda pixels: pixels), ("16 bits, PNG", lambda pixels: pixels.astype(np.uint16) * 257), ("floats of 0 to 1, TIFF", lambda pixels: pixels.astype(np.float32) / 255)):
            of[kind] = []
            for index, pixels in enumerate(pictures):
                path = folder / f"{index}.{'tiff' if 'TIFF' in kind else 'png'}"
                Image.fromarray(convert(pixels)).save(path)
                with Image.open(path) as image:
                    of[kind].append(compute(image))
        found[name] = {kind: len({str(each) for each in given}) for kind, given in of.items()}
        print(f"{name}: different hashes of six pictures:", ", ".join(f"{count} ({kind})" for kind, count in found[name].items()), end="; ")
        print("the same picture with 8 and 16 bits is", max(abs(one - other) for one, other in zip(of["8 bits, PNG"], of["16 bits, PNG"])), "apart at most")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
sys.exit(not all(counts["8 bits, PNG"] == 6 and counts["16 bits, PNG"] == 1 == counts["floats of 0 to 1, TIFF"] for counts in found.values()))
P
echo "expected: six hashes, the same for 8 and 16 bits but for rounding, or an error"
check
