#!/usr/bin/env bash
# cleanvision compares the bytes of pixels alone: images with other palettes, or of other shapes, are exact duplicates.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv cleanvision==0.3.7 pillow==13.0.0 numpy==2.4.6 pandas==3.1.1
cat >"$folder/try.py" <<'P'
import contextlib, io, pathlib, sys
from importlib.metadata import version
import numpy as np
from cleanvision import Imagelab
from PIL import Image

root = pathlib.Path(sys.argv[1])
print(*(f"{name} {version(name)}" for name in ("cleanvision", "Pillow", "numpy")))
random = np.random.default_rng(0)
smooth = Image.fromarray(random.integers(0, 256, (8, 8), np.uint8)).resize((64, 64), Image.Resampling.BICUBIC)
shades = np.arange(256)
for name, colours in (("red", (255, 80, 60)), ("blue", (60, 80, 255))):
    image = Image.fromarray(np.asarray(smooth))
    image.putpalette((shades[:, None] * np.array(colours) // 255).astype(np.uint8).tobytes())
    image.save(root / f"{name} with a palette.png")
    image.convert("RGB").save(root / f"{name} without a palette.png")
steps = np.asarray(smooth).reshape(32, 128)
Image.fromarray(steps).save(root / "grey, 128 x 32.png")
lab = Imagelab(data_path=str(root))
with contextlib.redirect_stdout(io.StringIO()):
    lab.find_issues({"exact_duplicates": {}}, n_jobs=1, verbose=False)
sets = [sorted(pathlib.Path(path).stem for path in group) for group in lab.info["exact_duplicates"]["sets"]]
for group in sets:
    print("exact duplicates:", "; ".join(group))
differ = np.abs(np.subtract(*(np.asarray(Image.open(root / f"{name} with a palette.png").convert("RGB"), int) for name in ("red", "blue")))).max()
print("the red and the blue image differ by up to", differ, "of 255")
sys.exit(not (sets == [["blue with a palette", "grey, 128 x 32", "red with a palette"]] and differ > 100))
P
mkdir "$folder/images"
echo "expected: none, or each with a palette and its twin without: no other two images look alike"
check "$folder/images"
