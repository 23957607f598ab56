"""The one function that turns an image file into pixels, for training, validation and scoring alike."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from lesionflow.errors import ImageError
from lesionflow.images.containers import MAXIMUM_BYTES
from lesionflow.images.jpeg import ENOUGH_HALVES, jpeg_scale, load_jpeg, read_layout, which_picture
from lesionflow.images.limits import check_brightness, check_pixels
from lesionflow.images.picture import ON_ITS_SIDE, StoredImage, exif_orientation, exif_profile, fit, joined
from lesionflow.images.pillow_formats import open_with_pillow, size_with_pillow
from lesionflow.images.quiet import quietly
from lesionflow.images.read_bytes import NO_MEMORY, read_image_bytes, read_named
from lesionflow.images.signatures import FORMATS, HEAD, sniff, unfinished, unrecognised, was_sent_as_text
from lesionflow.images.tiff import count_pages, open_tiff, tiff_size

if TYPE_CHECKING:
    from lesionflow.images.dicom import Dicom

SEVERAL_FRAMES = ("DICOM", "TIFF")  # formats whose files may hold several images; of an animation, one is all it shows
_WITHOUT_CHECKSUMS = ("BMP", "DICOM", "TIFF")  # formats whose pixels may be moved without a complaint
_WITHOUT_TILES = ("WEBP", "HEIF")  # whose readers, of Pillow and pillow-heif, close their file once it is read
_ORIENTATION, _BITS_PER_SAMPLE, _PHOTOMETRIC = 0x0112, 0x0102, 0x0106  # tags of EXIF and TIFF


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
    are. An animation or a document gives its first frame; DICOM, which needs the extra `dicom`, the requested one,
    from 0.
    Raises `ImageError` with one of the words of `IMAGE_FAILURES`, also where memory is short, and nothing else but, for
    the URL of an object whose store is out of reach, `StoreError`.
    """
    data, named = read_named(source)
    with _failures():
        kind = _recognise(data)
        if kind != "DICOM":
            _check_named(named, 1)
            return _decode(kind, data, ((height, width),))[0].pixels
        return _decode_frame(_open_dicom(data), named or frame, ((height, width),))[0].pixels


def decode_frames(
    source: str | os.PathLike[str] | bytes, height: int, width: int
) -> Iterator[tuple[int, Decoded | ImageError]]:
    """Decode every frame that is an image of its own, as `decode` does: those of DICOM, otherwise just one.

    A path such as `two.dcm#2`, if there is no file of that name, gives that frame alone, as number 0.
    Yields the frame's number, from 0, and its pixels or what is wrong with that frame. The file is read once, and one
    frame at a time is in memory. Raises `ImageError` where the file as a whole cannot be decoded.
    """
    for frame, found in decode_frames_in_sizes(source, ((height, width),)):
        yield frame, found if isinstance(found, ImageError) else found[0]


def decode_frames_in_sizes(
    source: str | os.PathLike[str] | bytes, sizes: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, list[Decoded] | ImageError]]:
    """Decode every frame as `decode_frames` does, to each (height, width) of some: the same pixels as one by one.

    The file is read once, and decoded once for the sizes that need the same detail.
    """
    data, named = read_named(source)
    with _failures():
        kind = _recognise(data)
        opened = _open_dicom(data) if kind == "DICOM" else _decode(kind, data, sizes)
    _check_named(named, 1 if isinstance(opened, list) else opened.frames)
    if isinstance(opened, list):
        yield 0, opened
        return
    for frame in range(opened.frames) if named is None else [named]:
        result: list[Decoded] | ImageError
        try:
            with _failures():
                result = _decode_frame(opened, frame, sizes)
        except ImageError as error:
            result = error
        yield frame if named is None else 0, result


def fit_image(image: Image.Image, height: int, width: int) -> np.ndarray:
    """Convert an image opened by Pillow to (height, width, 3) uint8 RGB, as `decode` does with a file.

    Where its pixels were not read yet, its file is decoded, as Pillow passes over damage. Raises what `decode` raises.
    """
    with _failures():
        if sniff((data := _unread_file(image))[:HEAD]) in FORMATS:
            return decode(data, height, width)
        check_brightness(image.mode)
        check_pixels(*image.size)
        image.load()
        profile, tags = image.info.get("icc_profile") or b"", getattr(image, "tag_v2", {})
        bits = 12 if tags.get(_BITS_PER_SAMPLE) == (12,) else 16  # of wide grey samples, which Pillow leaves to others
        picture = StoredImage(image, _orientation(image), profile, "", bits, tags.get(_PHOTOMETRIC) == 0)
        return fit(picture, height, width)[0]


def fit_array(pixels: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale and crop (rows, columns, 3) uint8 RGB to (height, width, 3), like `fit_image`. Raises `ImageError`."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise ImageError(
            "unsupported", f"an array of {pixels.dtype}, {pixels.shape}; give (height, width, 3) uint8, in RGB"
        )
    return fit_image(Image.fromarray(pixels), height, width)


def header(source: str | os.PathLike[str] | bytes) -> tuple[str, int, int]:
    """Format, displayed width and height of an image file, without decoding its pixels. Raises `ImageError`."""
    data, _ = read_named(source)
    with _failures():
        kind = _recognise(data)
        if kind == "DICOM":
            return kind, *_open_dicom(data).size
        if kind == "TIFF":
            return kind, *tiff_size(data)
        if kind != "JPEG":
            return kind, *size_with_pillow(kind, data)
        layout = read_layout(data)
        on_its_side = exif_orientation(layout.exif, layout.xmp) in ON_ITS_SIDE
        return (kind, layout.height, layout.width) if on_its_side else (kind, layout.width, layout.height)


def count_frames(source: str | os.PathLike[str] | bytes) -> int:
    """The number of images in a file of `SEVERAL_FRAMES`, without decoding them; 1 for others. Raises `ImageError`."""
    data = read_image_bytes(source)
    with _failures():
        kind = _recognise(data)
        return _open_dicom(data).frames if kind == "DICOM" else count_pages(data) if kind == "TIFF" else 1


@contextlib.contextmanager
def _failures() -> Iterator[None]:
    """Whatever a decoder raises becomes an `ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except MemoryError as error:
        raise ImageError(*NO_MEMORY) from error
    except Exception as error:
        # Decoders of broken files raise OSError, SyntaxError, struct.error, zlib.error and more, by format and version;
        # whatever it is, one bad file must stay one bad row.
        raise ImageError("damaged", str(error).strip() or type(error).__name__) from error


def _recognise(data: bytes) -> str:
    """The format by the first bytes. Raises `ImageError` for unsupported formats."""
    kind = sniff(data[:HEAD])
    if kind is None:
        raise ImageError(*unrecognised(data))
    if kind not in FORMATS:
        raise ImageError("unsupported", f"{kind}; save it as PNG or JPEG")
    if kind in _WITHOUT_CHECKSUMS and was_sent_as_text(data):
        raise ImageError("damaged", "changed by a transfer as text; transfer it again, as binary data")
    return kind


def _check_named(named: int | None, frames: int) -> None:
    if named is not None and named >= frames:
        raise ImageError("not_found", f"the file has no frame {named + 1}")


def _open_dicom(data: bytes) -> Dicom:
    try:
        import pydicom  # noqa: F401
    except ImportError as error:
        raise ImageError("unsupported", "DICOM needs pydicom: pip install 'lesionflow[dicom]'") from error
    from lesionflow.images.dicom import Dicom

    return Dicom(data)


def _decode(kind: str, data: bytes, sizes: Sequence[tuple[int, int]]) -> list[Decoded]:
    if kind == "JPEG":
        pictures = _jpeg_pictures(data, sizes)
    elif kind == "TIFF":
        pictures = [open_tiff(data)] * len(sizes)
    else:  # of which JPEG 2000 is decoded in as much detail as the size needs, the others as a whole
        needed = dict.fromkeys(sizes if kind == "JPEG 2000" else sizes[:1])
        opened = {size: open_with_pillow(kind, data, size[1], size[0]) for size in needed}
        pictures = [opened.get(size, opened[sizes[0]]) for size in sizes]
    said = unfinished(data) if kind in _WITHOUT_CHECKSUMS else ""
    return [_fitted(picture, size, kind, said) for picture, size in zip(pictures, sizes, strict=True)]


def _fitted(picture: StoredImage, size: tuple[int, int], kind: str, said: str = "") -> Decoded:
    pixels, note = fit(picture, *size)
    return Decoded(pixels, kind, joined(said, note))


def _jpeg_pictures(data: bytes, sizes: Sequence[tuple[int, int]]) -> list[StoredImage]:
    layout = read_layout(data)
    orientation = exif_orientation(layout.exif, layout.xmp)
    profile = layout.profile or (exif_profile(layout.exif) if len(layout.components) == 3 else b"")
    opened: dict[int, StoredImage] = {}  # by the scale that the decoder works at
    pictures = []
    for height, width in sizes:
        # Pixels stay as they lie in the file until they are few.
        as_stored = (height, width) if orientation in ON_ITS_SIDE else (width, height)
        scale = jpeg_scale(layout, *as_stored)
        if scale not in opened:
            image, note = load_jpeg(data, layout, *as_stored)
            note = joined(which_picture(data, layout), note)
            opened[scale] = StoredImage(image, orientation, profile, note, gap=ENOUGH_HALVES)
        pictures.append(opened[scale])
    return pictures


def _decode_frame(dicom: Dicom, frame: int, sizes: Sequence[tuple[int, int]]) -> list[Decoded]:
    picture = dicom.picture(frame)
    which = f"frame {frame + 1} of {dicom.frames}" if dicom.frames > 1 else ""
    return [_fitted(picture, size, "DICOM", which) for size in sizes]


def _unread_file(image: Image.Image) -> bytes:
    """The file of an image of which Pillow has read no more than the header; empty where there is none."""
    file = getattr(image, "fp", None)
    waiting = getattr(image, "tile", None) or image.format in _WITHOUT_TILES
    if file is None or file.closed or not waiting or image.tell() > 0:
        return b""
    position = file.tell()
    file.seek(0)
    data: bytes = file.read(MAXIMUM_BYTES + 1)  # a byte more than `decode` allows
    file.seek(position)
    return data


def _orientation(image: Image.Image) -> int:
    """The camera's orientation; Pillow's TIFF reader rotates an image itself while loading it."""
    if image.format == "TIFF":
        return 1
    try:
        with quietly():
            return image.getexif().get(_ORIENTATION, 1)
    except Exception:  # broken EXIF raises exceptions of many kinds, and does no harm to the pixels
        return 1
