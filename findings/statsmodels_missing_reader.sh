#!/usr/bin/env bash
# statsmodels counts a missing reading as a grade of its own in Fleiss' kappa, and a missing value in a distribution's denominator, which then ends below 1.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv statsmodels==0.15.0 numpy==2.4.6 pandas==2.3.3
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np
from statsmodels.distributions.empirical_distribution import ECDF
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa

print(*(f"{name} {version(name)}" for name in ("statsmodels", "numpy")))
random = np.random.default_rng(0)
grades = random.integers(0, 3, (60, 1)).repeat(3, axis=1).astype(float)
grades[:10, 0] = random.integers(0, 3, 10)
read_by_all = fleiss_kappa(aggregate_raters(grades)[0])
away = grades.copy()
away[30:, 2] = np.nan  # the third reader was away for half of the images, on which all agree
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    table, categories = aggregate_raters(away)
    kappa = fleiss_kappa(table)
    distribution = ECDF(away[:, 2])(2)
print(f"kappa {read_by_all:.2f} if all read all; {kappa:.2f} if one reader misses half of the images, with the categories {categories.tolist()}")
two = fleiss_kappa(aggregate_raters(away[30:, :2])[0])
print(f"of the images that two readers read {two:.2f}, and of those that three read {fleiss_kappa(aggregate_raters(away[:30])[0]):.2f}")
print(f"ECDF of the third reader's grades: {distribution:.2f} of them are at most 2, the largest; warnings: {len(told)}")
sys.exit(not (read_by_all > 0.85 and kappa < 0.5 and two == 1 and len(categories) == 4 and distribution == 0.5 and not told))
P
echo "expected: what was not read is left out or refused, and all grades are at most the largest"
check
