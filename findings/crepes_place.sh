#!/usr/bin/env bash
# crepes draws random numbers for prediction sets by default, which counts where a diagnosis has few images: an image's set changes from call to call, and with a seed by its place in the batch.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv crepes==0.9.1 numpy==2.4.6 pandas==2.3.3 scipy==1.17.1 scikit-learn==1.9.1
cat >"$folder/try.py" <<'P'
import sys
from importlib.metadata import version
import numpy as np
from crepes import ConformalClassifier
from crepes.extras import hinge

print(*(f"{name} {version(name)}" for name in ("crepes", "numpy")))
random = np.random.default_rng(0)
classes = np.arange(7)


def images(count):
    logits = random.normal(size=(count, 7)) * 2 + np.array([3, 1, 1, 0, -1, -2, -2])
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return probabilities, np.array([random.choice(7, p=row) for row in probabilities])


calibration, labels = images(300)
test, truth = images(1000)
by_diagnosis = [ConformalClassifier().fit(hinge(calibration, classes, labels)[labels == each]) for each in classes]


def predict(probabilities, **options):
    scores = hinge(probabilities)
    return np.column_stack([by_diagnosis[each].predict_set(scores[:, [each]], confidence=0.9, **options)[:, 0] for each in classes])


def differ(one, other):
    return int((one != other).any(1).sum())


seeded, turned = predict(test, seed=0), np.arange(1000)[::-1]
alone = np.vstack([predict(test[each : each + 1], seed=0) for each in range(1000)])
fixed = predict(test, smoothing=False)
again, order, single = differ(predict(test), predict(test)), differ(seeded[turned], predict(test[turned], seed=0)), differ(seeded, alone)
same = differ(seeded, predict(test, seed=0)), differ(fixed[turned], predict(test[turned], smoothing=False))
print(f"of 1,000 images {again} have another set in a second call; with seed=0 {same[0]}, but in the other order {order}, and one by one {single}")
print(f"with smoothing=False {same[1]} in the other order; the right diagnosis is in {seeded[np.arange(1000), truth].mean():.2f} and, without smoothing, {fixed[np.arange(1000), truth].mean():.2f} of the sets")
print("images of each diagnosis for calibration:", np.bincount(labels, minlength=7).tolist())
sys.exit(not (again > 300 and order > 300 and single > 300 and same == (0, 0)))
P
echo "expected: the same image has the same set, with a seed wherever it stands"
check
