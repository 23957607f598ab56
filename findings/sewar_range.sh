#!/usr/bin/env bash
# sewar takes the range of an image from its type: two images of levels 0 to 255 have a PSNR of 33 dB and an SSIM of 0.69 in uint8, and 365 dB and 1.0 in int64.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv sewar==0.4.10 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import importlib.metadata, sys, warnings
import numpy as np
from sewar.full_ref import msssim, psnr, ssim

print(f"sewar {importlib.metadata.version('sewar')}")
across, down = np.meshgrid(np.arange(192), np.arange(192))
image = np.where((across - 96) ** 2 + (down - 96) ** 2 < 900, 80, 200)
noisy = np.clip(image + np.random.default_rng(0).integers(-9, 10, image.shape), 0, 255)
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for kind in ("uint8", "uint16", "int64"):
        pair = image.astype(kind), noisy.astype(kind)
        found[kind] = float(psnr(*pair)), float(ssim(*pair)[0]), float(np.real(msssim(*pair)))
        print(f"the same levels as {kind}: PSNR {found[kind][0]:.1f} dB, SSIM {found[kind][1]:.4f}, multi-scale SSIM {found[kind][2]:.4f}")
print(f"warnings: {[str(each.message)[:90] for each in warned]}")
right = [float(psnr(image, noisy, MAX=255)), float(ssim(image, noisy, MAX=255)[0])]
print(f"int64 with MAX=255: PSNR {right[0]:.1f} dB, SSIM {right[1]:.4f}")
held = found["uint8"][0] < 40 and found["uint8"][1] < 0.9 and found["uint16"][0] > 75 and found["int64"][0] > 350 and min(found["int64"][1:]) > 0.99999
sys.exit(not (held and abs(right[0] - found["uint8"][0]) < 0.01 and not warned))
P
echo "expected: the same values for the same levels, or an exception that asks for the range"
check
