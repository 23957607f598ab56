#!/usr/bin/env bash
# Where some numbers are NaN, tf.sort and keras.ops.sort on TensorFlow leave others unsorted: of 2,000 losses, 200 of them NaN, 79 are followed by a smaller one, and NaN is in between.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv tensorflow-cpu==2.21.0 keras==3.15.1 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import keras, numpy as np, tensorflow as tf

print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}")
random = np.random.default_rng(1)
losses = random.random(2000).astype(np.float32)
broken = losses.copy()
broken[random.choice(2000, 200, replace=False)] = np.nan


def disorder(numbers):
    there = numbers[~np.isnan(numbers)]
    return int((np.diff(there) < 0).sum()), np.flatnonzero(np.isnan(numbers)).tolist()


ways = {"tf.sort": lambda x: tf.sort(x).numpy(), "keras.ops.sort": lambda x: np.asarray(keras.ops.sort(x)), "numpy.sort": np.sort}
found = {}
for name, way in ways.items():
    found[name] = disorder(way(losses)), disorder(way(broken))
    print(f"{name} of 2,000 losses, 200 of them NaN: {found[name][1][0]} numbers are followed by a smaller one; NaN is at {str(found[name][1][1][:5])[1:-1]} ...; without NaN {found[name][0][0]}")
few = np.float32([1, np.nan, 3, 2])
print(f"tf.sort of {few.tolist()}: {tf.sort(few).numpy().tolist()}; numpy.sort: {np.sort(few).tolist()}")
held = found["numpy.sort"] == ((0, []), (0, list(range(1800, 2000)))) and tf.sort(few).numpy().tolist()[0] == 1 and np.isnan(tf.sort(few).numpy()[1])
held &= all(found[name][0] == (0, []) and found[name][1][0] > 50 for name in ("tf.sort", "keras.ops.sort"))
sys.exit(not held)
P
echo "expected: all numbers in ascending order, with NaN at one end"
KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 check
