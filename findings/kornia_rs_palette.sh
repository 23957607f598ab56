#!/usr/bin/env bash
# kornia-rs reads a PNG with a palette as grey, with the numbers of its colours as brightness, without an error; with fewer than 17 colours it refuses the file.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv kornia-rs==0.2.0 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import kornia_rs
import numpy as np
from PIL import Image

print(*(f"{name} {version(name)}" for name in ("kornia-rs", "pillow")))
random = np.random.default_rng(0)
skin = np.clip(np.add((200, 150, 130), random.normal(scale=12, size=(64, 64, 1)) + random.normal(scale=4, size=(64, 64, 3))), 0, 255)
skin[20:44, 20:44] = np.add((90, 60, 50), random.normal(scale=5, size=(24, 24, 1)))
image = Image.fromarray(skin.astype(np.uint8))
image.save(f"{sys.argv[1]}/colours.png")
image.quantize(64).save(f"{sys.argv[1]}/palette.png")  # what tools that shrink PNG files write
image.quantize(16).save(f"{sys.argv[1]}/few.png", bits=4)
found = {}
for name in ("colours", "palette", "few"):
    try:
        pixels = np.asarray(kornia_rs.read_image(f"{sys.argv[1]}/{name}.png"))
    except Exception as error:
        print(f"{name}.png: {type(error).__name__}: {error}")
        continue
    found[name] = pixels.shape, int(pixels.max()), round(float(pixels[:16].mean()), 1), round(float(pixels[24:40, 24:40].mean()), 1)
    print(f"{name}.png: shape {pixels.shape}, at most {pixels.max()}; mean of the skin {found[name][2]}, of the lesion {found[name][3]}")
with Image.open(f"{sys.argv[1]}/palette.png") as opened:
    colours = np.asarray(opened.convert("RGB"), float)
    indices = np.asarray(opened)
print(f"Pillow, palette.png: shape {colours.shape}, at most {colours.max():.0f}; mean of the skin {colours[:16].mean():.1f}, of the lesion {colours[24:40, 24:40].mean():.1f}")
same = np.array_equal(np.asarray(kornia_rs.read_image(f"{sys.argv[1]}/palette.png")).squeeze(), indices)
sys.exit(not (same and found["palette"][1] < 64 and found["colours"][0] == (64, 64, 3)))
P
echo "expected: the colours of the palette, or an error"
check "$folder"
