"""The recipe that lesionflow improves on: a plain network, rare diagnoses duplicated in memory, no augmentation.

Student notebooks on HAM10000 do it like this, with one exception: here the split is by lesion and comes first.
"""

from __future__ import annotations

import time

import keras
import numpy as np
from keras import layers

from lesionflow.datasets.split import Split
from lesionflow.diagnoses import HAM10000
from lesionflow.training.checkpoint import EpochResult
from lesionflow.training.config import TrainingConfig
from lesionflow.training.fit import Fitted, one_hot
from lesionflow.training.objective import BalancedAccuracy


def fit_as_the_study(config: TrainingConfig, pixels: np.ndarray, labels: np.ndarray, split: Split) -> Fitted:
    """Train the plain network for as many steps as the recipe gets, and keep its last weights.

    pixels: (images, height, width, 3) uint8; labels: (images,) int64. As many images are shown as in config's epochs,
    so that the comparison is of recipes and not of patience.
    """
    started = time.monotonic()
    keras.utils.set_random_seed(config.seed)
    generator = np.random.default_rng(config.seed)
    most = np.bincount(labels[split.train]).max()
    copied = []
    for label in np.unique(labels[split.train]):
        members = split.train[labels[split.train] == label]
        copied.append(np.concatenate([members, generator.choice(members, most - len(members))]))
    duplicated = generator.permutation(np.concatenate(copied))
    network = _plain(*pixels.shape[1:3])
    network.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy"), BalancedAccuracy(np.ones(len(HAM10000)))],
    )
    epochs = max(1, round(config.epochs * len(split.train) / len(duplicated)))
    fitted = network.fit(
        pixels[duplicated], one_hot(labels[duplicated], len(HAM10000)),
        batch_size=config.batch_size, epochs=epochs, verbose=0,
        validation_data=(pixels[split.validation], one_hot(labels[split.validation], len(HAM10000))),
    )  # fmt: skip
    history = [
        EpochResult(
            epoch + 1,
            *(fitted.history[name][epoch] for name in ("loss", "accuracy", "balanced_accuracy")),
            *(fitted.history[f"val_{name}"][epoch] for name in ("loss", "accuracy", "balanced_accuracy")),
        )
        for epoch in range(epochs)
    ]
    return Fitted(network, tuple(history), epochs, time.monotonic() - started, "float32")


def _plain(height: int, width: int) -> keras.Model:
    inputs = keras.Input((height, width, 3))
    x = layers.Rescaling(1 / 255)(inputs)
    for filters in (32, 64, 128):
        x = layers.Conv2D(filters, 3, activation="relu", padding="same")(x)
        x = layers.MaxPooling2D(2)(x)
        x = layers.Dropout(0.25)(x)
    x = layers.Dense(128, activation="relu")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(len(HAM10000))(layers.Dropout(0.5)(x)))
