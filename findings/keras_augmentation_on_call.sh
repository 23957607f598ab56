#!/usr/bin/env bash
# Keras: a model that holds augmentation layers augments when it is called, model(images), and not in predict; dropout does neither.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import jax, keras, numpy as np

print("keras", keras.__version__, "jax", jax.__version__)
keras.utils.set_random_seed(0)
images = np.random.default_rng(0).random((8, 32, 32, 3), np.float32)
found = {}
for layer in (keras.layers.RandomRotation(0.5), keras.layers.RandomContrast(0.5), keras.layers.Dropout(0.5)):
    inputs = keras.Input((32, 32, 3))
    pooled = keras.layers.GlobalMaxPooling2D()(keras.layers.Conv2D(8, 5)(layer(inputs)))
    model = keras.Model(inputs, keras.layers.Dense(7, "softmax")(pooled))
    predicted = model.predict(images, verbose=0)
    first, second = (keras.ops.convert_to_numpy(model(images)) for _ in range(2))
    told = keras.ops.convert_to_numpy(model(images, training=False))
    found[type(layer).__name__] = np.abs(first - second).max(), np.abs(first - predicted).max(), np.abs(told - predicted).max()
    print(
        "{}: model(images) twice differ by {:.2g}, from predict by {:.2g}; with training=False from predict by {:.2g}".format(
            type(layer).__name__, *found[type(layer).__name__]
        )
    )
random = all(found[name][0] > 0.01 and found[name][1] > 0.01 for name in ("RandomRotation", "RandomContrast"))
sys.exit(not (random and max(found["Dropout"]) < 1e-5 and all(each[2] < 1e-5 for each in found.values())))
P
echo "expected: outside of fit a model is called for inference, as it is with Dropout: model(images) is what predict gives"
KERAS_BACKEND=jax check
