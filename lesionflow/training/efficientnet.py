"""EfficientNet-Lite0 to Lite2 in plain Keras 3, and their ImageNet weights in them.

After Tan and Le 2019 (arXiv:1905.11946) in its Lite variant: no squeeze and excitation, ReLU6 throughout, and of the
larger ones a stem, a head and numbers of blocks at both ends that stay as they are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras

# By network, what multiplies the filters and the blocks of the stages.
SCALES = {"efficientnet": (1.0, 1.0), "efficientnet-lite1": (1.0, 1.1), "efficientnet-lite2": (1.1, 1.2)}
# Of each stage of the smallest: filters, blocks, kernel size, strides of the first block, expansion.
STAGES = (
    (16, 1, 3, 1, 1), (24, 2, 3, 2, 6), (40, 2, 5, 2, 6), (80, 3, 3, 2, 6), (112, 3, 5, 1, 6), (192, 4, 5, 2, 6),
    (320, 1, 3, 1, 6),
)  # fmt: skip
HEAD_FILTERS = 1280
# These stages' edges and colours serve as they are; their large feature maps are a third of a training step's cost.
FROZEN_STAGES = 2
PIXEL_SCALE = (1 / 128, -127 / 128)  # pixels of 0 to 255 to what ImageNet training saw


def features(x, network: str):
    """The convolutions: (batch, height, width, 3), scaled by `PIXEL_SCALE`, to (batch, height/32, width/32, 1280).

    network: one of `SCALES`.
    """
    from keras import layers

    x = _relu6(_normalised(layers.Conv2D(32, 3, 2, padding="same", use_bias=False, name="stem")(x), "stem_norm"))
    widen, deepen = SCALES[network]
    for stage, (filters, blocks, size, strides, expansion) in enumerate(STAGES, start=1):
        filters = 8 * round(filters * widen / 8)
        blocks = blocks if stage in (1, len(STAGES)) else math.ceil(blocks * deepen)
        for block in range(blocks):
            x = _inverted_residual(x, filters, size, 1 if block else strides, expansion, f"stage{stage}_{block}")
    return _relu6(_normalised(layers.Conv2D(HEAD_FILTERS, 1, use_bias=False, name="head")(x), "head_norm"))


def _inverted_residual(x, filters: int, size: int, strides: int, expansion: int, name: str):
    from keras import layers

    shortcut, channels = x, x.shape[-1]
    if expansion > 1:
        x = layers.Conv2D(channels * expansion, 1, use_bias=False, name=f"{name}_expand")(x)
        x = _relu6(_normalised(x, f"{name}_expand_norm"))
    x = layers.DepthwiseConv2D(size, strides, padding="same", use_bias=False, name=f"{name}_depth")(x)
    x = _relu6(_normalised(x, f"{name}_depth_norm"))
    x = _normalised(layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project")(x), f"{name}_project_norm")
    return layers.Add()([x, shortcut]) if strides == 1 and channels == filters else x


def _normalised(x, name: str):
    from keras import layers

    return layers.BatchNormalization(momentum=0.9, epsilon=1e-3, name=name)(x)


def _relu6(x):
    from keras import layers

    return layers.ReLU(6.0)(x)


def set_imagenet_weights(network: keras.Model, weights: Mapping[str, np.ndarray]) -> None:
    """Put the published weights (`training.imagenet`) into the convolutions of a network built on `features`.

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
