"""A Keras network with the outputs of a bundle's graph, for the formats that Keras writes: LiteRT and PyTorch.

Run in a process of its own, as the format decides on Keras's backend:
`python -m lesionflow.training.export.whole_network BUNDLE FILE PRECISION SAMPLES`.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from lesionflow.errors import BundleError
from lesionflow.model.card import DISTANCE, IMAGE, KERAS_FILE, PROBABILITIES, SINGLE, Card
from lesionflow.model.files import read_bundle
from lesionflow.training.export.ood_distance import MIDDLE
from lesionflow.training.from_onnx import read_constants, read_weights, symmetric_images
from lesionflow.training.networks import build_network

AGREEMENT = 1e-3  # relative, of distances: between the graph and the layer that its features are taken from


def whole_network(folder: Path) -> keras.Model:
    """Build a network of a bundle with calibration, mirror images and distance, as its graph has them.

    Where the bundle came without its Keras file, weights are read back out of its graph. It takes (batch, height,
    width, 3) uint8 and gives a dictionary of `probabilities`, (batch, classes) calibrated, and, where the graph has it,
    `distance`, (batch,). Raises `BundleError` where there is no Keras file, and the graph is not of such a network as
    this version builds.
    """
    card, graph = read_bundle(folder)
    network = _network(folder, card, graph)
    features = _distance_features(network, card, graph)
    outputs = [network.output, *([] if features is None else [features])]
    both = keras.Model(network.input, outputs)
    image = keras.Input((card.height, card.width, 3), name=IMAGE, dtype="uint8")
    pixels = ops.cast(image, "float32")
    mirrored = bool(card.training.get("mirrored"))
    # Both views at once, not one behind the other: the weights are read once for both.
    seen = _listed(both(ops.concatenate([pixels, ops.flip(pixels, axis=2)], axis=0) if mirrored else pixels))
    calibration = card.calibrations[SINGLE]
    logits = _mean_of_views(seen[0], mirrored)
    scaled = logits / calibration.temperature + np.asarray(calibration.logit_offsets or 0.0, np.float32)
    said = {PROBABILITIES: ops.softmax(scaled, axis=-1)}
    if features is not None:
        constants = read_constants(graph)
        said[DISTANCE] = _mean_of_views(_distance(seen[1], constants), mirrored)
    return keras.Model(image, said)


def _mean_of_views(values: Any, mirrored: bool) -> Any:
    """The mean of what is said of images, the first half, and of their mirror images, the second."""
    return ops.mean(ops.reshape(values, (2, -1, *values.shape[1:])), axis=0) if mirrored else values


def _listed(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def _network(folder: Path, card: Card, graph: bytes) -> keras.Model:
    if (folder / KERAS_FILE).exists():
        return keras.models.load_model(folder / KERAS_FILE, compile=False)
    width = float(card.training.get("width", 1.0))
    network = build_network(card.network, card.height, card.width, width, len(card.labels))
    try:
        network.set_weights(read_weights(card, graph))
    except BundleError as error:
        raise BundleError(
            f"{card.label} has no {KERAS_FILE}, and its weights cannot be read from its graph; use a bundle with the "
            "file, or export it as onnx or openvino"
        ) from error
    return network


def _distance(features: Any, constants: dict[str, np.ndarray]) -> Any:
    """(batch, features) to (batch,): what `ood_distance` appends to a graph, with the same constants."""
    white = ops.matmul(features, constants["distance_whitening"])
    centres = constants["distance_centres"]  # (diagnoses, features)
    apart = ops.subtract(ops.expand_dims(white, 1), ops.expand_dims(centres, 0))  # (batch, diagnoses, features)
    each = ops.sum(ops.multiply(ops.square(apart), constants["distance_weights"].ravel()), axis=-1)
    return ops.min(each, axis=-1)


def _distance_features(network: keras.Model, card: Card, graph: bytes) -> Any:
    """The tensor whose distance the graph puts out, (batch, features); None where the graph has no distance.

    The graph takes it from the middle of the network or from its last pooling, before or behind a batch normalisation
    that the export may have merged: the candidate that gives the graph's distances is the one.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    if DISTANCE not in {output.name for output in session.get_outputs()}:
        return None
    constants = read_constants(graph)
    images = symmetric_images(card)
    (expected,) = session.run([DISTANCE], {session.get_inputs()[0].name: images})
    for candidate in _candidates(network, card, constants["distance_whitening"].shape[0]):
        found = ops.convert_to_numpy(_distance(keras.Model(network.input, candidate)(images), constants))
        if np.allclose(found, expected, rtol=AGREEMENT):
            return candidate
    raise BundleError(f"{card.label}: no layer of its network gives the distances of its graph; export it as onnx")


def _candidates(network: keras.Model, card: Card, count: int) -> Any:
    """Features of `count` numbers: pooled maps of the middle, and what pooling layers put out."""
    middle = tuple(-(-side // MIDDLE) for side in (card.height, card.width))
    maps = [
        layer.output
        for layer in network.layers
        if isinstance(layer, (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.BatchNormalization))
        and layer.output.shape[1:] == (*middle, count)
    ]
    pooled = (keras.layers.GlobalAveragePooling2D(name=f"pooled_for_{DISTANCE}")(each) for each in maps)
    flat = (layer.output for layer in network.layers if layer.output.shape[1:] == (count,))
    return itertools.chain(pooled, flat)


def _write_litert(network: keras.Model, file: Path, precision: str, samples: np.ndarray) -> None:
    """Write a network as a `.tflite` file for one image at a time, which is what LiteRT's fast kernels take.

    samples: (images, height, width, 3) uint8, which int8 takes the ranges of values from.
    """
    import tensorflow

    options: dict[str, Any] = {}
    if precision != "float32":
        options["optimizations"] = [tensorflow.lite.Optimize.DEFAULT]
    if precision == "float16":
        options["target_spec"] = {"supported_types": [tensorflow.float16]}
    if precision == "int8":
        options["representative_dataset"] = lambda: ({IMAGE: sample[None]} for sample in samples)
    _, height, width, channels = network.input_shape
    signature = [keras.InputSpec(shape=(1, height, width, channels), dtype="uint8", name=IMAGE)]
    network.export(str(file), format="litert", input_signature=signature, verbose=False, **options)


def _write_torch(network: keras.Model, file: Path) -> None:
    """Write a network as a program of PyTorch's (`torch.export`), which runs without Keras; any number of images."""
    import torch

    class Whole(torch.nn.Module):
        """The network, with its outputs in a fixed order."""

        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, ...]:
            said = self.network(image)
            return tuple(said[name] for name in (PROBABILITIES, DISTANCE) if name in said)

    images = torch.zeros((2, *network.input_shape[1:]), dtype=torch.uint8)
    with torch.no_grad():
        program = torch.export.export(
            Whole().eval(), (images,), dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=4096)},)
        )
    torch.export.save(program, str(file))


if __name__ == "__main__":
    bundle, out, asked, sampled = sys.argv[1:]
    whole = whole_network(Path(bundle))
    if out.endswith(".tflite"):
        _write_litert(whole, Path(out), asked, np.load(sampled) if sampled else np.empty((0, 1, 1, 3), np.uint8))
    else:
        _write_torch(whole, Path(out))
