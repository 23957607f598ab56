#!/usr/bin/env bash
# MONAI's balanced accuracy, sensitivity and accuracy of several classes are pooled over them: a network that always says nv has 0.81.
# PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu makes the installation of PyTorch a small one.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv monai==1.6.1 torch==2.13.0 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import monai, numpy as np, sklearn, torch
from monai.metrics import ConfusionMatrixMetric, FBetaScore
from sklearn import metrics

print(f"MONAI {monai.__version__}, torch {torch.__version__}, scikit-learn {sklearn.__version__}")
labels = np.repeat(np.arange(7), [670, 111, 110, 51, 33, 14, 11])  # seven diagnoses, as unequal as in HAM10000
random = np.random.default_rng(0)
called = np.where(random.random(1000) < 0.7, labels, random.integers(0, 7, 1000))
names = "balanced accuracy", "sensitivity", "precision", "f1 score", "accuracy"
found = {}
for title, answers in (("always the first diagnosis", np.zeros(1000, int)), ("three quarters right, of each diagnosis", called)):
    given = [torch.nn.functional.one_hot(torch.tensor(column), 7) for column in (answers, labels)]
    theirs = []
    for name in names:
        metric = ConfusionMatrixMetric(metric_name=name)
        metric(*given)
        theirs.append(metric.aggregate()[0].item())
    score = FBetaScore(beta=1.0)
    score(*given)
    theirs.append(score.aggregate()[0].item())
    average = dict(average="macro", zero_division=0)
    right = [metrics.balanced_accuracy_score(labels, answers), metrics.recall_score(labels, answers, **average)]
    right += [metrics.precision_score(labels, answers, **average), metrics.f1_score(labels, answers, **average), metrics.accuracy_score(labels, answers)]
    right.append(right[3])
    found[title] = theirs, right
    for name, value, other in zip((*names, "FBetaScore(beta=1.0)"), theirs, right):
        print(f"{title}: {name} {value:.3f}; scikit-learn, the mean over diagnoses, {other:.3f}")
(always, right), (sometimes, better) = found.values()
pooled = [max(abs(value - right[4]) for value in (*theirs[1:4], theirs[5])) < 1e-3 for theirs, right in found.values()]
sys.exit(not (all(pooled) and always[0] > 0.8 and right[0] < 0.15 and always[4] > 0.9 > right[4] and sometimes[0] - better[0] > 0.05))
P
echo "expected: what is called balanced accuracy treats diagnoses alike: 1/7 for one answer whatever the image; accuracy is the share that is right"
check
