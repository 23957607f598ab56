"""PNG, WebP, BMP, GIF, JPEG 2000, AVIF and HEIC: decoded by Pillow, with checks that Pillow does not make."""

from __future__ import annotations

import contextlib
import io
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image, features
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from lesionflow.errors import ImageError
from lesionflow.images.colour import MAXIMUM_PROFILE, calibration_note, gamma_profile, named_profile
from lesionflow.images.complaints import complaint
from lesionflow.images.iso_media import (
    boxes,
    clean_aperture,
    hole,
    named_colours,
    not_decoded,
    read_items,
    turned_by_exif,
    without_exif,
)
from lesionflow.images.limits import MAXIMUM_STORED_PIXELS, TOO_MANY, check_brightness, check_pixels
from lesionflow.images.picture import ON_ITS_SIDE, Picture, exif_orientation, joined
from lesionflow.images.quiet import quietly

_PICTURE_OF_PNG = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
_TEXTS_OF_PNG = (b"tEXt", b"zTXt", b"iTXt")
_LONGEST_TEXT = 2**26  # bytes, unpacked
_UNSPECIFIED = 2  # of what cICP says in numbers
_SPACES_OF_JP2 = (16, 17, 18)  # sRGB, grey and YCbCr of it
_WITHOUT_CODESTREAM = {b"ftbl": "in fragments", b"mhdr": "a document of several layers", b"moov": "a film"}
_TILE = b"\xff\x90\0\x0a"  # marker of a part of a tile, and the length of its segment
_MARKER_OF_JPEG_2000 = re.compile(rb"\xff(?!\x91\x00\x04|\x92)[\x90-\xff]")  # none but those around packets
_OTHER_STYLES_OF_JPEG_2000 = (b"\xff\x53", b"\xff\x60", b"\xff\x61")  # of a component; packets' headers elsewhere
_RAW_BITS_OF_JPEG_2000 = 0x41  # styles of blocks: arithmetic coding left out, and high throughput
_OTHER_ZEROS_OF_JPEG_2000 = 100  # many more than seen, and fewer than the 512 that disks lose
_UNUSED_OF_WEBP = 16  # bytes; of whole files the last 1 to 4 are not needed


def open_with_pillow(kind: str, data: bytes, width: int, height: int) -> Picture:
    """Decode the first frame of a file, in as much detail as its centre crop of `width` x `height` can show.

    Parameters
    ----------
    kind
        What `signatures.sniff` calls the format.

    Raises
    ------
    ImageError
        Where the file is damaged, too large or of a kind that is not decoded.
    """
    profile, note, narrow = _check_png(data) if kind == "PNG" else (b"", "", False)
    image = _open(kind, data)
    profile = profile or image.info.get("icc_profile") or b""
    if kind == "JPEG 2000":
        profile = _in_header_of_jp2(data, b"colr", (2, 3))[3:]
    elif kind == "BMP":
        profile, note = _profile_of_bmp(data), _calibration_of_bmp(data)
    elif kind in ("AVIF", "HEIF"):
        items = read_items(data)
        if (start := hole(data, items)) >= 0:
            raise ImageError("damaged", f"zeros in place of pixels from byte {start} on")
        if not profile and (named := named_colours(items)):
            profile, note = named_profile(*named)
        if turned_by_exif(data, items):
            note = joined(note, "EXIF's orientation ignored: the file itself says nothing of turning")
    note = joined(_which(kind, data, image), note)
    halvings = 0
    if isinstance(image, Jpeg2KImageFile):
        sampled, bits = _check_jpeg2000(data, image.mode, profile)
        if bits:
            check_pixels(*image.size)
            return Picture(_load_deep_jpeg2000(data, bits), 1, profile, note)
        palette = _palette_of_jp2(data)
        # Between two numbers of a palette lies another colour, not one between theirs.
        halvings = 0 if sampled or palette is not None else _reduce(image, data, width, height)
    check_pixels(image.width >> halvings, image.height >> halvings)
    screen = image.tile[0][1] if kind == "GIF" else None
    try:
        image.load()
    except OSError:
        if not halvings:
            raise
        check_pixels(*image.size)
        image = _open(kind, data)  # some tiles have fewer scales than the file says: decode it in full
        image.load()
    if kind == "PNG":
        _check_rows(data, image)
        _scale_transparency(image, data[24])
        if narrow:
            image, note = _full_range(image), joined(note, "brought to the full range")
    elif kind == "JPEG 2000":
        if palette is not None:  # in which Pillow 13 drops repeated colours
            image = Image.fromarray(palette[np.minimum(image, len(palette) - 1)])
        image = _in_order(image, _in_header_of_jp2(data, b"cdef"))
    elif kind == "WEBP":
        _check_webp(data)
    elif kind in ("AVIF", "HEIF"):
        if said := complaint(data, items):
            raise ImageError("damaged", said)
        if kind == "AVIF" and (part := clean_aperture(items, *image.size)):
            return Picture(image.crop(part), _orientation(kind, data, image), profile, note)
    elif screen and "transparency" not in image.info and screen != (0, 0, *image.size):
        # The area outside the first frame has no colour, and Pillow fills it with the first of the palette.
        part = image.convert("RGB").crop(screen)
        image = Image.new("RGB", image.size)
        image.paste(part, screen[:2])
    return Picture(image, _orientation(kind, data, image), profile, note)


def _which(kind: str, data: bytes, image: Any) -> str:
    """A note on which of several frames is decoded, or empty."""
    try:
        with quietly():  # the frames of a GIF are counted in another copy, as counting moves it on
            frames = getattr(_open(kind, data) if kind == "GIF" else image, "n_frames", 1)
    except Exception:  # damage behind the first frame does not concern this image
        return ""
    return f"frame {image.tell() + 1} of {frames}" if frames > 1 else ""


def size_with_pillow(kind: str, data: bytes) -> tuple[int, int]:
    """Width and height of the image as displayed."""
    image = _open(kind, data)
    size = image.size
    if kind == "AVIF" and (part := clean_aperture(read_items(data), *size)):
        size = part[2] - part[0], part[3] - part[1]
    return size[::-1] if _orientation(kind, data, image) in ON_ITS_SIDE else size


def _open(kind: str, data: bytes) -> Any:
    if kind == "JPEG 2000" and (found := _WITHOUT_CODESTREAM.keys() & {box for box, *_ in boxes(data, 0, len(data))}):
        raise ImageError("unsupported", f"JPEG 2000, {_WITHOUT_CODESTREAM[found.pop()]}; save it as PNG")
    if kind == "PNG":
        data = _picture_of_png(data)
    if kind == "BMP" and 0 < int.from_bytes(data[10:14], "little") < 14 + int.from_bytes(data[14:18], "little"):
        raise ImageError("damaged", "its pixels begin within its header")
    if kind == "AVIF":
        data = without_exif(data)
    if kind in ("AVIF", "HEIF") and (other := not_decoded(kind, read_items(data))):
        raise ImageError("unsupported", f"{kind} of {other}; save it as JPEG or PNG")
    openers: dict[str, Callable[[io.BytesIO], Image.Image]] = {
        "PNG": PngImageFile, "WEBP": WebPImageFile, "BMP": BmpImageFile, "GIF": GifImageFile,
        "JPEG 2000": Jpeg2KImageFile, "AVIF": _open_avif, "HEIF": _open_heif,
    }  # fmt: skip
    try:
        # The class itself, not `Image.open`, which would try others.
        with quietly():
            image = openers[kind](io.BytesIO(data))
    except Image.DecompressionBombError as error:
        raise ImageError("too_large", TOO_MANY) from error
    except (SyntaxError, IndexError, TypeError, KeyError, ValueError, OSError) as error:
        if str(error).startswith("Unsupported"):
            raise ImageError("unsupported", f"{kind}: {error}; save it as PNG") from error
        raise ImageError("damaged", f"begins like {kind}, but its header cannot be read: {error}") from error
    check_brightness(image.mode)
    return image


def _orientation(kind: str, data: bytes, image: Any) -> int:
    if kind == "PNG":
        return _orientation_of_png(data)
    exif, xmp = image.info.get("exif") or b"", image.info.get("xmp") or b""
    # Of AVIF and HEIC only irot and imir count, which their decoders leave in EXIF.
    return exif_orientation(exif.removeprefix(b"Exif\0\0"), b"" if kind in ("AVIF", "HEIF") else xmp)


def _open_avif(file: io.BytesIO) -> Image.Image:
    if not features.check("avif"):
        raise ImageError("unsupported", "this Pillow was built without AVIF: pip install --upgrade pillow")
    from PIL.AvifImagePlugin import AvifImageFile

    return AvifImageFile(file)


def _open_heif(file: io.BytesIO) -> Image.Image:
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise ImageError("unsupported", "HEIC needs pillow-heif: pip install 'lesionflow[heif]'") from error
    return HeifImageFile(file)  # turned as its irot says; EXIF's orientation is made to say 1 then


def _check_jpeg2000(data: bytes, mode: str, profile: bytes) -> tuple[bool, int]:
    """Whether colour is sampled at fewer places than there are pixels, and the bits of what Pillow cannot decode, or 0.

    Sizes as in ITU-T T.800, A.5.1. Raises `ImageError` for what Pillow 13 decodes wrongly, without an error: of colours
    of more than 8 bits, and grey of 9, white becomes black; of fewer bits than 8 nothing becomes white; sampled colours
    are shifted, row by row, where the size is no multiple of the step.
    """
    start = codestream(data)
    if start < 0:
        raise ImageError("damaged", "it holds no codestream")
    check_codestream(data)
    edges, count = struct.unpack_from(">6I", data, start + 8), data[start + 41]  # of the image and of its tiles
    components = data[start + 42 : start + 42 + 3 * count]
    bits = {(each & 0x7F) + 1 for each in components[::3]}
    space = _in_header_of_jp2(data, b"colr", (1,))  # by number: ITU-T T.800, I.5.3.3
    number = int.from_bytes(space[3:7], "big") if space else 16
    if number not in _SPACES_OF_JP2 or profile[16:20] == b"CMYK":
        space_name = "CMYK" if profile else f"colour space {number}"
        raise ImageError("unsupported", f"JPEG 2000 of {space_name}; save it as PNG")
    if number == 17 and count == 3:  # as GDAL writes bands without names
        raise ImageError("unsupported", "JPEG 2000 of three colours that calls itself grey; save it as PNG")
    if bits != {8} and mode != "I;16":
        if number == 16 and 8 <= components[0] < 16 and components == bytes([components[0], 1, 1]) * 3:
            return False, max(bits)  # RGB, which OpenJPEG by itself decodes rightly
        raise ImageError("unsupported", f"JPEG 2000 of {max(bits)} bits a sample; save it as PNG")
    across, down = max(components[1::3]), max(components[2::3])
    if any(edge % across for edge in edges[::2]) or any(edge % down for edge in edges[1::2]):
        raise ImageError("unsupported", "JPEG 2000 whose size is no multiple of its colour's; save it as PNG")
    return across > 1 or down > 1, 0


def _reduce(image: Jpeg2KImageFile, data: bytes, width: int, height: int) -> int:
    """Have the smallest of a JPEG 2000's resolutions decoded that has enough detail for the frame; says which."""
    check_pixels(*image.size, MAXIMUM_STORED_PIXELS)
    style = coding_style(data)
    most = data[style + 9] if 0 <= style < len(data) - 9 else 0  # its levels of decomposition
    halvings = 0
    while halvings < most and min(image.width / width, image.height / height) >= 2 ** (halvings + 2):
        halvings += 1
    image.reduce = halvings
    return halvings


def codestream(data: bytes) -> int:
    """The position of a JPEG 2000's codestream, which may lie in a box of its file; -1 without one."""
    starts = [0, *(start for kind, start, _ in boxes(data, 0, len(data)) if kind == b"jp2c")]
    return next((start for start in starts if data.startswith(b"\xff\x4f\xff\x51", start)), -1)


def coding_style(data: bytes) -> int:
    """The position of a JPEG 2000's marker for its default coding style: ITU-T T.800, A.6.1; -1 without one."""
    start = codestream(data)
    return data.find(b"\xff\x52", start) if start >= 0 else -1


def check_codestream(data: bytes) -> None:
    """Raise `ImageError` for bytes that no encoder writes into a JPEG 2000, about which decoders do not complain.

    More zeros in a row than packets and raw bits can be; among the pixels what only a marker may be, which of 2,000
    wrong bytes is nearly always one, and of 400 mostly: ITU-T T.800, A.1.
    """
    start = codestream(data)
    zeros = bytes(min(_most_zeros(data, start), len(data)))
    at = data.find(_TILE, max(start, 0))
    if zeros and data.find(zeros, max(at, start), data.rfind(b"\xff\xd9")) >= 0:
        raise ImageError("damaged", "zeros in place of pixels")
    style = coding_style(data)
    if b"Lavc" in data[max(start, 0) : at] and data[style + 6 : style + 8] != b"\0\1":
        return  # of several layers, libavcodec lets the share of one end in 0xff
    while data.startswith(_TILE, at) and len(data) > at + 12:
        end = at + int.from_bytes(data[at + 6 : at + 10], "big")
        end = data.rfind(b"\xff\xd9") if end == at else end  # the last one may leave its length to others
        at += 12
        while data[at : at + 2] != b"\xff\x93" and at < end:  # what is said of the tile
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if found := _MARKER_OF_JPEG_2000.search(data, at + 2, end):
            raise ImageError("damaged", f"a marker among its pixels at byte {found.start()}")
        at = end


def _most_zeros(data: bytes, start: int) -> int:
    """How many zeros a tile has in a row at most, as the headers say: ITU-T T.800, A.5.1, A.6.1 and B.6 to B.10.

    A packet without content is one; with several layers, so is a bit for each block that a packet adds nothing to.
    Where bits are stored as they are, what is drawn, such as a ramp, may have some for each sample of a block: 1,148
    zeros were seen. Encoders were seen to write no other 12 zeros in a row.
    """
    style = coding_style(data)
    if style < 0 or len(data) < style + 14 + 33:
        return _OTHER_ZEROS_OF_JPEG_2000
    edges, components = struct.unpack_from(">6I", data, start + 8), data[start + 41]
    (layers,), levels = struct.unpack_from(">H", data, style + 6), min(data[style + 9], 32)
    precincts = 0
    for level in range(levels + 1):
        sizes = data[style + 14 + level] if data[style + 4] & 1 else 0xFF  # logarithms of height and width
        across, down = (
            min(-(-edges[i] >> levels - level + bits), 1 - (-edges[i + 4] >> levels - level + bits))
            for i, bits in ((0, sizes & 15), (1, sizes >> 4))
        )
        precincts += across * down
    wide, tall = (min(edges[i], edges[i + 4]) for i in (0, 1))
    block = 16 << min(data[style + 10] + data[style + 11], 8)  # samples
    most = precincts * layers * components + _OTHER_ZEROS_OF_JPEG_2000
    if layers > 1:
        most += wide * tall // block // 8
    if data[style + 12] & _RAW_BITS_OF_JPEG_2000:
        most += block // 3
    headers = data[start : data.find(b"\xff\x93", start)]
    several = headers.count(b"\xff\x52") > 1 or any(marker in headers for marker in _OTHER_STYLES_OF_JPEG_2000)
    return max(most, 1000) if several else most


def _load_deep_jpeg2000(data: bytes, bits: int) -> Image.Image:
    try:
        import openjpeg
    except ImportError as error:
        raise ImageError(
            "unsupported", "JPEG 2000 of more than 8 bits needs pylibjpeg-openjpeg: pip install 'lesionflow[dicom]'"
        ) from error
    return Image.fromarray((openjpeg.decode(data) >> (bits - 8)).astype(np.uint8))


def _profile_of_bmp(data: bytes) -> bytes:
    """The ICC profile of a BMP with the fifth kind of header, if that says that its profile is embedded."""
    if data[14:18] != b"\x7c\0\0\0" or data[70:74] != b"DEBM":
        return b""
    start, length = struct.unpack_from("<II", data, 126)
    return data[14 + start : 14 + start + length] or b"missing"


def _calibration_of_bmp(data: bytes) -> str:
    """A note on the colours that the fourth kind of header, and the fifth, may define, for what they call "gamma" too.

    Programs disagree whether that is 2.2 or 1 / 2.2.
    """
    if data[14:18] not in (b"\x6c\0\0\0", b"\x7c\0\0\0") or data[70:74] != bytes(4) or len(data) < 122:
        return ""
    numbers = np.frombuffer(data, "<u4", 12, 74)
    points, gammas = numbers[:9].reshape(3, 3) / 2**30, numbers[9:] / 2**16
    sums = points.sum(1, keepdims=True)
    primaries = points[:, :2] / sums if sums.all() else np.empty(0)
    curve = np.linspace(0, 1, 256)[:, None] ** np.maximum(gammas, 1 / gammas) if gammas.all() else np.empty(0)
    return calibration_note(np.empty(0), primaries, curve)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """The chunks of a PNG: kind, and where the content starts and ends. Raises `ImageError` where it breaks off."""
    start, kind = 8, b""
    while kind != b"IEND":
        kind, start, length = data[start + 4 : start + 8], start + 8, int.from_bytes(data[start : start + 4], "big")
        if len(kind) < 4 or start + length + 4 > len(data):
            raise ImageError("damaged", "it breaks off")
        yield kind, start, start + length
        start += length + 4


def _picture_of_png(data: bytes) -> bytes:
    """A PNG without chunks that Pillow would refuse and the pixels do not need: texts, profiles, animations."""
    view = memoryview(data)
    kept = (view[start - 8 : end + 4] for kind, start, end in _chunks(data) if kind in _PICTURE_OF_PNG)
    return b"".join([view[:8], *kept])


def _orientation_of_png(data: bytes) -> int:
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


def _check_png(data: bytes) -> tuple[bytes, str, bool]:
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


def _unpacked(packed: bytes, most: int = MAXIMUM_PROFILE) -> bytes:
    """The decompressed profile or text, or bytes that are neither."""
    try:
        return zlib.decompressobj().decompress(packed, most + 1) or b"empty"
    except zlib.error:
        return b"cannot be unpacked"


def _check_webp(data: bytes) -> None:
    """Raise `ImageError` for a WebP that is truncated, or has more bytes than its pixels need.

    The format has no checksums. Its decoder stops when the pixels are there and ignores what is left; behind damage it
    stops elsewhere. So a file that decodes without its last bytes as well is damaged.
    """
    end = int.from_bytes(data[4:8], "little") + 8
    if len(data) < end:
        raise ImageError("damaged", "it breaks off")
    position = 12
    while (kind := data[position : position + 4]) not in (b"VP8 ", b"VP8L"):
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        # A frame of an animation has a header of 16 bytes and its own chunks.
        position += 24 if kind == b"ANMF" else 8 + length + length % 2
        if position >= end:
            return
    least = int.from_bytes(data[position + 4 : position + 8], "little") - _UNUSED_OF_WEBP
    if least <= 0:  # one colour, or all of it transparent
        return
    chunk = kind + least.to_bytes(4, "little") + data[position + 8 : position + 8 + least] + bytes(least % 2)
    try:
        # Decoding again costs less than a wrong picture, and few images are WebP.
        WebPImageFile(io.BytesIO(b"RIFF" + (4 + len(chunk)).to_bytes(4, "little") + b"WEBP" + chunk)).load()
    except (OSError, SyntaxError):
        return
    raise ImageError("damaged", "its pixels end before its bytes do")


def _in_header_of_jp2(data: bytes, box: bytes, kinds: tuple[int, ...] = ()) -> bytes:
    """The content of a box in the header of a JPEG 2000, the first or that of some kinds: ITU-T T.800, I.5.3."""
    header = next(((start, end) for kind, start, end in boxes(data, 0, len(data)) if kind == b"jp2h"), (0, 0))
    for kind, start, end in boxes(data, *header):
        if kind == box and (not kinds or data[start] in kinds):
            return data[start:end]
    return b""


def _palette_of_jp2(data: bytes) -> np.ndarray | None:
    """The colours, (entries, 3 or 4), of a JPEG 2000 with a palette: ITU-T T.800, I.5.3.4 and I.5.3.5."""
    palette, mapping = (_in_header_of_jp2(data, box) for box in (b"pclr", b"cmap"))
    if not palette:
        return None
    count, columns = struct.unpack_from(">HB", palette)
    channels = list(struct.iter_unpack(">HBB", mapping))  # component, 1 for a number of the palette, column
    if (
        len(channels) not in (3, 4)
        or any(each[:2] != (0, 1) for each in channels)
        or set(palette[3 : 3 + columns]) != {7}
    ):
        raise ImageError("unsupported", "JPEG 2000 with an unusual palette; save it as PNG")
    colours = np.frombuffer(palette, np.uint8, count * columns, 3 + columns).reshape(count, columns)
    return colours[:, [column for *_, column in channels]]


def _in_order(image: Image.Image, definition: bytes) -> Image.Image:
    """Red, green and blue where a JPEG 2000 has its channels in another order, which Pillow 13 does not look at."""
    bands, order = list(image.split()), {}
    for at in range(2, len(definition) - 5, 6):
        channel, meaning, colour = struct.unpack_from(">3H", definition, at)
        if meaning == 0 and 0 < colour <= 3 and channel < len(bands):
            order[colour - 1] = bands[channel]
    if image.mode not in ("RGB", "RGBA") or len(order) < 3 or all(order[i] is bands[i] for i in range(3)):
        return image
    rest = [band for band in bands if all(band is not each for each in order.values())]
    return Image.merge(image.mode, [order[0], order[1], order[2], *rest])


def _full_range(image: Image.Image) -> Image.Image:
    """A PNG whose samples are from 16 to 235, as in films, in colours from 0 to 255."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    wider = [round(min(max((value - 16) * 255 / 219, 0), 255)) for value in range(256)]
    return image.point(wider * 3 + list(range(256)) * (image.mode == "RGBA"))


def _check_rows(data: bytes, image: Image.Image) -> None:
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


def _scale_transparency(image: Any, bits: int) -> None:
    """Scale the transparent colour of a PNG to 8 bits, as Pillow scales its pixels."""
    colour = image.info.get("transparency")
    if bits == 16 and image.mode == "RGB" and isinstance(colour, tuple):
        image.info["transparency"] = tuple(value >> 8 for value in colour)
    elif bits in (2, 4) and image.mode == "L" and isinstance(colour, int):
        image.info["transparency"] = colour * (255 // (2**bits - 1))
