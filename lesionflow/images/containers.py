"""Images that lie within a file: `images.hdf5/ISIC_0000001` is the data set ISIC_0000001 of images.hdf5."""

from __future__ import annotations

import functools
import os
import threading
from typing import TYPE_CHECKING

from lesionflow.errors import ImageError

if TYPE_CHECKING:
    import h5py

HDF5_SUFFIXES = (".hdf5", ".h5")
_LOCK = threading.Lock()  # h5py's own lock does not guard the cache


def is_member(path: str | os.PathLike[str]) -> bool:
    """Whether a path leads to an image within a file that holds several."""
    file, name = os.path.split(os.fspath(path))
    if not file.lower().endswith(HDF5_SUFFIXES) or not os.path.isfile(file):
        return False
    with _LOCK:
        return name in _opened(file)


def read_member(path: str | os.PathLike[str]) -> bytes:
    """The bytes of an image within a file.

    Raises
    ------
    ImageError
        `not_found` where the file holds nothing of that name, `unsupported` where an extra is missing.
    """
    file, name = os.path.split(os.fspath(path))
    if not file.lower().endswith(HDF5_SUFFIXES) or not os.path.isfile(file):
        raise ImageError("not_found", "no such file")
    try:
        with _LOCK:
            opened = _opened(file)
            if name not in opened:
                raise ImageError("not_found", f"{os.path.basename(file)} holds no {name}")
            return bytes(opened[name][()].tobytes())
    except (OSError, AttributeError, ValueError) as error:
        raise ImageError("unreadable", f"{os.path.basename(file)}: {error}") from error


def _opened(file: str) -> h5py.File:
    status = os.stat(file)
    return _open(file, status.st_mtime_ns, os.getpid())


@functools.lru_cache(maxsize=4)
def _open(file: str, changed: int, process: int) -> h5py.File:
    """An open file, once for each process, and anew when it has changed."""
    try:
        import h5py
    except ImportError as error:
        raise ImageError("unsupported", "HDF5 needs the extra tables (h5py)") from error
    return h5py.File(file, "r")
