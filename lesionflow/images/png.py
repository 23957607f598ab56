"""PNG: what Pillow does not check of a file, and what it reads otherwise than it is meant."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from lesionflow.errors import ImageError
from lesionflow.images.colour import MAXIMUM_PROFILE, gamma_profile, named_profile
from lesionflow.images.picture import exif_orientation, joined

_PICTURE_OF_PNG = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_TEXTS_OF_PNG = (b"tEXt", b"zTXt", b"iTXt")
_LONGEST_TEXT = 2**26  # bytes, unpacked
_UNSPECIFIED = 2  # of what cICP says in numbers


def check_png(data: bytes) -> tuple[bytes, str, bool]:
    """The profile of a PNG file, a note about it, and whether its range is narrow.

    Raises `ImageError` for a wrong checksum or no end.

    Colour is taken from the first of these chunks that is present in front of the pixels: cICP, iCCP, sRGB, gAMA with
    cHRM.
    """
    if data[12:16] == b"CgBI":
        raise ImageError("unsupported", "a PNG of Apple's own kind, as in programs for phones; save it as PNG")
    found: dict[bytes, bytes] = {}
    for kind, start, end in _chunks(data):
        if zlib.crc32(memoryview(data)[start - 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise ImageError("damaged", f"wrong checksum of its chunk {kind.decode('latin-1')!r}")
        if b"IDAT" not in found:
            found.setdefault(kind, data[start:end])
    frames = int.from_bytes(found[b"acTL"][:4], "big") + (b"fcTL" not in found) if b"acTL" in found else 1
    note = f"frame 1 of {frames}" if frames > 1 else ""
    numbers = found.get(b"cICP", b"")
    narrow = len(numbers) == 4 and numbers[3] == 0
    if len(numbers) == 4 and _UNSPECIFIED not in numbers[:2]:
        profile, said = named_profile(numbers[0], numbers[1])
        return profile, joined(note, said), narrow
    if b"iCCP" in found:
        return _unpacked(found[b"iCCP"].partition(b"\0")[2][1:]), note, narrow
    if b"sRGB" in found or len(found.get(b"gAMA", b"")) != 4:
        return b"", note, narrow
    return gamma_profile(found[b"gAMA"], found.get(b"cHRM", b"")), note, narrow


def only_picture(data: bytes) -> bytes:
    """A PNG without chunks that Pillow would refuse and the pixels do not need: texts, profiles, animations."""
    view = memoryview(data)
    kept = (view[start - 8 : end + 4] for kind, start, end in _chunks(data) if kind in _PICTURE_OF_PNG)
    return b"".join([view[:8], *kept])


def orientation_of_png(data: bytes) -> int:
    """The orientation, in front of the pixels or behind them: of eXIf or EXIF in a text or, failing that, of XMP."""
    found: dict[bytes, tuple[bytes, bytes]] = {}  # by keyword: the kind of text, and what follows
    exif = b""
    for kind, start, end in _chunks(data):
        if kind == b"eXIf":
            exif = data[start:end]
        elif kind in _TEXTS_OF_PNG:
            keyword, _, content = data[start:end].partition(b"\0")
            found[keyword] = kind, content
    if not exif and b"Raw profile type exif" in found:
        digits = b"".join(_text_of_png(*found[b"Raw profile type exif"]).split(b"\n")[3:])  # behind its name and length
        with contextlib.suppress(ValueError):
            exif = bytes.fromhex(digits.decode("latin-1"))
    xmp = _text_of_png(*found.get(b"XML:com.adobe.xmp", (b"", b"")))
    return exif_orientation(exif.removeprefix(b"Exif\0\0"), xmp)


def _text_of_png(kind: bytes, content: bytes) -> bytes:
    """A text from what follows its keyword: ISO/IEC 15948, 11.3.4."""
    if kind == b"iTXt":
        packed, content = content[:1] == b"\1", content[2:].split(b"\0", 2)[-1]  # behind two flags and the language
    else:
        packed, content = kind == b"zTXt", content[kind == b"zTXt" :]
    return _unpacked(content, _LONGEST_TEXT) if packed else content


def _unpacked(packed: bytes, most: int = MAXIMUM_PROFILE) -> bytes:
    """The decompressed profile or text, or bytes that are neither."""
    try:
        return zlib.decompressobj().decompress(packed, most + 1) or b"empty"
    except zlib.error:
        return b"cannot be unpacked"


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a PNG: kind, and where the content starts and ends. Raises `ImageError` where it breaks off."""
    start, kind = 8, b""
    while kind != b"IEND":
        kind, start, length = data[start + 4 : start + 8], start + 8, int.from_bytes(data[start : start + 4], "big")
        if len(kind) < 4 or start + length + 4 > len(data):
            raise ImageError("damaged", "it breaks off")
        yield kind, start, start + length
        start += length + 4


def check_rows(data: bytes, image: Image.Image) -> None:
    """A PNG whose compressed data ends too early leaves rows black, without an error."""
    if image.crop((0, image.height - 1, image.width, image.height)).tobytes().strip(b"\0") and data[28] == 0:
        return  # the last row is there; of interlaced images (byte 28) rows do not come in order
    expected, unpacked, total = _png_bytes(data), zlib.decompressobj(), 0
    for chunk in (data[start:end] for kind, start, end in _chunks(data) if kind == b"IDAT"):
        while chunk and total < expected:
            total += len(unpacked.decompress(chunk, 2**20))
            chunk = unpacked.unconsumed_tail
    if total < expected:
        raise ImageError("damaged", f"{total:,} of {expected:,} bytes of pixels")


def _png_bytes(data: bytes) -> int:
    """Size of a PNG file's pixels before compression, with one byte per row for the filter."""
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    bits = data[24] * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[data[25]]
    passes = [(0, 0, 1, 1)]
    if data[28]:  # Adam7: the first pixel of each pass, and its steps
        passes = [
            (0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2),
        ]  # fmt: skip
    total = 0
    for left, top, right, down in passes:
        columns, rows = -(-(width - left) // right), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            total += rows * (1 + (columns * bits + 7) // 8)
    return total


def scale_transparency(image: Any, bits: int) -> None:
    """Scale the transparent colour of a PNG to 8 bits, as Pillow scales its pixels."""
    colour = image.info.get("transparency")
    if bits == 16 and image.mode == "RGB" and isinstance(colour, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in colour)
    elif bits in (2, 4) and image.mode == "L" and isinstance(colour, int):
        image.info["transparency"] = colour * (255 // (2**bits - 1))


def full_range(image: Image.Image) -> Image.Image:
    """A PNG whose samples are from 16 to 235, as in films, in colours from 0 to 255."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    wider = [round(min(max((value - 16) * 255 / 219, 0), 255)) for value in range(256)]
    return image.point(wider * 3 + list(range(256)) * (image.mode == "RGBA"))
