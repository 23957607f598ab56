#!/usr/bin/env bash
# A CatBoost model exported as Python or C++ takes a missing value for the smallest one, also with nan_mode="Max", without a message.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv catboost==1.2.10 numpy==2.4.6 pandas==2.3.3
cat >"$folder/try.py" <<'P'
import sys
import catboost, numpy as np

print(f"catboost {catboost.__version__}, numpy {np.__version__}")
folder = sys.argv[1]
random = np.random.default_rng(0)
complete = random.normal(size=(2000, 4))
melanoma = (complete[:, 0] + 0.5 * complete[:, 1] > 0).astype(int)
features = np.where(random.random((2000, 4)) < 0.3, np.nan, complete)
rows = ~np.isnan(features).any(1)
found = {}
for mode in ("Min", "Max"):
    model = catboost.CatBoostClassifier(iterations=50, nan_mode=mode, random_seed=0, thread_count=1, verbose=0, allow_writing_files=False)
    model.fit(features, melanoma)
    inside = model.predict_proba(features)[:, 1]
    model.save_model(f"{folder}/model.json", format="json")
    again = catboost.CatBoostClassifier().load_model(f"{folder}/model.json", format="json").predict_proba(features)[:, 1]
    model.save_model(f"{folder}/model.py", format="python")
    names = {}
    with open(f"{folder}/model.py") as file:
        exec(file.read(), names)
    outside = 1 / (1 + np.exp(-np.array([names["apply_catboost_model"](row.tolist()) for row in features])))
    off = np.abs(outside - inside)
    found[mode] = off[rows].max(), off.max(), np.abs(again - inside).max(), ((outside > 0.5) == melanoma).mean(), ((inside > 0.5) == melanoma).mean()
    print(f'nan_mode="{mode}": exported as Python, probabilities are up to {found[mode][0]:.2f} off in complete rows and {found[mode][1]:.2f} in all, in {(off > 0.1).mean():.0%} of them more than 0.1')
    print(f"    accuracy {found[mode][3]:.2f} instead of {found[mode][4]:.2f}; as JSON, loaded again, up to {found[mode][2]:.2f} off")
with open(f"{folder}/model.py") as file:
    print("the exported file speaks of missing values:", "nan" in file.read().lower())
sys.exit(not (found["Min"][1] < 1e-6 and found["Max"][0] < 1e-6 and found["Max"][1] > 0.5 and found["Max"][2] < 1e-6 and found["Max"][3] < found["Max"][4] - 0.05))
P
echo "expected: an exported model answers as the model, or says that it can't"
check "$folder"
