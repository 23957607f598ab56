"""TIFF: chooses the page, checks that it is complete, and decodes it through Pillow and libtiff."""

from __future__ import annotations

import io
import itertools
import re
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImagePalette
from PIL.TiffImagePlugin import TiffImageFile

from lesionflow.errors import ImageError, counted
from lesionflow.images.colour import calibration_note
from lesionflow.images.jpeg import load_jpeg, read_layout
from lesionflow.images.limits import MAXIMUM_PIXELS, TOO_MANY, check_pixels
from lesionflow.images.native_libraries import libtiff_errors
from lesionflow.images.picture import StoredImage, fit, joined
from lesionflow.images.quiet import quietly

# Tags, of TIFF 6.0 and its supplements.
_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 254, 255, 256, 257, 258, 259, 262
_FILL_ORDER, _SAMPLES, _ROWS, _PLANAR, _COLOURS, _SUBDIRECTORIES, _EXTRA, _FORMAT, _JPEG_TABLES, _PROFILE = (
    266, 277, 278, 284, 320, 330, 338, 339, 347, 34675,
)  # fmt: skip
_DESCRIPTION, _PREDICTOR, _TRANSFER, _WHITE, _PRIMARIES = 270, 317, 301, 318, 319
_STRIPS, _STRIP_BYTES, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES = 273, 279, 322, 323, 324, 325
_OLD_STREAM, _OLD_STREAM_BYTES, _ORIENTATION, _XMP = 513, 514, 274, 700
# The tags of a page that libtiff and Pillow need; they complain about others, which some files fill wrongly.
_OF_THE_PICTURE = frozenset({
    256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, 322, 323, 324, 325, 332, 338, 339,
    347, *range(512, 522), 529, 530, 531, 532, _XMP,
})  # fmt: skip
# Struct's letters for the types of numbers; type 5 is a numerator and a denominator.
_KINDS = {1: "B", 3: "H", 4: "I", 5: "Q", 6: "b", 7: "B", 8: "h", 9: "i", 13: "I", 16: "Q", 18: "Q"}
_OTHER_KINDS = {2: 1, 10: 8, 11: 4, 12: 8}  # bytes of texts and of further types of numbers
_POINTERS = frozenset({34665, 34853, 37724, 40965, 50740})  # tags of EXIF, GPS and makers, which lead elsewhere
_BYTE, _SHORT, _LONGER = 1, 3, (16, 18)  # kinds, the last ones of 64 bits
_HEADER = 8  # bytes
_REDUCED, _MASK = 1, 4
_NONE, _OLD_JPEG, _JPEG, _PACKBITS = 1, 6, 7, 32773
_DEFLATE = (8, 32946)
_OF_COMPRESSION = dict.fromkeys(range(512, 522), _OLD_JPEG) | {_JPEG_TABLES: _JPEG}  # elsewhere they are of a preview
_LZW, _ZSTANDARD = 5, 50000
# Zeros that are no pixels, by compression: LZW was seen to write 4 in a row, CCITT has 11 bits in front of the end of a
# line, of which G3 may have more to fill it.
_HOLES = {2: bytes(16), 3: bytes(64), 4: bytes(16), _LZW: bytes(16)}
# Zstandard keeps a block of 128 KiB as it is where packing saves less than 2 KiB of it, as noise with a row of black.
_PACKED_HOLE, _KEPT_HOLE = bytes(1000), bytes(2100)
_MOST_UNPACKED = 12 * MAXIMUM_PIXELS  # bytes of a strip: six samples of 16 bits
_COMPRESSIONS = {
    1: "none", 2: "CCITT", 3: "CCITT G3", 4: "CCITT G4", 5: "LZW", 6: "old JPEG", 7: "JPEG", 8: "Deflate",
    32773: "PackBits", 32946: "Deflate", 34712: "JPEG 2000", 34892: "lossy JPEG of DNG", 34925: "LZMA",
    50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL",
}  # fmt: skip
_PHOTOMETRICS = {
    0: "grey, 0 is white", 1: "grey", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr", 8: "Lab", 9: "ICC Lab",
    10: "ITU Lab", 32803: "a camera's raw image", 34892: "a camera's raw image", 32844: "LogL", 32845: "LogLuv",
}  # fmt: skip
_RAW = (32803, 34892)
_GREY = (0, 1)
# Where ImageJ and OME say how many channels an image has: each is a grey page of its own.
_CHANNELS = re.compile(rb'ImageJ=[^\0]*?\nchannels=(\d+)|<OME\b[^\0]*?\bSizeC="(\d+)"')
_SIGNED = 2  # numbers that may be negative
_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))  # by byte: the same bits from the other end
_MAXIMUM_PAGES = 100
# A first page without a type is the preview of another that has its shape, is larger and looks like it.
_PREVIEW, _ALIKE = 2, 12  # times as wide at least; grey levels at most, on average
_LUMA = (0.299, 0.587, 0.114)  # shares of red, green and blue in grey: ITU-R BT.601


@dataclass(frozen=True)
class _Page:
    values: dict[int, tuple[int, ...]]  # of tags that hold numbers
    entries: dict[int, tuple[int, int, bytes]]  # of the picture, by tag: kind, number of values, and these as stored
    profile: bytes
    tables: bytes  # of JPEG
    description: bytes
    end: int  # of all that the directory names beside the pixels; 0 where that cannot be told

    def first(self, tag: int, default: int) -> int:
        return (self.values.get(tag) or (default,))[0]

    @property
    def size(self) -> tuple[int, int]:
        return self.first(_WIDTH, 0), self.first(_HEIGHT, 0)

    @property
    def secondary(self) -> bool:
        return bool(self.first(_SUBFILE, 0) & (_REDUCED | _MASK)) or self.first(_OLD_SUBFILE, 1) == 2

    @property
    def is_image(self) -> bool:
        return not self.secondary and all(self.size)

    @property
    def channels(self) -> int:
        """How many grey images the page and others hold, or the page alone, that are the channels of one."""
        samples = self.first(_SAMPLES, 1)
        if self.first(_PHOTOMETRIC, 0) in _GREY and samples > 2:  # besides opacity, or what is not to be shown
            return samples
        found = _CHANNELS.search(self.description) if samples == 1 else None
        return int(found[1] or found[2]) if found else 1

    @property
    def described(self) -> str:
        bits = self.values.get(_BITS, (1,))
        kind = {2: " signed", 3: " float"}.get(self.first(_FORMAT, 1), "")
        photometric, compression = self.first(_PHOTOMETRIC, 0), self.first(_COMPRESSION, 1)
        return (
            f"TIFF, {_PHOTOMETRICS.get(photometric, f'photometric {photometric}')}, "
            f"{len(bits)} x {bits[0]}{kind} bits, compression {_COMPRESSIONS.get(compression, compression)}"
        )


def open_tiff(data: bytes) -> StoredImage:
    """Decode the image of a TIFF file: its first page that is neither the preview nor the mask of another.

    Raises `ImageError` where libtiff complains, bytes are missing, or the kind is not decoded.
    """
    pages = _read_pages(data)
    page = _main_page(data, pages)
    check_pixels(*page.size)
    note = joined(
        _which(page, pages),
        _check_strips(data, page),
        "" if page.first(_COMPRESSION, 1) != _NONE else _said_of_rest(data, pages),
        "" if page.profile else _calibration(data, page),
    )
    image = _load(data, page)
    if page.first(_EXTRA, 0) == 1 and image.mode in ("RGBA", "La") and image.getextrema()[-1] == (0, 0):
        # Colours multiplied by an alpha of 0 would be 0, and these are not: the alpha is unused.
        image = _load(data, page, {_EXTRA: 0})
        note = joined(note, "its alpha is 0 everywhere and was ignored")
    bits = page.first(_BITS, 1)
    return StoredImage(image, 1, page.profile, note, bits, page.first(_PHOTOMETRIC, 0) == 0)


def _which(page: _Page, pages: list[_Page]) -> str:
    """A note on which of several pages the image is, ignoring previews and masks of the first one."""
    more = " or more" if len(pages) == _MAXIMUM_PAGES else ""
    if page is not pages[0]:
        return f"page {pages.index(page) + 1} of {len(pages)}{more}, of which the first is a preview"
    images = _count_images(page, pages)
    return f"page 1 of {images}{more}" if images > 1 else ""


def _calibration(data: bytes, page: _Page) -> str:
    """A note on the colours that the page defines by numbers."""
    order, _ = _layout(data)
    coloured = page.first(_PHOTOMETRIC, 0) in (2, 3, 6)  # RGB, palette, YCbCr

    def points(tag: int, count: int) -> np.ndarray:
        stated = page.values.get(tag, ())
        if not coloured or len(stated) != count or min(stated) < 0:
            return np.empty(0)
        above, below = np.frombuffer(struct.pack(f"{order}{count}Q", *stated), order + "u4").reshape(-1, 2).T
        return above / np.maximum(below, 1)

    curve = np.array(page.values.get(_TRANSFER, ())) / 65535
    entries = 2 ** page.first(_BITS, 1)
    fits = len(curve) in (entries, 3 * entries)
    return calibration_note(
        points(_WHITE, 2), points(_PRIMARIES, 6).reshape(-1, 2), curve.reshape(-1, entries).T if fits else np.empty(0)
    )


def tiff_size(data: bytes) -> tuple[int, int]:
    """Width and height of the image as displayed."""
    page = _main_page(data, _read_pages(data))
    width, height = page.size
    return (height, width) if page.first(_ORIENTATION, 1) in (5, 6, 7, 8) else (width, height)


def count_pages(data: bytes) -> int:
    """Pages of a TIFF file that are images, from the one that is decoded on: no previews or masks."""
    pages = _read_pages(data)
    return _count_images(_main_page(data, pages), pages)


def _count_images(page: _Page, pages: list[_Page]) -> int:
    return 1 + sum(each.is_image for each in pages[pages.index(page) + 1 :])


def _read_pages(data: bytes) -> list[_Page]:
    """The directories of a file, those of its images' subdirectories behind each. Raises `ImageError`."""
    order, big = _layout(data)
    pages: list[_Page] = []
    try:
        waiting, seen = [struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0]], set()
        while waiting and len(pages) < _MAXIMUM_PAGES:
            offset = waiting.pop(0)
            if offset in seen or offset == 0:
                continue
            seen.add(offset)
            page, following = _read_page(data, offset, order, big)
            pages.append(page)
            waiting = [*page.values.get(_SUBDIRECTORIES, ()), *waiting, following]
    except (struct.error, ValueError) as error:
        if not pages:
            raise ImageError("damaged", "its directory breaks off") from error
    if not pages:
        raise ImageError("damaged", "it has no directory")
    return pages


def _layout(data: bytes) -> tuple[str, bool]:
    """The order of bytes, as struct says it, and whether offsets have 64 bits."""
    return "<" if data[:2] == b"II" else ">", data[2:4] in (b"+\0", b"\0+")


def _read_page(data: bytes, offset: int, order: str, big: bool) -> tuple[_Page, int]:
    counter, entry, inline, pointer = ("Q", "HHQ", 8, "Q") if big else ("H", "HHI", 4, "I")
    (count,) = struct.unpack_from(order + counter, data, offset)
    step = struct.calcsize(order + entry) + inline
    start = offset + struct.calcsize(order + counter)
    (following,) = struct.unpack_from(order + pointer, data, start + step * count)
    values: dict[int, tuple[int, ...]] = {}
    entries: dict[int, tuple[int, int, bytes]] = {}
    texts: dict[int, bytes] = {}
    end, pointers = start + step * count + struct.calcsize(pointer), False
    for at in range(start, start + step * count, step):
        tag, kind, number = struct.unpack_from(order + entry, data, at)
        letter = "s" if tag == _DESCRIPTION else _KINDS.get(kind)
        size = number * (struct.calcsize(order + letter) if letter else _OTHER_KINDS.get(kind, 0))
        first = at + step - inline
        if size > inline:
            (first,) = struct.unpack_from(order + pointer, data, first)
            end = max(end, first + size)
        pointers |= tag in _POINTERS or not size
        if letter is None or tag in values:  # one that was damaged, for none comes twice
            continue
        if tag in (_PROFILE, _JPEG_TABLES, _DESCRIPTION):
            texts[tag] = data[first : first + size] or b"missing"
        elif (tag < 340 or tag in (_OLD_STREAM, _OLD_STREAM_BYTES)) and first + size <= len(data):
            values[tag] = struct.unpack_from(f"{order}{number}{letter}", data, first)
        if tag in _OF_THE_PICTURE and first + size <= len(data) and (tag != _XMP or letter == "B"):
            entries[tag] = kind, number, data[first : first + size]
    for tag, most in ((_ORIENTATION, 8), (_FILL_ORDER, 2)):
        if not 0 < (values.get(tag) or (1,))[0] <= most:
            del values[tag], entries[tag]
    profile, tables, description = (texts.get(tag, b"") for tag in (_PROFILE, _JPEG_TABLES, _DESCRIPTION))
    return _Page(values, entries, profile, tables, description, 0 if pointers else end), following


def _main_page(data: bytes, pages: list[_Page]) -> _Page:
    first = pages[0]
    others = [page for page in pages[1:] if page.is_image]
    if not others:
        return first
    if first.secondary:
        return others[0]
    largest = max(others, key=lambda page: page.size)
    (width, height), (whole_width, whole_height) = first.size, largest.size
    same_shape = width and height and abs(width * whole_height / whole_width - height) < 1 + 0.02 * height
    smaller = same_shape and width * _PREVIEW <= whole_width and whole_width * whole_height <= MAXIMUM_PIXELS
    return largest if smaller and _look_alike(data, first, largest) else first


def _look_alike(data: bytes, first: _Page, second: _Page) -> bool:
    """Whether one page is a smaller copy of the other."""
    small = []
    for page in (first, second):
        try:
            _check_strips(data, page)
            pixels, _ = fit(StoredImage(_load(data, page)), 16, 16)
        except ImageError:
            return False
        small.append(pixels.astype(float))
    if any(np.ptp(pixels, -1).max() == 0 for pixels in small):  # a preview may be grey
        small = [pixels @ _LUMA for pixels in small]
    return bool(np.abs(small[0] - small[1]).mean() < _ALIKE)


def _check_strips(data: bytes, page: _Page) -> str:
    """A note on the strips or tiles. Raises `ImageError` if any are missing, and for damage that libtiff ignores."""
    width, height = page.size
    tiled = _TILES in page.values
    offsets = page.values.get(_TILES if tiled else _STRIPS, ())
    counts = page.values.get(_TILE_BYTES if tiled else _STRIP_BYTES, ())
    rows = page.first(_TILE_HEIGHT, 0) if tiled else min(page.first(_ROWS, height), height)
    across = page.first(_TILE_WIDTH, 0) if tiled else width
    if not rows or not across:
        raise ImageError("damaged", "its tiles have no size")
    planes = _planes(page)
    number = -(-height // rows) * (-(-width // across)) * planes
    if len(offsets) < number:
        raise ImageError("damaged", f"{len(offsets)} of {number} strips or tiles")
    compression, notes = page.first(_COMPRESSION, 1), set()
    for offset, count in zip(offsets[:number], counts, strict=False):
        if count == 0 or offset < _HEADER or offset + (1 if compression == _NONE else count) > len(data):
            where = "beyond the file's end" if offset >= _HEADER else "in its header"
            raise ImageError("damaged", f"a strip or tile lies {where}" if count else "a strip without bytes")
        if compression in (*_HOLES, _ZSTANDARD) and _has_hole(data[offset : offset + count], compression):
            raise ImageError("damaged", "zeros in place of a strip or tile")
        if compression == _JPEG:
            notes.add(_check_jpeg(data[offset : offset + count], page.tables, across if planes == 1 else 0))
        elif compression in _DEFLATE:
            _check_deflate(_strip(data, page, offset, offset + count), _MOST_UNPACKED)
    if compression == _OLD_JPEG and counts:
        start, length = page.first(_OLD_STREAM, offsets[0]), page.first(_OLD_STREAM_BYTES, counts[0])
        stream = data[start : start + length].rstrip(b"\0")
        if stream.startswith(b"\xff\xd8") and stream.endswith(b"\xff\xd9"):  # others hold tables alone
            notes.add(_check_jpeg(stream, b"", 0))
    if compression not in (_NONE, _PACKBITS) or page.first(_PHOTOMETRIC, 0) == 6:  # of YCbCr, colour is sampled
        return joined(*sorted(notes))
    samples = 1 if planes > 1 else page.first(_SAMPLES, 1)
    row = (across * page.first(_BITS, 1) * samples + 7) // 8
    ends: dict[int, int] = {}  # by where a strip starts
    for i, offset in enumerate(offsets[:number]):
        strip = i % (number // planes)
        expected = row * (rows if tiled else min(rows, height - strip * rows))
        if compression == _NONE:
            # Without a word on compression, the number of bytes has to be right: some files state it wrongly.
            stated = _COMPRESSION in page.values or counts[i : i + 1] in ((), (expected,), (row * rows,))
            ends[offset] = max(offset + expected, ends.get(offset, 0))
            whole = stated and ends[offset] <= len(data)
        else:
            end = offset + counts[i] if i < len(counts) else len(data)
            whole = packbits_length(_strip(data, page, offset, end)) in (expected, row * rows)
        if not whole:
            raise ImageError("damaged", "a strip or tile does not hold the bytes of its rows")
    starts = sorted(ends)  # what is alike may be stored once
    if any(ends[start] > following for start, following in itertools.pairwise(starts)):
        raise ImageError("damaged", "a strip or tile begins within another")
    return ""


def _said_of_rest(data: bytes, pages: list[_Page]) -> str:
    """A note on bytes behind all that the directories name, or missing: what is not compressed may have moved."""
    ends = [page.end for page in pages]
    if not all(ends) or len(pages) == _MAXIMUM_PAGES:
        return ""
    if max(ends) > len(data):
        return f"{counted(max(ends) - len(data), 'byte')} of what it names beside pixels missing"
    places = ((_STRIPS, _STRIP_BYTES), (_TILES, _TILE_BYTES), (_OLD_STREAM, _OLD_STREAM_BYTES))
    for page, (start, length) in itertools.product(pages, places):
        if start in page.values and length not in page.values:
            return ""
        ends += map(sum, zip(page.values.get(start, ()), page.values.get(length, ()), strict=False))
    rest = data[max(ends) :]
    is_padding = len(data) % 2 == 0 and rest == b"\0"
    return f"{counted(len(rest), 'byte')} behind all that it names" if rest and not is_padding else ""


def _planes(page: _Page) -> int:
    """The number of planes to read, without those of unknown meaning."""
    if page.first(_PLANAR, 1) != 2:
        return 1
    extra = page.values.get(_EXTRA, ())
    return page.first(_SAMPLES, 1) - (len(extra) if extra and max(extra) == 0 else 0)


def _strip(data: bytes, page: _Page, start: int, end: int) -> bytes:
    """The contents of a strip, with its bits in the usual order."""
    content = data[start:end]
    return content.translate(_MIRRORED) if page.first(_FILL_ORDER, 1) == 2 else content


def _check_jpeg(stream: bytes, tables: bytes, width: int) -> str:
    """Libtiff drops libjpeg's warnings, as Pillow does: decode once more, at an eighth of the size, for a note.

    It repeats the rows of a stream that is narrower than the strip or tile, whose `width` in pixels is given.
    """
    whole = tables[:-2] + stream[2:] if tables else stream
    if not whole.startswith(b"\xff\xd8"):
        raise ImageError("damaged", "a strip or tile is not JPEG")
    layout = read_layout(whole)
    if layout.width < width:
        raise ImageError("damaged", f"a strip or tile is {layout.width} pixels wide in place of {width}")
    try:
        return load_jpeg(whole, layout, 1, 1)[1]
    except ImageError as error:
        if error.reason != "unsupported":
            raise
        return ""


def _has_hole(content: bytes, compression: int) -> bool:
    """Whether zeros stand in place of a strip's packed bytes; RFC 8878, 3.1.1, on the blocks of Zstandard."""
    hole = content.find(_HOLES.get(compression, _PACKED_HOLE))
    if hole < 0 or compression in _HOLES or content.find(_KEPT_HOLE) >= 0:
        return hole >= 0
    described, kind = content[4], 0
    single = described >> 5 & 1
    position = 6 - single + (0, 1, 2, 4)[described & 3] + (single, 2, 4, 8)[described >> 6]
    while position <= hole:
        header = int.from_bytes(content[position : position + 3], "little")
        kind = header >> 1 & 3  # 0: kept as it is; 1: one byte, repeated; 2: packed
        position += 3 + (1 if kind == 1 else header >> 3)
    return kind == 2


def _check_deflate(content: bytes, most: int) -> None:
    """Check a strip's checksum, which libtiff does not reach: it stops when its rows are full."""
    stream, total = zlib.decompressobj(), 0
    try:
        while content and total <= most:
            total += len(stream.decompress(content, 2**20))
            content = stream.unconsumed_tail
    except zlib.error as error:
        raise ImageError("damaged", f"a strip or tile: {error}") from error
    if not stream.eof:
        raise ImageError("damaged", "a strip or tile breaks off")


def packbits_length(packed: bytes) -> int:
    """The number of bytes in PackBits data after decompression."""
    total = position = 0
    while position < len(packed):
        header = packed[position]
        if header < 128:
            total += header + 1
            position += header + 2
        else:
            total += 257 - header if header > 128 else 0
            position += 1 if header == 128 else 2
    return total


class _ThroughLibtiff(TiffImageFile):
    """Pillow decodes uncompressed pages itself, and mixes up planes of 16 bits and subsampled YCbCr."""

    @property
    def _compression(self) -> str:
        return self.__dict__["compression_name"]

    @_compression.setter
    def _compression(self, name: str) -> None:
        self.__dict__["compression_name"] = "none" if name == "raw" else name


def _load(data: bytes, page: _Page, changes: dict[int, int] | None = None) -> Image.Image:
    """Decode a page, whose tags may be changed to other numbers."""
    if page.first(_PHOTOMETRIC, 0) in _RAW:
        raise ImageError("unsupported", "a camera's raw image; save it as JPEG, PNG or TIFF of 8 bits")
    if page.first(_COMPRESSION, 1) not in _COMPRESSIONS:
        raise ImageError("unsupported", f"{page.described}; save it as PNG")
    if page.channels > 1:
        raise ImageError("unsupported", f"{page.described}, {page.channels} channels; save their composite as RGB")
    if page.first(_COMPRESSION, 1) == _PACKBITS and page.first(_PREDICTOR, 1) != 1:  # which libtiff does not look at
        raise ImageError("unsupported", f"{page.described} with a predictor; save it as PNG")
    planes = _planes(page)
    if planes in (2, 5, 6):  # of which Pillow mixes up grey with alpha, and does not decode more than four
        raise ImageError("unsupported", f"{page.described}, in {planes} planes; save it as PNG")
    if page.first(_FORMAT, 1) == _SIGNED:  # Pillow does not ask this for 8 bits
        raise ImageError("unsupported", f"{page.described}: numbers without a defined brightness; scale them to 8 bits")
    if page.first(_PHOTOMETRIC, 1) == 0 and page.first(_BITS, 1) == 16:
        # Pillow supports such pixels in little-endian files only; `StoredImage.white_is_zero` has their meaning.
        changes = {_PHOTOMETRIC: 1}
    try:
        with quietly():
            image = _ThroughLibtiff(io.BytesIO(_with_page_alone(data, page, changes or {})))
    except Image.DecompressionBombError as error:
        raise ImageError("too_large", TOO_MANY) from error
    except (SyntaxError, KeyError) as error:
        raise ImageError(
            "unsupported", f"{page.described}; save it as RGB of 8 bits without compression, or as PNG"
        ) from error
    if image.mode in ("I", "F"):
        raise ImageError("unsupported", f"{page.described}: numbers without a defined brightness; scale them to 8 bits")
    colours = page.values.get(_COLOURS, ())
    if image.mode in ("P", "PA") and colours and max(colours) < 256:  # should be of 16 bits, and often are not
        image.palette = ImagePalette.raw("RGB;L", bytes(colours))
    with libtiff_errors() as complaints:
        try:
            image.load()
        except OSError as error:
            if any("not configured" in said for said in complaints):
                raise ImageError("unsupported", f"{page.described}; save it as PNG") from error
            raise ImageError("damaged", "; ".join(complaints[:1]) or str(error)) from error
    if complaints:
        raise ImageError("damaged", complaints[0])
    return image


def _with_page_alone(data: bytes, page: _Page, changes: dict[int, int]) -> bytes:
    """A file with a single page, and only the tags that the picture needs.

    Its offsets have 32 bits, which is enough: Pillow 13 does not read big-endian ones of 64.
    """
    (order, _), compression = _layout(data), page.first(_COMPRESSION, 1)
    start_behind, behind, directory = len(data) + len(data) % 2, bytearray(), []
    for tag, (kind, number, content) in sorted(page.entries.items()):
        if _OF_COMPRESSION.get(tag, compression) != compression:
            continue
        try:
            if tag in changes:
                kind, content = _SHORT, struct.pack(f"{order}{number}H", changes[tag], *page.values[tag][1:])
            elif kind == _BYTE and tag != _XMP:  # TIFF 6.0 allows any kind of number; Pillow takes bytes for none
                kind, content = _SHORT, struct.pack(f"{order}{number}H", *content)
            elif kind in _LONGER:
                kind, content = 4, struct.pack(f"{order}{number}I", *struct.unpack(f"{order}{number}Q", content))
        except struct.error:  # more than 32 bits hold, which nothing of a picture is
            continue
        if len(content) > 4:
            at = struct.pack(order + "I", start_behind + len(behind))
            behind += content + bytes(len(content) % 2)
            content = at
        directory.append(struct.pack(order + "HHI", tag, kind, number) + content.ljust(4, b"\0"))
    start = data[:2] + struct.pack(order + "HI", 42, start_behind + len(behind))
    padding, count = bytes(len(data) % 2), struct.pack(order + "H", len(directory))
    return b"".join([start, memoryview(data)[len(start) :], padding, behind, count, *directory, bytes(4)])
