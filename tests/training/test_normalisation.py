"""Batch normalisation takes the statistics of the images and of the weights that are there, and keeps its own ways."""

import keras
import numpy as np
import pytest

from lesionflow.training import normalisation
from lesionflow.training.normalisation import AdaptNormalisation, NormalisationPass
from lesionflow.training.pixel_store import PixelStore

ROWS = np.arange(40, dtype=np.int32)
LABELS = np.repeat([0, 5], [8, 32])
PIXELS = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 3), dtype=np.uint8)
PIXELS[:8] //= 2


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> keras.Model:
    monkeypatch.setattr(normalisation, "BATCH", len(ROWS))  # one batch of all,
    monkeypatch.setattr(normalisation, "MOMENTUM", 0.0)  # that leaves nothing of what was there before
    inputs = keras.Input((4, 4, 3))
    x = keras.layers.BatchNormalization(name="kept", trainable=False)(inputs)
    x = keras.layers.Conv2D(7, 1, use_bias=False, name="convolution")(x)
    x = keras.layers.BatchNormalization(name="adapted")(x)
    return keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(x))


def expected(network: keras.Model) -> tuple[np.ndarray, np.ndarray]:
    """Mean and variance of all images behind the convolution."""
    convolved = keras.Model(network.inputs, network.get_layer("convolution").output)
    values = np.asarray(convolved(PIXELS.astype(np.float32), training=False))
    return values.mean(axis=(0, 1, 2)), values.var(axis=(0, 1, 2))


def test_takes_the_statistics_of_the_images_and_leaves_frozen_layers(network: keras.Model) -> None:
    NormalisationPass(network, PixelStore(PIXELS, ROWS), ROWS, LABELS, "none").run()
    *_, mean, variance = network.get_layer("adapted").get_weights()
    np.testing.assert_allclose(mean, expected(network)[0], rtol=1e-4)
    np.testing.assert_allclose(variance, expected(network)[1], rtol=1e-4)
    assert network.get_layer("adapted").momentum == 0.99
    untouched = keras.layers.BatchNormalization()
    untouched.build((None, 4, 4, 3))
    for found, before in zip(network.get_layer("kept").get_weights(), untouched.get_weights(), strict=True):
        np.testing.assert_array_equal(found, before)


def test_rare_images_count_as_often_as_training_shows_them(network: keras.Model) -> None:
    store = PixelStore(PIXELS, ROWS)
    NormalisationPass(network, store, ROWS, LABELS, "none").run()
    seldom = network.get_layer("adapted").get_weights()[2]
    NormalisationPass(network, store, ROWS, LABELS, "oversample").run()
    often = network.get_layer("adapted").get_weights()[2]
    assert np.abs(often).sum() < 0.9 * np.abs(seldom).sum()  # rare images are the dark ones


def test_is_done_before_each_validation_with_the_weights_that_are_validated(network: keras.Model) -> None:
    callback = AdaptNormalisation(NormalisationPass(network, PixelStore(PIXELS, ROWS), ROWS, LABELS, "none"))
    kernel = network.get_layer("convolution").get_weights()[0]
    for factor in (1.0, 3.0):
        network.get_layer("convolution").set_weights([factor * kernel])
        callback.on_test_begin()
        np.testing.assert_allclose(network.get_layer("adapted").get_weights()[2], expected(network)[0], rtol=1e-4)
