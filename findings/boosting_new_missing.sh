#!/usr/bin/env bash
# A value that is missing for the first time in prediction is 0 for LightGBM, the smallest for CatBoost: three libraries, three answers, without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv xgboost==3.2.0 lightgbm==4.7.0 catboost==1.2.10 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6 pandas==2.3.3
cat >"$folder/try.py" <<'P'
import sys, warnings
import catboost, lightgbm, numpy as np, xgboost

print(*(f"{package.__name__} {package.__version__}" for package in (lightgbm, catboost, xgboost, np)))
random = np.random.default_rng(0)
age = random.integers(20, 90, 3000).astype(float)
melanoma = (random.random(3000) < np.where(age > 60, 0.6, 0.05)).astype(int)
quiet = {"random_seed": 0, "thread_count": 1, "verbose": 0, "allow_writing_files": False}
kinds = {
    "lightgbm": lambda: lightgbm.LGBMClassifier(n_estimators=50, n_jobs=1, verbose=-1),
    "catboost": lambda: catboost.CatBoostClassifier(iterations=50, **quiet),
    "xgboost": lambda: xgboost.XGBClassifier(n_estimators=50, n_jobs=1),
}
codings = {"age in years": age, "age - 100": age - 100, "age / 100 - 0.55": age / 100 - 0.55, "-age": -age}
print(f"{melanoma.mean():.2f} of all have a melanoma, {melanoma[age <= 60].mean():.2f} of those up to 60 and {melanoma[age > 60].mean():.2f} of those above")
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for name, make in kinds.items():
        for coding, values in codings.items():
            model = make().fit(values[:, None], melanoma)
            unknown = found[name, coding] = float(model.predict_proba([[np.nan]])[0, 1])
            zero = float(model.predict_proba([[0.0]])[0, 1])
            print(f"{name}, {coding}: {unknown:.2f} for a missing age; for the number 0 {zero:.2f}")
            if name == "lightgbm":
                assert unknown == zero
speaking = [each for each in warned if "missing" in str(each.message).lower() or "nan" in str(each.message).lower()]
print("messages about missing values:", len(speaking))
low = {name: [found[name, coding] < 0.3 for coding in codings] for name in kinds}
print({name: ["low" if each else "high" for each in answers] for name, answers in low.items()})
expected = {"lightgbm": [True, False, True, True], "catboost": [True, True, True, False], "xgboost": [False, False, False, True]}
sys.exit(low != expected or bool(speaking))
P
echo "expected: a tree's answer does not depend on the unit or the zero of a column, and a missing age is no age"
check
