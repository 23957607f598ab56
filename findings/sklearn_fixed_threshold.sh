#!/usr/bin/env bash
# FixedThresholdClassifier takes the alphabetically last label as the positive one, where its documentation promises an error: a threshold of 0.2 meant for melanoma finds none of them.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import re, sys, warnings
import numpy as np, sklearn
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import recall_score
from sklearn.model_selection import FixedThresholdClassifier

print(f"scikit-learn {sklearn.__version__}, numpy {np.__version__}")
documented = " ".join(FixedThresholdClassifier.__doc__.split())
promise = re.search(r"pos_label : .*?error will be raised", documented)
print("documented:", promise and promise.group())
random = np.random.default_rng(0)
truth = (random.random(2000) < 0.15).astype(int)
features = random.normal(size=(2000, 2)) + truth[:, None]
train, test = slice(0, 1000), slice(1000, 2000)
codings = {"0 and 1": truth, "melanoma and nevus": np.where(truth, "melanoma", "nevus"), "nevus and z melanoma": np.where(truth, "z melanoma", "nevus")}
found = {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for name, labels in codings.items():
        positive = labels[truth == 1][0]
        for options in ({}, {"pos_label": positive}):
            model = FixedThresholdClassifier(LogisticRegression(), threshold=0.2, response_method="predict_proba", **options).fit(features[train], labels[train])
            found[name, bool(options)] = recall_score(labels[test], model.predict(features[test]), pos_label=positive)
        usual = recall_score(labels[test], LogisticRegression().fit(features[train], labels[train]).predict(features[test]), pos_label=positive)
        print(f"{name}: sensitivity for melanoma {usual:.2f} at 0.5, {found[name, False]:.2f} with a threshold of 0.2, {found[name, True]:.2f} with pos_label={str(positive)!r} as well")
print("warnings:", len(warned))
stated = [found[name, True] for name in codings]
sys.exit(not (promise and not warned and max(stated) - min(stated) < 1e-9 and stated[0] > 0.6 and found["melanoma and nevus", False] < 0.2 and found["0 and 1", False] == stated[0]))
P
echo "expected: the threshold of 0.2 finds more melanomas than 0.5, or there is an error, as documented"
check
