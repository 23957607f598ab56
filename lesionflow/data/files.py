"""Finding image files in folders."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lesionflow.data.pixels import SUFFIXES
from lesionflow.errors import DataError


def find_images(source: str | os.PathLike[str]) -> list[str]:
    """Every image file in a folder and the folders below it, by name ending, in the order of their paths' bytes.

    A source that is a file is itself the one result, whatever its ending. Paths begin with `source`. Linked files
    count; linked folders are not entered, so a loop cannot form. Raises `DataError` where there is nothing to find.
    """
    path = os.fspath(source)
    if os.path.isfile(path):
        return [path]
    if not os.path.isdir(path):
        raise DataError(f"{path}: no such file or folder; give a folder of images or one image")
    found = sorted(_walk(path), key=os.fsencode)
    if not found:
        raise DataError(f"{path}: no image files ({', '.join(SUFFIXES)}) in this folder or those below it")
    return found


def _walk(folder: str) -> Iterator[str]:
    try:
        entries = list(os.scandir(folder))
    except OSError as error:
        # Passing over a folder in silence would lose its images: the run has to stop here.
        raise DataError(f"{folder}: cannot be listed ({error.strerror}); make it readable or leave it out") from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path)
        elif entry.name.lower().endswith(SUFFIXES) and not _is_special(entry):
            yield entry.path


def _is_special(entry: os.DirEntry[str]) -> bool:
    """A pipe, a socket, a device or a linked folder: reading it could block for ever or is no image.

    A link that cannot be followed is not special: it is found, and becomes a row that says so.
    """
    return os.path.exists(entry.path) and not os.path.isfile(entry.path)


def default_cache() -> Path:
    """Where decoded pixels and the demo set are kept: `$LESIONFLOW_CACHE`, else the user's cache folder."""
    if chosen := os.environ.get("LESIONFLOW_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lesionflow"
