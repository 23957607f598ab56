"""Weights in half precision: a bundle's graph takes half the room, and says what the network says.

The network's weights are rounded before anything is exported, calibrated or measured, so every figure on a card is of
what is stored. Arithmetic stays in float32: ONNX Runtime widens the weights while it loads the graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras
    import onnx

LARGE = 1024  # values; what is smaller takes no room worth a node more in the graph
_SAME = 1e-6  # relative: what a multiplication and a division in float32 leave of a number


def round_weights(network: keras.Model) -> None:
    """Round a network's large weights, in place, so that its exported graph holds numbers of float16 alone.

    The export multiplies a convolution's kernel by the scale of the batch normalisation behind it. Where it does, the
    product is what is rounded, and what the scale leaves of it goes back into the kernel.
    """
    import keras

    scales = _scales(network)
    for layer in network.layers:
        for weight in layer.weights:
            values = keras.ops.convert_to_numpy(weight)
            if values.ndim < 2 or values.size < LARGE:
                continue
            scale = scales.get(layer.name, np.float32(1))
            with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
                rounded = (values * scale).astype(np.float16).astype(np.float32) / scale
            weight.assign(np.where(np.isfinite(rounded), rounded, values))


def _scales(network: keras.Model) -> dict[str, np.ndarray]:
    """What the export multiplies kernels by: the name of a convolution to (filters,) float32."""
    import keras

    made_by = {
        id(layer.output): layer
        for layer in network.layers
        if isinstance(layer, keras.layers.Conv2D)  # a depthwise one is none, and is left alone
    }
    scales = {}
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            gamma = keras.ops.convert_to_numpy(layer.gamma) if layer.scale else np.float32(1)
            variance = keras.ops.convert_to_numpy(layer.moving_variance)
            if before := made_by.get(id(layer.input)):
                scales[before.name] = gamma / np.sqrt(variance + np.float32(layer.epsilon))
    return scales


def store_halves(model: onnx.ModelProto) -> None:
    """Keep a graph's large weights as float16, each with a cast to float32, where float16 holds what they are."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for initializer in model.graph.initializer:
        if initializer.data_type != TensorProto.FLOAT or np.prod(initializer.dims) < LARGE:
            continue
        values = numpy_helper.to_array(initializer)
        with np.errstate(over="ignore"):
            halves = values.astype(np.float16)
        if not np.allclose(halves.astype(np.float32), values, rtol=_SAME, atol=0):
            continue
        name = initializer.name
        initializer.CopyFrom(numpy_helper.from_array(halves, f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
