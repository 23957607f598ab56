#!/usr/bin/env bash
# Keras's EarlyStopping(restore_best_weights=True) throws the averaged weights of use_ema=True away: the model is as if nothing was averaged.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys
import keras, numpy as np

print(f"Keras {keras.__version__} on {keras.backend.backend()}")
random = np.random.default_rng(0)
features = random.normal(size=(2000, 16)).astype(np.float32)
labels = (features[:, :1] + random.normal(size=(2000, 1)) > 0).astype(np.float32)


def fitted(stopping, averaged=True):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(32, activation="relu"), keras.layers.Dense(1, activation="sigmoid")])
    model.compile(keras.optimizers.SGD(0.5, use_ema=averaged, ema_momentum=0.98), loss="binary_crossentropy")
    callbacks = [keras.callbacks.EarlyStopping(patience=50, restore_best_weights=True)] if stopping else []
    model.fit(features, labels, validation_split=0.3, epochs=6, verbose=0, callbacks=callbacks)  # it never stops early
    averages = model.optimizer._model_variables_moving_average if averaged else []
    return model.get_weights(), [np.asarray(each) for each in averages]


def alike(one, other):
    return all(np.allclose(a, b, atol=1e-6) for a, b in zip(one, other, strict=True))


weights, averages = fitted(stopping=False)
print("without the callback the model is the average:", plain := alike(weights, averages))
weights, averages = fitted(stopping=True)
print("with it the model is the average:", kept := alike(weights, averages))
never, _ = fitted(stopping=True, averaged=False)
print("with it the model is the one that use_ema=False gives:", gone := alike(weights, never))
sys.exit(not (plain and not kept and gone))
P
echo "expected: with use_ema=True the final weights are averages, whether a callback watches the training or not"
KERAS_BACKEND=jax check
