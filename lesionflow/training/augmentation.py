"""Random changes of training images, on the device, inside the compiled step.

It is a layer of the model that is fitted, never of the network that is exported. Keras operations only, so it runs on
each of Keras's backends.
"""

from __future__ import annotations

import math

import keras
import numpy as np
from keras import ops

# Small images show a closer section, in logarithms of the zoom: a lesion has to be about as many pixels wide as on the
# whole ones that follow and are validated on (Touvron et al. 2019, arXiv:1906.06423).
CLOSER = math.log(4 / 3)


class Augmentation(keras.layers.Layer):
    """Flip, rotate, zoom, shift and recolour each image independently; active in training only.

    Input: (batch, height, width, 3), values 0 to 255, uint8 or float. Output: the same shape, float32, 0 to 255.
    All geometry is one affine resampling, so pixels are interpolated once. `strength` 0 leaves flips and quarter turns.
    `quality` above 0 adds what cameras and archives do to a picture: white balance, softness, compression.
    While `small` is set, images come out closer and at the size that `small_side` gives, by the same resampling. A
    compiled step keeps what it was when it was traced.
    """

    def __init__(self, strength: float = 1.0, quality: float = 0.0, seed: int | None = None, **kwargs):
        # Colours and coordinates stay in float32 under mixed precision: float16 has no room for 0..255 * weights.
        super().__init__(name="augmentation", dtype="float32", autocast=False, **kwargs)
        self.strength, self.quality, self.small = strength, quality, False
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=None):
        """Augment the images in training; otherwise only cast them to float32."""
        images = ops.cast(images, "float32")
        if not training:
            return images
        images = self._move(images)
        if not self.quality:
            return self._recolour(images)
        images = self._recolour(self._balance_white(images))
        return self._compress_some(self._soften_or_sharpen(images))

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
        closer = CLOSER if self.small else 0.0
        zoom = ops.exp((self._uniform((batch,), -0.25, 0.20) - closer) * strength)  # below 1 shows more closely
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
        maps = ops.stack([a0, a1, a2, b0, b1, b2], axis=1)
        return resample(images, maps, *((small_side(height), small_side(width)) if self.small else (height, width)))

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

    def _balance_white(self, images):
        """Remove a random share of each image's colour cast, as the cameras of some clinics do.

        The cast is Shades of Gray's: the Minkowski norm, of order 6, of each channel (Finlayson and Trezzi 2004, Color
        Imaging Conference 12, 37-41).
        """
        share = ops.maximum(0.0, self._uniform((ops.shape(images)[0], 1, 1, 1), -1, 1)) * min(self.quality, 1.0)
        squares = ops.square(images / 255.0)
        norms = ops.mean(squares * squares * squares, axis=(1, 2), keepdims=True) ** (1 / 6) + 1e-3  # (batch, 1, 1, 3)
        return images * (ops.mean(norms, axis=3, keepdims=True) / norms) ** share

    def _soften_or_sharpen(self, images):
        amount = self._uniform((ops.shape(images)[0], 1, 1, 1), -0.9, 0.6) * self.quality
        return ops.clip(images + amount * (images - soften(images)), 0.0, 255.0)

    def _compress_some(self, images):
        """Compress every other image; in batches of pairs (`objective.Consistency`), one of most pairs."""
        batch = ops.shape(images)[0]
        some = batch // 2
        quality = self._uniform((some, 1, 1, 1), 35, 95)
        return ops.concatenate([images[: batch - some], compress(images[batch - some :], quality)], axis=0)


def soften(images):
    """Blur with the binomial kernel (1, 2, 1) / 4 both ways; edges are repeated. (batch, height, width, 3) float32."""
    padded = ops.pad(images, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="symmetric")
    rows = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    return (rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 4


# ITU-T T.81 (JPEG), tables K.1 and K.2: quantisation of brightness and colour at quality 50.
_LUMINANCE = (
    16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55, 14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51,
    87, 80, 62, 18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92, 49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)  # fmt: skip
_CHROMINANCE = (
    17, 18, 24, 47, 99, 99, 99, 99, 18, 21, 26, 66, 99, 99, 99, 99, 24, 26, 56, 99, 99, 99, 99, 99, 47, 66,
    *[99] * 38,
)  # fmt: skip
# Brightness and two colour differences of red, green and blue (JFIF 1.02).
_FROM_RGB = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)


def compress(images, quality):
    """Simulate JPEG compression at a quality of 1 to 100, with colours at half the resolution.

    images: (batch, height, width, 3) float32, 0 to 255; quality: (batch, 1, 1, 1), scaled as the IJG's library does.
    """
    height, width = images.shape[1:3]
    padded = images
    for axis, side in ((1, height), (2, width)):
        if side % 16:  # edges are repeated, as by the library; `pad` mirrors them, but not on PyTorch
            padded = ops.take(padded, np.minimum(np.arange(side + -side % 16), side - 1), axis=axis)
    colours = ops.matmul(padded - 128.0, ops.convert_to_tensor(_FROM_RGB.T))
    scale = ops.where(quality < 50, 50.0 / quality, 2.0 - quality / 50.0)
    luminance = _quantise(colours[..., :1], scale, _LUMINANCE)
    halved = ops.average_pool(colours[..., 1:], 2, 2)
    chrominance = ops.repeat(ops.repeat(_quantise(halved, scale, _CHROMINANCE), 2, axis=1), 2, axis=2)
    back = ops.convert_to_tensor(np.linalg.inv(_FROM_RGB).T.astype(np.float32))
    kept = ops.matmul(ops.concatenate([luminance, chrominance], axis=-1), back) + 128.0
    return ops.clip(kept[:, :height, :width], 0.0, 255.0)


def _quantise(planes, scale, table):
    """Round the cosine coefficients of blocks of 8 x 8; planes: (batch, height, width, channels), sides of 8 n."""
    height, width, channels = planes.shape[1:]
    blocks = ops.reshape(planes, (-1, height // 8, 8, width // 8, 8, channels))
    blocks = ops.reshape(ops.transpose(blocks, (0, 1, 3, 5, 2, 4)), (-1, height // 8 * (width // 8) * channels, 1, 64))
    steps = ops.maximum(1.0, ops.convert_to_tensor(np.array(table, np.float32)) * scale)  # (batch, 1, 1, 64)
    cosines = ops.convert_to_tensor(_cosines())  # (64, 64)
    coefficients = ops.round(ops.matmul(blocks, ops.transpose(cosines)) / steps) * steps
    blocks = ops.reshape(ops.matmul(coefficients, cosines), (-1, height // 8, width // 8, channels, 8, 8))
    return ops.reshape(ops.transpose(blocks, (0, 1, 4, 2, 5, 3)), (-1, height, width, channels))


def _cosines() -> np.ndarray:
    """The orthonormal cosine transform of 8 x 8 values: (64 coefficients, 64 values) float32."""
    index = np.arange(8)
    one = np.cos((2 * index[None] + 1) * index[:, None] * np.pi / 16) / 2
    one[0] /= np.sqrt(2)
    return np.kron(one, one).astype(np.float32)


def small_side(side: int) -> int:
    """The height or width at which the first epochs of `--small-first` train: two thirds of it, in whole eights."""
    return min(side, max(16, 8 * round(side / 12)))


def resample(images, maps, new_height: int, new_width: int):
    """Read each pixel (x, y) of the result at (a0 x + a1 y + a2, b0 x + b1 y + b2), bilinearly; edges are mirrored.

    images: (batch, height, width, 3); maps: (batch, 6) float32, a0 to b2, in pixels of the images. A result of another
    size shows the same, its pixels farther apart or closer. Returns (batch, new_height, new_width, 3) float32.

    Written with look-ups, as `keras.ops.image.affine_transform` cannot be used: TensorFlow's XLA has no kernel for it,
    and on JAX and PyTorch it takes ten times as long.
    """
    # First of all: TensorFlow has no kernel on a GPU that looks uint8 up in a tensor.
    images, maps = ops.convert_to_tensor(images, "float32"), ops.convert_to_tensor(maps)
    height, width = images.shape[1:3]
    x = _centres(new_width, width)[None, None, :]  # (1, 1, new_width)
    y = _centres(new_height, height)[None, :, None]  # (1, new_height, 1)
    a0, a1, a2, b0, b1, b2 = ops.unstack(maps[:, :, None, None], axis=1)  # (batch, 1, 1) each
    read_x, read_y = a0 * x + a1 * y + a2, b0 * x + b1 * y + b2  # (batch, new_height, new_width)
    left, top = ops.floor(read_x), ops.floor(read_y)
    right_share, lower_share = (read_x - left)[..., None], (read_y - top)[..., None]
    left, top = ops.cast(left, "int32"), ops.cast(top, "int32")

    pixels = ops.reshape(images, (-1, 3))  # (batch * height * width, 3)
    first_row = ops.arange(ops.shape(images)[0], dtype="int32")[:, None, None] * height
    columns = _mirrored(left, width), _mirrored(left + 1, width)

    def row(below):
        start = (first_row + _mirrored(top + below, height)) * width
        at_left, at_right = (ops.take(pixels, start + column, axis=0) for column in columns)
        return at_left + right_share * (at_right - at_left)  # (batch, new_height, new_width, 3)

    upper = row(0)
    return upper + lower_share * (row(1) - upper)


def _centres(count: int, size: int):
    """Where pixels of a side of `count` lie on one of `size` pixels: (count,) float32."""
    return (ops.arange(count, dtype="float32") + 0.5) * (size / count) - 0.5


def _mirrored(positions, size: int):
    """Reflect integers into 0..size - 1: -1 becomes 0, size becomes size - 1."""
    positions = ops.mod(positions, 2 * size)
    return ops.minimum(positions, 2 * size - 1 - positions)


class Mixup(keras.layers.Layer):
    """Blend each image with the one before it in its batch (Zhang et al. 2018, arXiv:1710.09412); in training only.

    Input: images (batch, height, width, 3) float32, and the share that each keeps, (batch,). Output: the images' shape.
    `views`: a batch has as many parts, each with the same images in the same order; each part is blended in itself.
    """

    def __init__(self, views: int = 1):
        super().__init__(name="mixup", dtype="float32", autocast=False)
        self.views = views

    def call(self, inputs, training=None):
        """Blend in training; otherwise return the images unchanged."""
        images, kept = inputs
        if not training:
            return images
        kept = ops.reshape(kept, (-1, 1, 1, 1))
        before = [ops.roll(part, 1, axis=0) for part in ops.split(images, self.views)]
        return kept * images + (1 - kept) * ops.concatenate(before, axis=0)

    def compute_output_spec(self, inputs, training=None):
        """The shape of the images."""
        return keras.KerasTensor(inputs[0].shape, dtype="float32")
