#!/usr/bin/env bash
# scikit-image's imread(as_gray=True) gives 0 to 1 for a colour file and 0 to 255 for a grey one, a CMYK file in white all over, and three grey pages as one colour image.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv scikit-image==0.26.0 imageio==2.38.1 tifffile==2026.3.3 pillow==13.0.0 numpy==2.4.6 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, skimage, tifffile
from PIL import Image
from skimage import io

warnings.simplefilter("ignore")
print(f"scikit-image {skimage.__version__}")
root = sys.argv[1]
down, across = np.mgrid[0:40, 0:50]
lesion = np.where(((down - 20) ** 2 + (across - 25) ** 2 < 150)[..., None], [110, 60, 40], [230, 170, 150]).astype(np.uint8)
picture = Image.fromarray(lesion)
picture.save(f"{root}/colours.png")
picture.convert("L").save(f"{root}/grey.png")
picture.convert("CMYK").save(f"{root}/cmyk.jpg", quality=95)
tifffile.imwrite(f"{root}/three_pages.tif", np.stack([lesion[..., 0], lesion[..., 1], lesion[..., 0]]), photometric="minisblack")
tifffile.imwrite(f"{root}/five_pages.tif", np.stack([lesion[..., 0]] * 5), photometric="minisblack")
found = {}
for name in ("colours.png", "grey.png", "cmyk.jpg"):
    grey = io.imread(f"{root}/{name}", as_gray=True)
    found[name] = float(grey.min()), float(grey.max())
    print(f"{name}, as_gray=True: {grey.dtype}, {found[name][0]:.3g} to {found[name][1]:.3g}; Pillow's grey {np.asarray(Image.open(f'{root}/{name}').convert('L')).min()} to {np.asarray(Image.open(f'{root}/{name}').convert('L')).max()}")
shapes = {name: io.imread(f"{root}/{name}").shape for name in ("three_pages.tif", "five_pages.tif")}
print(f"imread of grey pages of 40 x 50: {shapes}")
sys.exit(not (found["colours.png"][1] < 1 and found["grey.png"][1] > 100 and found["cmyk.jpg"] == (1, 1) and list(shapes.values()) == [(40, 50, 3), (5, 40, 50)]))
P
echo "expected: grey of one scale, in which the lesion is darker, and three pages as three, as five are five"
check "$folder"
