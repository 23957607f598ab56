"""Checks of HEIC and AVIF files by their decoders, stricter than libheif's and libavif's defaults."""

from __future__ import annotations

import ctypes
import errno
import functools
from collections.abc import Iterator
from typing import Any

from lesionflow.images.iso_media import Items, items_of_picture
from lesionflow.images.limits import MAXIMUM_STORED_PIXELS
from lesionflow.images.native_libraries import native_libraries

_STEPS = 100  # of libde265, besides those for each unit, until it gives its one picture
_UNUSED_OF_HEVC = 12  # bytes; of whole pictures the last ones are needed
_PICTURE_OF_HEVC = range(32)  # kinds of its units
_FILTERS_OF_HEVC = (7, 8)  # numbers of what smooths a picture that is read
_POINTER = ctypes.c_void_p


def complaint(data: bytes, items: Items) -> str:
    """The first complaint of libde265 or dav1d about the pixels of a file; none if neither library is available.

    The pixels are decoded once more for that, those of HEIC twice.
    """
    ask = {b"hvc1": _said_by_libde265, b"av01": _said_by_dav1d}
    for item in items_of_picture(items):
        if (kind := items.kinds.get(item, b"")) in ask:
            stream = b"".join(data[start:end] for start, end in items.extents.get(item, ()))
            if said := ask[kind](stream, dict(items.properties.get(item, ())).get(b"hvcC", b"")):
                return said
    return ""


def _said_by_libde265(stream: bytes, settings: bytes) -> str:
    """The complaint of libde265, which conceals errors: it may have all pixels without needing the last bytes."""
    library = _libde265()
    if library is None or len(settings) <= 22:
        return ""
    parameters, units = list(_parameters(settings)), list(_units(stream, (settings[21] & 3) + 1))
    said, pixels = _decoded(library, parameters + units)
    last = max((i for i, unit in enumerate(units) if unit and unit[0] >> 1 & 63 in _PICTURE_OF_HEVC), default=-1)
    if not pixels or said or last < 0 or len(units[last]) < 4 * _UNUSED_OF_HEVC:
        return said
    units[last] = units[last][:-_UNUSED_OF_HEVC]
    return "its pixels end before its bytes do" if _decoded(library, parameters + units) == ("", pixels) else ""


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
    """The units of a picture, each preceded by its length in a given number of bytes."""
    at = 0
    while at + size <= len(stream):
        start = at + size
        at = start + int.from_bytes(stream[at:start], "big")
        yield stream[start:at]


def _decoded(library: Any, units: list[bytes]) -> tuple[str, bytes]:
    """The decoder's complaint, and the pixels, plane by plane without what lies between their rows."""
    decoder, more, step = library.de265_new_decoder(), ctypes.c_int(1), ctypes.c_int()
    try:
        for number in _FILTERS_OF_HEVC:  # in which nothing can be wrong
            library.de265_set_parameter_bool(decoder, number, 1)
        for unit in units:
            library.de265_push_NAL(decoder, unit, len(unit), 0, None)
        library.de265_flush_data(decoder)
        error, picture, pixels = 0, None, b""
        for _ in range(_STEPS + 2 * len(units)):
            if error or not more.value or (picture := library.de265_get_next_picture(decoder)):
                break
            error = library.de265_decode(decoder, ctypes.byref(more))
        for plane in range(3 if picture else 0):  # the colours of the last block come behind its brightness
            address = library.de265_get_image_plane(picture, plane, ctypes.byref(step))
            row = library.de265_get_image_width(picture, plane)
            row *= (library.de265_get_bits_per_pixel(picture, plane) + 7) // 8
            rows = range(library.de265_get_image_height(picture, plane) if address else 0)  # grey has a single plane
            pixels += b"".join(ctypes.string_at(address + y * step.value, row) for y in rows)
        error = error or library.de265_get_warning(decoder)
        return library.de265_get_error_text(error).decode(errors="replace") if error else "", pixels
    finally:
        library.de265_free_decoder(decoder)


@functools.cache
def _libde265() -> Any:
    """The decoder bundled with pillow-heif, or None."""
    for library in native_libraries("pillow_heif", "pillow_heif.libs", "de265"):
        if hasattr(library, "de265_push_NAL"):
            for name in ("new_decoder", "get_next_picture", "get_image_plane"):
                getattr(library, f"de265_{name}").restype = _POINTER
            for name in ("flush_data", "get_next_picture", "get_warning", "free_decoder"):
                getattr(library, f"de265_{name}").argtypes = [_POINTER]
            library.de265_set_parameter_bool.argtypes = [_POINTER, ctypes.c_int, ctypes.c_int]
            library.de265_push_NAL.argtypes = [_POINTER, ctypes.c_char_p, ctypes.c_int, ctypes.c_int64, _POINTER]
            library.de265_decode.argtypes = [_POINTER, _POINTER]
            library.de265_get_image_plane.argtypes = [_POINTER, ctypes.c_int, _POINTER]
            for name in ("image_width", "image_height", "bits_per_pixel"):
                getattr(library, f"de265_get_{name}").argtypes = [_POINTER, ctypes.c_int]
            library.de265_get_error_text.restype = ctypes.c_char_p
            return library
    return None


class _Dav1dSettings(ctypes.Structure):
    _fields_ = (
        ("threads", ctypes.c_int), ("delay", ctypes.c_int), ("grain", ctypes.c_int), ("layers", ctypes.c_int * 2),
        ("most_pixels", ctypes.c_uint), ("allocator", _POINTER * 3), ("logger", _POINTER * 2),
        ("strict", ctypes.c_int), ("invisible", ctypes.c_int), ("filters", ctypes.c_int), ("more", ctypes.c_int * 16),
    )  # fmt: skip


def _said_by_dav1d(stream: bytes, _: bytes) -> str:
    """Asked to be strict, it looks at how each tile ends: AV1's specification, 8.2.4."""
    library = _dav1d()
    if library is None or not stream:
        return ""
    settings, decoder = _Dav1dSettings(), _POINTER()
    library.dav1d_default_settings(ctypes.byref(settings))
    settings.threads = settings.delay = settings.strict = 1
    settings.grain = settings.filters = 0
    settings.most_pixels = MAXIMUM_STORED_PIXELS
    settings.logger[:] = (None, None)  # to stderr, otherwise
    if library.dav1d_open(ctypes.byref(decoder), ctypes.byref(settings)):
        return ""
    held, picture = ctypes.create_string_buffer(1024), ctypes.create_string_buffer(4096)  # more than their structures
    try:
        if not (address := library.dav1d_data_create(held, len(stream))):
            raise MemoryError(f"{len(stream):,} bytes for dav1d")
        ctypes.memmove(address, stream, len(stream))
        failed = library.dav1d_send_data(decoder, held) or library.dav1d_get_picture(decoder, picture)
        return "" if failed in (0, -errno.EAGAIN) else "its pixels do not end where its bytes do"
    finally:
        library.dav1d_data_unref(held)
        library.dav1d_picture_unref(picture)
        library.dav1d_close(ctypes.byref(decoder))


@functools.cache
def _dav1d() -> Any:
    """The decoder in Pillow's bundled libavif, or that of the system, or None."""
    for name in ("avif", "dav1d"):
        for library in native_libraries("PIL", "pillow.libs", name):
            # `_Dav1dSettings` is that of versions 1.0 and later.
            if hasattr(library, "dav1d_version_api") and library.dav1d_version_api() >> 16 in (6, 7):
                library.dav1d_data_create.restype = _POINTER
                library.dav1d_data_create.argtypes = [_POINTER, ctypes.c_size_t]
                return library
    return None
