#!/usr/bin/env bash
# TorchIO saves floats to PNG, JPEG and TIFF as integers without scaling them: an image of 0 to 1, as RescaleIntensity makes it, is black, with no other message than for 0 to 255.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv torchio==1.2.1 torch==2.13.0 numpy==2.4.6 pillow==13.0.0
cat >"$folder/try.py" <<'P'
import sys, tempfile, warnings
from importlib.metadata import version
from pathlib import Path
import numpy as np, torch
from PIL import Image
import torchio as tio

torch.set_num_threads(1)
print(*(f"{name} {version(name)}" for name in ("torchio", "torch", "pillow")))
folder = Path(tempfile.mkdtemp())
y, x = np.mgrid[:48, :64]
lesion = (x - 32) ** 2 + (y - 24) ** 2 < 200
pixels = np.where(lesion[..., None], [90, 50, 40], [220, 170, 150]).astype(np.uint8)
Image.fromarray(pixels).save(folder / "lesion.png")
image = tio.ScalarImage(folder / "lesion.png")
scaled = tio.RescaleIntensity((0, 1))(image)
signed = tio.RescaleIntensity((-1, 1))(image)
twice = tio.ScalarImage(tensor=image.data.float() * 1.3)
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, each in (("as read", image), ("floats of 0 to 255", tio.ScalarImage(tensor=image.data.float())), ("RescaleIntensity((0, 1))", scaled), ("RescaleIntensity((-1, 1))", signed), ("30 % brighter", twice)):
        for suffix in ("png", "jpg", "tif"):
            path = folder / f"{len(found)}.{suffix}"
            try:
                each.save(path)
                shown = np.array(Image.open(path).convert("RGB"))
                found[name, suffix] = shown[2, 2].tolist(), shown[24, 32].tolist()
            except Exception as error:
                found[name, suffix] = f"{type(error).__name__}: {str(error)[:60]}"
            print(f"{name} ({each.data.min():.2f} to {each.data.max():.2f}) as {suffix}: skin and lesion {found[name, suffix]}")
print("warnings:", [str(each.message)[:80] for each in said] or "none")
black = [found["RescaleIntensity((0, 1))", suffix] for suffix in ("png", "jpg")]
sys.exit(not (found["as read", "png"] == ([220, 170, 150], [90, 50, 40]) and all(isinstance(each, tuple) and max(map(max, each)) <= 1 for each in black)))
P
echo "expected: skin of 220, 170, 150 and a lesion of 90, 50, 40, or an error for numbers that the file cannot hold"
check
