#!/usr/bin/env bash
# kornia's mean_iou counts a class that is in neither mask as found perfectly: a network that finds nothing of a lesion has a mean of 0.86 with eight classes of which the picture has two, instead of 0.45.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv kornia==0.9.0 torch==2.13.0 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import torch

warnings.simplefilter("ignore")
from kornia.metrics import mean_iou
from sklearn.metrics import jaccard_score

torch.set_num_threads(1)
print(*(f"{name} {version(name)}" for name in ("kornia", "torch", "scikit-learn")))
truth = torch.zeros(1, 64, 64, dtype=torch.int64)  # 0 is skin
truth[:, 20:40, 20:40] = 1  # the lesion
nothing = torch.zeros_like(truth)
half = nothing.clone()
half[:, 20:40, 20:30] = 1
found = {}
for name, answer in (("finds nothing", nothing), ("finds half of it", half)):
    for classes in (2, 4, 8):  # skin, lesion, and structures that this picture does not have, such as globules or streaks
        each = mean_iou(answer, truth, classes)[0]
        found[name, classes] = each.mean().item()
        print(f"{name}, {classes} classes: {[round(value, 2) for value in each.tolist()]}, mean {found[name, classes]:.2f}; scikit-learn's mean {jaccard_score(truth.ravel(), answer.ravel(), average='macro', labels=[0, 1]):.2f} over the two that are there")
wrong = found["finds nothing", 8] > 0.85 and found["finds half of it", 8] > 0.9
sys.exit(not (wrong and found["finds nothing", 2] < 0.5 and 0.7 < found["finds half of it", 2] < 0.8))
P
echo "expected: the mean over the classes that are there, or NaN for the others"
check
