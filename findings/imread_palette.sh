#!/usr/bin/env bash
# imread exchanges red and blue of a BMP with a palette, takes the planes of a TIFF for pixels, and returns the bits of floats as integers, without an error.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv imread==0.7.6 tifffile==2026.3.3 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
from pathlib import Path
import imread, numpy as np, tifffile
from PIL import Image

print(*(f"{name} {version(name)}" for name in ("imread", "tifffile", "pillow", "numpy")))
folder = Path(sys.argv[0]).parent
y, x = np.mgrid[:48, :48]
inside = (x - 24) ** 2 + (y - 24) ** 2 < 144
image = np.where(inside[..., None], (90, 50, 40), (220, 170, 150)).astype(np.uint8)
Image.fromarray(image).save(folder / "colours.bmp")
Image.fromarray(image).quantize(2).save(folder / "palette.bmp")
tifffile.imwrite(folder / "pixels.tif", image, photometric="rgb")
tifffile.imwrite(folder / "planes.tif", np.moveaxis(image, 2, 0), photometric="rgb", planarconfig="separate")
found = {}
for name in "colours.bmp", "palette.bmp", "pixels.tif", "planes.tif":
    read = imread.imread(str(folder / name))
    by_pillow = np.asarray(Image.open(folder / name).convert("RGB"))
    found[name] = (read != image).any(axis=-1).mean(), np.array_equal(by_pillow, image)
    print(f"{name}: skin {read[0, 0].tolist()}, lesion {read[24, 24].tolist()}; {found[name][0]:.0%} of the pixels are wrong; right by Pillow: {found[name][1]}")
tifffile.imwrite(folder / "floats.tif", np.where(inside, np.float32(0.25), np.float32(0.75)))
floats = imread.imread(str(folder / "floats.tif"))
print(f"floats.tif, skin 0.75 and lesion 0.25: {floats.dtype}, skin {floats[0, 0]}, lesion {floats[24, 24]}")
wrong = [share for share, _ in found.values()]
sys.exit(not (wrong[0] == wrong[2] == 0 and min(wrong[1], wrong[3]) > 0.9 and all(right for _, right in found.values()) and floats[0, 0] == np.float32(0.75).view(np.uint32)))
P
echo "expected: skin 220, 170, 150 and lesion 90, 50, 40, and floats as floats, or an error"
check
