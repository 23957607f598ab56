#!/usr/bin/env bash
# torchmetrics' calibration error puts confidences of exactly 1 into a bin of their own: of ten bins there are eleven, and 0.075 becomes 0.125.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv torchmetrics==1.9.0 torch==2.13.0 netcal==1.4.0 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
warnings.simplefilter("ignore")
import netcal, numpy as np, torch, torchmetrics
from netcal.metrics import ECE
from torchmetrics.classification import BinaryCalibrationError, MulticlassCalibrationError

print("torchmetrics", torchmetrics.__version__, "torch", torch.__version__, "netcal", netcal.__version__)


def errors(confidences, hits):
    wrong = 1 - np.array(hits)
    both = np.stack([confidences, 1 - np.array(confidences)], 1).astype(np.float32)
    place = np.minimum((np.array(confidences) * 10).astype(int), 9)
    by_hand = sum(abs(np.mean(np.array(confidences)[place == each]) - np.mean(np.array(hits)[place == each])) * np.mean(place == each) for each in set(place))
    return [float(each) for each in (
        MulticlassCalibrationError(2, n_bins=10)(torch.from_numpy(both), torch.from_numpy(wrong)),
        BinaryCalibrationError(n_bins=10)(torch.tensor(confidences, dtype=torch.float32), torch.tensor(hits)),
        ECE(10).measure(np.array(confidences), np.array(hits)),
        by_hand,
    )]


found = {}
for highest in 1.0, 0.9999:  # a network is sure of 50 images and right for 40; it is right for all of 50 others
    found[highest] = errors([highest] * 50 + [0.95] * 50, [1] * 40 + [0] * 10 + [1] * 50)
    print(f"confidences of {highest} and 0.95, ten bins: {found[highest][0]:.3f} for two classes, {found[highest][1]:.3f} binary; by netcal {found[highest][2]:.3f}, by hand {found[highest][3]:.3f}")
ones = found[1.0]
sys.exit(not (min(ones[:2]) > 0.12 and max(ones[2:]) < 0.08 and max(found[0.9999]) - min(found[0.9999]) < 1e-3))
P
echo "expected: 0.075, as the tenth bin is 0.9 to 1, and a confidence of 0.9999 or 1 is the same"
check
