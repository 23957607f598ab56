#!/usr/bin/env bash
# torchmetrics counts a diagnosis that the data lack as AUC 0, and one false alarm for it as recall 0: both go into the macro average.
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu makes the installation of PyTorch a small one.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv torch==2.13.0 torchmetrics==1.9.0 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np, torch
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from torchmetrics.classification import MulticlassAccuracy, MulticlassAUROC, MulticlassAveragePrecision

warnings.simplefilter("ignore")  # it warns: the score of such a class is meaningless
print(*(f"{name} {version(name)}" for name in ("torchmetrics", "torch", "scikit-learn")))
random = np.random.default_rng(0)
labels = random.integers(0, 6, 600)  # of seven diagnoses the last is not there
probabilities = 0.4 * random.dirichlet(np.ones(7), 600) + 0.6 * np.eye(7)[labels]
alarm = probabilities.copy()
alarm[0] = 0.9 * np.eye(7)[6] + 0.1 / 7  # one image is called so


def ours(probabilities):
    auc = np.mean([roc_auc_score(labels == label, probabilities[:, label]) for label in range(6)])
    return balanced_accuracy_score(labels, probabilities.argmax(axis=1)), auc


def theirs(probabilities):
    given = torch.tensor(probabilities), torch.tensor(labels)
    return [metric(7, average="macro")(*given).item() for metric in (MulticlassAccuracy, MulticlassAUROC, MulticlassAveragePrecision)]


found = {}
for name, given in (("no false alarm", probabilities), ("one false alarm", alarm)):
    found[name] = *ours(given), *theirs(given)
    print("{}, over the six diagnoses: balanced accuracy {:.3f}, AUC {:.3f}".format(name, *found[name]))
    print("  torchmetrics' macro averages: accuracy {:.3f}, AUC {:.3f}, average precision {:.3f}".format(*found[name][2:]))
without, once = found.values()
sys.exit(not (min(without[:3]) > 0.999 and abs(without[3] - 6 / 7) < 1e-3 and abs(once[2] - 6 / 7) < 2e-3 and min(once[4], without[4]) > 0.99))
P
echo "expected: an average leaves a class without images out, or says that there is none, alike in all metrics"
check
