#!/usr/bin/env bash
# scikit-learn's GroupKFold with shuffle=True no longer balances its folds, and its documentation says that only then it does.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import numpy as np, sklearn
from sklearn.model_selection import GroupKFold

print("scikit-learn", sklearn.__version__)
said = " ".join(GroupKFold.__doc__.split())
promise = "the number of samples is approximately the same in each test fold when `shuffle` is True"
print(f"its documentation: {promise}" if promise in said else "its documentation says something else now")
images = np.random.default_rng(0).lognormal(1.5, 1.5, 120).astype(int) + 1  # of 120 patients: a few have many
patients = np.repeat(np.arange(len(images)), images)
print(f"{len(images)} patients with {images.min()} to {images.max()} images, {len(patients)} in all; images by fold:")


def sizes(splitter):
    return [len(rows) for _, rows in splitter.split(patients[:, None], groups=patients)]


plain = sizes(GroupKFold(5))
print("shuffle=False:", *plain)
shuffled = [sizes(GroupKFold(5, shuffle=True, random_state=seed)) for seed in range(5)]
for seed, found in enumerate(shuffled):
    print(f"shuffle=True, random_state={seed}:", *found)
worst = max(max(found) / min(found) for found in shuffled)
print(f"the largest fold is up to {worst:.1f} times the smallest")
sys.exit(not (promise in said and max(plain) - min(plain) <= 5 and worst > 2))
P
echo "expected: folds of about the same number of images, shuffled or not"
check
