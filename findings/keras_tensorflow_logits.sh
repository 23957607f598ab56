#!/usr/bin/env bash
# Keras on TensorFlow takes the binary loss of a softmax output for that of sigmoids, and the categorical loss of sigmoids for that of a softmax; on JAX it does not.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 tensorflow==2.21.0 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import json, sys
import keras, numpy as np

labels = np.eye(3, dtype=np.float32)[np.repeat([0, 1, 2], [50, 30, 20])]
images = np.ones((100, 1), np.float32)  # all alike: nothing is better than the shares of the diagnoses
found = {}
for activation, loss in ("softmax", "binary_crossentropy"), ("sigmoid", "categorical_crossentropy"), ("softmax", "categorical_crossentropy"), ("sigmoid", "binary_crossentropy"):
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(3, activation=activation, kernel_initializer="zeros", use_bias=False)])
    network.compile(keras.optimizers.Adam(0.05), loss=loss)
    network.fit(images, labels, epochs=400, batch_size=100, verbose=0)
    answer = network.predict(images, verbose=0)
    of_predictions = float(np.mean(keras.ops.convert_to_numpy(keras.losses.get(loss)(labels, answer))))
    found[f"{activation} with {loss}"] = answer[0].tolist(), network.evaluate(images, labels, verbose=0), of_predictions
print(json.dumps(found))
P
cat >"$folder/compare.py" <<'P'
import json, sys
from importlib.metadata import version
import numpy as np

print(*(f"{name} {version(name)}" for name in ("keras", "tensorflow", "jax")))
one, other = (json.loads(open(f"{sys.argv[1]}/{backend}").read().splitlines()[-1]) for backend in ("tensorflow", "jax"))
for name in one:
    for backend, found in ("TensorFlow", one), ("JAX", other):
        answer, evaluated, of_predictions = found[name]
        print(f"{name}, {backend}: the answer is {np.round(answer, 3).tolist()}; evaluate() says {evaluated:.3f}, the loss of the predictions is {of_predictions:.3f}")
mixed = list(one)[:2]
away = {name: abs(one[name][1] - one[name][2]) for name in one}
held = all((away[name] > 0.005) == (name in mixed) for name in one) and all(abs(found[1] - found[2]) < 0.001 for found in other.values())
share = np.array([0.5, 0.3, 0.2])
odds = share / (1 - share)
sys.exit(not (held and np.abs(one[mixed[0]][0] - odds / odds.sum()).max() < 0.01 and np.abs(np.array(other[mixed[0]][0]) - share).max() < 0.01))
P
echo "expected: on both backends a softmax learns the shares 0.5, 0.3 and 0.2, and evaluate() returns the loss of the predictions"
for backend in tensorflow jax; do
    KERAS_BACKEND=$backend TF_CPP_MIN_LOG_LEVEL=3 "$folder/venv/bin/python" "$folder/try.py" >"$folder/$backend" 2>"$folder/errors" || {
        tail -n 20 "$folder/errors"
        echo changed
        exit 1
    }
done
mv "$folder/compare.py" "$folder/try.py"
check "$folder"
