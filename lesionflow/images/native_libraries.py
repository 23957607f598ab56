"""Calls to the shared libraries behind image packages, for what the packages do not expose."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import importlib.util
from collections.abc import Iterator
from pathlib import Path


def native_libraries(package: str, folder: str, name: str) -> Iterator[ctypes.CDLL]:
    """The shared libraries with a name, first those bundled with a package, on Linux in a folder beside it."""
    for library in _found(package, folder, name):
        with contextlib.suppress(OSError):
            yield ctypes.CDLL(library)


def _found(package: str, folder: str, name: str) -> Iterator[str]:
    found = importlib.util.find_spec(package)
    if found and found.origin:
        around = Path(found.origin).parent
        yield from map(str, around.parent.glob(f"{folder}/lib{name}*"))
        yield from map(str, around.glob(f".dylibs/lib{name}*"))
    if installed := ctypes.util.find_library(name):  # asked last: it starts other programs
        yield installed
