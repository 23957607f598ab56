"""The pixels of training and validation, once, on the device; batches are indices into them."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops


class PixelTable(keras.layers.Layer):
    """Look images up by index: (batch,) int32 to (batch, height, width, 3) uint8.

    A model that begins with this layer is fed a few bytes an image, and showing an image twice costs nothing. On
    TensorFlow it also keeps clear of the generator pipeline, which makes the C library give freed memory back after
    every step: training then took three times as long.
    """

    def __init__(self, pixels: np.ndarray):
        super().__init__(name="pixels", dtype="uint8", autocast=False)
        self.table = self.add_weight(
            shape=pixels.shape,
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(pixels, dtype),
            dtype="uint8",
            trainable=False,
        )

    def call(self, indices):
        """(batch,) to (batch, height, width, 3)."""
        return ops.take(self.table, indices, axis=0)

    def compute_output_spec(self, indices):
        """The shape of the images, uint8."""
        return keras.KerasTensor((*indices.shape, *self.table.shape[1:]), dtype="uint8")


class KeepBest(keras.callbacks.Callback):
    """Keep the weights of the epoch with the best validation balanced accuracy; stop when none is better."""

    def __init__(self, network: keras.Model, patience: int):
        super().__init__()
        self.network, self.patience = network, patience
        self.best, self.best_epoch = -1.0, 0
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch, logs=None) -> None:
        """Compare, and keep or stop."""
        if logs["val_balanced_accuracy"] > self.best:
            self.best, self.best_epoch = logs["val_balanced_accuracy"], epoch + 1
            self.weights = self.network.get_weights()
        elif epoch + 1 - self.best_epoch >= self.patience:
            self.model.stop_training = True
