#!/usr/bin/env bash
# imbalanced-learn's SMOTE subtracts neighbours as uint8, and differences below 0 wrap around: between two dark images it makes white pixels.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv imbalanced-learn==0.14.2 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import imblearn, numpy as np, sklearn
from imblearn.over_sampling import SMOTE

print(f"imbalanced-learn {imblearn.__version__}, scikit-learn {sklearn.__version__}")
random = np.random.default_rng(0)
labels = np.repeat(["nv", "mel"], [200, 40])
levels = np.where(labels == "mel", 90, 110)[:, None]
pixels = np.clip(random.normal(levels, 8, (240, 64)), 0, 255).astype(np.uint8)  # small images, flattened
low, high = pixels[labels == "mel"].min(), pixels[labels == "mel"].max()
print(f"40 melanomas, whose pixels are {low} to {high}, become 200; what lies between two of them is within these limits:")
shares = []
for kind in np.uint8, np.int16, np.float32:
    more, called = SMOTE(random_state=0).fit_resample(pixels.astype(kind), labels)
    made = more[240:][called[240:] == "mel"]
    shares.append(((made < low) | (made > high)).mean())
    print(f"  of {kind.__name__}: {made.min():.0f} to {made.max():.0f}, {shares[-1]:.0%} of the pixels are beyond")
sys.exit(not (shares[0] > 0.1 and shares[1:] == [0, 0]))
P
echo "expected: an image that is made lies between two that are there, pixel by pixel, whatever the type of the numbers"
check
