"""Recomputes the statistics of batch normalisation for other images or other weights."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from lesionflow.datasets.sampling import epoch_indices
from lesionflow.training.pixel_store import PixelStore

BATCHES, BATCH = 16, 64
MOMENTUM = 0.8  # after 16 batches, 3 % is left of what was there before


class NormalisationPass:
    """Gives batch normalisation the means and variances that training images have under a network's present weights.

    The images are shown as they are, without the changes of training, since so they are in use; each diagnosis as often
    as training shows it. Layers that are frozen keep what they have. It is compiled once and can be run many times.
    """

    def __init__(self, network: keras.Model, store: PixelStore, rows: np.ndarray, labels: np.ndarray, balance: str):
        """rows: in the store, (images,) int32, and their labels, (images,)."""
        shown = store.input()
        self.model = keras.Model(shown, AsInTraining(network)(ops.cast(store.images(shown), "float32")))
        self.layers = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
        order = epoch_indices(labels, balance, np.random.default_rng(0))
        chosen = np.resize(rows[order], BATCH * min(BATCHES, -(-len(rows) // BATCH)))  # whole batches, on any device
        self.batches = store.batches(chosen, (), chosen, BATCH)[0]

    def run(self) -> None:
        """Adapt the statistics."""
        momenta = [layer.momentum for layer in self.layers]
        try:
            for layer in self.layers:
                layer.momentum = MOMENTUM
            self.model.predict(self.batches, batch_size=BATCH, verbose=0)
        finally:
            for layer, momentum in zip(self.layers, momenta, strict=True):
                layer.momentum = momentum


class AsInTraining(keras.layers.Layer):
    """A network in training mode, also where it is asked for predictions."""

    def __init__(self, network: keras.Model):
        super().__init__(name="as_in_training", dtype="float32", autocast=False)
        self.network = network

    def call(self, images):
        """(batch, height, width, 3) to (batch, classes)."""
        return self.network(images, training=True)

    def compute_output_spec(self, images):
        """The logits' shape."""
        return keras.KerasTensor((images.shape[0], *self.network.output_shape[1:]), dtype="float32")


class AdaptNormalisation(keras.callbacks.Callback):
    """Adapt batch normalisation before each validation; used behind what swaps averaged weights in.

    The statistics that training has gathered are of its last steps' weights. A network of averaged weights gives other
    values, and normalised by those statistics it recognises hardly anything until the last, small steps (Izmailov et
    al. 2018, arXiv:1803.05407, section 3.2).
    """

    def __init__(self, adapting: NormalisationPass):
        super().__init__()
        self.adapting = adapting

    def on_test_begin(self, logs=None) -> None:
        """Adapt."""
        self.adapting.run()
