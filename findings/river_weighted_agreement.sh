#!/usr/bin/env bash
# River counts weights in the confusion matrix but not in the number of samples: with a weight of 2 for each image the adjusted Rand index is above 1 and the mutual information negative.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv river==0.26.1 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, river, sklearn
import sklearn.metrics
from river import metrics

print("river", river.__version__, "scikit-learn", sklearn.__version__, "numpy", np.__version__)
numbers = np.random.default_rng(0)
names = np.array(["akiec", "bcc", "mel", "nv"])
truth = numbers.choice(names, 500, p=[0.05, 0.05, 0.2, 0.7])
answer = np.where(numbers.random(500) < 0.7, truth, numbers.choice(names, 500))
found = {}
for name, by_sklearn in (
    ("Rand", sklearn.metrics.rand_score),
    ("AdjustedRand", sklearn.metrics.adjusted_rand_score),
    ("MutualInfo", sklearn.metrics.mutual_info_score),
    ("NormalizedMutualInfo", sklearn.metrics.normalized_mutual_info_score),
    ("CohenKappa", sklearn.metrics.cohen_kappa_score),
    ("BalancedAccuracy", sklearn.metrics.balanced_accuracy_score),
):
    each = []
    for weight in 1, 2:
        metric = getattr(metrics, name)()
        for one, other in zip(truth.tolist(), answer.tolist()):
            metric.update(one, other, w=weight)
        each += [float(metric.get()), float(by_sklearn(np.repeat(truth, weight), np.repeat(answer, weight)))]
    found[name] = each
    print(f"{name}: {each[0]:.3f} without weights, by scikit-learn {each[1]:.3f}; with a weight of 2 for each image {each[2]:.3f}, by scikit-learn for each image twice {each[3]:.3f}")
held = all(abs(each[0] - each[1]) < 0.001 for each in found.values()) and found["AdjustedRand"][2] > 1 and found["MutualInfo"][2] < 0 and found["Rand"][2] < 0.5
sys.exit(not (held and all(abs(found[name][2] - found[name][3]) < 0.001 for name in ("CohenKappa", "BalancedAccuracy"))))
P
echo "expected: the same with equal weights as without, or nearly so, and never above 1"
check
