#!/usr/bin/env bash
# Pillow saves grey of 16 bits as WebP, GIF and AVIF in white, and floats from 0 to 1 in black, without a word; as JPEG or BMP both are refused.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys, warnings
import numpy as np, PIL
from PIL import Image

print(f"pillow {PIL.__version__}, numpy {np.__version__}")
across = np.tile(np.arange(64), (64, 1))
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for name, levels in (("16 bits, 2,000 to 65,000", (2000 + across * 1000).astype(np.uint16)), ("floats, 0 to 0.98", (across / 64).astype(np.float32))):
        for kind in ("WEBP", "GIF", "AVIF", "JPEG", "BMP"):
            file = io.BytesIO()
            try:
                Image.fromarray(levels).save(file, kind)
                pixels = np.asarray(Image.open(file).convert("L"))
                found[name[0], kind] = int(pixels.min()), int(pixels.max())
            except OSError as error:
                found[name[0], kind] = f"refused, {error}"
            print(f"{name}: {kind} {found[name[0], kind]}")
print(f"warnings: {len(told)}")
white = all(found["1", kind][0] >= 250 for kind in ("WEBP", "GIF", "AVIF"))
black = all(found["f", kind][1] <= 5 for kind in ("WEBP", "GIF", "AVIF"))
refused = all(str(found[each, kind]).startswith("refused") for each in "1f" for kind in ("JPEG", "BMP"))
sys.exit(not (white and black and refused and not told))
P
echo "expected: a format without such numbers refuses them"
check
