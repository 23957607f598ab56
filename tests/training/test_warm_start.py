import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from lesionflow.datasets.sampling import shares
from lesionflow.diagnoses import ISIC2019, read_label_set
from lesionflow.errors import TrainingError
from lesionflow.model.card import KERAS_FILE
from lesionflow.training import normalisation
from lesionflow.training.imagenet import imagenet_weights
from lesionflow.training.networks import build_network
from lesionflow.training.pixel_store import PixelStore
from lesionflow.training.warm_start import Start, read_start, start_from

SIZE = 32


@pytest.fixture(scope="module")
def built() -> keras.Model:
    return build_network("efficientnet", SIZE, SIZE)


@pytest.fixture
def network(built: keras.Model, monkeypatch: pytest.MonkeyPatch) -> keras.Model:
    monkeypatch.setattr(normalisation, "BATCH", 16)
    monkeypatch.setattr(normalisation, "MOMENTUM", 0.001)
    for layer in built.layers:  # which an earlier start froze
        layer.trainable = True
    return built


def coloured(labels: np.ndarray) -> np.ndarray:
    """Images whose colours tell the diagnosis: (images, SIZE, SIZE, 3) uint8."""
    generator = np.random.default_rng(0)
    colours = generator.integers(40, 216, (7, 2, 2, 3))
    pictures = np.kron(colours[labels], np.ones((1, SIZE // 2, SIZE // 2, 1)))
    return (pictures + generator.normal(0, 5, pictures.shape)).clip(0, 255).astype(np.uint8)


def start(network: keras.Model, pixels: np.ndarray, labels: np.ndarray) -> None:
    rows = np.arange(len(pixels), dtype=np.int32)
    start_from(None, network, PixelStore(pixels, rows), rows, labels, "sqrt")


def test_begins_with_a_last_layer_that_tells_the_diagnoses_apart(network: keras.Model) -> None:
    there = np.array([0, 1, 2, 4, 5])  # two diagnoses have no images
    labels = np.repeat(there, [10, 10, 10, 10, 30])
    pixels = coloured(labels)
    start(network, pixels, labels)
    logits = np.asarray(network(pixels.astype(np.float32), training=False), dtype=np.float64)[:, there]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert (there[probabilities.argmax(axis=1)] == labels).mean() > 0.75  # always the same: 0.43
    # Where a bias is fitted, what is believed on average is what was shown: the images weighted as the sampler would.
    shown = shares(labels, "sqrt", 7)
    weight = shown[labels] / np.bincount(labels)[labels]
    np.testing.assert_allclose(weight @ probabilities, shown[there], atol=0.01)


@pytest.mark.parametrize("labels", [np.zeros(12, np.int64), np.arange(12) % 2 + 3])
def test_takes_the_statistics_of_these_images_whatever_their_diagnoses(
    labels: np.ndarray, network: keras.Model
) -> None:
    pixels = np.repeat(coloured(labels[:1]), len(labels), axis=0)  # all alike, so that each batch has the same
    start(network, pixels, labels)
    published = imagenet_weights()
    kernel = published["_conv_stem.weight"].transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(network.get_layer("stem").get_weights()[0], kernel)
    stem = keras.ops.conv((pixels[:1].astype(np.float32) - 127) / 128, kernel, 2, "same")
    mean, variance = (np.array(moment) for moment in keras.ops.moments(stem, axes=(0, 1, 2)))
    scale, offset, *moving = network.get_layer("stem_norm").get_weights()
    np.testing.assert_array_equal([scale, offset], [published["_bn0.weight"], published["_bn0.bias"]])
    for found, of_these in zip(moving, (mean, variance), strict=True):
        np.testing.assert_allclose(found, of_these, rtol=0, atol=0.01 * np.abs(of_these).max())
    frozen = {layer.name.split("_")[0] for layer in network.layers if layer.weights and not layer.trainable}
    assert frozen == {"stem", "stage1", "stage2"}


def test_weights_of_another_training_are_kept_with_their_last_layer_or_without() -> None:
    labels = np.arange(42) % 7
    rows, pixels = np.arange(42, dtype=np.int32), coloured(labels)
    earlier = build_network("vgg", SIZE, SIZE)
    for keep in (True, False):
        network = build_network("vgg", SIZE, SIZE)
        start_from(Start(earlier.get_weights(), keep), network, PixelStore(pixels, rows), rows, labels, "sqrt")
        for name, other in ((layer.name, layer) for layer in earlier.layers if "conv2d" in layer.name):
            position = [layer.name for layer in earlier.layers].index(name)
            np.testing.assert_array_equal(network.layers[position].get_weights()[0], other.get_weights()[0])
        same = np.array_equal(
            network.get_layer("logits").get_weights()[0], earlier.get_layer("logits").get_weights()[0]
        )
        assert same == keep


def test_a_last_layer_that_knows_the_diagnoses_moves_only_as_far_as_images_ask_for() -> None:
    """One that says the same of all images learns to tell them apart; one that tells them apart hardly moves."""
    labels = np.arange(42) % 7
    rows, pixels = np.arange(42, dtype=np.int32), coloured(labels)
    moved, sizes = build_network("vgg", SIZE, SIZE), []
    kernel, bias = moved.get_layer("logits").get_weights()
    knowing = [*moved.get_weights()[:-2], np.zeros_like(kernel), bias]
    for _ in range(8):  # each from where the one before ended
        start_from(Start(knowing, False), moved, PixelStore(pixels, rows), rows, labels, "none")
        before, knowing = knowing[-2], moved.get_weights()
        sizes.append(np.linalg.norm(knowing[-2] - before))
    logits = np.asarray(moved(pixels.astype(np.float32), training=False))
    assert (logits.argmax(axis=1) == labels).mean() > 0.9  # the same for all: 0.14
    assert sizes[-1] < sizes[0] / 2


def test_a_diagnosis_without_images_keeps_what_its_last_layer_knows() -> None:
    labels = np.repeat([0, 1, 2, 4, 5], 10)
    rows, pixels = np.arange(50, dtype=np.int32), coloured(labels)
    earlier, network = build_network("vgg", SIZE, SIZE), build_network("vgg", SIZE, SIZE)
    start_from(Start(earlier.get_weights(), False), network, PixelStore(pixels, rows), rows, labels, "none")
    before, after = (each.get_layer("logits").get_weights()[0] for each in (earlier, network))
    distances = np.linalg.norm(after - before, axis=0)  # (diagnoses,)
    assert 0 < distances[[3, 6]].max() < distances[[0, 1, 2, 4, 5]].min()


def test_what_a_bundle_knows_of_other_diagnoses_is_in_its_columns(bundle: Path) -> None:
    seven, own = read_start(bundle, keep_last_layer=True), read_label_set("mel,bkl")
    for kept, whole in zip(seven.weights, keras.saving.load_model(bundle / KERAS_FILE).get_weights(), strict=True):
        np.testing.assert_array_equal(kept, whole)
    some = read_start(bundle, keep_last_layer=True, label_set=own)
    for all_of_them, of_two in zip(seven.weights[-2:], some.weights[-2:], strict=True):
        np.testing.assert_array_equal(of_two, all_of_them[..., [2, 4]])
    assert some.unknown == ()
    eight = read_start(bundle, keep_last_layer=False, label_set=ISIC2019)
    assert eight.unknown == (6,) and not eight.weights[-2][:, 6].any()


def test_diagnoses_that_a_last_layer_does_not_know_are_fitted_and_the_others_hardly_move() -> None:
    labels = np.arange(56) % 7
    rows, pixels = np.arange(56, dtype=np.int32), coloured(labels)
    knowing, unknown = build_network("vgg", SIZE, SIZE), (2, 6)
    for _ in range(6):  # until it tells all seven apart
        start_from(Start(knowing.get_weights(), False), knowing, PixelStore(pixels, rows), rows, labels, "none")
    kernel, bias = (array.copy() for array in knowing.get_weights()[-2:])
    kernel[:, unknown], bias[list(unknown)] = 0, 0
    network, start = build_network("vgg", SIZE, SIZE), Start([*knowing.get_weights()[:-2], kernel, bias], False)
    start_from(dataclasses.replace(start, unknown=unknown), network, PixelStore(pixels, rows), rows, labels, "none")
    logits = np.asarray(network(pixels.astype(np.float32), training=False))
    assert (logits.argmax(axis=1) == labels).mean() > 0.9
    moved = np.linalg.norm(network.get_weights()[-2] - kernel, axis=0)  # (diagnoses,)
    assert moved[list(unknown)].min() > 2 * np.delete(moved, unknown).max()


def test_weights_of_another_network_are_refused() -> None:
    network, rows = build_network("vgg", SIZE, SIZE), np.arange(7, dtype=np.int32)
    start = Start(build_network("cnn", SIZE, SIZE).get_weights())
    with pytest.raises(TrainingError, match=r"--start-from.*another network"):
        start_from(start, network, PixelStore(coloured(rows), rows), rows, np.arange(7), "sqrt")
