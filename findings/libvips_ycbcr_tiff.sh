#!/usr/bin/env bash
# libvips shows a TIFF that stores YCbCr without JPEG as if its numbers were red, green and blue; so do pyvips and sharp.
# It needs Node.js 20 or later and npm.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv pyvips-binary==8.18.7 pyvips==3.2.0 pillow==13.0.0 opencv-python-headless==5.0.0.93 simpleitk==2.5.7 numpy==2.4.6
install_node sharp@0.35.5
cat >"$folder/sharp.mjs" <<'J'
import sharp from "sharp";
const { data, info } = await sharp(process.argv[2]).raw().toBuffer({ resolveWithObject: true });
const at = (row, column) => Array.from(data.slice((row * info.width + column) * info.channels, (row * info.width + column) * info.channels + 3));
console.log(JSON.stringify([at(0, 0), at(24, 24)]));
J
cat >"$folder/try.py" <<'P'
import json, subprocess, sys
import cv2, numpy as np, PIL, pyvips, SimpleITK
from PIL import Image

print(f"pyvips {pyvips.__version__} with libvips {'.'.join(str(pyvips.version(part)) for part in range(3))}, sharp 0.35.5, pillow {PIL.__version__}, OpenCV {cv2.__version__}, SimpleITK {SimpleITK.__version__}")
y, x = np.mgrid[:48, :48]
image = Image.fromarray(np.where(((x - 24) ** 2 + (y - 24) ** 2 < 100)[..., None], (90, 50, 40), (220, 170, 150)).astype(np.uint8))
right = ([220, 170, 150], [90, 50, 40])
held = True
for compression in "raw", "tiff_lzw", "jpeg":
    path = f"{sys.argv[1]}/{compression}.tif"
    image.convert("YCbCr").save(path, compression=compression, **{"quality": 100} if compression == "jpeg" else {})
    readers = {
        "pyvips": pyvips.Image.new_from_file(path).numpy(),
        "pyvips, as sRGB": pyvips.Image.new_from_file(path).colourspace("srgb").numpy(),
        "Pillow": np.asarray(Image.open(path).convert("RGB")),
        "OpenCV": cv2.imread(path)[..., ::-1],
        "SimpleITK": SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(path)),
    }
    found = {name: (pixels[0, 0].tolist()[:3], pixels[24, 24].tolist()[:3]) for name, pixels in readers.items()}
    found["sharp"] = json.loads(subprocess.run(["node", f"{sys.argv[1]}/sharp.mjs", path], capture_output=True, text=True, check=True).stdout)
    print(f"YCbCr, compression {compression}, photometric interpretation {Image.open(path).tag_v2[262]}:")
    for name, (skin, lesion) in found.items():
        close = np.abs(np.array([skin, lesion]) - right).max() <= 4
        print(f"  {name}: skin {skin}, lesion {lesion}{'' if close else ', wrong'}")
        held &= close == (compression == "jpeg" or name in ("Pillow", "OpenCV", "SimpleITK"))
sys.exit(not held)
P
echo "expected: skin of 220, 170, 150 and a lesion of 90, 50, 40 from each, give or take 4, or an error"
check "$folder"
