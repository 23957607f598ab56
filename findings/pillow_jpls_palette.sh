#!/usr/bin/env bash
# pillow-jpls saves an image with a palette as JPEG-LS without the palette: the places in it come back as grey, and nothing says so.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow-jpls==1.3.2 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys, warnings
from importlib.metadata import version
import numpy as np, pillow_jpls
from PIL import Image

print(*(f"{name} {version(name)}" for name in ("pillow-jpls", "pillow")))
down, across = np.mgrid[0:64, 0:64]
lesion = np.where(((down - 32) ** 2 + (across - 32) ** 2 < 300)[..., None], [110, 60, 40], np.dstack([200 + across // 2, 150 + down // 2, 140 + 0 * down])).astype(np.uint8)
picture = Image.fromarray(lesion)
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for name, image in (("RGB", picture), ("16 colours of a palette", picture.quantize(16))):
        file = io.BytesIO()
        image.save(file, "JPEG-LS")
        back = Image.open(io.BytesIO(file.getvalue()))
        given, returned = (np.asarray(each.convert("RGB")).astype(int) for each in (image, back))
        found[name] = back.mode, np.abs(given - returned).max(), returned.max()
        print(f"{name}: saved from mode {image.mode}, comes back in mode {back.mode}, up to {found[name][1]} other; its brightest level is {found[name][2]}")
print(f"warnings: {len(told)}")
sys.exit(not (found["RGB"] == ("RGB", 0, 231) and found["16 colours of a palette"][0] == "L" and found["16 colours of a palette"][2] < 16 and not told))
P
echo "expected: the same colours, as the format is lossless and knows palettes, or an error"
check
