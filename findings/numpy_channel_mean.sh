#!/usr/bin/env bash
# NumPy's mean of a colour over many float32 images stops counting: 0.56 where it is 0.70, and a spread of 0.15 where it is 0.06.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import numpy as np

print("numpy", np.__version__)
image = np.random.default_rng(0).uniform(0.6, 0.8, (224, 224, 3)).astype(np.float32)
found = {}
for count in (100, 300, 600, 1200):
    images = np.broadcast_to(image, (count, *image.shape))  # the same image each time, so that nothing but the sum can change
    mean, spread = images.mean(axis=(0, 1, 2)), images.std(axis=(0, 1, 2))
    found[count] = mean[0], spread[0]
    print(f"{count} images: mean", *(f"{each:.4f}" for each in mean), "standard deviation", *(f"{each:.4f}" for each in spread))
    if count == 600:
        alone = images[..., 0].mean(), images.mean(axis=(0, 1, 2), dtype=np.float64)[0]
        print("  red alone: {:.4f}; with dtype=float64: {:.4f}; 2**24 by number of pixels: {:.4f}".format(*alone, 2**24 / (600 * 224 * 224)))
sums = [mean * count * 224 * 224 for count, (mean, _) in found.items()]
stuck = all(abs(each / 2**24 - 1) < 1e-3 for each in sums[2:])
sys.exit(not (abs(found[100][0] - 0.7) < 0.01 and stuck and abs(alone[0] - 0.7) < 0.002 and abs(alone[1] - 0.7) < 0.002 and found[600][1] > 0.12))
P
echo "expected: the mean and the standard deviation of the pixels, 0.70 and 0.06, to some digits: NumPy sums by pairs"
check
