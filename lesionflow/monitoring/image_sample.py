"""A sample of each night's images, measured and remembered: size, light, colours, sharpness, format, camera.

Each night is measured once. The values of earlier nights are in a file beside the page, by the report's path, size and
modification time.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from lesionflow.atomic import atomic_file
from lesionflow.defaults import usable_cores
from lesionflow.errors import ImageError, LesionflowError
from lesionflow.images.properties import Properties, measure_properties

IMAGES_FILE = "images.json"
_FIELDS = tuple(each.name for each in dataclasses.fields(Properties))
Measured = dict[str, np.ndarray]  # by field of `Properties`, (images,)


class ImageSample:
    """Measures some images of each report, and remembers what it measured before.

    Parameters
    ----------
    images : int
        How many of a report.
    folder : Path or None
        Where `IMAGES_FILE` is kept; None keeps nothing.
    """

    def __init__(self, images: int, folder: Path | None):
        self.images = images
        self.file = None if folder is None else folder / IMAGES_FILE
        self.known: dict[str, Any] = _read(self.file)
        self.unreachable = 0  # images that could not be read

    def measure(self, report: Path, paths: np.ndarray) -> Measured:
        """Measure a sample of a report's images, those that are reachable: the same sample each time."""
        status = os.stat(report)
        key = f"{report.absolute()} {status.st_size} {status.st_mtime_ns} {self.images}"
        if key not in self.known:
            order = np.random.default_rng(0).permutation(len(paths))[: self.images]
            with ThreadPoolExecutor(usable_cores()) as threads:
                rows = list(threads.map(_measured, (str(paths[index]) for index in sorted(order))))
            self.unreachable += rows.count(None)
            self.known[key] = [row for row in rows if row is not None]
        columns = list(zip(*self.known[key], strict=True))
        return {name: np.array(values) for name, values in zip(_FIELDS, columns, strict=False)}

    def save(self) -> None:
        """Keep what was measured."""
        if self.file is not None:
            with atomic_file(self.file, overwrite=True) as file:
                file.write(json.dumps(self.known).encode() + b"\n")


def _measured(path: str) -> tuple[Any, ...] | None:
    try:
        return dataclasses.astuple(measure_properties(path))
    except (ImageError, LesionflowError, OSError, MemoryError):
        return None


def _read(file: Path | None) -> dict[str, Any]:
    """What was measured before; nothing where the file is none of ours."""
    try:
        values = json.loads(file.read_bytes()) if file is not None else {}
        return dict(_valid(values))
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _valid(values: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, rows in values.items():
        if all(len(row) == len(_FIELDS) for row in rows):
            yield key, rows
