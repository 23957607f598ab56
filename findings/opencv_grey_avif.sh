#!/usr/bin/env bash
# OpenCV and libvips take the grey of an AVIF file with limited range as it is: black is 16 and white 235; with colours it is 0 and 255.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv opencv-python-headless==5.0.0.93 pyvips-binary==8.18.7 pyvips==3.2.0 pillow==13.0.0 imagecodecs==2026.3.6 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import io, sys
import cv2, imagecodecs, numpy as np, PIL, pyvips
from PIL import Image, features

version = ".".join(str(pyvips.version(place)) for place in range(3))
print(f"OpenCV {cv2.__version__}, libvips {version}, Pillow {PIL.__version__} with libavif {features.version('avif')}, imagecodecs {imagecodecs.__version__}")
halves = np.zeros((64, 64), np.uint8)
halves[:, 32:] = 255
found = {}
for mode, space in (("L", "full"), ("L", "limited"), ("RGB", "limited")):
    file = io.BytesIO()
    Image.fromarray(halves).convert(mode).save(file, "AVIF", quality=98, range=space)
    data = file.getvalue()
    read = {
        "Pillow": np.asarray(Image.open(io.BytesIO(data))),
        "imagecodecs": imagecodecs.avif_decode(data),
        "OpenCV": cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR),
        "libvips": pyvips.Image.new_from_buffer(data, "").numpy(),
    }
    found[mode, space] = {name: (int(pixels.min()), int(pixels.max())) for name, pixels in read.items()}
    print(f"{'grey' if mode == 'L' else 'colour'}, {space} range:", "; ".join(f"{name} {low} to {high}" for name, (low, high) in found[mode, space].items()))
wrong = found.pop(("L", "limited"))
sys.exit(not (wrong["OpenCV"] == wrong["libvips"] == (16, 235) and wrong["Pillow"][1] - wrong["Pillow"][0] > 253 and all(high - low > 253 for row in found.values() for low, high in row.values())))
P
echo "expected: black and white, 0 and 255, of each file"
check
