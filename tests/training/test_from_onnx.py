"""Weights out of a graph: the shipped bundle's, which comes without its Keras file, and a trained one's."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import onnxruntime
import pytest

from lesionflow.errors import BundleError
from lesionflow.model.files import PRETRAINED_FOLDER, read_bundle
from lesionflow.training.from_onnx import read_weights, take_statistics
from lesionflow.training.networks import build_network


def images(height: int, width: int) -> np.ndarray:
    coarse = np.random.default_rng(0).integers(40, 220, (8, 4, 4, 3))
    return keras.ops.convert_to_numpy(keras.ops.image.resize(coarse.astype(np.float32), (height, width)))


def logits(graph: bytes, pixels: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    found = session.run(None, {session.get_inputs()[0].name: pixels})[0]
    return np.asarray(found)


def test_the_shipped_bundle_is_a_start() -> None:
    card, graph = read_bundle(PRETRAINED_FOLDER)
    network = build_network(card.network, card.height, card.width)
    network.set_weights(read_weights(card, graph))
    pixels = images(card.height, card.width)
    symmetric = (pixels + pixels[:, :, ::-1]) / 2  # the same to a graph that averages over mirror images
    expected = logits(graph, symmetric)
    np.testing.assert_allclose(network.predict(symmetric, verbose=0), expected, atol=2e-3)
    take_statistics(network, symmetric)
    np.testing.assert_allclose(network.predict(symmetric, verbose=0), expected, atol=5e-3)
    first = next(layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization))
    maps = keras.Model(network.inputs, first.input).predict(symmetric, verbose=0)
    _, _, mean, variance = first.get_weights()
    np.testing.assert_allclose(mean, maps.mean(axis=(0, 1, 2)), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(variance, maps.var(axis=(0, 1, 2)), rtol=1e-3, atol=1e-4)


def test_a_graph_of_another_network_is_refused() -> None:
    card, graph = read_bundle(PRETRAINED_FOLDER)
    with pytest.raises(BundleError, match=r"--start-from.*model.keras"):
        read_weights(dataclasses.replace(card, network="vgg"), graph)


@pytest.mark.parametrize("name", ["vgg"])
def test_weights_of_a_trained_network_come_back(name: str, trained_store: Path) -> None:
    bundles = [file.parent for file in trained_store.rglob("model.onnx")]
    folder = next(folder for folder in bundles if read_bundle(folder)[0].network == name)
    card, graph = read_bundle(folder)
    network = build_network(name, card.height, card.width)
    network.set_weights(read_weights(card, graph))
    original = keras.saving.load_model(folder / "model.keras")
    pixels = images(card.height, card.width)
    np.testing.assert_allclose(network.predict(pixels, verbose=0), original.predict(pixels, verbose=0), atol=1e-3)
