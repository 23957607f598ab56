#!/usr/bin/env bash
# Keras's top-k accuracy counts every tie as a hit: probabilities of 1 and 0 have a top-2 accuracy of 100 %, whatever they say.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import keras, numpy as np, sklearn
from sklearn.metrics import top_k_accuracy_score

print(f"Keras {keras.__version__} on {keras.backend.backend()}, scikit-learn {sklearn.__version__}")
labels = np.arange(700) % 7
wrong = np.eye(7, dtype=np.float32)[(labels + 1) % 7]
sharp = np.exp(120 * (wrong - 1))  # a softmax of logits that are far apart, as of a network that is sure of itself: 1 and 0
found = {}
for name, probabilities in (
    ("each diagnosis wrong, probability 1", (sharp / sharp.sum(axis=1, keepdims=True)).astype(np.float32)),
    ("a network that says 1/7 of everything", np.full((700, 7), 1 / 7, np.float32)),
):
    hits = []
    for k in 1, 2, 3:
        metric = keras.metrics.SparseTopKCategoricalAccuracy(k=k)
        metric.update_state(labels, probabilities)
        hits += [float(metric.result()), top_k_accuracy_score(labels, probabilities, k=k, labels=range(7))]
    found[name] = hits[::2], hits[1::2]
    print("{}: top-1, top-2 and top-3 accuracy".format(name), *(f"{hit:.3f}" for hit in hits[::2]), "- scikit-learn:", *(f"{hit:.3f}" for hit in hits[1::2]))
(certain, their_certain), (constant, their_constant) = found.values()
sys.exit(not (certain == [0, 1, 1] and constant == [1, 1, 1] and max(their_certain + their_constant) < 0.6))
P
echo "expected: of k diagnoses that are taken one is right; where some are alike, k of them are taken"
KERAS_BACKEND=jax check
