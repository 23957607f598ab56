#!/usr/bin/env bash
# XGBoost reads a big-endian array as little-endian, features and labels alike, without a message: the AUC is 0.5 instead of 0.9.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv xgboost==3.2.0 lightgbm==4.7.0 scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6 pandas==2.3.3
cat >"$folder/try.py" <<'P'
import sys, warnings
import lightgbm, numpy as np, pandas, sklearn, sklearn.ensemble, xgboost
from sklearn.metrics import roc_auc_score

print(*(f"{package.__name__} {package.__version__}" for package in (xgboost, lightgbm, sklearn, np)))
random = np.random.default_rng(0)
features = random.normal(50, 10, (1000, 4))
melanoma = (features[:, 0] + random.normal(0, 7, 1000) > 55).astype(int)
train, test = slice(0, 500), slice(500, 1000)
settings = {"n_estimators": 20, "max_depth": 2, "n_jobs": 1}
models = {
    "xgboost": xgboost.XGBClassifier(**settings),
    "lightgbm": lightgbm.LGBMClassifier(**settings, verbose=-1),
    "scikit-learn": sklearn.ensemble.GradientBoostingClassifier(n_estimators=20, max_depth=2),
}
auc = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for name, model in models.items():
        model.fit(features[train], melanoma[train])
        auc[name] = [roc_auc_score(melanoma[test], model.predict_proba(features[test].astype(kind))[:, 1]) for kind in ("<f8", ">f8", ">f4")]
        print(f"{name}: AUC of the test part {auc[name][0]:.2f}, big-endian as float64 {auc[name][1]:.2f}, as float32 {auc[name][2]:.2f}")
    frame = pandas.DataFrame(features[test].astype(">f8"))
    auc["frame"] = roc_auc_score(melanoma[test], models["xgboost"].predict_proba(frame)[:, 1])
    labels = xgboost.DMatrix(features[test], label=melanoma[test].astype(">f4")).get_label()
    whole = xgboost.DMatrix(features[test].astype(">i2")).get_data().toarray()[0].astype(int).tolist()
speaking = [str(each.message) for each in warned if "endian" in str(each.message).lower() or "byte" in str(each.message).lower()]
print(f"xgboost: AUC from a big-endian pandas frame {auc['frame']:.2f}; messages about it: {len(speaking)}")
print(f"xgboost.DMatrix: the labels 0 and 1 as >f4 are {sorted(set(labels.tolist()))}; {features[test].astype(int)[0].tolist()} as >i2 is {whole}")
right = all(max(auc[name]) - min(auc[name]) < 1e-6 and auc[name][0] > 0.8 for name in ("lightgbm", "scikit-learn"))
wrong = auc["xgboost"][0] > 0.8 and max(auc["xgboost"][1:]) < 0.6
sys.exit(not (right and wrong and not speaking and max(labels) < 1e-30))
P
echo "expected: the same answers, whatever the order of the bytes"
check
