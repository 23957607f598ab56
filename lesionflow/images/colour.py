"""Colour profiles: what the numbers of an image mean, and the same colours in sRGB.

Networks are trained on sRGB, and files without a profile are taken for it. The conversion is LittleCMS's, through
Pillow: perceptual intent, as in browsers.
"""

from __future__ import annotations

import functools
import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform

_MAXIMUM_PROFILE = 8 * 2**20  # bytes; profiles of printers have up to 3 MiB
_SAME = 2  # levels of 255: what a conversion changes at most where a profile is sRGB by another name
_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}  # Pillow's modes, and the profiles' words


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    """The colours of an image in sRGB; for speed, of one that is scaled already.

    Parameters
    ----------
    image
        Of mode RGB, L or CMYK; of other modes the profile is not considered.
    profile
        The ICC profile of its numbers, or nothing.

    Returns
    -------
    image
        Of mode RGB.
    note
        What was done or is wrong with the profile; nothing where it is sRGB.
    """
    if not profile:
        return image.convert("RGB"), ""
    transform, note = _transform(profile, image.mode)
    if transform is None:
        return image.convert("RGB"), note
    return transform.apply(image), note


@functools.lru_cache(maxsize=64)
def _transform(profile: bytes, mode: str) -> tuple[ImageCmsTransform | None, str]:
    """The conversion, made once for each profile, and the note about it; None where there is nothing to convert."""
    try:
        from PIL import ImageCms
    except ImportError:
        return None, "colour profile ignored: this Pillow has no LittleCMS"
    if mode not in _SPACES:
        return None, f"colour profile ignored: pixels of mode {mode}"
    if len(profile) > _MAXIMUM_PROFILE:
        return None, "colour profile ignored: too large"
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = opened.profile.xcolor_space
        if space != _SPACES[mode]:
            return None, f"colour profile ignored: it is for {space.strip()}, the pixels are {mode}"
        transform = ImageCms.buildTransform(opened, ImageCms.createProfile("sRGB"), mode, "RGB")
        changed = _largest_change(transform, mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None, "colour profile ignored: it is broken"
    if changed <= _SAME:
        return None, ""
    return transform, f"converted from {_named(opened.profile.profile_description)}"


def _largest_change(transform: ImageCmsTransform, mode: str) -> int:
    """What a conversion to sRGB does to any colour, in levels of 255; CMYK is never the same as sRGB."""
    if mode == "CMYK":
        return 255
    if mode == "L":
        before = Image.fromarray(np.arange(256, dtype=np.uint8)[None])
    else:
        levels = np.linspace(0, 255, 9).round().astype(np.uint8)
        before = Image.fromarray(np.stack(np.meshgrid(levels, levels, levels), -1).reshape(1, -1, 3))
    after = np.asarray(transform.apply(before), np.int16)
    return int(np.abs(after - np.asarray(before.convert("RGB"), np.int16)).max())


def _named(description: str | None) -> str:
    name = "".join(letter for letter in description or "" if letter.isprintable()).strip()
    return name[:60] or "a colour profile without a name"
