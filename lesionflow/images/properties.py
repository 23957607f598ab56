"""What can be said of an image without knowing what it shows: its size, light, colours, sharpness and camera."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lesionflow.images.decode import decode, header
from lesionflow.images.quiet import quietly
from lesionflow.images.read_bytes import read_image_bytes

SIDE = 128  # pixels of the square that is measured: cheap to decode, and sharp enough to see blur
_MAKE, _MODEL = 0x010F, 0x0110  # tags of EXIF
_LUMA = (0.299, 0.587, 0.114)  # of ITU-R BT.601
_LONGEST = 60  # characters of a camera's name


@dataclass(frozen=True)
class Properties:
    """The properties of one image."""

    width: float  # pixels of the file
    height: float
    brightness: float  # mean luma, 0 to 255
    contrast: float  # standard deviation of the luma
    red_cast: float  # mean of red minus green
    blue_cast: float  # mean of blue minus green
    sharpness: float  # variance of the luma's Laplacian
    format: str  # JPEG, PNG, ...
    camera: str  # maker and model, of EXIF; empty where it is not said


def measure_properties(source: str | os.PathLike[str] | bytes) -> Properties:
    """Measure an image file, or the bytes of one, on the middle square as a network would see it.

    Raises
    ------
    ImageError
        With one of the words of `IMAGE_FAILURES`.
    """
    data = read_image_bytes(source)
    kind, width, height = header(data)
    pixels = decode(data, SIDE, SIDE).astype(np.float32)  # (SIDE, SIDE, 3)
    red, green, blue = (float(value) for value in pixels.mean(axis=(0, 1)))
    luma = pixels @ np.array(_LUMA, np.float32)
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    return Properties(
        width, height, float(luma.mean()), float(luma.std()), red - green, blue - green, float(laplacian.var()), kind,
        _camera(data),
    )  # fmt: skip


def _camera(data: bytes) -> str:
    try:
        with quietly(), Image.open(io.BytesIO(data)) as image:
            tags = image.getexif()
    except Exception:  # a DICOM file, or EXIF that is broken in one of many ways; the image was decoded all the same
        return ""
    told = [str(tags[tag]).strip("\0 ") for tag in (_MAKE, _MODEL) if tag in tags]
    return " ".join(told).encode("ascii", "replace").decode()[:_LONGEST]
