"""Scoring of images that somebody holds in memory or names one by one: a row for each, and no report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np

from lesionflow.errors import ImageError
from lesionflow.images.decode import decode_frames
from lesionflow.model.prediction import Row, one_by_one
from lesionflow.model.predictor import Predictor

_Image = TypeVar("_Image")


def predict_batch(
    predictor: Predictor, images: Sequence[_Image], decode: Callable[[_Image, int, int], np.ndarray]
) -> list[Row]:
    """Score images as one batch: a row for each, in their order, with what is wrong with it where something is.

    decode: from an image, a height and a width to (height, width, 3) uint8; it may raise `ImageError`.
    """
    height, width = predictor.card.height, predictor.card.width
    # What cannot be decoded stays black, as in `scoring.local`.
    pixels = np.zeros((len(images), height, width, 3), np.uint8)
    failures: dict[int, ImageError] = {}
    for place, image in enumerate(images):
        try:
            pixels[place] = decode(image, height, width)
        except ImageError as error:
            failures[place] = error
        except MemoryError:
            failures[place] = ImageError("too_large", "there is not enough memory to decode it")
    said = one_by_one(predictor.predict(pixels))
    return [
        Row("", None, failures[place].reason, failures[place].detail) if place in failures else Row("", decision)
        for place, decision in enumerate(said)
    ]


def only_frame(content: bytes, height: int, width: int) -> np.ndarray:
    """The pixels of an image file; one of several frames is refused: it has one row here, and frames would be lost."""
    frames = decode_frames(content, height, width)
    _, image = next(frames)
    if next(frames, None) is not None:
        raise ImageError("unsupported", "several frames in one file; `lesionflow score` gives each a row")
    if isinstance(image, ImageError):
        raise image
    return image
