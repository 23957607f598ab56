"""Cache of decoded pixels on disk: each image is decoded once for a given size."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from lesionflow.atomic import partial_file, remove_unfinished
from lesionflow.errors import DataError, ImageError, counted, first_few, os_errors_as
from lesionflow.images import PIXELS_VERSION
from lesionflow.images.containers import row_order
from lesionflow.images.decode import decode
from lesionflow.images.discovery import cache_folder


def decoded_pixels(
    paths: Sequence[str],
    data_digest: str,
    height: int,
    width: int,
    cache: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:
    """The pixels of all images, memory-mapped: (images, height, width, 3) uint8, read-only.

    The file's name is a digest of all that its content depends on: the images' own digest, the size and the version of
    the decoder. Raises `DataError` that counts and names the images that cannot be decoded.
    """
    key = hashlib.sha256(f"{data_digest} {len(paths)} {height} {width} {PIXELS_VERSION}".encode()).hexdigest()[:24]
    folder = cache_folder(cache)
    file = folder / f"pixels-{height}x{width}-{key}.npy"
    if not file.exists():
        told = f"{folder}: decoded pixels cannot be kept there"
        with os_errors_as(DataError, told, "choose another folder with --cache"):
            folder.mkdir(parents=True, exist_ok=True)
            remove_unfinished(folder)
            _decode_all(paths, file, height, width, progress)
    pixels: np.ndarray = np.load(file, mmap_mode="r")
    return pixels


def _decode_all(
    paths: Sequence[str], file: Path, height: int, width: int, progress: Callable[[int, int], None]
) -> None:
    failures: list[str] = []
    with partial_file(file) as partial, open(partial, "xb") as claimed:
        pixels = np.lib.format.open_memmap(partial, mode="w+", dtype=np.uint8, shape=(len(paths), height, width, 3))
        # Claim the space now: a full disk is an error here, but would end the process when a mapped page is written.
        os.posix_fallocate(claimed.fileno(), 0, os.path.getsize(partial))

        def decode_one(index: int) -> str | None:
            try:
                pixels[index] = decode(paths[index], height, width)
                return None
            except ImageError as error:
                return f"{paths[index]} ({error})"

        with ThreadPoolExecutor() as threads:  # Pillow's decoders release the interpreter's lock
            order = sorted(range(len(paths)), key=lambda index: row_order(paths[index]))
            for done, failure in enumerate(threads.map(decode_one, order), start=1):
                progress(done, len(paths))
                if failure:
                    failures.append(failure)
        check_all_decoded(failures, len(paths))
        pixels.flush()
        os.replace(partial, file)  # only a whole file ever has the final name


def check_all_decoded(failures: Sequence[str], total: int) -> None:
    """Raise `DataError` that names the images that cannot be decoded, as `PATH (why)`, and says what to do."""
    if failures:
        raise DataError(
            f"{counted(len(failures), 'image', of=total)} cannot be decoded: {first_few(failures, 20)}; replace the "
            "files, or take their rows out of the table; `lesionflow describe DATA --out FOLDER` lists every one in "
            "description.json"
        )
