#!/usr/bin/env bash
# MONAI's anti-aliased resize, smoothing and sharpening take what is outside the image for black: an even picture gets a dark frame, and by GaussianSharpen one four times as bright.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv monai==1.6.1 torch==2.13.0 numpy==2.4.6 pillow==13.0.0
cat >"$folder/try.py" <<'P'
import sys, warnings
import monai, numpy as np, PIL, torch
from monai.transforms import GaussianSharpen, GaussianSmooth, MedianSmooth, Resize
from PIL import Image, ImageFilter

print(f"monai {monai.__version__}, torch {torch.__version__}, Pillow {PIL.__version__}")
image = np.full((3, 224, 224), 0.8, np.float32)
transforms = {
    "Resize((56, 56))": Resize((56, 56)),
    "Resize((56, 56), anti_aliasing=True)": Resize((56, 56), anti_aliasing=True),
    "GaussianSmooth(1.0)": GaussianSmooth(1.0),
    "GaussianSharpen()": GaussianSharpen(),
    "MedianSmooth(1)": MedianSmooth(1),
}
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for name, transform in transforms.items():
        changed = np.asarray(transform(image))
        side = changed.shape[1]
        found[name] = tuple(round(float(changed[0, row, column]), 2) for row, column in ((side // 2, side // 2), (0, side // 2), (0, 0)))
        frame = (np.abs(changed[0] - 0.8) > 0.04).mean()
        print(f"{name}: middle {found[name][0]:.2f}, edge {found[name][1]:.2f}, corner {found[name][2]:.2f}; more than 0.04 off in {frame:.0%} of the pixels")
print("warnings about borders:", sum("border" in str(each.message) or "pad" in str(each.message) for each in warned))
grey = Image.fromarray(image[0])
pillow = {
    "resize by Pillow": grey.resize((56, 56), Image.Resampling.BILINEAR),
    "sharpened by Pillow": Image.fromarray(np.full((224, 224), 204, np.uint8)).filter(ImageFilter.UnsharpMask(3, 300)),
}
even = {name: len(np.unique(np.asarray(picture))) == 1 for name, picture in pillow.items()}
print("one colour everywhere:", even)
right = found["Resize((56, 56))"] == found["MedianSmooth(1)"] == (0.8, 0.8, 0.8) and all(even.values())
dark = found["Resize((56, 56), anti_aliasing=True)"][2] < 0.7 and found["GaussianSmooth(1.0)"][2] < 0.5
sys.exit(not (right and dark and found["GaussianSharpen()"][2] > 3))
P
echo "expected: 0.80 everywhere, as before"
check
