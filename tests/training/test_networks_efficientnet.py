"""The converted network against ImageNet's published arrays, calculated by hand from their names."""

import functools
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from lesionflow.datasets.split import Split
from lesionflow.model.card import Card
from lesionflow.model.files import read_bundle
from lesionflow.training import fit as fitting
from lesionflow.training import normalisation, warm_start
from lesionflow.training.config import TrainingConfig
from lesionflow.training.export.onnx import write_bundle
from lesionflow.training.fit import Examples, Fitted, fit
from lesionflow.training.imagenet import imagenet_weights
from lesionflow.training.networks import STAGES, build_network, set_imagenet_weights

# Of EfficientNet-B0 (arXiv:1905.11946, table 1), which Lite0 keeps: strides and blocks of each stage. The larger ones
# have more in all stages but the first and the last, by a tenth and a fifth, rounded up.
STRIDES = (1, 2, 2, 2, 1, 2, 1)
BLOCKS = {
    "efficientnet": (1, 2, 2, 3, 3, 4, 1), "efficientnet-lite1": (1, 3, 3, 4, 4, 5, 1),
    "efficientnet-lite2": (1, 3, 3, 4, 4, 5, 1),
}  # fmt: skip
DAISY, PALACE = 985, 698  # in ImageNet's order of classes


@pytest.fixture(scope="module")
def weights() -> dict[str, np.ndarray]:
    return imagenet_weights()


def picture(name: str, height: int, width: int) -> np.ndarray:
    """A photograph: (height, width, 3) uint8."""
    photograph = Image.fromarray(load_sample_image(name))
    return np.asarray(photograph.resize((width, height), Image.Resampling.BILINEAR))


def convolve(x: np.ndarray, kernel: np.ndarray, strides: int = 1) -> np.ndarray:
    """(channels, height, width) by (out, in, size, size), or (channels, 1, size, size) by depth, as TensorFlow pads."""
    size, sides = kernel.shape[-1], []
    for length in x.shape[1:]:
        missing = max((-(-length // strides) - 1) * strides + size - length, 0)
        sides.append((missing // 2, missing - missing // 2))  # what is odd goes to the end
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(x, [(0, 0), *sides]), (size, size), axis=(1, 2))
    windows = windows[:, ::strides, ::strides]  # (channels, height / strides, width / strides, size, size)
    if kernel.shape[1] == 1:
        return np.einsum("chwij,cij->chw", windows, kernel[:, 0])
    return np.tensordot(kernel, windows, axes=([1, 2, 3], [0, 3, 4]))


def activations(pixels: np.ndarray, weights: dict[str, np.ndarray], blocks_of: tuple[int, ...]) -> list[np.ndarray]:
    """(height, width, 3) to each stage's output, (height, width, channels), and the pooled features, (1280,)."""

    def normalised(x: np.ndarray, name: str) -> np.ndarray:
        scale, offset, mean, variance = (
            weights[f"{name}.{part}"].astype(np.float64)[:, None, None]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * scale + offset

    def relu6(x: np.ndarray) -> np.ndarray:
        return np.minimum(np.maximum(x, 0), 6)

    x = (pixels.astype(np.float64).transpose(2, 0, 1) - 127) / 128
    x = relu6(normalised(convolve(x, weights["_conv_stem.weight"], 2), "_bn0"))
    outputs, number = [], 0
    for blocks, first_strides in zip(blocks_of, STRIDES, strict=True):
        for block in range(blocks):
            name, strides, shortcut = f"_blocks.{number}", 1 if block else first_strides, x
            if number:  # the first block widens nothing
                x = relu6(normalised(convolve(x, weights[f"{name}._expand_conv.weight"]), f"{name}._bn0"))
            x = relu6(normalised(convolve(x, weights[f"{name}._depthwise_conv.weight"], strides), f"{name}._bn1"))
            x = normalised(convolve(x, weights[f"{name}._project_conv.weight"]), f"{name}._bn2")
            if block:
                x = x + shortcut
            number += 1
        outputs.append(x.transpose(1, 2, 0))
    x = relu6(normalised(convolve(x, weights["_conv_head.weight"]), "_bn1"))
    return [*outputs, x.mean(axis=(1, 2))]


@pytest.mark.parametrize(
    ("model", "name", "height", "width"),
    [("efficientnet", "flower.jpg", 150, 200), *((model, "china.jpg", 75, 97) for model in BLOCKS)],
)
def test_activations_are_those_of_the_published_arrays(model: str, name: str, height: int, width: int) -> None:
    network, weights = build_network(model, height, width), imagenet_weights(model)
    set_imagenet_weights(network, weights)
    ends = [network.get_layer(f"stage{stage}_0_expand").input for stage in range(2, len(STAGES) + 1)]
    inside = keras.Model(
        network.inputs, [*ends, network.get_layer("head").input, network.get_layer("logits").input]
    )  # each stage's output, and the pooled features
    pixels = picture(name, height, width)
    found = [
        keras.ops.convert_to_numpy(output)[0] for output in inside(pixels[None].astype(np.float32), training=False)
    ]
    expected = activations(pixels, weights, BLOCKS[model])
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())
    ours, theirs = (weights["_fc.weight"] @ features + weights["_fc.bias"] for features in (found[-1], expected[-1]))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-3)
    assert np.ptp(ours) > 5  # of a network that takes a photograph for something


# Each with the size that it was trained at; the largest takes the flower for a honeycomb.
@pytest.mark.parametrize(
    ("model", "side", "name", "meaning"),
    [
        ("efficientnet", 224, "flower.jpg", DAISY),
        ("efficientnet-lite1", 240, "flower.jpg", DAISY),
        ("efficientnet-lite2", 260, "china.jpg", PALACE),
    ],
)
def test_takes_photographs_for_what_they_show(model: str, side: int, name: str, meaning: int) -> None:
    network, weights = build_network(model, side, side), imagenet_weights(model)
    set_imagenet_weights(network, weights)
    pooled = keras.Model(network.inputs, network.get_layer("logits").input)
    features = np.asarray(pooled(picture(name, side, side)[None].astype(np.float32), training=False))[0]
    assert np.argmax(weights["_fc.weight"] @ features + weights["_fc.bias"]) == meaning


def test_arrays_of_another_network_are_refused(weights: dict[str, np.ndarray]) -> None:
    network = build_network("efficientnet", 32, 32)
    names = list(weights)
    few = {name: weights[name] for name in names[:-7] + names[-2:]}  # without the last convolution
    swapped = weights | {"_conv_stem.weight": weights["_conv_head.weight"]}
    for others in (few, weights | {"another": np.zeros(3)}, swapped):
        with pytest.raises(ValueError, match=r"zip\(\)|shape"):
            set_imagenet_weights(network, others)


@pytest.fixture(scope="module")
def fitted() -> tuple[Fitted, dict[str, np.ndarray], dict[str, np.ndarray], Examples]:
    """A short fit, the weights that it began and ended with, and what it was fitted to: images that are not square."""
    generator = np.random.default_rng(0)
    labels = np.arange(70) % 7
    pixels = (labels[:, None, None, None] * 30 + generator.integers(0, 60, (70, 33, 50, 3))).astype(np.uint8)
    split = Split(np.arange(48), np.arange(48, 60), np.arange(60, 70), 0, (0.7, 0.15, 0.15), "")
    began: dict[str, np.ndarray] = {}

    def start(weights: warm_start.Start | None, network: keras.Model, *arguments: Any) -> None:
        warm_start.start_from(weights, network, *arguments)
        began.update(_by_name(network))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(normalisation, "BATCH", 16)
        patch.setattr(fitting, "start_from", start)
        # Compiling takes half a minute, a few steps as they come take seconds.
        patch.setattr(fitting.keras.Model, "compile", functools.partialmethod(keras.Model.compile, run_eagerly=True))
        config = TrainingConfig(epochs=1, batch_size=16, learning_rate=1e-2)
        done = fit(config.resolved("efficientnet", "quick"), examples := Examples(pixels, labels, split))
    return done, began, _by_name(done.network), examples


def _by_name(network: keras.Model) -> dict[str, np.ndarray]:
    return {variable.path: np.array(variable) for variable in network.weights}


def test_frozen_stages_do_not_change_and_all_others_do(fitted: tuple, weights: dict[str, np.ndarray]) -> None:
    _, began, ended, _ = fitted
    assert list(began) == list(ended)
    still = {name.split("/")[0] for name in began if np.array_equal(began[name], ended[name])}
    moved = {name.split("/")[0] for name in began if not np.array_equal(began[name], ended[name])}
    assert not still & moved  # a layer is frozen as a whole, the statistics of its batch normalisation too
    early = ("stem", "stage1_", "stage2_")
    assert still == {name.split("/")[0] for name in began if name.startswith(early)}
    np.testing.assert_array_equal(ended["stem/kernel"], weights["_conv_stem.weight"].transpose(2, 3, 1, 0))


def test_a_fitted_network_is_exported_to_a_bundle(fitted: tuple, tmp_path: Path) -> None:
    done, _, _, examples = fitted
    card = Card("efficientnet", 33, 50, "made up", "", True, "", 0, examples.split.fractions)
    card = write_bundle(tmp_path / "bundle", done.network, card, examples)
    assert 0 <= card.training["export_difference"] < 1e-4
    assert read_bundle(tmp_path / "bundle")[0].network == "efficientnet"
