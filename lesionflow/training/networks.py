"""The networks, in plain Keras 3: pixels in, a logit for each diagnosis out.

All take images of any height and width, as float32 or uint8 values from 0 to 255, and rescale inside, so that
the exported graph needs no preprocessing but the one that `lesionflow.images.decode` does.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import keras
import numpy as np
from keras import layers

from lesionflow.diagnoses import HAM10000
from lesionflow.training.imagenet import PUBLISHED


def build_network(
    name: str, height: int | None, width: int | None, widen: float = 1.0, classes: int = len(HAM10000)
) -> keras.Model:
    """Build a network with fresh weights; `widen` multiplies the channels of `cnn` and `vgg`.

    Input: (batch, height, width, 3), values 0 to 255; None: any height or width. Output: (batch, classes) logits.
    Logits, not probabilities, so that temperature and prior correction can be applied behind the network.
    """
    inputs = keras.Input((height, width, 3), name="image")
    if name in PUBLISHED:
        x = _efficientnet(inputs, name)  # (batch, 1280)
    else:
        x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)  # (batch, height, width, 3) in -1..1
        x = BODIES[name](x, widen)  # (batch, features)
    # The last layer stays in float32 under mixed precision: a loss over float16 logits overflows.
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name=name)


def _convolution(x, filters: int, size: int = 3, strides: int = 1):
    # No bias: the batch normalisation behind it has one.
    x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    return layers.BatchNormalization(momentum=0.9)(x)


def _dropout(x, rate: float):
    # Without a seed, PyTorch's would draw from the process's generator, which no checkpoint contains.
    return layers.Dropout(rate, seed=random.randrange(2**31))(x)


def _channels(filters: int, widen: float) -> int:
    """Round to a multiple of 8, with which the kernels of every device are fastest."""
    return max(8, 8 * round(filters * widen / 8))


def _cnn(x, widen: float):
    """A residual network after He et al. 2016 (arXiv:1512.03385), with the average-pooled shortcuts of ResNet-D
    (arXiv:1812.01187), squeeze and excitation (arXiv:1709.01507) and a stem that leaves early to a quarter of the size.
    """
    x = layers.ReLU()(_convolution(x, _channels(32, widen), strides=2))  # (batch, height/2, width/2, 32)
    x = layers.MaxPooling2D(2, padding="same")(x)  # (batch, height/4, width/4, 32)
    for stage, (filters, blocks) in enumerate([(48, 2), (96, 2), (192, 2), (256, 1)]):
        for block in range(blocks):
            x = _residual_block(x, _channels(filters, widen), strides=2 if stage and not block else 1)
    x = layers.GlobalAveragePooling2D()(x)  # (batch, 256)
    return _dropout(x, 0.3)


def _residual_block(x, filters: int, strides: int):
    shortcut = x
    if strides > 1:
        shortcut = layers.AveragePooling2D(strides, padding="same")(shortcut)
    if shortcut.shape[-1] != filters:
        shortcut = _convolution(shortcut, filters, size=1)
    x = layers.ReLU()(_convolution(x, filters, strides=strides))
    x = _convolution(x, filters)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)  # (batch, 1, 1, filters)
    gate = layers.Conv2D(filters // 8, 1, activation="relu")(gate)
    gate = layers.Conv2D(filters, 1, activation="sigmoid")(gate)
    return layers.ReLU()(layers.Add()([layers.Multiply()([x, gate]), shortcut]))


def _vgg(x, widen: float):
    """A stack of 3 x 3 convolutions after Simonyan and Zisserman 2015 (arXiv:1409.1556), eight of them, with batch
    normalisation and a global pooling head instead of the three wide dense layers.
    """
    for filters, convolutions in [(24, 1), (48, 1), (96, 2), (192, 2), (256, 2)]:
        for _ in range(convolutions):
            x = layers.ReLU()(_convolution(x, _channels(filters, widen)))
        x = layers.MaxPooling2D(2, padding="same")(x)  # halves height and width
    x = layers.GlobalAveragePooling2D()(x)  # (batch, 256)
    x = layers.Dense(_channels(256, widen), activation="relu")(x)
    return _dropout(x, 0.4)


# The layers between the image in -1 to 1 and the logits, by name; docs/how_to/write_a_network.md adds one.
BODIES = {"cnn": _cnn, "vgg": _vgg}


def set_stem_to_components(network: keras.Model, images: np.ndarray) -> None:
    """Set the first convolution to the principal components of the images' patches, each with both signs.

    images: (images, height, width, 3) uint8. Its responses are uncorrelated from the first step on (Jordan 2024,
    arXiv:2404.00498). Components with the least variance are left out; where there are fewer than kernels, the last
    ones stay random.
    """
    stem = next(layer for layer in network.layers if isinstance(layer, layers.Conv2D))
    kernels = np.array(stem.kernel)  # (size, size, 3, filters)
    size, filters, apart = kernels.shape[0], kernels.shape[-1], max(1, min(images.shape[1:3]) // 8)
    patches = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))[:, ::apart, ::apart]
    values = np.moveaxis(patches, 3, -1).reshape(-1, size * size * 3)
    _, components = np.linalg.eigh(np.cov(values, rowvar=False))  # columns, the least variance first
    largest = components[:, ::-1][:, : filters // 2] * math.sqrt(2)  # as long as `he_normal`'s are on average
    signed = np.concatenate([largest, -largest], axis=1)
    kernels[..., : signed.shape[1]] = signed.reshape(*kernels.shape[:-1], -1)
    stem.kernel.assign(kernels)


# EfficientNet-Lite0 to Lite2, after Tan and Le 2019 (arXiv:1905.11946) in its Lite variant: no squeeze and excitation,
# ReLU6 throughout; the larger ones keep the stem, the head and the numbers of blocks at both ends.
# The stages of the smallest: filters, blocks, kernel size, strides of the first block, expansion.
STAGES = (
    (16, 1, 3, 1, 1), (24, 2, 3, 2, 6), (40, 2, 5, 2, 6), (80, 3, 3, 2, 6), (112, 3, 5, 1, 6), (192, 4, 5, 2, 6),
    (320, 1, 3, 1, 6),
)  # fmt: skip
HEAD_FILTERS = 1280
# These stages detect edges and colours, which need no training; their large maps are a third of a step's cost.
FROZEN_STAGES = 2
PIXEL_SCALE = (1 / 128, -127 / 128)  # pixels of 0 to 255 to what ImageNet training saw


def _efficientnet(x, name: str):
    """One of `PUBLISHED`."""
    scale, offset = PIXEL_SCALE
    x = layers.Rescaling(scale, offset=offset)(x)
    x = _relu6(_normalised(layers.Conv2D(32, 3, 2, padding="same", use_bias=False, name="stem")(x), "stem_norm"))
    widen, deepen = PUBLISHED[name].widen, PUBLISHED[name].deepen
    for stage, (filters, blocks, size, strides, expansion) in enumerate(STAGES, start=1):
        filters = 8 * round(filters * widen / 8)
        blocks = blocks if stage in (1, len(STAGES)) else math.ceil(blocks * deepen)
        for block in range(blocks):
            x = _inverted_residual(x, filters, size, 1 if block else strides, expansion, f"stage{stage}_{block}")
    x = _relu6(_normalised(layers.Conv2D(HEAD_FILTERS, 1, use_bias=False, name="head")(x), "head_norm"))
    return _dropout(layers.GlobalAveragePooling2D()(x), 0.3)  # (batch, 1280)


def _inverted_residual(x, filters: int, size: int, strides: int, expansion: int, name: str):
    shortcut, channels = x, x.shape[-1]
    if expansion > 1:
        x = layers.Conv2D(channels * expansion, 1, use_bias=False, name=f"{name}_expand")(x)
        x = _relu6(_normalised(x, f"{name}_expand_norm"))
    x = layers.DepthwiseConv2D(size, strides, padding="same", use_bias=False, name=f"{name}_depth")(x)
    x = _relu6(_normalised(x, f"{name}_depth_norm"))
    x = _normalised(layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(x), f"{name}_project_norm")
    return layers.Add()([x, shortcut]) if strides == 1 and channels == filters else x


def _normalised(x, name: str):
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-3, name=name)(x)


def _relu6(x):
    return layers.ReLU(6.0)(x)


def set_imagenet_weights(network: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Put the published weights (`training.imagenet`) into the convolutions of one of these networks.

    Raises `ValueError` where a shape or the number of arrays does not fit. The file lists them in the layers' order.
    """
    variables = [variable for layer in network.layers if layer.name != "logits" for variable in layer.weights]
    arrays = [array for name, array in weights.items() if not name.startswith("_fc.")]
    for variable, array in zip(variables, arrays, strict=True):
        variable.assign(_in_keras_order(array, variable.shape))


def freeze_early_stages(network: keras.Model) -> None:
    """Keep the stem and the first `FROZEN_STAGES` stages as they are, their batch normalisation included."""
    frozen = ("stem", *(f"stage{stage}_" for stage in range(1, FROZEN_STAGES + 1)))
    for layer in network.layers:
        if layer.name.startswith(frozen):
            layer.trainable = False


def _in_keras_order(array: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(out, in, height, width), as in the file, to (height, width, in, out), or (..., in, 1) where it goes by depth."""
    if array.ndim < 4:
        return array
    by_depth = array.shape[1] == 1 and shape[-1] == 1
    return array.transpose(2, 3, 0, 1) if by_depth else array.transpose(2, 3, 1, 0)
