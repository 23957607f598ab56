#!/usr/bin/env bash
# Hummingbird takes the wrong branch for missing values in scikit-learn's trees and forests, and leaves out what follows the sum of boosted trees for counts (poisson) and the exponential loss.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv hummingbird-ml==0.4.12 torch==2.13.0 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
from importlib.metadata import version
import numpy as np

warnings.simplefilter("ignore")
from hummingbird.ml import convert
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestClassifier
from sklearn.preprocessing import MinMaxScaler
from sklearn.tree import DecisionTreeClassifier

print(*(f"{name} {version(name)}" for name in ("hummingbird-ml", "scikit-learn", "torch")))
random = np.random.default_rng(0)
x = random.normal(size=(2000, 4)).astype(np.float32)
y = (x[:, 0] + 0.5 * random.normal(size=2000) > 0.5).astype(int)
missing = x.copy()
missing[random.random(2000) < np.where(y, 0.6, 0.1), 0] = np.nan  # the age is more often unknown for one class
off, accuracy = {}, {}
for model in (DecisionTreeClassifier(max_depth=4, random_state=0), RandomForestClassifier(20, max_depth=4, random_state=0), HistGradientBoostingClassifier(max_iter=20), GradientBoostingClassifier(n_estimators=50), GradientBoostingClassifier(n_estimators=50, loss="exponential")):
    name = type(model).__name__ + (" exponential" if getattr(model, "loss", "") == "exponential" else "")
    for kind, data in (("complete", x), ("missing", missing)):
        if kind == "missing" and name.startswith("GradientBoosting"):
            continue  # refuses missing values
        model.fit(data, y)
        converted = convert(model, "torch")
        found = converted.predict_proba(data)
        off[name, kind] = np.abs(found - model.predict_proba(data)).max()
        accuracy[name, kind] = (found.argmax(1) == y).mean(), model.score(data, y)
        print(f"{name}, {kind}: probabilities up to {off[name, kind]:.5f} off, accuracy {accuracy[name, kind][0]:.2f} instead of {accuracy[name, kind][1]:.2f}")
counts = random.poisson(np.exp(1 + 0.5 * x[:, 0]))
for loss in ("squared_error", "poisson"):
    model = HistGradientBoostingRegressor(loss=loss, max_iter=50).fit(x, counts)
    found, right = convert(model, "torch").predict(x).ravel(), model.predict(x)
    off[loss] = np.abs(found - right).max()
    print(f"HistGradientBoostingRegressor, {loss}: mean {found.mean():.2f} instead of {right.mean():.2f}, up to {off[loss]:.5f} off")
scaler = MinMaxScaler(clip=True).fit(x[:1000])
found, right = np.asarray(convert(scaler, "torch").transform(x * 1.5)), scaler.transform(x * 1.5)
print(f"MinMaxScaler(clip=True): {found.min():.2f} to {found.max():.2f} instead of {right.min():.2f} to {right.max():.2f}")
trees = ("DecisionTreeClassifier", "RandomForestClassifier", "HistGradientBoostingClassifier")
right = max(off[name, "complete"] for name in (*trees, "GradientBoostingClassifier")) < 1e-4 and off["squared_error"] < 1e-3
wrong = min(off[name, "missing"] for name in trees) > 0.1 and off["GradientBoostingClassifier exponential", "complete"] > 0.05 and off["poisson"] > 1 and found.max() > 1.2
sys.exit(not (right and wrong))
P
echo "expected: the numbers of scikit-learn, or an error"
check
