"""PNG, WebP, BMP, GIF, JPEG 2000, AVIF and HEIC: decoded by Pillow, with checks that Pillow does not make."""

from __future__ import annotations

import contextlib
import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, features
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from lesionflow.errors import ImageError, counted
from lesionflow.images.colour import calibration_note, named_profile
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
from lesionflow.images.jpeg2000 import (
    check_jpeg2000,
    choose_resolution,
    header_box,
    load_deep,
    palette_of,
    with_channels_in_order,
)
from lesionflow.images.limits import TOO_MANY, check_brightness, check_pixels
from lesionflow.images.picture import ON_ITS_SIDE, StoredImage, exif_orientation, joined
from lesionflow.images.png import (
    check_png,
    check_rows,
    full_range,
    only_picture,
    orientation_of_png,
    scale_transparency,
)
from lesionflow.images.quiet import quietly

_WITHOUT_CODESTREAM = {b"ftbl": "in fragments", b"mhdr": "a document of several layers", b"moov": "a film"}
_UNUSED = 16  # bytes of WebP and GIF; of whole files at most the last 1 to 4 are not needed


def open_with_pillow(kind: str, data: bytes, width: int, height: int) -> StoredImage:
    """Decode the first frame of a file, in as much detail as its centre crop of `width` x `height` can show.

    kind: as `signatures.sniff` calls it. Raises `ImageError` where the file is damaged, too large or not decoded.
    """
    profile, note, narrow = check_png(data) if kind == "PNG" else (b"", "", False)
    image = _open(kind, data)
    if kind == "JPEG 2000":
        return _decode_jpeg2000(data, image, width, height)
    profile = profile or image.info.get("icc_profile") or b""
    if kind == "BMP":
        _check_run_lengths_of_bmp(data)
        profile, note = _profile_of_bmp(data), joined(_check_size_of_bmp(data), _calibration_of_bmp(data))
    elif kind in ("AVIF", "HEIF"):
        items = read_items(data)
        if (start := hole(data, items)) >= 0:
            raise ImageError("damaged", f"zeros in place of pixels from byte {start} on")
        if not profile and (named := named_colours(items)):
            profile, note = named_profile(*named)
        if turned_by_exif(data, items):
            note = joined(note, "EXIF's orientation ignored: the file itself says nothing of turning")
    note = joined(_which(kind, data, image), note)
    check_pixels(*image.size)
    screen = image.tile[0][1] if kind == "GIF" else None
    image.load()
    if kind in ("PNG", "BMP") and image.mode == "P":
        _check_palette(image)
    if kind == "PNG":
        check_rows(data, image)
        scale_transparency(image, data[24])
        if narrow:
            image, note = full_range(image), joined(note, "brought to the full range")
    elif kind == "WEBP":
        _check_webp(data)
    elif kind == "GIF":
        _check_gif(data)
    elif kind in ("AVIF", "HEIF"):
        if said := complaint(data, items):
            raise ImageError("damaged", said)
        if kind == "AVIF" and (part := clean_aperture(items, *image.size)):
            return StoredImage(image.crop(part), _orientation(kind, data, image), profile, note)
    if screen and "transparency" not in image.info and screen != (0, 0, *image.size):
        # The area outside the first frame has no colour, and Pillow fills it with the first of the palette.
        part = image.convert("RGB").crop(screen)
        image = Image.new("RGB", image.size)
        image.paste(part, screen[:2])
    return StoredImage(image, _orientation(kind, data, image), profile, note)


def _decode_jpeg2000(data: bytes, image: Any, width: int, height: int) -> StoredImage:
    """Image: the file, opened; width, height: of the frame, which decides at what resolution it is decoded."""
    profile, note = header_box(data, b"colr", (2, 3))[3:], _which("JPEG 2000", data, image)
    sampled, bits = check_jpeg2000(data, image.mode, profile)
    if bits:
        check_pixels(*image.size)
        return StoredImage(load_deep(data, bits), 1, profile, note)
    palette = palette_of(data)
    # Between two numbers of a palette lies another colour, not one between theirs.
    halvings = 0 if sampled or palette is not None else choose_resolution(image, data, width, height)
    check_pixels(image.width >> halvings, image.height >> halvings)
    try:
        image.load()
    except OSError:
        if not halvings:
            raise
        check_pixels(*image.size)
        image = _open("JPEG 2000", data)  # some tiles have fewer scales than the file says: decode it in full
        image.load()
    if palette is not None:  # in which Pillow 13 drops repeated colours
        image = Image.fromarray(palette[np.minimum(image, len(palette) - 1)])
    image = with_channels_in_order(image, header_box(data, b"cdef"))
    return StoredImage(image, _orientation("JPEG 2000", data, image), profile, note)


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
        data = only_picture(data)
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
        return orientation_of_png(data)
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


def _check_palette(image: Image.Image) -> None:
    """Raise `ImageError` for numbers that the palette has no colour for, which Pillow shows as black."""
    palette = image.palette
    colours = len(palette.palette) // len(palette.mode) if palette else 0
    if int(np.asarray(image).max()) >= colours:
        raise ImageError("damaged", "pixels of colours that its palette lacks" if colours else "it has no palette")


def _check_webp(data: bytes) -> None:
    """Raise `ImageError` for a WebP that is truncated, or has more bytes than its pixels need.

    The format has no checksums. Its decoder stops when the pixels are there and ignores what is left; behind damage it
    stops elsewhere. So a file that decodes without its last bytes as well is damaged.
    """
    end = int.from_bytes(data[4:8], "little") + 8
    if len(data) < end:
        raise ImageError("damaged", "it breaks off")
    chunks: dict[bytes, bytes] = {}  # of the first frame
    position = 12
    while position < end and not chunks.keys() & {b"VP8 ", b"VP8L"}:
        kind, length = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        if kind == b"ANMF":  # a frame of an animation has a header of 16 bytes and its own chunks
            position += 24
            continue
        chunks[kind] = data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2
    colour = chunks.get(b"VP8 ", b"")
    shorter = {kind: chunks[kind][:-_UNUSED] for kind in chunks.keys() & {b"VP8 ", b"VP8L", b"ALPH"}}
    if len(shorter.get(b"ALPH", b"")) < _UNUSED or not colour:
        shorter.pop(b"ALPH", None)
    for kind, content in shorter.items():
        if not content:  # one colour, or all of it transparent
            continue
        parts = [(kind, content)]
        if kind == b"ALPH":  # opacity, beside the colours, whose size the header repeats
            sides = ((int.from_bytes(colour[at : at + 2], "little") & 0x3FFF) - 1 for at in (6, 8))
            header = b"\x10\0\0\0" + b"".join(side.to_bytes(3, "little") for side in sides)
            parts = [(b"VP8X", header), *parts, (b"VP8 ", colour)]
        packed = b"".join(kind + len(part).to_bytes(4, "little") + part + bytes(len(part) % 2) for kind, part in parts)
        with contextlib.suppress(OSError, SyntaxError):
            # Decoding again costs less than a wrong picture, and few images are WebP.
            WebPImageFile(io.BytesIO(b"RIFF" + (4 + len(packed)).to_bytes(4, "little") + b"WEBP" + packed)).load()
            raise ImageError("damaged", "its pixels end before its bytes do")


def _check_gif(data: bytes) -> None:
    """Raise `ImageError` for a GIF whose first frame has more bytes than its pixels need, as in `_check_webp`."""
    at = 13 + _bytes_of_palette(data[10])
    while (kind := data[at]) != ord(","):  # of what is said beside the pixels, and of zeros that some leave there
        at = _blocks_of_gif(data, at + 2)[1] if kind == ord("!") else at + 1
    start = at + 11 + _bytes_of_palette(data[at + 9])
    least = _blocks_of_gif(data, start)[0][:-_UNUSED]
    if len(least) < _UNUSED:
        return
    parts = (least[i : i + 255] for i in range(0, len(least), 255))
    shorter = b"".join([data[:start], *(bytes([len(part)]) + part for part in parts), b"\0;"])
    with contextlib.suppress(OSError), quietly():
        GifImageFile(io.BytesIO(shorter)).load()
        raise ImageError("damaged", "its pixels end before its bytes do")


def _bytes_of_palette(flags: int) -> int:
    return 3 * 2 ** ((flags & 7) + 1) if flags & 0x80 else 0


def _blocks_of_gif(data: bytes, start: int) -> tuple[bytes, int]:
    """The content of blocks of up to 255 bytes, and where an empty one ends them."""
    parts = []
    while length := data[start]:
        parts.append(data[start + 1 : start + 1 + length])
        start += 1 + length
    return b"".join(parts), start + 1


def _check_size_of_bmp(data: bytes) -> str:
    """A note on bytes that are too many, and `ImageError` for too few: Pillow passes over what pads the last row.

    Only where the file says rightly how many there are, as many programs do not.
    """
    stated, start = struct.unpack_from("<I4xI", data, 2)
    width, height, bits = struct.unpack_from(*("<HH2xH", data, 18) if data[14] == 12 else ("<ii2xH", data, 18))
    whole = start + (width * bits + 31) // 32 * 4 * abs(height)
    if stated != whole or (data[14] >= 40 and data[30:34] not in (bytes(4), b"\3\0\0\0")):
        return ""
    if len(data) < whole:
        raise ImageError("damaged", "it breaks off")
    return f"{counted(len(data) - whole, 'byte')} more than its pixels" if len(data) > whole else ""


def _check_run_lengths_of_bmp(data: bytes) -> None:
    """Raise `ImageError` where the run lengths of a BMP go beyond its rows, which Pillow passes over."""
    compression = int.from_bytes(data[30:34], "little")
    if compression not in (1, 2) or data[14] < 40:  # 8 and 4 bits
        return
    width, height = (abs(each) for each in struct.unpack_from("<ii", data, 18))
    at, x, y = int.from_bytes(data[10:14], "little"), 0, 0
    while (pair := data[at : at + 2]) != b"\0\1":
        at += 2
        if len(pair) < 2:
            raise ImageError("damaged", "its run lengths break off")
        count, value = pair
        if count or value > 2:
            x += count or value
            at += 0 if count else 2 * -(-value * (8 // compression) // 16)  # to an even number of bytes
        elif value == 2:
            x, y, at = x + data[at], y + data[at + 1], at + 2
        else:
            x, y = 0, y + 1
        if x > width + 7 or y > height:  # ImageMagick packs what fills a row to whole words, too
            raise ImageError("damaged", "its run lengths go beyond its rows")
    if y < height - 1 and data[at + 2 :].strip(b"\0"):
        raise ImageError("damaged", "its run lengths end before its bytes do")
