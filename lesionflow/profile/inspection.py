"""What each image file of a data set is: format, size, colour and a small view; or what is wrong with it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from lesionflow.errors import ImageError
from lesionflow.images.decode import decode, header
from lesionflow.images.duplicates import VIEW
from lesionflow.images.read_bytes import read_image_bytes


@dataclass(frozen=True)
class Inspection:
    """One image file, looked at."""

    format: str = ""  # as Pillow names it, or DICOM
    width: int = 0  # pixels, as the image is shown
    height: int = 0
    digest: str = ""  # SHA-256 of the file's bytes
    failure: ImageError | None = None


def inspect_images(
    paths: Sequence[str], progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[list[Inspection], np.ndarray]:
    """Look at every file, whatever is wrong with some.

    Returns one inspection each and the views of their middle squares, (images, 32, 32, 3) uint8; black where an image
    cannot be decoded.
    """
    views = np.zeros((len(paths), VIEW, VIEW, 3), np.uint8)

    def inspect(index: int) -> Inspection:
        digest = ""
        try:
            data = read_image_bytes(paths[index])
            digest = hashlib.sha256(data).hexdigest()
            kind, width, height = header(data)
            views[index] = decode(data, VIEW, VIEW)
            return Inspection(kind, width, height, digest)
        except ImageError as error:
            return Inspection(digest=digest, failure=error)

    inspections = []
    with ThreadPoolExecutor() as threads:  # Pillow's decoders release the interpreter's lock
        for done, inspection in enumerate(threads.map(inspect, range(len(paths))), start=1):
            inspections.append(inspection)
            progress(done, len(paths))
    return inspections, views
