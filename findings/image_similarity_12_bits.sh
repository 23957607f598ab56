#!/usr/bin/env bash
# image-similarity-measures takes 4095 for white in pictures of 8 bits, and multiplies their bytes in 8 bits for the spectral angle: a picture is 89 degrees from itself.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv image-similarity-measures==0.3.6 numpy==1.26.4 scikit-image==0.20.0 scipy==1.15.3 phasepack==1.5 opencv-python==4.11.0.86 pillow==12.0.0
"$folder/venv/bin/python" -m pip install --quiet --no-compile --disable-pip-version-check --force-reinstall --no-deps opencv-python-headless==4.11.0.86 2>"$folder/pip.log" || { # which needs no display's libraries
    cat "$folder/pip.log" >&2
    exit 2
}
cat >"$folder/try.py" <<'P'
import json, pathlib, subprocess, sys
from importlib.metadata import version
import numpy as np, skimage.metrics
from PIL import Image

print(*(f"{name} {version(name)}" for name in ("image-similarity-measures", "scikit-image", "opencv-python-headless", "numpy")))
folder = pathlib.Path(__file__).parent
random = np.random.default_rng(0)
y, x = np.mgrid[:96, :96]
image = np.where(((x - 48) ** 2 + (y - 48) ** 2 < 900)[..., None], (90, 50, 40), (220, 170, 150)) + random.normal(size=(96, 96, 3)) * 6
image = image.clip(0, 255).astype(np.uint8)
noise = random.integers(0, 256, image.shape, dtype=np.uint8)
pictures = {"itself": image, "with noise": (image + random.normal(size=image.shape) * 25).clip(0, 255).astype(np.uint8), "noise alone": noise}
Image.fromarray(image).save(folder / "image.png")
found = {}
for name, other in pictures.items():
    Image.fromarray(other).save(folder / "other.png")
    command = [sys.executable, "-m", "image_similarity_measures.evaluate", "--org_img_path", folder / "image.png", "--pred_img_path", folder / "other.png"]
    ran = subprocess.run([*command, *"--metric psnr --metric ssim --metric rmse --metric sam".split()], capture_output=True, text=True, check=True)
    told = json.loads(ran.stdout)["metrics"]
    a, b = image.astype(float), other.astype(float)
    with np.errstate(divide="ignore"):
        psnr = 20 * np.log10(255 / np.sqrt(np.mean((a - b) ** 2)))
    angle = np.degrees(np.arccos(((a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)).clip(-1, 1))).mean()
    right = {"psnr": psnr, "ssim": skimage.metrics.structural_similarity(image, other, channel_axis=2), "rmse": np.sqrt(np.mean((a - b) ** 2)) / 255, "sam": angle}
    found[name] = told, right
    print(f"{name}: " + ", ".join(f"{key} {told[key]:.3f} instead of {right[key]:.3f}" for key in right))
twelve = 20 * np.log10(4095 / 255)
noisy = ["with noise", "noise alone"]
exact = all(abs(found[name][0]["psnr"] - found[name][1]["psnr"] - twelve) < 0.01 and abs(found[name][0]["rmse"] * 4095 / 255 - found[name][1]["rmse"]) < 3e-3 for name in noisy)
sys.exit(not (exact and found["noise alone"][0]["ssim"] > 0.5 > 0.1 > found["noise alone"][1]["ssim"] and found["itself"][0]["sam"] > 30 and found["itself"][1]["sam"] < 1e-4))
P
echo "expected: numbers of 8 bits, and an angle of 0 between a picture and itself"
check
