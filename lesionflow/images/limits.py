"""Limits of decoding, which bound the memory and work that one file can cause."""

from __future__ import annotations

from lesionflow.errors import ImageError

MAXIMUM_PIXELS = 64_000_000  # in memory at once: a fifth of a gigabyte
MAXIMUM_STORED_PIXELS = 256_000_000  # in a file whose decoder scales it down row by row; phones have up to 200 million
TOO_MANY = (
    f"more than {MAXIMUM_PIXELS:,} pixels; scale it down, or save it as JPEG, which is decoded at a smaller scale"
)
MAXIMUM_SCANS = 100  # of a JPEG; encoders write about ten


def check_pixels(width: int, height: int, most: int = MAXIMUM_PIXELS) -> None:
    """Raise `ImageError` for an image without pixels, or with more than the limit."""
    if width * height > most:
        told = TOO_MANY if most == MAXIMUM_PIXELS else f"more than {most:,} pixels"
        raise ImageError("too_large", f"{width} x {height} is {told}")
    if width * height == 0:
        raise ImageError("damaged", "an image without pixels")


def check_brightness(mode: str) -> None:
    """Raise `ImageError` for a mode of Pillow's whose numbers have no largest one, to be shown as white."""
    if mode in ("I", "F"):
        raise ImageError("unsupported", f"pixels of mode {mode} have no defined brightness; scale them to 8 bits")
