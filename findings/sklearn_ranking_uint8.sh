#!/usr/bin/env bash
# scikit-learn ranks uint8 scores by their negatives, where 0 stays 0 and 1 becomes 255: a score of 0 is the best one in ndcg_score, dcg_score and label_ranking_average_precision_score; median_absolute_error wraps around as well.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, sklearn
from sklearn import metrics

print("scikit-learn", sklearn.__version__, "numpy", np.__version__)
random = np.random.default_rng(0)
relevance = random.integers(0, 4, (200, 30))  # 200 images to look for, 30 found images each: how alike they are, 0 to 3
scores = np.clip(relevance * 2 + random.integers(-2, 3, relevance.shape), 0, 10)  # grades of a good search
alike = (relevance == 3).astype(int)
alike[:, 0] = 1
found = {}
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for name, measure in (
        ("ndcg_score", lambda kind: metrics.ndcg_score(relevance, scores.astype(kind))),
        ("ndcg_score, k=5", lambda kind: metrics.ndcg_score(relevance, scores.astype(kind), k=5)),
        ("dcg_score, k=5", lambda kind: metrics.dcg_score(relevance, scores.astype(kind), k=5)),
        ("ndcg_score, k=5, ignore_ties", lambda kind: metrics.ndcg_score(relevance, scores.astype(kind), k=5, ignore_ties=True)),
        ("label_ranking_average_precision_score", lambda kind: metrics.label_ranking_average_precision_score(alike, scores.astype(kind))),
        ("label_ranking_loss", lambda kind: metrics.label_ranking_loss(alike, scores.astype(kind))),
        ("roc_auc_score", lambda kind: metrics.roc_auc_score(alike.ravel(), scores.astype(kind).ravel())),
        ("median_absolute_error", lambda kind: metrics.median_absolute_error(relevance[:, 0].astype(kind), scores[:, 0].astype(kind))),
        ("mean_absolute_error", lambda kind: metrics.mean_absolute_error(relevance[:, 0].astype(kind), scores[:, 0].astype(kind))),
    ):
        found[name] = [float(measure(kind)) for kind in (np.uint8, np.int64, np.float64)]
        print(f"{name}: {found[name][0]:.4f} for uint8, {found[name][1]:.4f} for int64, {found[name][2]:.4f} for float64")
print("warnings:", len(said))
wrong = ("ndcg_score", "ndcg_score, k=5", "dcg_score, k=5", "label_ranking_average_precision_score", "median_absolute_error")
held = all(abs(values[1] - values[2]) < 1e-9 and (abs(values[0] - values[2]) > 0.1) == (name in wrong) for name, values in found.items())
sys.exit(not (held and found["ndcg_score, k=5"][0] < 0.3 < 0.9 < found["ndcg_score, k=5"][2]) or bool(said))
P
echo "expected: the same numbers, whatever type the scores have"
check
