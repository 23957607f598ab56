#!/usr/bin/env bash
# Treelite gives a LightGBM model with zero_as_missing and a GradientBoostingClassifier with the exponential loss other probabilities, without a message, while it refuses linear trees.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv treelite==4.8.1 lightgbm==4.7.0 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import lightgbm, numpy as np, treelite
from sklearn.ensemble import GradientBoostingClassifier

print(*(f"{name} {version(name)}" for name in ("treelite", "lightgbm", "scikit-learn")))
random = np.random.default_rng(0)
rows = random.normal(size=(2000, 6))
rows[::5, 0] = 0  # not measured
labels = (rows[:, 0] + rows[:, 1] + 0.5 * random.normal(size=2000) + (rows[:, 0] == 0) > 0).astype(int)
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, options in (("binary", {}), ("zero_as_missing", {"zero_as_missing": True}), ("linear_tree", {"linear_tree": True})):
        model = lightgbm.train({"objective": "binary", "verbose": -1, "seed": 0, "num_threads": 1, **options}, lightgbm.Dataset(rows, labels), 20)
        try:
            answers = treelite.gtil.predict(treelite.frontend.from_lightgbm(model), rows).ravel()
        except Exception as error:
            print(f"LightGBM, {name}: {type(error).__name__}: {str(error).splitlines()[0][-70:]}")
            continue
        right = model.predict(rows)
        found[name] = float(np.abs(answers - right).max())
        print(f"LightGBM, {name}: up to {found[name]:.2f} off; accuracy {((answers > 0.5) == labels).mean():.3f} instead of {((right > 0.5) == labels).mean():.3f}")
    for loss in ("log_loss", "exponential"):
        model = GradientBoostingClassifier(n_estimators=20, loss=loss, random_state=0).fit(rows, labels)
        answers = treelite.gtil.predict(treelite.sklearn.import_model(model), rows).ravel()
        right = model.predict_proba(rows)[:, 1]
        found[loss] = float(np.abs(answers - right).max())
        print(f"GradientBoostingClassifier, {loss}: up to {found[loss]:.2f} off; mean probability of the sure half {np.sort(np.maximum(answers, 1 - answers))[1000:].mean():.2f} instead of {np.sort(np.maximum(right, 1 - right))[1000:].mean():.2f}")
print("warnings:", sorted({str(each.message)[:60] for each in said}) or "none")
sys.exit(not (found["binary"] < 1e-6 > found["log_loss"] and found["zero_as_missing"] > 0.1 < found["exponential"] and "linear_tree" not in found))
P
echo "expected: the probabilities of the models, or an error, as for linear trees"
check
