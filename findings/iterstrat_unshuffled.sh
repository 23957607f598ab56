#!/usr/bin/env bash
# iterative-stratification with shuffle=False, the default, gives other folds at each call, and refuses a seed.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv iterative-stratification==0.1.9 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np
from iterstrat.ml_stratifiers import MultilabelStratifiedKFold
from sklearn.model_selection import StratifiedKFold

print(*(f"{name} {version(name)}" for name in ("iterative-stratification", "scikit-learn")))
random = np.random.default_rng(0)
lesions, labels = np.zeros((500, 1)), random.random((500, 4)) < (0.7, 0.3, 0.1, 0.02)  # nv, male, palms, mel


def folds(splitter, labels):
    found = np.empty(len(labels), int)
    for fold, (_, rows) in enumerate(splitter.split(lesions, labels)):
        found[rows] = fold
    return found


kept = {}
for splitter, truth in ((StratifiedKFold(5), labels[:, 0]), (MultilabelStratifiedKFold(5), labels)):
    first, second = folds(splitter, truth), folds(splitter, truth)
    name = type(splitter).__name__
    kept[name] = (first == second).mean()
    print(f"{name}(5): {kept[name]:.0%} of 500 lesions are in the same fold when the same object splits again")
try:
    MultilabelStratifiedKFold(5, random_state=0)
    refused = False
except ValueError as error:
    refused = True
    print("with random_state=0:", str(error).split(".")[0])
shuffled = [folds(MultilabelStratifiedKFold(5, shuffle=True, random_state=0), labels) for _ in range(2)]
print(f"shuffle=True, random_state=0: {(shuffled[0] == shuffled[1]).mean():.0%}: only a shuffled split can be repeated")
sys.exit(not (kept["StratifiedKFold"] == 1 and kept["MultilabelStratifiedKFold"] < 0.5 and refused and (shuffled[0] == shuffled[1]).all()))
P
echo "expected: without shuffling nothing is random: the same data have the same folds, as scikit-learn's have"
check
