#!/usr/bin/env bash
# scikit-learn's weighted kappa measures distances by place among the grades that occur: where nobody says 3 or 4, from 2 to 5 is one step: 0.82 for 0.60.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, sklearn
from sklearn.metrics import cohen_kappa_score

print(f"scikit-learn {sklearn.__version__}")
one = np.repeat([1, 1, 2, 2, 5, 2, 5], [40, 2, 2, 30, 3, 5, 4])  # grades of suspicion, 1 to 5, of two readers
other = np.repeat([1, 2, 1, 2, 5, 5, 2], [40, 2, 2, 30, 3, 5, 4])


def by_definition(numbers):
    """1 - the mean squared distance of the pairs, over that of independent readers (Cohen 1968)."""
    first, second = np.asarray(numbers)[one], np.asarray(numbers)[other]
    return 1 - np.mean((first - second) ** 2) / np.mean((first[:, None] - second) ** 2)


with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    given = cohen_kappa_score(one, other, weights="quadratic")
    all_grades = cohen_kappa_score(one, other, weights="quadratic", labels=[1, 2, 3, 4, 5])
    one_more = cohen_kappa_score(np.r_[one, 3, 4], np.r_[other, 3, 4], weights="quadratic")
print(f"quadratic kappa {given:.3f}; of the numbers, by its definition, {by_definition([0, 1, 2, 3, 4, 5]):.3f}; of 1, 2, 3 in place of 1, 2, 5 {by_definition([0, 1, 2, 0, 0, 3]):.3f}")
print(f"with labels=[1, 2, 3, 4, 5] {all_grades:.3f}; with two more images, on whose 3 and 4 both agree, {one_more:.3f}; warnings: {len(told)}")
sys.exit(not (abs(given - by_definition([0, 1, 2, 0, 0, 3])) < 1e-9 and abs(all_grades - by_definition([0, 1, 2, 3, 4, 5])) < 1e-9 and abs(given - all_grades) > 0.1 and not told))
P
echo "expected: grades are numbers, and their distance is that of the numbers"
check
