"""What the decoder of HEIC says of a picture: it conceals what it cannot read, and libheif does not pass that on."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Iterator
from typing import Any

from lesionflow.images.iso_media import Items
from lesionflow.images.native_libraries import native_libraries

_STEPS = 100  # of a decoder until it gives its one picture, which takes a few


def complaint(data: bytes, items: Items) -> str:
    """The first thing that libde265 says against the pixels of a HEIC; nothing where it is silent, or not to be had.

    The pixels are decoded once more for that. A thumbnail has no part in it, unless the picture consists of tiles.
    """
    library = _library()
    whole = items.kinds.get(items.primary) == b"hvc1"
    for item in (items.primary,) if whole else items.extents if library else ():
        settings = dict(items.properties.get(item, ())).get(b"hvcC", b"")
        if library and items.kinds.get(item) == b"hvc1" and len(settings) > 22:
            stream = b"".join(data[start:end] for start, end in items.extents.get(item, ()))
            if said := _decoded(library, [*_parameters(settings), *_units(stream, (settings[21] & 3) + 1)]):
                return said
    return ""


def _parameters(settings: bytes) -> Iterator[bytes]:
    """The units in front of a picture's own: ISO/IEC 14496-15, 8.3.2.1."""
    at = 23
    for _ in range(settings[22]):
        count, at = int.from_bytes(settings[at + 1 : at + 3], "big"), at + 3
        for _ in range(count):
            length = int.from_bytes(settings[at : at + 2], "big")
            yield settings[at + 2 : at + 2 + length]
            at += 2 + length


def _units(stream: bytes, size: int) -> Iterator[bytes]:
    """The units of a picture, each of which has its length in front of it, in so many bytes."""
    at = 0
    while at + size <= len(stream):
        start = at + size
        at = start + int.from_bytes(stream[at:start], "big")
        yield stream[start:at]


def _decoded(library: Any, units: list[bytes]) -> str:
    decoder, more = library.de265_new_decoder(), ctypes.c_int(1)
    try:
        for unit in units:
            library.de265_push_NAL(decoder, unit, len(unit), 0, None)
        library.de265_flush_data(decoder)
        error = 0
        for _ in range(_STEPS):
            if error or not more.value or library.de265_get_next_picture(decoder):
                break
            error = library.de265_decode(decoder, ctypes.byref(more))
        error = error or library.de265_get_warning(decoder)
        return library.de265_get_error_text(error).decode(errors="replace") if error else ""
    finally:
        library.de265_free_decoder(decoder)


@functools.cache
def _library() -> Any:
    """The decoder that pillow-heif brings along, or None."""
    for library in native_libraries("pillow_heif", "pillow_heif.libs", "de265"):
        if hasattr(library, "de265_push_NAL"):
            pointer = ctypes.c_void_p
            for name in ("de265_new_decoder", "de265_get_next_picture"):
                getattr(library, name).restype = pointer
            for name in ("flush_data", "get_next_picture", "get_warning", "free_decoder"):
                getattr(library, f"de265_{name}").argtypes = [pointer]
            library.de265_push_NAL.argtypes = [pointer, ctypes.c_char_p, ctypes.c_int, ctypes.c_int64, pointer]
            library.de265_decode.argtypes = [pointer, pointer]
            library.de265_get_error_text.restype = ctypes.c_char_p
            return library
    return None
