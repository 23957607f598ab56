"""The one function that turns an image file into pixels, for training, validation and scoring alike."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from lesionflow.errors import ImageError
from lesionflow.images.limits import check_scans
from lesionflow.images.read_bytes import content

if TYPE_CHECKING:
    from lesionflow.images.dicom import Dicom

# Raise this by one whenever `decode` gives other pixels for the same file: caches and bundles carry it.
PIXELS_VERSION = 1

FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP")  # an allow-list: Pillow's other decoders are never reached
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".dcm")
MAXIMUM_PIXELS = 64_000_000  # well above a 24-megapixel camera, a fifth of a gigabyte once decoded

_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_ORIENTATION, _BITS_PER_SAMPLE, _PHOTOMETRIC = 0x0112, 0x0102, 0x0106  # tags of EXIF and TIFF

# How files of the accepted formats begin; BMP's two letters say too little.
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*")

# What Pillow logs about a broken file is in that file's row; on stderr it would run through the progress bar.
logging.getLogger("PIL").addHandler(logging.NullHandler())
# The check in `decode` is stricter and becomes a failure of that image, so Pillow's own warning would only be noise.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)


def decode(source: str | os.PathLike[str] | bytes, height: int, width: int, frame: int = 0) -> np.ndarray:
    """Decode one image file, or the bytes of one, to (height, width, 3) uint8 RGB.

    The camera's orientation (EXIF) is applied; the image is scaled until it just covers the frame, its aspect ratio
    kept, and what overhangs is cut evenly from both sides. Of an animation or a document the first frame counts; of
    DICOM, which needs the extra `dicom`, the one asked for, from 0.
    Raises `ImageError` with one of the words of `IMAGE_FAILURES`, and nothing else but `MemoryError`, and for the URL
    of an object `StoreError` where its store is out of reach.
    """
    data = content(source)
    with _failures():
        if not _is_dicom(data):
            return _decode(data, height, width)
        return _fit(_open_dicom(data).image(frame), height, width)


def decode_frames(
    source: str | os.PathLike[str] | bytes, height: int, width: int
) -> Iterator[tuple[int, np.ndarray | ImageError]]:
    """Decode every frame that is an image of its own, as `decode` does: those of DICOM, otherwise just one.

    Yields the frame's number, from 0, and (height, width, 3) uint8 RGB or what is wrong with that frame. The file is
    read once, and one frame at a time is in memory. Raises `ImageError` where the file as a whole cannot be decoded.
    """
    data = content(source)
    if not _is_dicom(data):
        yield 0, decode(data, height, width)
        return
    with _failures():
        dicom = _open_dicom(data)
    for frame in range(dicom.frames):
        result: np.ndarray | ImageError
        try:
            with _failures():
                result = _fit(dicom.image(frame), height, width)
        except ImageError as error:
            result = error
        yield frame, result


def fit_image(image: Image.Image, height: int, width: int) -> np.ndarray:
    """Bring an image that Pillow has opened to (height, width, 3) uint8 RGB, as `decode` does it with a file's.

    Raises what `decode` raises.
    """
    with _failures():
        _check_mode(image)
        _check_pixels(image)
        image.load()
        return _upright(image, _shown_as(image), height, width)


def fit_array(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bring (rows, columns, 3) uint8 RGB to (height, width, 3), as `fit_image` does it. Raises `ImageError`."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ImageError(
            "unsupported", f"an array of {pixels.dtype}, {pixels.shape}; give (height, width, 3) uint8, in RGB"
        )
    return fit_image(Image.fromarray(pixels), height, width)


def header(source: str | os.PathLike[str] | bytes) -> tuple[str, int, int]:
    """Format, width and height of an image file as it is shown, without decoding its pixels. Raises `ImageError`."""
    data = content(source)
    with _failures():
        if _is_dicom(data):
            dicom = _open_dicom(data)
            return "DICOM", dicom.columns, dicom.rows
        image = _open(data)
        width, height = image.size
        if _shown_as(image) in (5, 6, 7, 8):  # lies on its side in the file
            width, height = height, width
        return str(image.format), width, height


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Whatever a decoder raises becomes an `ImageError`."""
    try:
        yield
    except (ImageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise ImageError("not_an_image", f"the content is none of {', '.join(FORMATS)}") from error
    except (
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
    ) as error:  # the latter under `python -W error`
        raise ImageError("too_large", f"more than {MAXIMUM_PIXELS:,} pixels") from error
    except Exception as error:
        # Decoders of broken files raise OSError, SyntaxError, struct.error, zlib.error and more, by format and version;
        # whatever it is, one bad file must stay one bad row.
        raise ImageError("damaged", str(error).strip() or type(error).__name__) from error


def _is_dicom(data: bytes) -> bool:
    return data[128:132] == b"DICM"


def _open_dicom(data: bytes) -> Dicom:
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise ImageError("unsupported", "DICOM needs pydicom: pip install 'lesionflow[dicom]'") from error
    from lesionflow.images.dicom import Dicom

    return Dicom(data)


def _decode(data: bytes, height: int, width: int) -> np.ndarray:
    image = _open(data)
    _check_pixels(image)
    orientation = _shown_as(image)
    # Everything up to the last step works in the orientation that the file has, where 5 to 8 lie on their side.
    frame = (height, width) if orientation in (5, 6, 7, 8) else (width, height)
    # The JPEG decoder itself can leave out detail that twice the frame does not show: about twice as fast. What 1.75
    # times the frame does not show would bring 600 x 450 to 64 x 64 in a third less time, but six times as far from
    # what the whole image gives (0.7 grey levels on average, up to 22): networks would see another image in a file of
    # another size.
    image.draft("RGB", (2 * frame[0], 2 * frame[1]))
    image.load()
    return _upright(image, orientation, height, width)


def _upright(image: Image.Image, orientation: int, height: int, width: int) -> np.ndarray:
    """An image in memory, as it is shown: (height, width, 3) uint8."""
    if orientation in (5, 6, 7, 8):
        height, width = width, height
    pixels = _fit(_to_rgb(image), height, width)
    if orientation in _TRANSPOSED:
        return np.asarray(Image.fromarray(pixels).transpose(_TRANSPOSED[orientation]))
    return pixels


def _check_pixels(image: Image.Image) -> None:
    if image.width * image.height > MAXIMUM_PIXELS:
        raise ImageError("too_large", f"{image.width} x {image.height} is more than {MAXIMUM_PIXELS:,} pixels")


def _check_mode(image: Image.Image) -> None:
    if image.mode in ("I", "F"):
        raise ImageError("unsupported", f"pixels of mode {image.mode} have no defined brightness")


def _open(data: bytes) -> Image.Image:
    try:
        image: Image.Image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        if data.startswith(_SIGNATURES) or (data[:4] == b"RIFF" and data[8:12] == b"WEBP"):
            raise ImageError("damaged", "begins like an image, but its header cannot be read") from error
        raise
    _check_mode(image)  # said before all of it is loaded
    if "progressive" in image.info:
        check_scans(data)
    return image


def _shown_as(image: Image.Image) -> int:
    """The camera's orientation; Pillow's TIFF reader turns an image itself while loading it."""
    if image.format == "TIFF":
        return 1
    try:
        return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # as many kinds as there are ways to break EXIF; the pixels are none the worse for it
        return 1


def _fit(image: Image.Image, height: int, width: int) -> np.ndarray:
    """Scale an RGB image until it just covers the frame and cut what overhangs: (height, width, 3) uint8."""
    scale = min(image.width / width, image.height / height)
    left, top = (image.width - scale * width) / 2, (image.height - scale * height) / 2
    box = (max(left, 0.0), max(top, 0.0), min(image.width - left, image.width), min(image.height - top, image.height))
    # A gap of 2 lets other formats take the same short cut as the JPEG draft above.
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, box=box, reducing_gap=2.0))


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
