"""Colour profiles: converts images to sRGB.

Networks are trained on sRGB, and files without a profile are taken for it. The conversion is LittleCMS's, through
Pillow: perceptual intent, as in browsers. Profiles of three curves and a matrix, which cameras, phones and screens
have, are converted by tables where these agree with it: its own are so large that each image finds them out of the
processor's cache again.
"""

from __future__ import annotations

import functools
import io
import struct
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from PIL.ImageCms import ImageCmsTransform, core

MAXIMUM_PROFILE = 8 * 2**20  # bytes; profiles of printers have up to 3 MiB
_ROUNDING = 1  # level of 255 that a conversion by tables may be off
_SAME = 2  # levels of 255: what a conversion changes at most where a profile is sRGB by another name
_D65 = (0.3127, 0.3290)
_SRGB = (_D65, (0.64, 0.33), (0.30, 0.60), (0.15, 0.06))  # white, red, green, blue: x and y
_PRIMARIES = {  # of ITU-T H.273, those that are not sRGB's
    4: ("BT.470 M", ((0.310, 0.316), (0.67, 0.33), (0.21, 0.71), (0.14, 0.08))),
    8: ("film", ((0.310, 0.316), (0.681, 0.319), (0.243, 0.692), (0.145, 0.049))),
    9: ("BT.2020", (_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046))),
    11: ("DCI-P3", ((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060))),
    12: ("Display P3", (_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060))),
}
_HDR = (16, 18)  # transfers of H.273: PQ and HLG
_GAMMAS = {4: 2.2, 5: 2.8, 8: 1.0}  # of other transfers of H.273; all that are not here are taken for sRGB's
_SPACE = slice(16, 20)  # of a profile: which space its numbers are in
_SPACES = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}  # Pillow's modes, and the profiles' words


def to_srgb(image: Image.Image, profile: bytes | None) -> tuple[Image.Image, str]:
    """Convert an image to sRGB, after scaling for speed.

    Parameters
    ----------
    image
        Of mode RGB, L or CMYK; of other modes the profile is not considered. One of RGB may be changed itself.
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
        return image if image.mode == "RGB" else image.convert("RGB"), ""
    image = _like_its_profile(image, profile)
    convert, note = _conversion(profile, image.mode)
    return (image.convert("RGB") if convert is None else convert(image)), note


def _like_its_profile(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert between grey and RGB to match the profile, since many decoders and encoders change this."""
    space = profile[_SPACE]
    if image.mode == "L" and space == b"RGB ":
        return image.convert("RGB")
    if image.mode == "RGB" and space == b"GRAY":
        red, green, blue = (channel.tobytes() for channel in image.split())
        return image.getchannel(0) if red == green == blue else image
    return image


@functools.lru_cache(maxsize=64)
def _conversion(profile: bytes, mode: str) -> tuple[Callable[[Image.Image], Image.Image] | None, str]:
    """The conversion, cached for each profile, and a note about it; None if there is nothing to convert."""
    try:
        from PIL import ImageCms
    except ImportError:
        return None, "colour profile ignored: this Pillow has no LittleCMS"
    if mode not in _SPACES:
        return None, f"colour profile ignored: pixels of mode {mode}"
    if len(profile) > MAXIMUM_PROFILE:
        return None, "colour profile ignored: too large"
    try:
        opened = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        space = opened.profile.xcolor_space
        if space != _SPACES[mode]:
            return None, f"colour profile ignored: it is for {space.strip()}, the pixels are {mode}"
        srgb = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(opened, srgb, mode, "RGB")
        changed = _largest_change(transform, mode)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None, "colour profile ignored: it is broken"
    if changed <= _SAME:
        return None, ""
    note = f"converted from {_named(opened.profile.profile_description)}"
    if mode != "RGB":
        return transform.apply, note
    by_tables = _matrix_conversion(profile, opened.profile, srgb)
    colours = _colours(52)
    agrees = by_tables and _largest_difference(by_tables(colours), transform.apply(colours)) <= _ROUNDING
    return by_tables if agrees else transform.apply_in_place, note


def _largest_change(transform: ImageCmsTransform, mode: str) -> int:
    """The largest change of any colour by a conversion to sRGB, in levels of 255; CMYK is never like sRGB."""
    if mode == "CMYK":
        return 255
    before = Image.fromarray(np.arange(256, dtype=np.uint8)[None]) if mode == "L" else _colours(9)
    return _largest_difference(transform.apply(before), before.convert("RGB"))


def _largest_difference(one: Image.Image, other: Image.Image) -> int:
    return int(np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16)).max())


def _colours(levels: int) -> Image.Image:
    """The colours of so many levels of red, green and blue."""
    values = np.linspace(0, 255, levels).round().astype(np.uint8)
    return Image.fromarray(np.stack(np.meshgrid(values, values, values), -1).reshape(1, -1, 3))


def _matrix_conversion(
    profile: bytes, opened: core.CmsProfile, srgb: core.CmsProfile
) -> Callable[[Image.Image], Image.Image] | None:
    """Convert by what a profile says of each primary, its colour and its curve; None where it does not."""

    def columns(of: core.CmsProfile) -> np.ndarray:
        return np.array([colour[0] for colour in (of.red_colorant, of.green_colorant, of.blue_colorant) if colour]).T

    try:
        with np.errstate(all="ignore"):
            curves = np.stack([_curve(profile, tag) for tag in (b"rTRC", b"gTRC", b"bTRC")])
            # (3, 256, 3): the light that each number of red, of green and of blue adds to each of sRGB
            light = curves[..., None] * np.linalg.solve(columns(srgb), columns(opened)).T[:, None]
    except (ValueError, LookupError, struct.error, np.linalg.LinAlgError):
        return None
    least = light.min(1, keepdims=True)
    lowest, highest = least.sum(0).min(), light.max(1).sum(0).max()
    if not (np.isfinite([lowest, highest]).all() and highest > lowest):
        return None
    steps = 65530 / (highest - lowest)  # that sums, rounded thrice, stay within 16 bits
    shares = light - least
    shares[0] += least.sum(0) - lowest
    packed = np.zeros((3, 256, 4), np.uint16)
    packed[..., :3] = np.rint(shares * steps)
    red, green, blue = packed.view(np.uint64)[..., 0]
    summed = np.clip(np.arange(2**16) / steps + lowest, 0, 1)
    levels = np.where(summed <= 0.0031308, 12.92 * summed, 1.055 * summed ** (1 / 2.4) - 0.055)
    levels = np.rint(255 * levels).astype(np.uint8)

    def convert(image: Image.Image) -> Image.Image:
        pixels = np.frombuffer(image.tobytes("raw", "RGBX"), np.uint8).reshape(-1, 4)  # as they lie in memory
        sums = red.take(pixels[:, 0])  # red, green and blue of sRGB at once, in 16 bits each
        sums += green.take(pixels[:, 1])
        sums += blue.take(pixels[:, 2])
        return Image.frombytes("RGB", image.size, levels.take(sums.view(np.uint16), mode="clip"), "raw", "RGBX")

    return convert


def _curve(profile: bytes, tag: bytes) -> np.ndarray:
    """The light of each number, from 0 to 1: curveType and parametricCurveType of ICC.1."""
    share = np.arange(256) / 255
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = (struct.unpack_from(">4sI", profile, 132 + 12 * i) for i in range(count))
    start = dict(entries)[tag]
    if profile.startswith(b"curv", start):
        (count,) = struct.unpack_from(">I", profile, start + 8)
        values = np.frombuffer(profile, ">u2", count, start + 12)
        if count > 1:
            return np.interp(share, np.linspace(0, 1, count), values / 65535)
        return share ** (values[0] / 256) if count else share
    count = {0: 1, 3: 5, 4: 7}[struct.unpack_from(">4xH", profile, start + 4)[0]]  # numbers of each kind
    stated = np.frombuffer(profile, ">i4", count, start + 12) / 65536
    power, a, b, c, d, e, f = np.append(stated, (1, 1, 0, 0, 0, 0, 0)[count:])
    return np.where(share >= d, (a * share + b) ** power + e, c * share + f)


def named_profile(primaries: int, transfer: int) -> tuple[bytes, str]:
    """A profile for the two ITU-T H.273 numbers in PNG's cICP, HEIC and AVIF, or a note if there is none.

    Transfer is mostly that of sRGB: phones mean it also where they say BT.709's.
    """
    if transfer in _HDR:
        return b"", "high dynamic range: colours not converted"
    gamma = _GAMMAS.get(transfer)
    if primaries not in _PRIMARIES and gamma is None:
        return b"", ""
    name, points = _PRIMARIES.get(primaries, ("sRGB", _SRGB))
    return _matrix_profile(name if gamma is None else f"{name} with gamma {gamma}", points, gamma), ""


@functools.cache
def adobe_rgb() -> bytes:
    """A profile of Adobe RGB (1998), which cameras name in EXIF instead of embedding it."""
    return _matrix_profile("Adobe RGB (1998)", (_D65, (0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), 563 / 256)


def gamma_profile(gamma: bytes, chromaticities: bytes) -> bytes:
    """A profile for PNG's chunks gAMA and cHRM; empty if they amount to sRGB or make no sense."""
    exponent = int.from_bytes(gamma, "big") / 100_000
    if not 0.1 <= exponent <= 2:
        return b""
    # 1/2.2 is how sRGB is said in this chunk.
    power = None if abs(exponent - 1 / 2.2) < 0.005 else 1 / exponent
    name = f"gamma {1 / exponent:.2g}"
    points: Sequence[Sequence[float]] = _SRGB
    if len(chromaticities) == 32:
        white, *primaries = (tuple(pair) for pair in (np.frombuffer(chromaticities, ">u4").reshape(4, 2) / 100_000))
        points = (white, *primaries)
        if any(min(y for _, y in points) <= 0 for _ in points):
            return b""
        name = f"{name} and primaries of its own"
    if power is None and np.allclose(points, _SRGB, atol=0.01):
        return b""
    return _matrix_profile(name, points, power)


def calibration_note(white: np.ndarray, primaries: np.ndarray, curve: np.ndarray) -> str:
    """A note on colours that a BMP or TIFF without a profile defines, unless they are sRGB's.

    Parameters
    ----------
    white, primaries
        (2,) and (3, 2): x and y; empty where they are not stated.
    curve
        (numbers, 1 or 3): the light for each number of a sample, from 0 to 1; empty where it is not stated.
    """
    share = np.linspace(0, 1, len(curve))[:, None]
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    stated = ((white, _SRGB[0], 0.01), (primaries, _SRGB[1:], 0.01), (curve, light, 0.02))
    same = all(not values.size or np.allclose(values, srgb, atol=tolerance) for values, srgb, tolerance in stated)
    return "" if same else "calibrated colours not converted"


def _matrix_profile(name: str, points: Sequence[Sequence[float]], gamma: float | None) -> bytes:
    """An ICC profile (version 4) of three primaries and a curve: ICC.1:2010, 8.4.3.

    points: x and y of white, red, green and blue; gamma: the curve's exponent, or None for sRGB's.
    """

    def xyz(point: Sequence[float]) -> np.ndarray:
        x, y = point
        return np.array([x / y, 1.0, (1 - x - y) / y])

    def tag_xyz(values: np.ndarray) -> bytes:
        return b"XYZ \0\0\0\0" + b"".join(fixed(value) for value in values)

    def fixed(value: float) -> bytes:
        return round(float(value) * 65536).to_bytes(4, "big", signed=True)

    def text(words: str) -> bytes:
        encoded = words.encode("utf-16-be")
        return struct.pack(">4sIIIHHII", b"mluc", 0, 1, 12, 0x656E, 0x5553, len(encoded), 28) + encoded

    white, *primaries = (xyz(point) for point in points)
    columns = np.stack(primaries, 1)
    columns = columns * np.linalg.solve(columns, white)  # so that they add up to white
    d50 = np.array([0.9642, 1.0, 0.8249])
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    adapted = np.linalg.inv(bradford) @ np.diag((bradford @ d50) / (bradford @ white)) @ bradford
    columns = adapted @ columns
    if gamma is None:
        curve = b"para\0\0\0\0\0\3\0\0" + b"".join(map(fixed, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
    else:
        curve = b"para\0\0\0\0\0\0\0\0" + fixed(gamma)
    tags = {
        b"desc": text(name), b"cprt": text("none"), b"wtpt": tag_xyz(d50), b"chad": b"sf32\0\0\0\0"
        + b"".join(map(fixed, adapted.ravel())), b"rXYZ": tag_xyz(columns[:, 0]), b"gXYZ": tag_xyz(columns[:, 1]),
        b"bXYZ": tag_xyz(columns[:, 2]), b"rTRC": curve, b"gTRC": curve, b"bTRC": curve,
    }  # fmt: skip
    body, table = b"", struct.pack(">I", len(tags))
    for tag, content in tags.items():
        content += bytes(-len(content) % 4)
        table += struct.pack(">4sII", tag, 128 + 4 + 12 * len(tags) + len(body), len(content))
        body += content
    header = struct.pack(
        ">II I4s4s4s 12s 4s 44s", 128 + len(table) + len(body), 0, 0x04200000, b"mntr", b"RGB ", b"XYZ ", bytes(12),
        b"acsp", bytes(28) + b"".join(map(fixed, d50)) + bytes(4),
    )  # fmt: skip
    return header.ljust(128, b"\0") + table + body


def _named(description: str | None) -> str:
    name = "".join(letter for letter in description or "" if letter.isprintable()).strip()
    return name[:60] or "a colour profile without a name"
