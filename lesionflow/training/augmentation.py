"""Random changes of training images, on the device, inside the compiled step.

It is a layer of the model that is fitted, never of the network that is exported. Keras operations only, so it runs on
each of Keras's backends.
"""

from __future__ import annotations

import math

import keras
from keras import ops


class Augmentation(keras.layers.Layer):
    """Flip, turn, zoom, shift and recolour each image on its own; active in training only.

    Input: (batch, height, width, 3), values 0 to 255, uint8 or float. Output: the same shape, float32, 0 to 255.
    All geometry is one affine resampling, so pixels are interpolated once. `strength` 0 leaves flips and quarter turns.
    """

    def __init__(self, strength: float = 1.0, seed: int | None = None, **kwargs):
        # Colours and coordinates stay in float32 under mixed precision: float16 has no room for 0..255 * weights.
        super().__init__(name="augmentation", dtype="float32", autocast=False, **kwargs)
        self.strength = strength
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=None):
        """Change the images in training, cast them to float32 otherwise."""
        images = ops.cast(images, "float32")
        if not training:
            return images
        return self._recolour(self._move(images))

    def compute_output_spec(self, images, training=None):
        """The shape of the input, float32."""
        return keras.KerasTensor(images.shape, dtype="float32")

    def _uniform(self, shape, low: float, high: float):
        return keras.random.uniform(shape, low, high, dtype="float32", seed=self.seed_generator)

    def _move(self, images):
        batch, height, width = ops.shape(images)[0], images.shape[1], images.shape[2]
        strength = self.strength
        # A quarter turn would leave the frame of an image that is not square: those get half turns.
        turns = 4 if height == width else 2
        turn = ops.floor(self._uniform((batch,), 0, turns)) * (2 * math.pi / turns)
        angle = turn + self._uniform((batch,), -1, 1) * (math.pi / turns) * min(strength, 1.0)
        zoom = ops.exp(self._uniform((batch,), -0.25, 0.20) * strength)  # below 1 shows more closely
        stretch = ops.exp(self._uniform((batch,), -0.08, 0.08) * strength)
        mirror = ops.sign(self._uniform((batch,), -1, 1) + 1e-6)
        shift_x = self._uniform((batch,), -0.08, 0.08) * strength * width
        shift_y = self._uniform((batch,), -0.08, 0.08) * strength * height

        # Rows of the inverse map about the centre: pixel (x, y) is read at (a0 x + a1 y + a2, b0 x + b1 y + b2).
        cosine, sine = ops.cos(angle), ops.sin(angle)
        a0, a1 = cosine * zoom * stretch * mirror, -sine * zoom / stretch * mirror
        b0, b1 = sine * zoom * stretch, cosine * zoom / stretch
        centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
        a2 = centre_x - a0 * centre_x - a1 * centre_y + shift_x
        b2 = centre_y - b0 * centre_x - b1 * centre_y + shift_y
        return resample(images, ops.stack([a0, a1, a2, b0, b1, b2], axis=1))

    def _recolour(self, images):
        batch, strength = ops.shape(images)[0], self.strength
        each = (batch, 1, 1, 1)
        brightness = ops.exp(self._uniform(each, -0.25, 0.25) * strength)
        contrast = ops.exp(self._uniform(each, -0.25, 0.25) * strength)
        saturation = ops.exp(self._uniform(each, -0.3, 0.3) * strength)
        tint = ops.exp(self._uniform((batch, 1, 1, 3), -0.08, 0.08) * strength)  # the dermatoscope's colour cast
        images = images * brightness * tint
        mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)  # (batch, 1, 1, 1)
        images = mean + (images - mean) * contrast
        grey = ops.mean(images, axis=3, keepdims=True)  # (batch, height, width, 1)
        images = grey + (images - grey) * saturation
        return ops.clip(images, 0.0, 255.0)


def resample(images, maps):
    """Read each pixel (x, y) of the result at (a0 x + a1 y + a2, b0 x + b1 y + b2), bilinearly; edges are mirrored.

    images: (batch, height, width, 3); maps: (batch, 6) float32, a0 to b2. Returns float32.

    Written with look-ups, as `keras.ops.image.affine_transform` cannot be used: TensorFlow's XLA has no kernel for it,
    and on JAX and PyTorch it takes ten times as long.
    """
    # First of all: TensorFlow has no kernel on a GPU that looks uint8 up in a tensor.
    images, maps = ops.convert_to_tensor(images, "float32"), ops.convert_to_tensor(maps)
    height, width = images.shape[1:3]
    x = ops.arange(width, dtype="float32")[None, None, :]  # (1, 1, width)
    y = ops.arange(height, dtype="float32")[None, :, None]  # (1, height, 1)
    a0, a1, a2, b0, b1, b2 = ops.unstack(maps[:, :, None, None], axis=1)  # (batch, 1, 1) each
    read_x, read_y = a0 * x + a1 * y + a2, b0 * x + b1 * y + b2  # (batch, height, width)
    left, top = ops.floor(read_x), ops.floor(read_y)
    right_share, lower_share = (read_x - left)[..., None], (read_y - top)[..., None]
    left, top = ops.cast(left, "int32"), ops.cast(top, "int32")

    pixels = ops.reshape(images, (-1, 3))  # (batch * height * width, 3)
    first_row = ops.arange(ops.shape(images)[0], dtype="int32")[:, None, None] * height
    columns = _mirrored(left, width), _mirrored(left + 1, width)

    def row(below):
        start = (first_row + _mirrored(top + below, height)) * width
        at_left, at_right = (ops.take(pixels, start + column, axis=0) for column in columns)
        return at_left + right_share * (at_right - at_left)  # (batch, height, width, 3)

    upper = row(0)
    return upper + lower_share * (row(1) - upper)


def _mirrored(places, size: int):
    """Whole numbers to 0..size - 1, as if mirror images stood on both sides: -1 is 0, size is size - 1."""
    places = ops.mod(places, 2 * size)
    return ops.minimum(places, 2 * size - 1 - places)


class Mixup(keras.layers.Layer):
    """Blend each image with the one before it in its batch (Zhang et al. 2018, arXiv:1710.09412); in training only.

    Input: images (batch, height, width, 3) float32, and the share that each keeps, (batch,). Output: the images' shape.
    """

    def __init__(self):
        super().__init__(name="mixup", dtype="float32", autocast=False)

    def call(self, inputs, training=None):
        """Blend in training, pass the images on otherwise."""
        images, kept = inputs
        if not training:
            return images
        kept = ops.reshape(kept, (-1, 1, 1, 1))
        return kept * images + (1 - kept) * ops.roll(images, 1, axis=0)

    def compute_output_spec(self, inputs, training=None):
        """The shape of the images."""
        return keras.KerasTensor(inputs[0].shape, dtype="float32")
