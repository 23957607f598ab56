#!/usr/bin/env bash
# Keras shuffles a PyDataset in on_epoch_end while its workers still read: with workers=4 an epoch has some images twice and others not at all.
# shellcheck source=common.sh
source "$(dirname "$0")/common.sh"
install venv keras==3.15.1 jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6
cat >"$folder/try.py" <<'P'
import sys, time
import keras, numpy as np

print(f"Keras {keras.__version__} on {keras.backend.backend()}")
BATCHES, EPOCHS = 8, 12


class Images(keras.utils.PyDataset):
    """Eight batches in an order of their own, another after each epoch; the labels of batch i are 10 ** i."""

    def __init__(self, **options):
        super().__init__(**options)
        self.random = np.random.default_rng(0)
        self.order = np.arange(BATCHES)

    def __len__(self):
        return BATCHES

    def __getitem__(self, index):
        batch = int(self.order[index])
        time.sleep(0.005)  # reading files
        return np.zeros((4, 4), np.float32), np.full((4, 1), 10.0**batch, np.float32)

    def on_epoch_end(self):
        self.order = self.random.permutation(BATCHES)


def seen(**options):
    """How often each batch was in each epoch: the digits of the mean label, times the batches."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", loss=lambda truth, found: keras.ops.mean(truth) + 0 * keras.ops.mean(found))
    losses = model.fit(Images(**options), epochs=EPOCHS, verbose=0).history["loss"]
    return [f"{round(loss * BATCHES):08d}" for loss in losses]


broken = {}
for options in {}, {"workers": 4}:
    epochs = seen(**options)
    broken[len(options)] = sum(epoch != "1" * BATCHES for epoch in epochs)
    print(f"{options or 'no workers'}: {broken[len(options)]} of {EPOCHS} epochs have a batch more or less than once; how often each was there:")
    print(" ", *epochs)
sys.exit(not (broken[0] == 0 and broken[1] >= 3))
P
echo "expected: each epoch has each batch once, whoever reads it; on_epoch_end is called when the epoch is over"
KERAS_BACKEND=jax check
