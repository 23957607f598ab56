"""Converts an image of any mode and orientation to what a network sees: RGB, upright, of a given size."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass

import numpy as np
from PIL import Image

from lesionflow.images.colour import adobe_rgb, to_srgb

_TRANSPOSED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ON_ITS_SIDE = (5, 6, 7, 8)
_ORIENTATION, _EXIF, _COLOUR_SPACE, _INTEROPERABILITY = 0x0112, 0x8769, 0xA001, 0xA005  # tags of EXIF
_LETTERS = {2: "I", 3: "H", 4: "I"}  # struct's, of EXIF's kinds of numbers; four letters count as one
_XMP_ORIENTATION = re.compile(rb"""tiff:Orientation\s*(?:=\s*["']|>\s*)([0-9])""")


@dataclass(frozen=True)
class StoredImage:
    """A decoded image as stored in its file, with the file's metadata."""

    image: Image.Image
    orientation: int = 1  # EXIF's: how the camera was held
    profile: bytes = b""  # the ICC profile of its numbers
    note: str = ""  # the note about it in a report
    bits: int = 16  # of a sample, where the mode is I;16
    white_is_zero: bool = False  # of such samples
    gap: float = 2.0  # how many times the frame is averaged over whole pixels before it is scaled


def fit(picture: StoredImage, height: int, width: int) -> tuple[np.ndarray, str]:
    """Scale an image until it just covers the frame, and crop it evenly on both sides.

    Returns (height, width, 3) uint8, in sRGB, upright, and a note about the image, for reports.
    """
    if picture.orientation in ON_ITS_SIDE:
        height, width = width, height
    image, note = picture.image, picture.note
    # A profile is for numbers as they are stored; without one they are brought to RGB before they are averaged.
    plain = image.mode in ("RGB", "L") and not image.has_transparency_data
    if not plain and not (picture.profile and image.mode == "CMYK"):
        image, ignored = _to_rgb(picture)
        note = joined(note, ignored)
    profile = b"" if picture.image.mode == "LAB" else picture.profile  # Lab is the same on every device
    image, converted = to_srgb(scaled(image, height, width, picture.gap), profile)
    if picture.orientation in _TRANSPOSED:
        image = image.transpose(_TRANSPOSED[picture.orientation])
    return np.asarray(image), joined(note, converted)


def joined(*notes: str) -> str:
    """Several notes as one."""
    return "; ".join(filter(None, notes))


def scaled(image: Image.Image, height: int, width: int, gap: float = 2.0) -> Image.Image:
    """Scale an image until it just covers the frame, and crop it."""
    scale = min(image.width / width, image.height / height)
    left, top = (image.width - scale * width) / 2, (image.height - scale * height) / 2
    box = (max(left, 0.0), max(top, 0.0), min(image.width - left, image.width), min(image.height - top, image.height))
    return image.resize((width, height), Image.Resampling.BILINEAR, box=box, reducing_gap=gap)


def exif_orientation(exif: bytes, xmp: bytes = b"") -> int:
    """The orientation from EXIF's first directory or, failing that, from XMP; otherwise 1, upright."""
    stated = _exif_numbers(exif).get(_ORIENTATION)
    if stated is None and (found := _XMP_ORIENTATION.search(xmp)):
        stated = int(found[1])
    return 1 if stated is None else stated


def exif_profile(exif: bytes) -> bytes:
    """The profile of Adobe RGB if EXIF names it: `R03` (DCF 2.0), or colour space 2, which some cameras write."""
    main = _exif_numbers(exif)
    more = _exif_numbers(exif, main[_EXIF]) if _EXIF in main else {}
    rules = _exif_numbers(exif, more[_INTEROPERABILITY]).get(1) if _INTEROPERABILITY in more else None
    named = rules == int.from_bytes(b"R03\0", "little" if exif.startswith(b"II") else "big")
    return adobe_rgb() if named or more.get(_COLOUR_SPACE) == 2 else b""


def _exif_numbers(exif: bytes, directory: int | None = None) -> dict[int, int]:
    """The first number of each entry of a directory of EXIF, by tag; without an offset, of the first directory."""
    numbers: dict[int, int] = {}
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is not None:
        try:
            if directory is None:
                (directory,) = struct.unpack_from(order + "I", exif, 4)
            (count,) = struct.unpack_from(order + "H", exif, directory)
            for entry in range(directory + 2, directory + 2 + 12 * count, 12):
                tag, kind = struct.unpack_from(order + "HH", exif, entry)
                numbers.setdefault(tag, *struct.unpack_from(order + _LETTERS.get(kind, "B"), exif, entry + 8))
        except struct.error:  # broken, which does no harm to the pixels
            pass
    return numbers


def _to_rgb(picture: StoredImage) -> tuple[Image.Image, str]:
    image = picture.image
    if image.mode.startswith("I;16"):  # Pillow would clip at 255 instead of scaling
        grey = (np.asarray(image) >> (picture.bits - 8)).astype(np.uint8)
        if "transparency" in image.info:
            grey[np.asarray(image) == image.info["transparency"]] = 0
        return Image.fromarray(255 - grey if picture.white_is_zero else grey).convert("RGB"), ""
    if not image.has_transparency_data:
        return image.convert("RGB"), ""
    image = image.convert("LA").convert("RGBA") if image.mode == "La" else image.convert("RGBA")
    if image.getchannel("A").getextrema() == (0, 0):
        return image.convert("RGB"), "its alpha is 0 everywhere and was ignored"
    # Black behind what is transparent, as around a dermatoscope's round field of view.
    return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image).convert("RGB"), ""
