"""The one function that turns an image file into pixels, for training, validation and scoring alike."""

from __future__ import annotations

import contextlib
import io
import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from lesionflow.errors import ImageError
from lesionflow.images.colour import to_srgb
from lesionflow.images.jpeg import load_jpeg, read_layout
from lesionflow.images.limits import check_pixels
from lesionflow.images.quiet import quietly
from lesionflow.images.read_bytes import read_image_bytes
from lesionflow.images.signatures import HEAD, is_dicom

if TYPE_CHECKING:
    from lesionflow.images.dicom import Dicom

# Raise this by one whenever `decode` gives other pixels for the same file: caches and bundles carry it.
# 2: 600 x 450 JPEG files come to 128 x 128 by way of half their size: 0.3 grey levels on average. Colour profiles are
# converted to sRGB.
PIXELS_VERSION = 2
READ_PIXELS_VERSIONS = (1, PIXELS_VERSION)  # of bundles that go on to work: the differences are that small

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")  # an allow-list: Pillow's other decoders are never reached

_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ON_ITS_SIDE = (5, 6, 7, 8)
_ORIENTATION, _BITS_PER_SAMPLE, _PHOTOMETRIC = 0x0112, 0x0102, 0x0106  # tags of EXIF and TIFF
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')

# How files of the accepted formats begin; BMP's two letters say too little.
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*")
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Decoded:
    """One image, or one frame of a file, as a network sees it."""

    pixels: np.ndarray  # (height, width, 3) uint8 RGB
    format: str  # JPEG, DICOM, ...
    note: str = ""  # what was done to it, or could not be: "converted from Display P3"


def decode(source: str | os.PathLike[str] | bytes, height: int, width: int, frame: int = 0) -> np.ndarray:
    """Decode one image file, or the bytes of one, to (height, width, 3) uint8 RGB.

    The camera's orientation (EXIF) is applied; the image is scaled until it just covers the frame, its aspect ratio
    kept, and what overhangs is cut evenly from both sides. Colours are converted to sRGB where a profile says what they
    are. Of an animation or a document the first frame counts; of DICOM, which needs the extra `dicom`, the one asked
    for, from 0.
    Raises `ImageError` with one of the words of `IMAGE_FAILURES`, and nothing else but `MemoryError`, and for the URL
    of an object `StoreError` where its store is out of reach.
    """
    data = read_image_bytes(source)
    with _failures():
        if not is_dicom(data[:HEAD]):
            return _decode(data, height, width).pixels
        return _decode_frame(_open_dicom(data), frame, height, width).pixels


def decode_frames(
    source: str | os.PathLike[str] | bytes, height: int, width: int
) -> Iterator[tuple[int, Decoded | ImageError]]:
    """Decode every frame that is an image of its own, as `decode` does: those of DICOM, otherwise just one.

    Yields the frame's number, from 0, and its pixels or what is wrong with that frame. The file is read once, and one
    frame at a time is in memory. Raises `ImageError` where the file as a whole cannot be decoded.
    """
    data = read_image_bytes(source)
    if not is_dicom(data[:HEAD]):
        with _failures():
            decoded = _decode(data, height, width)
        yield 0, decoded
        return
    with _failures():
        dicom = _open_dicom(data)
    for frame in range(dicom.frames):
        result: Decoded | ImageError
        try:
            with _failures():
                result = _decode_frame(dicom, frame, height, width)
        except ImageError as error:
            result = error
        yield frame, result


def fit_image(image: Image.Image, height: int, width: int) -> np.ndarray:
    """Bring an image that Pillow has opened to (height, width, 3) uint8 RGB, as `decode` does it with a file's.

    Raises what `decode` raises.
    """
    with _failures():
        _check_mode(image)
        check_pixels(*image.size)
        image.load()
        return _finish(image, _shown_as(image), image.info.get("icc_profile"), height, width)[0]


def fit_array(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bring (rows, columns, 3) uint8 RGB to (height, width, 3), as `fit_image` does it. Raises `ImageError`."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ImageError(
            "unsupported", f"an array of {pixels.dtype}, {pixels.shape}; give (height, width, 3) uint8, in RGB"
        )
    return fit_image(Image.fromarray(pixels), height, width)


def header(source: str | os.PathLike[str] | bytes) -> tuple[str, int, int]:
    """Format, width and height of an image file as it is shown, without decoding its pixels. Raises `ImageError`."""
    data = read_image_bytes(source)
    with _failures():
        if is_dicom(data[:HEAD]):
            dicom = _open_dicom(data)
            return "DICOM", dicom.columns, dicom.rows
        if data.startswith(_JPEG):
            layout = read_layout(data)
            kind, (width, height) = "JPEG", (layout.width, layout.height)
            orientation = _orientation(layout.exif, layout.xmp)
        else:
            image = _open(data)
            kind, (width, height), orientation = str(image.format), image.size, _shown_as(image)
        return (kind, height, width) if orientation in _ON_ITS_SIDE else (kind, width, height)


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Whatever a decoder raises becomes an `ImageError`."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise ImageError("not_an_image", f"the content is none of {', '.join(FORMATS)}") from error
    except Exception as error:
        # Decoders of broken files raise OSError, SyntaxError, struct.error, zlib.error and more, by format and version;
        # whatever it is, one bad file must stay one bad row.
        raise ImageError("damaged", str(error).strip() or type(error).__name__) from error


def _open_dicom(data: bytes) -> Dicom:
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise ImageError("unsupported", "DICOM needs pydicom: pip install 'lesionflow[dicom]'") from error
    from lesionflow.images.dicom import Dicom

    return Dicom(data)


def _decode(data: bytes, height: int, width: int) -> Decoded:
    # Everything up to the last step works in the orientation that the file has, where 5 to 8 lie on their side.
    if data.startswith(_JPEG):
        layout = read_layout(data)
        orientation = _orientation(layout.exif, layout.xmp)
        frame = (height, width) if orientation in _ON_ITS_SIDE else (width, height)
        image, note = load_jpeg(data, layout, *frame)
        kind, profile = "JPEG", layout.profile
    else:
        image = _open(data)
        check_pixels(*image.size)
        orientation, note = _shown_as(image), ""
        image.load()
        kind, profile = str(image.format), image.info.get("icc_profile", b"")
    pixels, converted = _finish(image, orientation, profile, height, width)
    return Decoded(pixels, kind, "; ".join(filter(None, (note, converted))))


def _decode_frame(dicom: Dicom, frame: int, height: int, width: int) -> Decoded:
    pixels, converted = _finish(dicom.image(frame), 1, dicom.profile, height, width)
    which = f"frame {frame + 1} of {dicom.frames}" if dicom.frames > 1 else ""
    return Decoded(pixels, "DICOM", "; ".join(filter(None, (which, converted))))


def _finish(
    image: Image.Image, orientation: int, profile: bytes | None, height: int, width: int
) -> tuple[np.ndarray, str]:
    """An image in memory, as it is shown: (height, width, 3) uint8, and what is to be said about its colours."""
    if orientation in _ON_ITS_SIDE:
        height, width = width, height
    # A profile is for numbers as they are stored; without one they are brought to RGB first.
    plain = image.mode in ("RGB", "L") and not image.has_transparency_data
    image = image if plain or (profile and image.mode == "CMYK") else _to_rgb(image)
    image, note = to_srgb(_scaled(image, height, width), profile)
    if orientation in _TRANSPOSED:
        image = image.transpose(_TRANSPOSED[orientation])
    return np.asarray(image), note


def _check_mode(image: Image.Image) -> None:
    if image.mode in ("I", "F"):
        raise ImageError("unsupported", f"pixels of mode {image.mode} have no defined brightness")


def _open(data: bytes) -> Image.Image:
    try:
        with quietly():
            image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        if data.startswith(_SIGNATURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
            raise ImageError("damaged", "begins like an image, but its header cannot be read") from error
        raise
    except Image.DecompressionBombError as error:
        raise ImageError("too_large", str(error)) from error
    _check_mode(image)  # said before all of it is loaded
    return image


def _shown_as(image: Image.Image) -> int:
    """The camera's orientation; Pillow's TIFF reader turns an image itself while loading it."""
    if image.format == "TIFF":
        return 1
    try:
        with quietly():
            return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # as many kinds as there are ways to break EXIF; the pixels are none the worse for it
        return 1


def _orientation(exif: bytes, xmp: bytes) -> int:
    """The camera's orientation, of EXIF's first directory or, where that has none, of XMP; 1 where neither says it."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is not None:
        try:
            (place,) = struct.unpack_from(order + "I", exif, 4)
            (count,) = struct.unpack_from(order + "H", exif, place)
            for entry in range(place + 2, place + 2 + 12 * count, 12):
                tag, kind = struct.unpack_from(order + "HH", exif, entry)
                if tag == _ORIENTATION:
                    return int(struct.unpack_from(order + {3: "H", 4: "I"}.get(kind, "B"), exif, entry + 8)[0])
        except struct.error:  # broken; the pixels are none the worse for it
            pass
    found = _XMP_ORIENTATION.search(xmp)
    return int(found[1]) if found else 1


def _scaled(image: Image.Image, height: int, width: int) -> Image.Image:
    """Scale an image until it just covers the frame and cut what overhangs."""
    scale = min(image.width / width, image.height / height)
    left, top = (image.width - scale * width) / 2, (image.height - scale * height) / 2
    box = (max(left, 0.0), max(top, 0.0), min(image.width - left, image.width), min(image.height - top, image.height))
    # A gap of 2 lets other formats take the same short cut as a reduced JPEG.
    return image.resize((width, height), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and not image.has_transparency_data:
        return image
    if image.mode.startswith("I;16"):  # Pillow would clip at 255 instead of scaling
        bits, white_is_zero = _tiff_sample(image)
        grey = (np.asarray(image) >> (bits - 8)).astype(np.uint8)
        return Image.fromarray(255 - grey if white_is_zero else grey).convert("RGB")
    if image.has_transparency_data:
        # Black behind what is transparent, as around a dermatoscope's round field of view.
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image).convert("RGB")
    return image.convert("RGB")


def _tiff_sample(image: Image.Image) -> tuple[int, bool]:
    """Bits of a wide grey sample, and whether zero is white: what Pillow leaves to its caller, of a TIFF file."""
    tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
    return (12 if tags.get(_BITS_PER_SAMPLE) == (12,) else 16), tags.get(_PHOTOMETRIC) == 0
