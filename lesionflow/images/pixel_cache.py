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
from lesionflow.images.read_bytes import digest_of_frame, read_named

_AT_ONCE = 2**20  # bytes of zeros that are written together


def decoded_pixels(
    paths: Sequence[str],
    contents: Sequence[str],
    height: int,
    width: int,
    cache: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> np.ndarray:
    """The pixels of all images, memory-mapped: (images, height, width, 3) uint8, read-only.

    contents: the digests of the images' bytes, by `read_bytes.digest_of_frame`. The file's name is a digest of all that
    its content depends on: these, the size and the version of the decoder. Raises `DataError` that counts and names the
    images that cannot be decoded, or have changed since their digests were taken.
    """
    named = "\n".join([*contents, f"{height} {width} {PIXELS_VERSION}"])
    folder = cache_folder(cache)
    file = folder / f"pixels-{height}x{width}-{hashlib.sha256(named.encode()).hexdigest()[:24]}.npy"
    kept = _kept(file, (len(paths), height, width, 3))
    if kept is not None:
        return kept
    with os_errors_as(
        DataError, f"{folder}: decoded pixels cannot be kept there", "choose another folder with --cache"
    ):
        folder.mkdir(parents=True, exist_ok=True)
        remove_unfinished(folder)
        _decode_all(paths, contents, file, height, width, progress)
    pixels: np.ndarray = np.load(file, mmap_mode="r")
    return pixels


def _kept(file: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The array in a file; None where there is none, or one that was cut or is another's."""
    try:
        pixels: np.ndarray = np.load(file, mmap_mode="r")
    except (OSError, ValueError, EOFError):
        return None
    return pixels if (pixels.shape, pixels.dtype) == (shape, np.uint8) else None


def _decode_all(
    paths: Sequence[str],
    contents: Sequence[str],
    file: Path,
    height: int,
    width: int,
    progress: Callable[[int, int], None],
) -> None:
    with partial_file(file) as partial:
        _decode_into(partial, paths, contents, height, width, progress)
        os.replace(partial, file)  # only a whole file ever has the final name, and no open one, which Windows keeps


def _decode_into(
    file: Path,
    paths: Sequence[str],
    contents: Sequence[str],
    height: int,
    width: int,
    progress: Callable[[int, int], None],
) -> None:
    failures: list[str] = []
    changed: list[str] = []
    pixels = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=(len(paths), height, width, 3))
    _claim_space(file, pixels.offset)

    def decode_one(index: int) -> None:
        path = paths[index]
        try:
            data, frame = read_named(path)
            if digest_of_frame(hashlib.sha256(data), frame or 0) != contents[index]:
                changed.append(path)
                return
            pixels[index] = decode(data, height, width, frame or 0)
        except ImageError as error:
            failures.append(f"{path} ({error})")

    with ThreadPoolExecutor() as threads:  # Pillow's decoders release the interpreter's lock
        order = sorted(range(len(paths)), key=lambda index: row_order(paths[index]))
        for done, _ in enumerate(threads.map(decode_one, order), start=1):
            progress(done, len(paths))
    check_all_decoded(sorted(failures), len(paths))
    if changed:
        told = counted(len(changed), "image", "has", "have", of=len(paths))
        raise DataError(
            f"{told} changed since the data set was read: {first_few(sorted(changed))}; give the command again "
            "when nothing writes there any more"
        )
    pixels.flush()


def _claim_space(file: Path, start: int) -> None:
    """Claim the space of a file of zeros from `start` on now.

    A full disk is an error here, but would end the process when a mapped page is written.
    """
    size = os.path.getsize(file)
    with open(file, "r+b") as claimed:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(claimed.fileno(), 0, size)
            return
        claimed.seek(start)  # macOS and Windows claim what is written
        for position in range(start, size, _AT_ONCE):
            claimed.write(bytes(min(_AT_ONCE, size - position)))


def check_all_decoded(failures: Sequence[str], total: int) -> None:
    """Raise `DataError` that names the images that cannot be decoded, as `PATH (why)`, and says what to do."""
    if failures:
        raise DataError(
            f"{counted(len(failures), 'image', of=total)} cannot be decoded: {first_few(failures, 20)}; replace the "
            "files, or take their rows out of the table; 'lesionflow describe DATA --out FOLDER' lists every one in "
            "description.json"
        )
