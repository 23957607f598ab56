"""JPEG files: their segments, their pixels at a reduced scale, and whether they are complete.

Pillow drops the warnings of libjpeg, so that a damaged file gives pixels; simplejpeg, around the same library, makes
errors of them.
"""

from __future__ import annotations

import contextlib
import io
import re
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import simplejpeg
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from lesionflow.errors import ImageError
from lesionflow.images.limits import MAXIMUM_PIXELS, MAXIMUM_SCANS, MAXIMUM_STORED_PIXELS, check_pixels

# Markers, of ITU-T T.81, table B.1.
_BASELINE, _EXTENDED, _PROGRESSIVE, LOSSLESS = 0xC0, 0xC1, 0xC2, 0xC3
_ARITHMETIC, _ARITHMETIC_PROGRESSIVE = 0xC9, 0xCA
_TABLES_HUFFMAN, _TABLES_QUANTIZATION, _START_OF_SCAN, _END_OF_IMAGE, _HEIGHT = 0xC4, 0xDB, 0xDA, 0xD9, 0xDC
_FRAMES = frozenset(range(0xC0, 0xD0)) - {_TABLES_HUFFMAN, 0xC8, 0xCC}
_FRAME_OF_JPEG_LS = 0xF7  # ITU-T T.87
_ALONE = frozenset([0x01, *range(0xD0, 0xD8)])  # markers without a length
_PROCESSES = {
    _BASELINE: "baseline", _EXTENDED: "extended", _PROGRESSIVE: "progressive", LOSSLESS: "lossless",
    _ARITHMETIC: "arithmetic", _ARITHMETIC_PROGRESSIVE: "progressive arithmetic",
}  # fmt: skip

_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # neither a stuffed zero nor a restart, nor fill
_HOLE = bytes(16)  # as many zeros are more than a block of coefficients in most files, see `_check_hole`
# Of lossless files, where zeros are small differences to the pixel before: 2,048 bits are a ramp that no camera sees.
_LOSSLESS_HOLE = bytes(256)
_BEGINNING, _MOST_PICTURES, _LONGEST_HEADER = b"\xff\xd8\xff", 100, 2**20  # of a file; pictures in one; bytes
_here = threading.local()
_KEPT = 2 * 2**20  # bytes; larger images take memory of their own
ENOUGH_HALVES = 1.75  # times the frame show what the frame can show, where they are the mean of two by two pixels
_PADDING = 64  # zeros that some cameras' encoders leave between the scan and the end marker
_UNWRITTEN = bytes(40)  # that arithmetic encoders leave out at the end of a sequential scan: up to 26 were seen


@dataclass(frozen=True)
class JpegLayout:
    """The contents of the segments before a file's first scan."""

    process: int  # the marker of its frame
    precision: int  # bits a sample
    width: int  # pixels, as stored
    height: int
    components: tuple[tuple[int, int, int], ...]  # identifier and sampling, horizontal and vertical
    scan: int  # where the marker of the first scan is
    exif: bytes  # from its byte order on; empty where there is none
    xmp: bytes
    profile: bytes  # an ICC profile, which may be broken; empty where there is none
    adobe: int  # where Adobe's segment says how colours were turned; 0 without one; with it, CMYK is stored inverted
    jfif: int  # where the segment of JFIF has its version; 0 without one
    tables: tuple[tuple[int, int], ...]  # start and end of the Huffman tables' segments
    profile_parts: tuple[tuple[int, int], ...]  # the same of the ICC profile's, their markers included

    @property
    def one_scan(self) -> bool:
        """Whether the decoder can work row by row; otherwise it has to keep all coefficients in memory."""
        return self.process not in (_PROGRESSIVE, _ARITHMETIC_PROGRESSIVE)


def read_layout(data: bytes) -> JpegLayout:
    """Walk a file's segments up to its first scan, as ITU-T T.81, annex B, lays them out. Raises `ImageError`."""
    frame: tuple[int, int, int, int, tuple[tuple[int, int, int], ...]] | None = None
    exif = xmp = b""
    parts: dict[int, bytes] = {}  # of the profile, by number
    announced = jfif = adobe = 0
    tables: list[tuple[int, int]] = []
    profile_parts: list[tuple[int, int]] = []
    position, length = 2, len(data)
    while position + 4 <= length:
        if data[position] != 0xFF:
            raise ImageError("damaged", f"no segment begins at byte {position}")
        marker = data[position + 1]
        if marker == 0xFF:  # fill
            position += 1
            continue
        if marker in _ALONE:
            position += 2
            continue
        if marker == _START_OF_SCAN:
            if frame is None:
                raise ImageError("damaged", "its pixels come before their size")
            whole = sorted(parts) == list(range(1, announced + 1))
            profile = b"".join(parts[number] for number in sorted(parts)) if whole else b"incomplete"
            return JpegLayout(*frame, position, exif, xmp, profile, adobe, jfif, tuple(tables), tuple(profile_parts))
        if marker == _END_OF_IMAGE:
            raise ImageError("damaged", "it ends before its pixels")
        if marker == _FRAME_OF_JPEG_LS:
            raise ImageError("unsupported", "JPEG-LS outside of DICOM; save it as PNG")
        start, end = position + 4, position + 2 + (data[position + 2] << 8 | data[position + 3])
        if end < start or end > length:
            raise ImageError("damaged", "it breaks off within its header")
        if marker == 0xE1:
            if not exif and data.startswith(b"Exif\0\0", start):
                exif = data[start + 6 : end]
            elif data.startswith(b"http://ns.adobe.com/xap/1.0/\0", start):
                xmp = data[start + 29 : end]
        elif marker == 0xE2 and data.startswith(b"ICC_PROFILE\0", start):
            profile_parts.append((position, end))
            if end >= start + 14:
                parts[data[start + 12]] = data[start + 14 : end]
                announced = data[start + 13]
        elif marker == 0xE0 and not jfif and data.startswith(b"JFIF\0", start):
            jfif = start + 5
        elif marker == 0xEE and data.startswith(b"Adobe", start) and end - start >= 12:  # else the decoder ignores it
            adobe = start + 11
        elif marker == _TABLES_HUFFMAN:
            tables.append((start, end))
        elif marker == _TABLES_QUANTIZATION:
            _check_quantization(data[start:end])
        elif marker in _FRAMES:
            if frame is not None or end - start < 6 or end - start != 6 + 3 * data[start + 5]:
                raise ImageError("damaged", "its size is stated wrongly")
            precision, height, width, count = struct.unpack_from(">BHHB", data, start)
            components = tuple(
                (data[i], data[i + 1] >> 4, data[i + 1] & 15) for i in range(start + 6, start + 6 + 3 * count, 3)
            )
            frame = marker, precision, width, height, components
        position = end
    raise ImageError("damaged", "it breaks off within its header")


def which_picture(data: bytes, layout: JpegLayout) -> str:
    """A note on which of several pictures behind one another is decoded, as in MPO; previews and maps are smaller.

    Between a scan's marker and its end no other file can begin.
    """
    start, count = layout.scan, 1
    for _ in range(_MOST_PICTURES):
        if (start := data.find(_BEGINNING, start + 1)) < 0:
            break
        with contextlib.suppress(ImageError):  # what is broken there concerns other pictures
            other = read_layout(data[start : start + _LONGEST_HEADER])
            count += other.width * other.height >= layout.width * layout.height
    return f"picture 1 of {count}" if count > 1 else ""


def load_jpeg(data: bytes, layout: JpegLayout, width: int, height: int) -> tuple[Image.Image, str]:
    """Decode a file in as much detail as `width` x `height` pixels of it, cut from the middle, can show.

    Returns the image in the mode L, RGB or CMYK (0 is no ink), not turned as its EXIF says, and what is to be said
    about it, or nothing. Raises `ImageError` where the file is damaged, too large, or of a kind that is not decoded.
    """
    if layout.process not in _PROCESSES or layout.precision != 8 or len(layout.components) not in (1, 3, 4):
        raise ImageError("unsupported", f"JPEG, {_named(layout)}; save it as a baseline JPEG or as PNG")
    if not layout.height:
        raise ImageError("unsupported", "JPEG whose height stands behind its pixels; save it again")
    scale = jpeg_scale(layout, width, height)
    scaled = -(-layout.width * scale // 8), -(-layout.height * scale // 8)
    if layout.width * layout.height > MAXIMUM_STORED_PIXELS:
        check_pixels(layout.width, layout.height, MAXIMUM_STORED_PIXELS)
    check_pixels(*scaled)
    _check_scans(data, layout)
    data = _check_hole(data, layout)
    for _ in range(3):
        try:
            image = _strictly(data, layout, scaled)
            if layout.process == _ARITHMETIC:
                _check_arithmetic(data, layout)
            arithmetic = layout.process in (_ARITHMETIC, _ARITHMETIC_PROGRESSIVE)  # whose decoder reads anything
            return image, "arithmetic coding: damage may go unseen" if arithmetic else ""
        except ValueError as error:
            said = str(error)
        if "subsampling" in said:  # a way to sample colour that TurboJPEG's interface has no name for
            return _loosely(data, scale), "unusual colour sampling: damage may go unseen"
        mended = _mended(data, layout, said)
        if mended is None:
            break
        data, layout = mended, read_layout(mended)
    raise ImageError("damaged", said.removeprefix("Corrupt JPEG data: "))


def _named(layout: JpegLayout) -> str:
    return (
        f"{_PROCESSES.get(layout.process, 'hierarchical')}, {layout.precision} bits a sample, "
        f"{len(layout.components)} components"
    )


def jpeg_scale(layout: JpegLayout, width: int, height: int) -> int:
    """The scale that the decoder works at: 8, 4, 2 or 1 eighths.

    Twice the frame shows all that the frame can; of half the scale, whose small transforms come close to the mean of
    the pixels they stand for, 1.75 times does: 0.3 grey levels off on average, at half the time. The scales between
    (3, 5, 6, 7 eighths) are farther off (0.6 to 1.2) and no faster than the next larger of these four.
    """
    if layout.process == LOSSLESS:  # TurboJPEG cannot scale it, and simplejpeg 1.9 would not allocate what it writes
        return 8
    ratio = min(layout.width / width, layout.height / height)
    for eighths, least in ((1, 16), (2, 8), (4, 2 * ENOUGH_HALVES)):
        if ratio >= least:
            return eighths
    # What is too large to be decoded whole is decoded with a little less detail than the frame could show.
    return 4 if layout.width * layout.height > MAXIMUM_PIXELS and ratio >= 2 else 8


def _strictly(data: bytes, layout: JpegLayout, scaled: tuple[int, int]) -> Image.Image:
    """Raises ValueError with the decoder's first complaint."""
    colours = {1: "GRAY", 3: "RGB", 4: "CMYK"}[len(layout.components)]
    if layout.process == LOSSLESS:
        pixels = simplejpeg.decode_jpeg(data, colours)
    elif colours == "RGB" and 3 * scaled[0] * scaled[1] <= _KEPT:
        kept = _kept()
        pixels = simplejpeg.decode_jpeg(data, colours, min_height=scaled[1], min_width=scaled[0], buffer=kept)
        return Image.frombytes("RGB", (pixels.shape[1], pixels.shape[0]), memoryview(kept)[: pixels.size])
    else:
        pixels = simplejpeg.decode_jpeg(data, colours, min_height=scaled[1], min_width=scaled[0])
    if colours == "GRAY":
        return Image.fromarray(pixels[:, :, 0])
    if colours == "RGB":
        return Image.fromarray(pixels)
    if layout.adobe:
        np.subtract(255, pixels, out=pixels)
    return Image.frombuffer("CMYK", (pixels.shape[1], pixels.shape[0]), pixels, "raw", "CMYK", 0, 1)


def _kept() -> bytearray:
    """Reusable memory of this thread to decode into: new pages for every image would take a third of the time."""
    if not hasattr(_here, "kept"):
        _here.kept = bytearray(_KEPT)
        # Freeing a block as large as this tells glibc to keep what is freed later: otherwise it gives pages of a scaled
        # image back to the system, and takes them again for the next.
        del bytearray(_KEPT)[:]
    kept: bytearray = _here.kept
    return kept


def _loosely(data: bytes, scale: int) -> Image.Image:
    image = JpegImageFile(io.BytesIO(data))
    if scale < 8 and len(image.layer) != 4:
        image.draft("RGB", (image.width * scale // 8, image.height * scale // 8))
    image.load()
    return image


def _check_quantization(tables: bytes) -> None:
    position = 0
    while position < len(tables):
        size = 128 if tables[position] >> 4 else 64
        values = np.frombuffer(tables[position + 1 : position + 1 + size], ">u2" if size == 128 else "u1")
        if not values.all():
            raise ImageError("damaged", "a quantization table has zeros")
        position += 1 + size


def check_sequential(data: bytes, layout: JpegLayout) -> bytes:
    """Check a JPEG of more than 8 bits a sample, whose decoders are lenient: scans, holes, and that it has its end.

    Returns the file, its scan header mended where sequential JPEG leaves no choice of what it should say. Raises
    `ImageError` where it is damaged or asks for too much work.
    """
    if layout.process not in (_BASELINE, _EXTENDED, LOSSLESS):
        raise ImageError("unsupported", f"JPEG, {_named(layout)}; save it as JPEG of 8 bits, or not compressed")
    _check_scans(data, layout)
    data = _check_hole(data, layout)
    check_end(data)
    count = data[layout.scan + 4]
    if count != len(layout.components):
        return data
    ending = layout.scan + 5 + 2 * count
    found = _MARKER_IN_SCAN.search(data, ending + 3)
    if found and found[0][1] not in (_END_OF_IMAGE, _HEIGHT):  # of wrong bytes one in 265 is such a marker
        raise ImageError("damaged", f"a marker among its pixels at byte {found.start()}")
    if layout.process != LOSSLESS:
        return data[:ending] + b"\x00\x3f\x00" + data[ending + 3 :]
    return data


def check_end(data: bytes) -> None:
    """Raise `ImageError` for a JPEG or JPEG-LS without an end marker."""
    if data.rfind(bytes((0xFF, _END_OF_IMAGE))) < len(data.rstrip(b"\0")) - _PADDING:
        raise ImageError("damaged", "it breaks off")


def _check_scans(data: bytes, layout: JpegLayout) -> None:
    """A file of several scans: how many passes over all pixels they are, and whether they bring every coefficient.

    The decoder does not complain about missing scans: it shows as much as there is of a file cut between two of them.
    """
    first = layout.scan
    if layout.process == LOSSLESS or (
        layout.one_scan and first + 4 < len(data) and data[first + 4] == len(layout.components)
    ):
        return
    samples = _samples(layout)
    if 2 * samples > 6 * MAXIMUM_PIXELS:
        raise ImageError("too_large", f"{layout.width} x {layout.height} pixels in several scans")
    # By component: the bits that are still missing of each coefficient, 64 before any came.
    missing = {identifier: [64] * 64 for identifier, *_ in layout.components}
    scans, symbols = 0, _shortest_codes(data, layout.tables)
    for marker, start, end, following in _segments(data, first):
        if marker == _TABLES_HUFFMAN:
            symbols |= _shortest_codes(data, ((start, end),))
        elif marker == _START_OF_SCAN:
            scans += 1
            if scans > MAXIMUM_SCANS:  # each is another pass: a small file could keep a core busy for hours
                raise ImageError("too_large", f"a JPEG of more than {MAXIMUM_SCANS} scans")
            _note_scan(data[start:end], missing, layout.one_scan)
            if following == len(data):
                return  # it breaks off, which the decoder will say
            if layout.process == _PROGRESSIVE:
                _check_hole_in_scan(data, start, end, following, symbols)
    if any(any(bits) for bits in missing.values()):
        raise ImageError("damaged", "some of its scans are missing")


def _check_arithmetic(data: bytes, layout: JpegLayout) -> None:
    """Raise `ImageError` where the decoder takes more zeros behind a sequential scan than encoders leave out.

    It takes them for as long as pixels are missing: ITU-T T.81, D.2.6. Of those that are left it complains. In
    progressive files whole scans of signs and of bits that refine may be zeros.
    """
    for end in [following for marker, *_, following in _segments(data, layout.scan) if marker == _START_OF_SCAN]:
        try:
            _strictly(data[:end] + _UNWRITTEN + data[end:], layout, (1, 1))
        except ValueError as error:
            if "extraneous bytes before marker" in str(error):
                continue
        raise ImageError("damaged", "its pixels go on where its bytes end")


def _segments(data: bytes, position: int) -> Iterator[tuple[int, int, int, int]]:
    """The segments from a scan's on: marker, where the content starts and ends, and where the next marker is."""
    while position + 4 <= len(data) and data[position] == 0xFF and data[position + 1] != _END_OF_IMAGE:
        marker = data[position + 1]
        if marker == 0xFF:  # fill
            position += 1
            continue
        end = following = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == _START_OF_SCAN:
            found = _MARKER_IN_SCAN.search(data, end)
            following = found.start() if found else len(data)
        yield marker, position + 4, end, following
        position = following


def _note_scan(header: bytes, missing: dict[int, list[int]], whole: bool) -> None:
    count = header[0] if header else 0
    if len(header) != 4 + 2 * count:
        return  # the decoder refuses it
    start, end, low = (0, 63, 0) if whole else (header[-3], min(header[-2], 63), header[-1] & 15)
    for identifier in header[1 : 1 + 2 * count : 2]:
        for coefficient in range(start, end + 1):
            if identifier in missing:
                missing[identifier][coefficient] = low


def _check_hole_in_scan(data: bytes, header: int, start: int, end: int, symbols: dict[int, int]) -> None:
    """Raise `ImageError` for zeros in place of coefficients, from `start` on, in a scan of a progressive file.

    Bits that refine DC may all be zeros, and those that refine AC for 125 bytes in a row, libjpeg's most. Elsewhere
    zeros stand for as many blocks with the same coefficients, unless the shortest code means "nothing here".
    """
    first, refines = data[start - 3], data[start - 1] >> 4
    chosen = data[header + 2 : start - 3 : 2]
    told = any(symbols.get(0x10 | each & 15 if first else each >> 4, 0) for each in chosen)
    zeros = 1000 if not first else 400 if refines else _PADDING + 16
    if told and (first or not refines) and (hole := data.find(bytes(zeros), start, end)) >= 0:
        raise ImageError("damaged", f"zeros in place of pixels from byte {hole} on")


def _samples(layout: JpegLayout) -> int:
    across = max(horizontal for _, horizontal, _ in layout.components) or 1
    down = max(vertical for *_, vertical in layout.components) or 1
    return sum(
        -(-layout.width * horizontal // across) * -(-layout.height * vertical // down)
        for _, horizontal, vertical in layout.components
    )


def _check_hole(data: bytes, layout: JpegLayout) -> bytes:
    """The file without padding in its scan; raises `ImageError` for a hole.

    If zeros replace a sequential file's coefficients, the decoder may recover after them without a complaint.
    With the tables of most files, zeros decode to blocks whose coefficients are all -1, which no picture has. With
    tables made for the image they may be empty blocks, such as black ones; the tables say which.
    """
    if layout.process not in (_BASELINE, _EXTENDED, _ARITHMETIC, LOSSLESS):
        return data
    hole = data.find(_LOSSLESS_HOLE if layout.process == LOSSLESS else _HOLE, layout.scan)
    if hole < 0:
        return data
    end = _end_of_scan(data, layout)  # anything may follow the first scan: further scans, another picture, a film
    if hole >= end or _zeros_are_empty_blocks(data, layout):
        return data
    padded = _without_padding(data, end)
    if padded is None or hole + 1 < len(padded) - len(data) + end:  # one zero belongs to an 0xff in front of it
        raise ImageError("damaged", f"zeros in place of pixels from byte {hole} on")
    return padded


def _end_of_scan(data: bytes, layout: JpegLayout) -> int:
    scan = layout.scan + 2
    found = _MARKER_IN_SCAN.search(data, scan + int.from_bytes(data[scan : scan + 2], "big"))
    return found.start() if found else len(data)


def _without_padding(data: bytes, end: int) -> bytes | None:
    """The file without zeros before the end of its scan, or None if these are too many."""
    whole = data[:end].rstrip(b"\0")
    if end - len(whole) > _PADDING:
        return None
    return whole + (b"\0" if whole.endswith(b"\xff") else b"") + data[end:]


def _zeros_are_empty_blocks(data: bytes, layout: JpegLayout) -> bool:
    """Whether the shortest code, which is all zeros, stands for "nothing here" in each Huffman table of the scan.

    Lossless files have no tables for AC, and there it stands for "as predicted".
    """
    symbols = _shortest_codes(data, layout.tables)
    count = data[layout.scan + 4]
    chosen = data[layout.scan + 6 : layout.scan + 5 + 2 * count : 2]  # number of the table for DC, and for AC
    used = {each >> 4 for each in chosen}
    if layout.process != LOSSLESS:
        used |= {0x10 | each & 15 for each in chosen}
    return not any(symbols.get(table, 1) for table in used)


def _shortest_codes(data: bytes, tables: tuple[tuple[int, int], ...]) -> dict[int, int]:
    """The symbol of the code that is all zeros in each Huffman table, by the table's class and number."""
    symbols = {}
    for start, end in tables:
        while start + 17 < end:
            symbols[data[start]] = data[start + 17]
            start += 17 + sum(data[start + 1 : start + 17])
    return symbols


def _mended(data: bytes, layout: JpegLayout, said: str) -> bytes | None:
    """The file without what the decoder complains about, if that does not affect the pixels; else None."""
    mended = bytearray(data)
    if "Invalid SOS parameters for sequential JPEG" in said:  # of several years' Samsung phones
        ending = layout.scan + 5 + 2 * data[layout.scan + 4]
        mended[ending : ending + 3] = b"\x00\x3f\x00"
    elif "unknown JFIF revision number" in said and layout.jfif:
        mended[layout.jfif] = 1
    elif "Unknown Adobe color transform" in said:  # means YCbCr, or YCCK
        mended[layout.adobe] = len(layout.components) // 4 + 1
    elif "ICC" in said:  # the note says that the profile is broken
        for start, end in reversed(layout.profile_parts):
            del mended[start:end]
    elif "before marker 0xd9" in said and layout.one_scan:
        mended = bytearray(_without_padding(data, _end_of_scan(data, layout)) or data)
    return bytes(mended) if mended != data else None
