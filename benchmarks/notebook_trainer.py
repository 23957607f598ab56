"""How notebooks on HAM10000 train, written anew and with care: the other side of `train_throughput.py`.

All images are one float32 array; rare diagnoses are duplicated in it until all are as frequent; Keras's
ImageDataGenerator turns, zooms, shifts and flips batches on the host while `fit` trains.

Arguments: folder of `material.make_pixels`, images to train on, batch size, epochs, JSON file to write.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf


class Stopwatch(keras.callbacks.Callback):
    """The seconds of each epoch, validation included."""

    def __init__(self):
        super().__init__()
        self.seconds: list[float] = []

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        """Start."""
        self.began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Stop."""
        self.seconds.append(time.perf_counter() - self.began)


def main(folder: Path, images: int, batch_size: int, epochs: int, out: Path) -> None:
    """Train, and write how long the epochs took."""
    x = np.load(folder / "pixels.npy").astype("float32")
    x /= 255
    labels = np.load(folder / "labels.npy")
    y = keras.utils.to_categorical(labels, 7)
    x_validation, y_validation = x[images:].copy(), y[images:]

    counts = np.bincount(labels[:images], minlength=7)
    repeats = np.repeat(np.arange(images), np.round(counts.max() / np.maximum(counts, 1)).astype(int)[labels[:images]])
    x, y = x[repeats], y[repeats]

    loaded = keras.models.load_model(folder / "network.keras")
    network = keras.Sequential([keras.layers.Rescaling(255), loaded])  # it takes pixels of 0 to 255
    network.compile(
        optimizer="adam",
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    augmented = tf.keras.preprocessing.image.ImageDataGenerator(
        rotation_range=10,
        zoom_range=0.1,
        width_shift_range=0.1,
        height_shift_range=0.1,
        horizontal_flip=True,
        vertical_flip=True,
    ).flow(x, y, batch_size=batch_size)
    watch = Stopwatch()
    network.fit(
        augmented,
        steps_per_epoch=images // batch_size,  # with its duplicates, a whole epoch is five times as long
        epochs=epochs,
        validation_data=(x_validation, y_validation),
        callbacks=[watch],
        verbose=0,
    )
    out.write_text(json.dumps({"loop": watch.seconds, "images": images // batch_size * batch_size}))


if __name__ == "__main__":
    images, batch_size, epochs = map(int, sys.argv[2:5])
    main(Path(sys.argv[1]), images, batch_size, epochs, Path(sys.argv[5]))
