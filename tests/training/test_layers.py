"""A network's graph, layer by layer, says what Keras says; what it cannot say is named before training."""

import keras
import numpy as np
import onnx
import onnxruntime
import pytest
from keras import layers

from lesionflow.errors import TrainingError
from lesionflow.training.export.layers import _WRITTEN, merged_normalisations, network_graph
from lesionflow.training.networks import build_network

NUMBERS = np.random.default_rng(0)


def with_statistics(network: keras.Model) -> keras.Model:
    """Batch normalisation as after training: scales that are not 1, means that are not 0."""
    for layer in network.layers:
        if isinstance(layer, layers.BatchNormalization):
            ranges = [(0.5, 1.5)] * layer.scale + [(-0.1, 0.1)] * layer.center + [(-0.1, 0.1), (0.5, 2)]
            count = layer.moving_mean.shape[0]
            layer.set_weights([NUMBERS.uniform(low, high, count) for low, high in ranges])
    return network


def assert_agrees(network: keras.Model) -> None:
    model = network_graph(with_statistics(network))
    onnx.checker.check_model(model, full_check=True)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    images = NUMBERS.integers(0, 256, (3, *network.input_shape[1:])).astype(np.float32)
    (found,) = session.run(None, {"image": images})
    expected = keras.ops.convert_to_numpy(network(images))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["cnn", "vgg", "efficientnet"])
@pytest.mark.parametrize(("height", "width"), [(33, 57), (64, 48)])
def test_a_network_is_written_as_it_is(name: str, height: int, width: int) -> None:
    assert_agrees(build_network(name, height, width))


def every_layer() -> keras.Model:
    """All that the export knows, each in the forms that differ in the graph."""
    given = keras.Input((21, 18, 3))
    x = layers.Rescaling([0.1, 0.2, 0.3], offset=[-1.0, 0.0, 1.0])(given)
    x = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.BatchNormalization(scale=False)(x)  # behind an activation: no part of the convolution
    wide = layers.Conv2D(8, (3, 2), padding="same", dilation_rate=2, groups=2)(x)
    x = layers.Add()([layers.BatchNormalization(center=False)(wide), x, x])
    x = layers.DepthwiseConv2D(3, padding="valid", depth_multiplier=2, activation="tanh")(x)
    pooled = [layers.MaxPooling2D(3, strides=2, padding="same")(x), layers.AveragePooling2D(3, 2, padding="same")(x)]
    x = layers.SpatialDropout2D(0.5)(layers.Concatenate()(pooled))
    gate = layers.Activation("sigmoid")(layers.GlobalMaxPooling2D(keepdims=True)(x))
    x = layers.ReLU(6.0)(layers.Multiply()([x, gate]))
    x = layers.BatchNormalization()(layers.GlobalAveragePooling2D()(x))
    x = layers.Dropout(0.5)(layers.Dense(5, use_bias=False, activation="relu")(x))
    return keras.Model(given, layers.ReLU()(layers.Dense(4)(x)))


def test_each_layer_that_is_known_is_written_as_it_is() -> None:
    network = every_layer()
    assert {type(layer).__name__ for layer in network.layers} == set(_WRITTEN)
    assert_agrees(network)


def test_a_convolution_that_others_read_too_keeps_its_normalisation_apart() -> None:
    given = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1)(given)
    both = layers.GlobalAveragePooling2D()(layers.Add()([layers.BatchNormalization()(x), x]))
    network = keras.Model(given, layers.Dense(2)(both))
    assert not merged_normalisations(network)
    assert_agrees(network)


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (layers.LayerNormalization(), "LayerNormalization"),
        (layers.Conv2D(4, 1, activation="gelu"), "gelu"),
        (layers.ReLU(negative_slope=0.1), "ReLU with a slope"),
        (layers.Dense(4), "Dense of maps"),
    ],
)
def test_a_layer_that_is_not_known_is_named(layer: keras.layers.Layer, named: str) -> None:
    given = keras.Input((8, 8, 3))
    network = keras.Model(given, layers.Dense(2)(layers.GlobalAveragePooling2D()(layer(given))))
    with pytest.raises(TrainingError, match=f"the layer {layer.name} of .*not known to the export .*{named}"):
        network_graph(network)
