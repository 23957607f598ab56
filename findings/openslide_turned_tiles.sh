#!/usr/bin/env bash
# OpenSlide turns each tile of a TIFF by the file's orientation, but leaves the tiles where they are: the picture is scrambled.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv openslide-python==1.4.7 openslide-bin==4.0.1.2 tifffile==2026.3.3 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np, openslide, tifffile
from PIL import Image, ImageOps

print(*(f"{name} {version(name)}" for name in ("openslide-python", "openslide-bin", "tifffile", "pillow")))
y, x = np.mgrid[:512, :512]
stored = np.dstack([x // 2, y // 2, np.full_like(x, 128)]).astype(np.uint8)  # red grows to the right, green downwards
tiles = stored.reshape(4, 128, 4, 128, 3)
each = {2: tiles[:, :, :, ::-1], 3: tiles[:, ::-1, :, ::-1], 4: tiles[:, ::-1]}  # every tile of 128 x 128 mirrored or turned by itself
each |= {1: tiles, 5: tiles, 6: each[2], 7: each[3], 8: each[4]}
scrambled = 0
for orientation in range(1, 9):
    name = f"{sys.argv[1]}/{orientation}.tif"
    tifffile.imwrite(name, stored, tile=(128, 128), photometric="rgb", metadata=None, extratags=[(274, 3, 1, orientation, True)])
    shown = np.asarray(ImageOps.exif_transpose(Image.open(name)))
    slide = openslide.OpenSlide(name)
    read = np.asarray(slide.read_region((0, 0), 0, slide.dimensions))[..., :3]
    by_tile = (read == each[orientation].reshape(stored.shape)).all()
    scrambled += by_tile and orientation not in (1, 5)
    print(
        f"orientation {orientation}: red and green of the first row at 0, 127, 128, 511:",
        *(tuple(read[0, column, :2].tolist()) for column in (0, 127, 128, 511)),
        f"; as stored {(read == stored).all()}, as Pillow turns it {(read == shown).all()}, each tile by itself {by_tile}",
    )
sys.exit(scrambled != 6)
P
echo "expected: the picture as stored, or turned as a whole"
check "$folder"
