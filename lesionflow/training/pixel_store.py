"""The pixels used by a fit, stored once as uint8; batches are indices into them."""

from __future__ import annotations

import keras
import numpy as np
from keras import ops

from lesionflow.training.devices import fits_device


class PixelStore:
    """Pixels on the device where they fit, otherwise where they are: in the host's memory, or in a mapped file.

    A row is an index into `members`, which are indices into pixels, (images, height, width, 3) uint8.
    """

    def __init__(self, pixels: np.ndarray, members: np.ndarray):
        self.pixels, self.members = pixels, members
        self.on_device = fits_device(len(members) * pixels[0].nbytes)
        self.table = PixelLookup(pixels[members]) if self.on_device else None

    def input(self) -> keras.KerasTensor:
        """The input of a model of these pixels: rows, or the images themselves."""
        if self.on_device:
            return keras.Input((), dtype="int32", name="rows")
        return keras.Input(self.pixels.shape[1:], dtype="uint8", name="images")

    def images(self, given: keras.KerasTensor) -> keras.KerasTensor:
        """The images of such an input: (batch, height, width, 3) uint8."""
        return self.table(given) if self.table else given

    def batches(
        self,
        rows: np.ndarray,
        others: tuple[np.ndarray, ...],
        targets: np.ndarray,
        batch_size: int,
        weights: np.ndarray | None = None,
    ) -> tuple:
        """Keras's x, y and sample weights for a model whose inputs are `input()` and others, in this order."""
        if self.on_device:
            return [rows, *others] if others else rows, targets, weights
        return HostBatches(self, rows, others, targets, batch_size, weights), None, None

    def look_up(self, rows: np.ndarray) -> np.ndarray:
        """The pixels of these rows, on the host: (rows, height, width, 3) uint8."""
        return np.asarray(self.pixels[self.members[rows]])


class PixelLookup(keras.layers.Layer):
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
        if keras.backend.backend() == "tensorflow":
            # On a GPU, TensorFlow looks uint8 up in a variable only. From a tensor, all pixels would be copied to the
            # host in every step.
            return self.table.value.sparse_read(indices)
        return ops.take(self.table, indices, axis=0)

    def compute_output_spec(self, indices):
        """The shape of the images, uint8."""
        return keras.KerasTensor((*indices.shape, *self.table.shape[1:]), dtype="uint8")


class HostBatches(keras.utils.PyDataset):
    """Batches of images out of the host's memory, looked up while the device works on the batch before."""

    def __init__(
        self,
        store: PixelStore,
        rows: np.ndarray,
        others: tuple[np.ndarray, ...],
        targets: np.ndarray,
        batch_size: int,
        weights: np.ndarray | None,
    ):
        super().__init__()
        self.store, self.rows, self.batch_size = store, rows, batch_size
        self.others, self.targets, self.weights = others, targets, weights

    @property
    def num_batches(self) -> int:
        """How many batches there are; the last can be smaller."""
        return -(-len(self.rows) // self.batch_size)

    def __getitem__(self, index: int) -> tuple:
        here = slice(index * self.batch_size, (index + 1) * self.batch_size)
        images = self.store.look_up(self.rows[here])
        others = tuple(other[here] for other in self.others)
        batch = (images, *others) if others else images, self.targets[here]
        return batch if self.weights is None else (*batch, self.weights[here])
