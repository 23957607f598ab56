#!/usr/bin/env bash
# OpenCV's imread finds no image in a TIFF file whose orientation is a quarter turn, whatever it is told about orientations; imdecode does.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv opencv-python-headless==5.0.0.93 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import pathlib, sys
import cv2, numpy as np, PIL
from PIL import Image

folder = pathlib.Path(sys.argv[1])
image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8))
print(f"OpenCV {cv2.__version__}, files written with Pillow {PIL.__version__}: 96 x 64 pixels, to be shown as 64 x 96 (orientation 6)")
found = {}
for kind in ("png", "tif"):
    file = folder / f"turned.{kind}"
    tags = Image.Exif()
    tags[0x0112] = 6
    image.save(file, **({"tiffinfo": {0x0112: 6}} if kind == "tif" else {"exif": tags}))
    for name in ("IMREAD_COLOR", "IMREAD_COLOR | IMREAD_IGNORE_ORIENTATION", "IMREAD_UNCHANGED"):
        flag = sum(getattr(cv2, each) for each in name.split(" | "))
        read, decoded = cv2.imread(str(file), flag), cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), flag)
        found[kind, name] = [None if each is None else (each.shape[1], each.shape[0]) for each in (read, decoded)]
        print(f"{kind}, {name}: imread gives {found[kind, name][0]}, imdecode {found[kind, name][1]}")
stored, turned = (96, 64), (64, 96)
png = [[turned] * 2, [stored] * 2, [stored] * 2]
sys.exit(list(found.values()) != png + [[None, turned]] * 3)
P
echo "expected: turned with IMREAD_COLOR, as stored with the other two, as in PNG"
check "$folder"
grep -m 1 "can't read data" "$folder/errors" | cut -c1-60 || true
