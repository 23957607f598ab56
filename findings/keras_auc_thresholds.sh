#!/usr/bin/env bash
# Keras's AUC counts at 200 thresholds between 0 and 1: of a rare diagnosis, whose probabilities are small, it says 0.74 where the AUC is 0.90.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import keras, numpy as np, sklearn
from sklearn.metrics import average_precision_score, roc_auc_score

print(f"Keras {keras.__version__}, scikit-learn {sklearn.__version__}")
random = np.random.default_rng(0)
labels = (random.random(50_000) < 0.01).astype(int)  # one lesion of a hundred is malignant
evidence = random.normal(0, 1, 50_000) + 1.8 * labels
found = {}
for prior in (0.5, 0.01, 0.001):  # what the network was trained on: probabilities of the same order, smaller and smaller
    probabilities = 1 / (1 + np.exp(-(1.8 * evidence - 1.8**2 / 2 + np.log(prior / (1 - prior)))))
    found[prior] = [roc_auc_score(labels, probabilities), average_precision_score(labels, probabilities)]
    for options in {}, {"curve": "PR"}:
        metric = keras.metrics.AUC(**options)
        metric.update_state(labels, probabilities)
        found[prior].append(float(metric.result()))
    line = "probabilities with a median of {:.4f}: AUC {:.3f}, average precision {:.3f}; Keras's AUC {:.3f}, of precision and recall {:.3f}"
    print(line.format(np.median(probabilities), *found[prior]))
balanced, rare, rarest = found.values()
off = [abs(auc - keras_auc) for auc, _, keras_auc, _ in found.values()]
sys.exit(not (off[0] < 0.01 and off[1] > 0.01 and off[2] > 0.05))
P
echo "expected: the AUC depends on the order of the probabilities alone"
KERAS_BACKEND=jax check
