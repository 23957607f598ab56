#!/usr/bin/env bash
# scikit-learn's HistGradientBoosting trains otherwise from 10,001 rows on: HAM10000 has 10,015 images, of which it then lays a tenth aside, without regard of lesions, and stops by them.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
export OMP_NUM_THREADS=1
install venv scikit-learn==1.9.1 numpy==2.4.6 scipy==1.17.1
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, sklearn
from sklearn.ensemble import HistGradientBoostingClassifier

print(f"scikit-learn {sklearn.__version__}")
random = np.random.default_rng(0)
features = random.normal(size=(10_015, 4))
melanoma = (features[:, 0] + 2 * random.normal(size=10_015) > 1).astype(int)
found = {}
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    for rows in (10_000, 10_001, 10_015):
        model = HistGradientBoostingClassifier(max_leaf_nodes=7, random_state=0).fit(features[:rows], melanoma[:rows])
        found[rows] = model.n_iter_, len(model.validation_score_)
        print(f"{rows:,} rows: {model.n_iter_} trees of 100, {'a tenth of the rows laid aside' if len(model.validation_score_) else 'trained on all rows'}")
print(f"warnings: {len(told)}")
sys.exit(not (found[10_000] == (100, 0) and all(found[rows][0] < 100 and found[rows][1] for rows in (10_001, 10_015)) and not told))
P
echo "expected: one row more is one row more"
check
