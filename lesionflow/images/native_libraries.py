"""The shared libraries behind image packages, for what the packages do not expose: errors of libtiff, and more."""

from __future__ import annotations

import contextlib
import ctypes
import ctypes.util
import functools
import importlib.util
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


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


_Handler = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
_here = threading.local()


@contextlib.contextmanager
def libtiff_errors() -> Iterator[list[str]]:
    """Collect libtiff's errors in this thread: it would print them, and often continue with made-up pixels."""
    _listen()
    _here.said = []
    try:
        yield _here.said
    finally:
        del _here.said


@functools.cache
def _listen() -> Callable[..., None] | None:
    """Collect libtiff's complaints, from the first TIFF file on; those of other users of libtiff go where they went.

    Pillow has no way to ask for them. If libtiff is linked into Pillow, as on Windows, they are not available.
    """
    for library in native_libraries("PIL", "pillow.libs", "tiff"):
        with contextlib.suppress(AttributeError):
            return _take_errors(library.TIFFSetErrorHandler)
    return None


def _take_errors(set_handler: Any) -> Callable[..., None]:
    before: list[Any] = [None]

    @_Handler
    def take(module: bytes | None, text: bytes, arguments: int) -> None:
        said = getattr(_here, "said", None)
        if said is not None:
            buffer = ctypes.create_string_buffer(200)
            ctypes.CDLL(None).vsnprintf(buffer, len(buffer), text, ctypes.c_void_p(arguments))
            said.append(": ".join(each.decode(errors="replace") for each in (module or b"libtiff", buffer.value)))
        elif before[0]:
            before[0](module, text, arguments)

    set_handler.restype, set_handler.argtypes = _Handler, [_Handler]
    before[0] = set_handler(take)
    return take  # kept in the cache: libtiff calls it
