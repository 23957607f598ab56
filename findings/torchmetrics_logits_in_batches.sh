#!/usr/bin/env bash
# torchmetrics decides for each batch whether it holds logits or probabilities: the AUC of the same logits hangs on the size of batches.
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu makes the installation of PyTorch a small one.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv torch==2.13.0 torchmetrics==1.9.0 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np, torch
from sklearn import metrics
from torchmetrics.classification import BinaryAccuracy, BinaryAUROC, BinaryAveragePrecision, MulticlassAUROC

print(*(f"{name} {version(name)}" for name in ("torchmetrics", "torch", "scikit-learn")))
random = np.random.default_rng(0)
melanoma = random.random(2000) < 0.3
logits = random.normal(size=2000) + 1.5 * melanoma - 0.2
diagnoses = random.integers(0, 3, 2000)
several = 0.45 + 0.7 * random.normal(size=(2000, 3)) + 0.5 * np.eye(3)[diagnoses]
softmax = np.exp(several) / np.exp(several).sum(axis=1, keepdims=True)
ours = metrics.roc_auc_score(melanoma, logits), metrics.accuracy_score(melanoma, logits > 0), metrics.average_precision_score(melanoma, logits)
ours += (metrics.roc_auc_score(diagnoses, softmax, multi_class="ovr"),)
line = "AUC {:.3f}, accuracy {:.3f}, average precision {:.3f}; AUC of three diagnoses {:.3f}"
print("scikit-learn:", line.format(*ours))
found = {}
for size in (2000, 100, 4, 1):
    measured = BinaryAUROC(), BinaryAccuracy(), BinaryAveragePrecision(), MulticlassAUROC(3)
    for start in range(0, 2000, size):
        rows = slice(start, start + size)
        for metric in measured[:3]:
            metric.update(torch.tensor(logits[rows]), torch.tensor(melanoma[rows]).int())
        measured[3].update(torch.tensor(several[rows]), torch.tensor(diagnoses[rows]))
    found[size] = [metric.compute().item() for metric in measured]
    print(f"torchmetrics, {size} images a batch:", line.format(*found[size]))
off = {size: np.abs(np.subtract(values, ours)) for size, values in found.items()}
sys.exit(not (off[2000].max() < 1e-3 and off[1][:3].min() > 0.03 and off[1][3] > 0.01 and off[4].max() > off[100].max()))
P
echo "expected: the metric is of the images, however they come in batches"
check
