#!/usr/bin/env bash
# Keras's BackupAndRestore goes on with the training and forgets which epoch was best: the file of the best network is overwritten by a worse one.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import pathlib, sys
import keras, numpy as np

print(f"Keras {keras.__version__} on {keras.backend.backend()}")
features, labels = np.random.default_rng(0).random((64, 4), np.float32), np.arange(64) % 2
SCORES = 0.70, 0.90, 0.80, 0.75  # on validation, epoch by epoch, whether interrupted or not


class Score(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs):
        logs["score"] = SCORES[epoch]
        kept.append(self.model.get_weights()[0])


class Interrupted(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt


def fit(folder, *others):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
    model.compile("sgd", loss="sparse_categorical_crossentropy")
    watch = {"monitor": "score", "mode": "max"}
    best = keras.callbacks.ModelCheckpoint(folder / "best.keras", save_best_only=True, **watch)
    stop = keras.callbacks.EarlyStopping(patience=9, restore_best_weights=True, **watch)
    callbacks = [Score(), best, stop, keras.callbacks.BackupAndRestore(folder / "backup"), *others]
    model.fit(features, labels, epochs=4, verbose=0, shuffle=False, callbacks=callbacks)
    return model.get_weights()[0], keras.models.load_model(folder / "best.keras").get_weights()[0]


found = {}
for name in "at once", "interrupted after the second":
    folder, kept = pathlib.Path(name), []
    if name != "at once":
        try:
            fit(folder, Interrupted())
        except KeyboardInterrupt:
            pass
    epochs = [SCORES[next(index for index, each in enumerate(kept) if np.allclose(each, weights))] for weights in fit(folder)]
    found[name] = epochs
    print(f"four epochs, {name}: the model has the weights of the score {epochs[0]}, the file best.keras those of {epochs[1]}")
sys.exit(list(found.values()) != [[0.90, 0.90], [0.80, 0.80]])
P
echo "expected: training that was interrupted and went on ends as one that was not: with the network whose score was 0.90"
cd "$folder"
KERAS_BACKEND=jax check
