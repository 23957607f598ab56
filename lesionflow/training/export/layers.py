"""A Keras network as an ONNX graph, written layer by layer: on every backend of Keras the same, and at once.

Maps are (batch, channels, height, width) in the graph and (batch, height, width, channels) in Keras.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from lesionflow.errors import TrainingError
from lesionflow.model.card import IMAGE

if TYPE_CHECKING:
    import keras
    import onnx

OPSET, IR_VERSION = 15, 8  # which older runtimes read, too
MAPS = 4  # dimensions


class _Graph:
    """The nodes and constants so far; layers name what they put out."""

    def __init__(self, network: keras.Model) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, np.ndarray] = {}
        self.merged = merged_normalisations(network)

    def add(self, operation: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node; returns its output."""
        from onnx import helper

        self.nodes.append(helper.make_node(operation, inputs, [output], **attributes))
        return output

    def constant(self, name: str, values: Any, kind: Any = np.float32) -> str:
        """Add a constant; returns its name."""
        self.constants[name] = np.asarray(values, kind)
        return name


def network_graph(network: keras.Model) -> onnx.ModelProto:
    """Write a network as a graph, (batch, height, width, 3) float32 to (batch, classes) logits.

    Batch normalisation right behind a convolution that goes over all channels becomes part of it. Raises
    `TrainingError` for a layer that is not known here.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = _Graph(network)
    names: dict[int, str] = {}  # of tensors of Keras
    for layer in network.layers:
        given = layer.input if isinstance(layer.input, list) else [layer.input]
        inputs = [names[id(each)] for each in given]  # of an InputLayer, none
        try:
            names[id(layer.output)] = _WRITTEN[type(layer).__name__](graph, layer, inputs)
        except KeyError as error:
            raise TrainingError(
                f"the layer {layer.name} of {network.name} is not known to the export ({error.args[0]}); build the "
                f"network of {', '.join(_WRITTEN)}, or teach lesionflow/training/export/layers.py the layer"
            ) from None
    (height, width, channels), (classes,) = network.input_shape[1:], network.output_shape[1:]
    given = helper.make_tensor_value_info(IMAGE, TensorProto.FLOAT, ["batch", height, width, channels])
    found = helper.make_tensor_value_info(names[id(network.output)], TensorProto.FLOAT, ["batch", classes])
    constants = [numpy_helper.from_array(values, name) for name, values in graph.constants.items()]
    return helper.make_model(
        helper.make_graph(graph.nodes, network.name, [given], [found], constants),
        opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="lesionflow",
    )  # fmt: skip


def merged_normalisations(network: keras.Model) -> dict[str, keras.layers.Layer]:
    """The batch normalisations that the graph has no node for: by the name of the convolution before each."""
    readers: dict[int, list[keras.layers.Layer]] = {}
    for layer in network.layers:
        for each in layer.input if isinstance(layer.input, list) else [layer.input]:
            readers.setdefault(id(each), []).append(layer)
    found = {}
    for layer in network.layers:
        kinds = [type(layer).__name__, *(type(each).__name__ for each in readers.get(id(layer.output), []))]
        if kinds == ["Conv2D", "BatchNormalization"] and layer.activation.__name__ == "linear":
            (found[layer.name],) = readers[id(layer.output)]
    return found


def scale_and_offset(normalisation: keras.layers.Layer) -> tuple[np.ndarray, np.ndarray]:
    """What a batch normalisation multiplies each channel by, and adds to it then: (channels,) float32 each."""
    mean, variance = _values(normalisation.moving_mean), _values(normalisation.moving_variance)
    gamma = _values(normalisation.gamma) if normalisation.scale else np.float32(1)
    beta = _values(normalisation.beta) if normalisation.center else np.float32(0)
    scale = gamma / np.sqrt(variance + np.float32(normalisation.epsilon))
    return scale, beta - mean * scale


def _values(weight: Any) -> np.ndarray:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(weight), np.float32)


def _activated(graph: _Graph, layer: keras.layers.Layer, x: str, kind: str) -> str:
    if kind == "linear":
        return x
    return graph.add({"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}[kind], [x], layer.name)


def _activation(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    return _activated(graph, layer, inputs[0], layer.activation.__name__)


def _relu(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    if layer.negative_slope or layer.threshold:
        raise KeyError("ReLU with a slope or a threshold")
    if layer.max_value is None:
        return graph.add("Relu", inputs, layer.name)
    ends = [graph.constant(f"clip_{end:g}", end) for end in (0.0, float(layer.max_value))]
    return graph.add("Clip", [*inputs, *ends], layer.name)


def _by_channel(graph: _Graph, layer: keras.layers.Layer, x: str, scale: Any, offset: Any) -> str:
    """Multiply and add, by channel or with one number for all."""
    shape = (-1, 1, 1) if len(layer.input.shape) == MAPS else (-1,)
    factor, summand = (np.reshape(np.asarray(each, np.float32), shape) for each in (scale, offset))
    scaled = graph.add("Mul", [x, graph.constant(f"{layer.name}_factor", factor)], f"{layer.name}_scaled")
    return graph.add("Add", [scaled, graph.constant(f"{layer.name}_summand", summand)], layer.name)


def _rescaling(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    return _by_channel(graph, layer, inputs[0], layer.scale, layer.offset)


def _normalisation(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    if layer in graph.merged.values():
        return inputs[0]
    return _by_channel(graph, layer, inputs[0], *scale_and_offset(layer))


def _window(layer: keras.layers.Layer, size: tuple[int, int], dilation: tuple[int, ...] = (1, 1)) -> dict[str, Any]:
    """The attributes of a convolution or a pooling."""
    if layer.data_format != "channels_last":
        raise KeyError(f"{type(layer).__name__} with channels first")
    sides, strides, pads = layer.input.shape[1:3], tuple(layer.strides), [0, 0, 0, 0]
    if layer.padding == "same":
        reach = [(length - 1) * step + 1 for length, step in zip(size, dilation, strict=True)]
        lacking = [
            max((-(-side // stride) - 1) * stride + length - side, 0)
            for side, stride, length in zip(sides, strides, reach, strict=True)
        ]
        pads = [each // 2 for each in lacking] + [each - each // 2 for each in lacking]
    return {"kernel_shape": tuple(size), "strides": strides, "pads": pads}


def _convolution(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    kernel = _values(layer.kernel)  # (height, width, in, out), or (height, width, in, multiplier) by depth
    bias = _values(layer.bias) if layer.use_bias else None
    if behind := graph.merged.get(layer.name):
        scale, offset = scale_and_offset(behind)
        kernel, bias = kernel * scale, offset if bias is None else offset + scale * bias
    by_depth = type(layer).__name__ == "DepthwiseConv2D"
    height, width, channels, _ = kernel.shape
    kernel = kernel.transpose(2, 3, 0, 1).reshape(-1, 1, height, width) if by_depth else kernel.transpose(3, 2, 0, 1)
    weights = [graph.constant(f"{layer.name}_kernel", np.ascontiguousarray(kernel))]
    weights += [] if bias is None else [graph.constant(f"{layer.name}_bias", bias)]
    kind, dilation = layer.activation.__name__, tuple(layer.dilation_rate)
    output = layer.name if kind == "linear" else f"{layer.name}_before"
    window = _window(layer, layer.kernel_size, dilation)
    x = graph.add("Conv", [*inputs, *weights], output, group=channels if by_depth else layer.groups,
                  dilations=dilation, **window)  # fmt: skip
    return _activated(graph, layer, x, kind)


def _pooling(graph: _Graph, layer: keras.layers.Layer, inputs: list[str], operation: str) -> str:
    return graph.add(operation, inputs, layer.name, **_window(layer, layer.pool_size))


def _global_pooling(graph: _Graph, layer: keras.layers.Layer, inputs: list[str], operation: str) -> str:
    if layer.keepdims:
        return graph.add(operation, inputs, layer.name)
    return graph.add("Flatten", [graph.add(operation, inputs, f"{layer.name}_maps")], layer.name, axis=1)


def _merging(graph: _Graph, layer: keras.layers.Layer, inputs: list[str], operation: str) -> str:
    x = inputs[0]
    for number, other in enumerate(inputs[1:], start=1):
        x = graph.add(operation, [x, other], layer.name if number == len(inputs) - 1 else f"{layer.name}_{number}")
    return x


def _concatenated(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    if layer.axis not in (-1, len(layer.output.shape) - 1):
        raise KeyError("Concatenate along another axis than the last")
    return graph.add("Concat", inputs, layer.name, axis=1)


def _dense(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    if len(layer.input.shape) == MAPS:
        raise KeyError("Dense of maps")
    kind = layer.activation.__name__
    output = layer.name if kind == "linear" else f"{layer.name}_before"
    kernel = graph.constant(f"{layer.name}_kernel", _values(layer.kernel))
    x = graph.add("MatMul", [*inputs, kernel], f"{layer.name}_product" if layer.use_bias else output)
    if layer.use_bias:
        x = graph.add("Add", [x, graph.constant(f"{layer.name}_bias", _values(layer.bias))], output)
    return _activated(graph, layer, x, kind)


def _as_it_is(graph: _Graph, layer: keras.layers.Layer, inputs: list[str]) -> str:
    return inputs[0]


_Written = Callable[[_Graph, "keras.layers.Layer", list[str]], str]
_WRITTEN: dict[str, _Written] = {
    "InputLayer": lambda graph, layer, inputs: graph.add("Transpose", [IMAGE], "maps", perm=(0, 3, 1, 2)),
    "Rescaling": _rescaling,
    "Conv2D": _convolution,
    "DepthwiseConv2D": _convolution,
    "BatchNormalization": _normalisation,
    "ReLU": _relu,
    "Activation": _activation,
    "MaxPooling2D": functools.partial(_pooling, operation="MaxPool"),
    "AveragePooling2D": functools.partial(_pooling, operation="AveragePool"),
    "GlobalAveragePooling2D": functools.partial(_global_pooling, operation="GlobalAveragePool"),
    "GlobalMaxPooling2D": functools.partial(_global_pooling, operation="GlobalMaxPool"),
    "Add": functools.partial(_merging, operation="Add"),
    "Multiply": functools.partial(_merging, operation="Mul"),
    "Concatenate": _concatenated,
    "Dense": _dense,
    "Dropout": _as_it_is,
    "SpatialDropout2D": _as_it_is,
}
