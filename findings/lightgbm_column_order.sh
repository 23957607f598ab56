#!/usr/bin/env bash
# LightGBM predicts by the places of columns and does not read the names of a pandas frame: age and size in the other order are taken for each other.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv lightgbm==4.7.0 scikit-learn==1.9.1 pandas==3.1.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import lightgbm, numpy as np, pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

print(*(f"{name} {version(name)}" for name in ("lightgbm", "scikit-learn", "pandas")))
random = np.random.default_rng(0)
patients = pd.DataFrame({"age": random.uniform(20, 90, 2000), "diameter_mm": random.uniform(1, 20, 2000)})
malignant = (patients["age"] + 2 * patients["diameter_mm"] > 80).astype(int)
other = patients[["diameter_mm", "age"]]
model = lightgbm.LGBMClassifier(n_estimators=30, verbose=-1).fit(patients, malignant)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    right, wrong, raw = (float((np.round(said) == malignant).mean()) for said in (model.predict(patients), model.predict(other), model.booster_.predict(other)))
print(f"names that the model has: {[*map(str, model.feature_names_in_)]}")
print(f"accuracy: {right:.3f}; of the same columns in the other order {wrong:.3f}, of the booster {raw:.3f}; warnings: {len(told)}")
try:
    model.predict(other, validate_features=True)
    checked = False
except lightgbm.basic.LightGBMError as error:
    checked = True
    print(f"with validate_features=True: {str(error)[:70]}")
try:
    HistGradientBoostingClassifier(max_iter=5).fit(patients, malignant).predict(other)
    refused = False
except ValueError as error:
    refused = True
    print("scikit-learn:", str(error).splitlines()[0])
sys.exit(not (right > 0.97 and wrong < 0.8 and raw < 0.8 and not told and checked and refused))
P
echo "expected: columns are taken by their names, or another order is refused"
check
