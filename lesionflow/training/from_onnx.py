"""Rebuilds a Keras network from a bundle's graph, for bundles without their Keras file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import keras
import numpy as np
from keras import ops

from lesionflow.errors import BundleError
from lesionflow.model.card import DISTANCE
from lesionflow.training.networks import build_network

if TYPE_CHECKING:
    import onnx

    from lesionflow.model.card import Card

AGREEMENT = 1e-2  # of logits, between the graph and the network that its weights are put into
_BATCH = 8


@dataclass(frozen=True)
class _Affine:
    """A convolution or a dense layer, and what stands behind it: kernel, then a scale and an offset a channel."""

    kernel: np.ndarray
    scale: np.ndarray
    offset: np.ndarray


def read_weights(card: Card, graph: bytes) -> list[np.ndarray]:
    """The weights of a bundle's network, `build_network(card.network, ...)`, in Keras's order, read from its graph.

    The export multiplies kernels by the scales of batch normalisation and adds its offsets, so that its statistics are
    not known: its means are 0 and its variances 1 here, until `take_statistics` gives them what images have. Raises
    `BundleError` where the graph is not of such a network as this version builds.
    """
    import onnx
    import onnxruntime

    model = onnx.load_from_string(graph)
    widen = float(card.training.get("width", 1.0))
    network = build_network(card.network, card.height, card.width, widen, len(card.classes))
    try:
        _fill(network, list(_convolutions(model)), list(_dense(model)))
        images = symmetric_images(card)
        session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
        expected = session.run(None, {session.get_inputs()[0].name: images})[0]
        if not np.abs(ops.convert_to_numpy(network(images)) - expected).max() < AGREEMENT:
            raise ValueError("its output differs from that of the network with its weights")
    except (ValueError, KeyError, StopIteration, IndexError) as error:
        raise BundleError(
            f"--start-from: the graph of {card.label} is not of a {card.network} as this version builds it ({error}); "
            "start from a bundle with model.keras"
        ) from error
    return [np.asarray(values) for values in network.get_weights()]


def symmetric_images(card: Card) -> np.ndarray:
    """Symmetric images, for which a graph that averages over mirror images has the output of its network."""
    noise = np.random.default_rng(0).uniform(0, 255, (2, card.height, card.width, 3))
    return np.asarray((noise + noise[:, :, ::-1]) / 2, np.float32)


def take_statistics(network: keras.Model, images: np.ndarray) -> None:
    """Give batch normalisation the statistics of images, and the scales and offsets with which nothing else changes.

    images: (images, height, width, 3), 0 to 255. In training, layers are normalised by the batch: only with the
    statistics that batches have does a network say in training what it says in use.
    """
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    inputs = keras.Model(network.input, [layer.input for layer in layers])
    sums = [np.zeros((2, layer.gamma.shape[0])) for layer in layers]
    counts = [0] * len(layers)
    for start in range(0, len(images), _BATCH):
        maps = inputs(np.asarray(images[start : start + _BATCH], np.float32), training=False)
        for index, values in enumerate(map(ops.convert_to_numpy, maps if len(layers) > 1 else [maps])):
            flat = values.reshape(-1, values.shape[-1]).astype(np.float64)
            sums[index] += flat.sum(axis=0), np.square(flat).sum(axis=0)
            counts[index] += len(flat)
    for layer, (total, squares), count in zip(layers, sums, counts, strict=True):
        gamma, beta, mean, variance = (np.asarray(values, np.float64) for values in layer.get_weights())
        factor = gamma / np.sqrt(variance + layer.epsilon)
        offset = beta - factor * mean
        mean = total / count
        variance = np.maximum(squares / count - mean**2, 0)
        spread = np.sqrt(variance + layer.epsilon)
        layer.set_weights([factor * spread, offset + factor * mean, mean, variance])


def _fill(network: keras.Model, convolutions: list[_Affine], dense: list[_Affine]) -> None:
    """Put what the graph has into the layers, which are in the same order; `ValueError` where they do not fit."""
    normalised = {
        id(layer.input): layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)
    }
    given, given_dense = iter(convolutions), iter(dense)
    for layer in network.layers:
        if isinstance(layer, keras.layers.Dense):
            found = next(given_dense)
            layer.set_weights([found.kernel, found.offset])
        elif isinstance(layer, (keras.layers.DepthwiseConv2D, keras.layers.Conv2D)):
            found = next(given)
            by_depth = isinstance(layer, keras.layers.DepthwiseConv2D)
            kernel = found.kernel.transpose(2, 3, 0, 1) if by_depth else found.kernel.transpose(2, 3, 1, 0)
            behind = normalised.get(id(layer.output))
            layer.set_weights([kernel, *([] if behind else [found.offset])])
            if behind:
                count = len(found.offset)
                behind.set_weights([found.scale, found.offset, np.zeros(count), np.full(count, 1 - behind.epsilon)])
    if next(given, None) or next(given_dense, None):
        raise ValueError("it has more layers")


def read_constants(graph: bytes) -> dict[str, np.ndarray]:
    """The constants of a bundle's `model.onnx` by name, those that are kept in half precision as float32."""
    import onnx

    return _constants(onnx.load_from_string(graph))


def _convolutions(model: onnx.ModelProto) -> Iterator[_Affine]:
    constants, readers = _constants(model), _readers(model)
    for node in model.graph.node:
        if node.op_type != "Conv":
            continue
        kernel = constants[node.input[1]]
        channels = len(kernel)
        scale, offset = np.ones(channels, np.float32), np.zeros(channels, np.float32)
        if len(node.input) > 2:
            offset = constants[node.input[2]]
        name = node.output[0]
        for operation in ("Mul", "Add"):  # a batch normalisation that was not merged
            following = [reader for reader in readers.get(name, []) if reader.op_type == operation]
            values = [constants[each] for reader in following for each in reader.input if each in constants]
            if len(following) != 1 or not values or values[0].size != channels:
                break
            scale, offset = (values[0].ravel(), offset) if operation == "Mul" else (scale, values[0].ravel())
            name = following[0].output[0]
        yield _Affine(kernel, scale, offset)


def _dense(model: onnx.ModelProto) -> Iterator[_Affine]:
    constants, readers = _constants(model), _readers(model)
    for node in model.graph.node:
        if node.op_type in ("MatMul", "Gemm") and not node.output[0].startswith(DISTANCE):
            kernel = constants[node.input[1]]
            bias = node.input[2:] if node.op_type == "Gemm" else readers[node.output[0]][0].input
            offset = next(constants[name] for name in bias if name in constants)
            yield _Affine(kernel, np.ones(kernel.shape[1], np.float32), offset.ravel())


def _constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The graph's constants as float32, those that are kept in half precision by the name that nodes read."""
    from onnx import numpy_helper

    values = {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Cast" and node.input[0] in values:
            values[node.output[0]] = values[node.input[0]].astype(np.float32)
    return values


def _readers(model: onnx.ModelProto) -> dict[str, list[onnx.NodeProto]]:
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found
