#!/usr/bin/env bash
# cleanvision measures images of 16 bits as if they had 8: none is dark or blurry, a good one is too light, and scores of 0 to 1 are -53 and 200.
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
sharp = random.integers(0, 200, (128, 128))
smooth = np.asarray(Image.fromarray(random.integers(0, 200, (4, 4), np.uint8)).resize((128, 128), Image.Resampling.BICUBIC)).astype(int)
for name, pixels in (("sharp", sharp), ("blurry", smooth), ("dark", sharp // 16)):
    Image.fromarray(pixels.astype(np.uint8)).save(root / f"{name}, 8 bits.png")
    Image.fromarray((pixels * 257).astype(np.uint16)).save(root / f"{name}, 16 bits.png")
lab = Imagelab(data_path=str(root))
with contextlib.redirect_stdout(io.StringIO()):
    lab.find_issues({"light": {}, "dark": {}, "blurry": {}}, n_jobs=1, verbose=False)
found = {}
for path, row in lab.issues.sort_index().iterrows():
    name = pathlib.Path(path).stem
    found[name] = tuple(issue for issue in ("light", "dark", "blurry") if row[f"is_{issue}_issue"])
    scores = ", ".join(f"{issue} {row[f'{issue}_score']:.2f}" for issue in ("light", "dark", "blurry"))
    print(f"{name}: issues {', '.join(found[name]) or 'none'}; scores {scores}")
scores = lab.issues[["light_score", "dark_score"]]
eight = [found[f"{name}, 8 bits"] for name in ("sharp", "blurry", "dark")]
sixteen = [found[f"{name}, 16 bits"] for name in ("sharp", "blurry", "dark")]
missed = not any({"dark", "blurry"} & set(issues) for issues in sixteen) and sixteen[0] == ("light",)
sys.exit(not (eight == [(), ("blurry",), ("dark",)] and missed and scores.min().min() < -1 and scores.max().max() > 2))
P
mkdir "$folder/images"
echo "expected: the same issues whether an image is stored with 8 or 16 bits; scores from 0 to 1"
check "$folder/images"
