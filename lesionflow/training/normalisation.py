"""Statistics of batch normalisation, taken anew where those at hand are of other images or of other weights."""

from __future__ import annotations

import keras
import numpy as np

from lesionflow.data.sampling import epoch_indices
from lesionflow.training.table import PixelStore

BATCHES, BATCH = 16, 64


def adapt_normalisation(
    network: keras.Model, store: PixelStore, rows: np.ndarray, labels: np.ndarray, balance: str
) -> None:
    """Give batch normalisation the means and variances that these images have under the present weights.

    rows: in the store, (images,) int32, and their labels, (images,); balance: how often training shows each diagnosis.
    The images are shown as they are, without the changes of training, since so they are in use. Layers that are frozen
    keep what they have.
    """
    generator = np.random.default_rng(0)
    chosen = np.resize(rows[epoch_indices(labels, balance, generator)], (BATCHES, BATCH))
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    try:
        for count, batch in enumerate(chosen):
            for layer in layers:
                layer.momentum = count / (count + 1)  # each batch weighs as much: the plain mean over all of them
            network(store.look_up(batch).astype(np.float32), training=True)
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum


class AdaptNormalisation(keras.callbacks.Callback):
    """Adapt batch normalisation before each validation; used behind what swaps averaged weights in.

    The statistics that training has gathered are of its last steps' weights. A network of averaged weights gives other
    values, and normalised by those statistics it recognises hardly anything until the last, small steps (Izmailov et
    al. 2018, arXiv:1803.05407, section 3.2).
    """

    def __init__(self, network: keras.Model, store: PixelStore, rows: np.ndarray, labels: np.ndarray, balance: str):
        super().__init__()
        self.network, self.store, self.rows, self.labels, self.balance = network, store, rows, labels, balance

    def on_test_begin(self, logs=None) -> None:
        """Adapt."""
        adapt_normalisation(self.network, self.store, self.rows, self.labels, self.balance)
