#!/usr/bin/env bash
# OpenCV and SimpleITK ignore the masks of a BMP with 32 bits that say where its colours are: with red first, skin is blue.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv opencv-python-headless==5.0.0.93 simpleitk==2.5.7 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import struct, sys
from pathlib import Path
import cv2, numpy as np, SimpleITK

SIDE = 48
y, x = np.mgrid[:SIDE, :SIDE]
image = np.where(((x - 24) ** 2 + (y - 24) ** 2 < 144)[..., None], (90, 50, 40), (220, 170, 150)).astype(np.uint32)


def bmp(bits, masks, pixels):
    """One image from the bottom up, with masks for red, green and blue; without them, blue comes first."""
    data = pixels[::-1].astype(f"<u{bits // 8}").tobytes()
    extra = struct.pack("<III", *masks) if masks else b""
    start = 54 + len(extra)
    head = struct.pack("<2sIHHI", b"BM", start + len(data), 0, 0, start)
    return head + struct.pack("<IiiHHIIiiII", 40, SIDE, SIDE, 1, bits, 3 if masks else 0, len(data), 0, 0, 0, 0) + extra + data


red, green, blue = np.moveaxis(image, 2, 0)
files = {
    "32 bits, no masks": bmp(32, None, blue | green << 8 | red << 16),
    "32 bits, masks with blue first": bmp(32, (0xFF0000, 0xFF00, 0xFF), blue | green << 8 | red << 16),
    "32 bits, masks with red first": bmp(32, (0xFF, 0xFF00, 0xFF0000), red | green << 8 | blue << 16),
    "16 bits, masks of 5, 6 and 5": bmp(16, (0xF800, 0x7E0, 0x1F), blue >> 3 | green >> 2 << 5 | red >> 3 << 11),
}
print(f"OpenCV {cv2.__version__}, SimpleITK {SimpleITK.Version.VersionString()}, numpy {np.__version__}")
path = str(Path(sys.argv[0]).with_name("lesion.bmp"))
found = {}
for what, data in files.items():
    Path(path).write_bytes(data)
    read = {"OpenCV": cv2.imread(path, cv2.IMREAD_COLOR_RGB)}
    if not what.startswith("16"):  # an error in SimpleITK
        read["SimpleITK"] = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path))
    for name, pixels in read.items():
        found[what, name] = np.abs(pixels[..., :3].astype(int) - image).max()
        print(f"{what}: {name} reads skin {pixels[0, 0].tolist()}, lesion {pixels[24, 24].tolist()}")
wrong = {key for key, off in found.items() if off > 8}
sys.exit(wrong != {("32 bits, masks with red first", "OpenCV"), ("32 bits, masks with red first", "SimpleITK")})
P
echo "expected: skin 220, 170, 150 and lesion 90, 50, 40, wherever the masks say that they are"
check
