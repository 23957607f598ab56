"""Measures a sample of each night's images: size, brightness, colours, sharpness, format, camera.

What is measured can be said of an image without knowing what it shows. Each night is measured once: the values of
earlier nights are in a file beside the page, by the report's path, size and modification time.
"""

from __future__ import annotations

import dataclasses
import io
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from lesionflow.atomic import atomic_file
from lesionflow.defaults import usable_cores
from lesionflow.errors import LesionflowError
from lesionflow.images.decode import decode, header
from lesionflow.images.quiet import quietly
from lesionflow.images.read_bytes import read_image_bytes
from lesionflow.model.columns import path_in_text

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


def measure_properties(source: str | os.PathLike[str] | bytes, frame: int = 0) -> Properties:
    """Measure an image file, or the bytes of one on the middle square as a network would see it; frame: from 0.

    Raises `ImageError` with one of the words of `IMAGE_FAILURES`.
    """
    data = read_image_bytes(source)
    kind, width, height = header(data)
    pixels = decode(data, SIDE, SIDE, frame).astype(np.float32)  # (SIDE, SIDE, 3)
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


IMAGES_FILE = "images.json"
_FIELDS = tuple(each.name for each in dataclasses.fields(Properties))
Measured = dict[str, np.ndarray]  # by field of `Properties`, (images,)


class ImageSample:
    """Measures some images of each report, and remembers what it measured before.

    images: how many of a report; folder: where `IMAGES_FILE` is kept; None keeps nothing.
    """

    def __init__(self, images: int, folder: Path | None):
        self.images = images
        self.file = None if folder is None else folder / IMAGES_FILE
        self.known: dict[str, Any] = _read(self.file)
        self.unreachable = 0  # images that could not be read

    def measure(self, report: Path, paths: np.ndarray) -> Measured:
        """Measure a sample of a report's reachable images, the same sample each time."""
        status = os.stat(report)
        key = f"{report.absolute()} {status.st_size} {status.st_mtime_ns} {self.images}"
        order = np.random.default_rng(0).permutation(len(paths))[: self.images]
        if not self.known.get(key):
            with ThreadPoolExecutor(usable_cores()) as threads:
                rows = list(threads.map(_measured, (str(paths[index]) for index in sorted(order))))
            self.known[key] = [row for row in rows if row is not None]
        self.unreachable += len(order) - len(self.known[key])
        columns = list(zip(*self.known[key], strict=True))
        return {name: np.array(values) for name, values in zip(_FIELDS, columns, strict=False)}

    def save(self) -> None:
        """Save the measurements."""
        if self.file is not None:
            with atomic_file(self.file, overwrite=True) as file:
                file.write(json.dumps(self.known).encode() + b"\n")


def _measured(path: str) -> tuple[Any, ...] | None:
    try:
        return dataclasses.astuple(measure_properties(*path_in_text(path)))
    except LesionflowError:
        return None


def _read(file: Path | None) -> dict[str, Any]:
    """Earlier measurements; empty if the file is not ours."""
    try:
        values = json.loads(file.read_bytes()) if file is not None else {}
        return {key: rows for key, rows in values.items() if all(len(row) == len(_FIELDS) for row in rows)}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}
