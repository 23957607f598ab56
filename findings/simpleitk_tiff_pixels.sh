#!/usr/bin/env bash
# SimpleITK reads a TIFF file of grey and alpha as if both were pixels, half of the image is gone; numbers of 16-bit floats become integers.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv SimpleITK==2.5.7 tifffile==2026.3.3 pillow==13.0.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import pathlib, sys
from importlib.metadata import version
import numpy as np, SimpleITK, tifffile
from PIL import Image

root = pathlib.Path(sys.argv[1])
print(*(f"{name} {version(name)}" for name in ("SimpleITK", "tifffile", "Pillow")))
grey = np.arange(40, 104, dtype=np.uint8).reshape(4, 16)
Image.fromarray(np.dstack([grey, np.full_like(grey, 255)]), "LA").save(root / "grey and alpha, Pillow.tif")
tifffile.imwrite(root / "grey and alpha, tifffile.tif", np.dstack([grey, np.full_like(grey, 255)]), planarconfig="contig", extrasamples=["unassalpha"])
tifffile.imwrite(root / "float16.tif", (grey / 256).astype(np.float16))
tifffile.imwrite(root / "float32.tif", (grey / 256).astype(np.float32))
found = {}
for file in sorted(root.glob("*.tif")):
    image = SimpleITK.ReadImage(str(file))
    pixels = SimpleITK.GetArrayFromImage(image)
    true = tifffile.imread(file)
    found[file.stem] = pixels
    print(f"{file.stem}: stored {true.shape} {true.ravel()[:4].tolist()}; read {pixels.shape}, {image.GetPixelIDTypeAsString()}, {pixels.ravel()[:6].tolist()}")
alpha = [pixels for name, pixels in found.items() if "alpha" in name]
doubled = all(pixels.shape == grey.shape and (pixels[:, ::2] == grey[:, :8]).all() and (pixels[:, 1::2] == 255).all() for pixels in alpha)
bits = (found["float16"] == (grey / 256).astype(np.float16).view(np.uint16)).all()
sys.exit(not (len(alpha) == 2 and doubled and bits and (found["float32"] == (grey / 256).astype(np.float32)).all()))
P
mkdir "$folder/images"
echo "expected: grey from 40 on, with or without alpha; 0.15625 and so on from both kinds of floats; or an error"
check "$folder/images"
cat "$folder/errors"  # no warning
