#!/usr/bin/env bash
# tf.math.confusion_matrix cuts weights to whole numbers, one by one: with weights of 0.5, for two photographs of a lesion, the matrix is 0, and 1.9 counts as 1.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tensorflow-cpu==2.21.0 scikit-learn==1.9.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, warnings
import numpy as np, tensorflow as tf
from sklearn.metrics import confusion_matrix

print(f"TensorFlow {tf.__version__}")
random = np.random.default_rng(0)
truth, answers = random.integers(0, 2, (2, 400))
found, right = {}, {}
with warnings.catch_warnings(record=True) as warned:
    warnings.simplefilter("always")
    for name, weights in (("none", None), ("1 / photographs of the lesion", 1 / random.choice([2, 3], 400)), ("1.9", np.full(400, 1.9))):
        found[name] = tf.math.confusion_matrix(truth, answers, weights=weights).numpy()
        right[name] = confusion_matrix(truth, answers, sample_weight=weights)
        print(f"weights {name}: {found[name].tolist()} ({found[name].dtype}); scikit-learn: {right[name].round(2).tolist()}")
    told = tf.math.confusion_matrix(truth, answers, weights=np.full(400, 0.5), dtype="float64").numpy()
print(f"weights of 0.5 with dtype='float64': {told.tolist()}; warnings: {[str(each.message)[:90] for each in warned]}")
plain = right["none"]
held = (found["none"] == plain).all() and (found["1 / photographs of the lesion"] == 0).all() and (found["1.9"] == plain).all()
sys.exit(not (held and (told == plain / 2).all() and not any("weight" in str(each.message) for each in warned)))
P
echo "expected: the sums of the weights, or an exception"
TF_CPP_MIN_LOG_LEVEL=3 check
