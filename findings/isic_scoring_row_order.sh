#!/usr/bin/env bash
# isic-challenge-scoring sorts the truth and the predictions by image and leaves the weights where they were: the score hangs on the order of rows.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv isic-challenge-scoring==5.6.0 pandas==2.3.3 scikit-learn==1.9.1 numpy==2.3.5
cat >"$folder/try.py" <<'P'
import io, sys, warnings
from importlib.metadata import version
import numpy as np, pandas as pd
from isic_challenge_scoring.classification import ClassificationMetric, ClassificationScore

warnings.simplefilter("ignore")
print(*(f"{name} {version(name)}" for name in ("isic-challenge-scoring", "pandas", "scikit-learn")))
random, names = np.random.default_rng(0), ["MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC"]
images = [f"ISIC_{index:07d}" for index in range(210)]
truth = pd.DataFrame(np.eye(7)[np.arange(210) % 7], images, names)
predictions = 0.55 * random.dirichlet(np.ones(7), 210) + 0.25 * truth
predictions = predictions.div(predictions.sum(axis=1), axis=0)
counted = np.tile([1.0, 0.0, 0.0], 70)  # one image in three counts for the final score, the others for the preliminary one
truth["score_weight"], truth["validation_weight"] = counted, 1 - counted


def score(truth, predictions):
    tables = (io.StringIO(table.to_csv(index_label="image")) for table in (truth, predictions))
    found = ClassificationScore.from_stream(*tables, ClassificationMetric.BALANCED_ACCURACY)
    return found.overall, found.validation, found.macro_average["auc"]


rows = truth[counted == 1]
labels, called = rows[names].idxmax(axis=1), predictions.loc[rows.index].idxmax(axis=1)
by_hand = (labels == called).groupby(labels).mean().mean()
print(f"by hand: balanced accuracy {by_hand:.4f}")
found = {}
for name, order in {
    "rows by image": np.arange(210),
    "rows from last to first": np.arange(210)[::-1],
    "rows as drawn": random.permutation(210),
    "rows by diagnosis": np.argsort(np.arange(210) % 7, kind="stable"),
}.items():
    found[name] = score(truth.iloc[order], predictions)
    print(f"{name}: balanced accuracy {found[name][0]:.4f}, preliminary {found[name][1]:.4f}, AUC {found[name][2]:.4f}")
backwards = score(truth, predictions.iloc[::-1])
print("only the predictions from last to first: the same" if backwards == found["rows by image"] else "and on the predictions' order")
scores = [each[0] for each in found.values()]
sys.exit(not (abs(scores[0] - by_hand) < 1e-9 and max(abs(each - by_hand) for each in scores[1:]) > 0.01 and backwards == found["rows by image"]))
P
echo "expected: rows are matched by their image, so that the order of the truth's rows does not matter"
check
