"""One convolution in place of a network's layers, for trainings in which it does not matter what is trained."""

from typing import Any


def body(x: Any, widen: float) -> Any:
    """What `lesionflow.training.networks.BODIES` asks for, with all that a training treats in its own way.

    That is batch normalisation, dropout, kernels and biases.
    """
    from keras import layers

    from lesionflow.training import networks

    x = layers.ReLU()(networks._convolution(x, 16, strides=2))
    return networks._dropout(layers.GlobalAveragePooling2D()(x), 0.2)
