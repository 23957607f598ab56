"""The networks, in plain Keras 3: pixels in, a logit for each diagnosis out.

All take images of any height and width, as float32 or uint8 values from 0 to 255, and rescale inside, so that
the exported graph needs no preprocessing but the one that `lesionflow.images.decode` does.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from lesionflow.diagnoses import HAM10000
from lesionflow.training import efficientnet

if TYPE_CHECKING:
    import keras


def build_network(name: str, height: int, width: int, widen: float = 1.0, classes: int = len(HAM10000)) -> keras.Model:
    """Build a network with fresh weights; `widen` multiplies the channels of `cnn` and `vgg`.

    Input: (batch, height, width, 3), values 0 to 255. Output: (batch, classes) logits.
    Logits, not probabilities, so that temperature and prior correction can be applied behind the network.
    """
    import keras

    inputs = keras.Input((height, width, 3), name="image")
    if name in efficientnet.SCALES:
        x = _efficientnet(inputs, name)  # (batch, 1280)
    else:
        x = keras.layers.Rescaling(1 / 127.5, offset=-1.0)(inputs)  # (batch, height, width, 3) in -1..1
        x = BODIES[name](x, widen)  # (batch, features)
    # The last layer stays in float32 under mixed precision: a loss over float16 logits overflows.
    logits = keras.layers.Dense(classes, dtype="float32", name="logits")(x)
    return keras.Model(inputs, logits, name=name)


def _convolution(x, filters: int, size: int = 3, strides: int = 1):
    from keras import layers

    # No bias: the batch normalisation behind it has one.
    x = layers.Conv2D(filters, size, strides, padding="same", use_bias=False, kernel_initializer="he_normal")(x)
    return layers.BatchNormalization(momentum=0.9)(x)


def _efficientnet(inputs, name: str):
    from keras import layers

    scale, offset = efficientnet.PIXEL_SCALE
    x = efficientnet.features(layers.Rescaling(scale, offset=offset)(inputs), name)
    return _dropout(layers.GlobalAveragePooling2D()(x), 0.3)


def _dropout(x, rate: float):
    from keras import layers

    # Without a seed of its own, PyTorch's would draw from the process's generator, which no checkpoint holds.
    return layers.Dropout(rate, seed=random.randrange(2**31))(x)


def _channels(filters: int, widen: float) -> int:
    """A multiple of 8, which the kernels of every device like best."""
    return max(8, 8 * round(filters * widen / 8))


def _cnn(x, widen: float):
    """A residual network after He et al. 2016 (arXiv:1512.03385), with the average-pooled shortcuts of ResNet-D
    (arXiv:1812.01187), squeeze and excitation (arXiv:1709.01507) and a stem that leaves early to a quarter of the size.
    """
    from keras import layers

    x = layers.ReLU()(_convolution(x, _channels(32, widen), strides=2))  # (batch, height/2, width/2, 32)
    x = layers.MaxPooling2D(2, padding="same")(x)  # (batch, height/4, width/4, 32)
    for stage, (filters, blocks) in enumerate([(48, 2), (96, 2), (192, 2), (256, 1)]):
        for block in range(blocks):
            x = _residual_block(x, _channels(filters, widen), strides=2 if stage and not block else 1)
    x = layers.GlobalAveragePooling2D()(x)  # (batch, 256)
    return _dropout(x, 0.3)


def _residual_block(x, filters: int, strides: int):
    from keras import layers

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
    from keras import layers

    for filters, convolutions in [(24, 1), (48, 1), (96, 2), (192, 2), (256, 2)]:
        for _ in range(convolutions):
            x = layers.ReLU()(_convolution(x, _channels(filters, widen)))
        x = layers.MaxPooling2D(2, padding="same")(x)  # halves height and width
    x = layers.GlobalAveragePooling2D()(x)  # (batch, 256)
    x = layers.Dense(_channels(256, widen), activation="relu")(x)
    return _dropout(x, 0.4)


# What stands between the image in -1 to 1 and the logits, by name; docs/how_to/write_a_network.md adds one.
BODIES = {"cnn": _cnn, "vgg": _vgg}
