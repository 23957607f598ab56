"""Colours come to sRGB: by LittleCMS, held against the definitions of the colour spaces."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms, TiffImagePlugin

from lesionflow.errors import ImageError
from lesionflow.images import colour
from lesionflow.images.decode import Decoded, decode_frames, fit_image

SRGB_TO_XYZ = np.array(  # IEC 61966-2-1
    [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
)
P3_TO_XYZ = np.array(  # SMPTE EG 432-1, white of D65
    [[0.48657, 0.26567, 0.19822], [0.22897, 0.69174, 0.07929], [0.0, 0.04511, 1.04394]]
)
SKIN = (200, 140, 120)
PATCHES = np.array([SKIN, (90, 50, 40), (250, 220, 210), (128, 128, 128), (30, 20, 25), (180, 60, 60)], np.uint8)


def decoded(data: bytes, side: int = 24) -> Decoded:
    ((_, found),) = decode_frames(data, side, side)
    assert isinstance(found, Decoded)
    return found


def saved(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def linear(values: np.ndarray, gamma: float | None = None) -> np.ndarray:
    share = values / 255
    if gamma is not None:
        return share**gamma
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def as_srgb(patches: np.ndarray, to_xyz: np.ndarray, gamma: float | None = None) -> np.ndarray:
    """What numbers of another space are in sRGB, by the definitions."""
    mixed = linear(patches.astype(float), gamma) @ (np.linalg.inv(SRGB_TO_XYZ) @ to_xyz).T
    mixed = np.clip(mixed, 0, 1)
    return 255 * np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055)


def profile(name: str) -> bytes:
    return {
        "sRGB": ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes(),
        "Display P3": colour.named_profile(12, 13)[0],
    }[name]


def png(image: Image.Image, **chunks: bytes) -> bytes:
    """A PNG file with chunks of colour behind its header, in the order given."""
    data = saved(image)
    added = b"".join(
        struct.pack(">I", len(content))
        + name.encode()
        + content
        + struct.pack(">I", zlib.crc32(name.encode() + content))
        for name, content in chunks.items()
    )
    return data[:33] + added + data[33:]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP", "AVIF"])
def test_display_p3_comes_to_srgb(format: str) -> None:
    lossy = {} if format in ("PNG", "TIFF") else {"quality": 100}
    for patch, expected in zip(PATCHES, as_srgb(PATCHES, P3_TO_XYZ), strict=True):
        image = Image.new("RGB", (32, 32), tuple(patch.tolist()))
        found = decoded(saved(image, format, icc_profile=profile("Display P3"), **lossy))
        assert np.abs(found.pixels.reshape(-1, 3).mean(0) - expected).max() < (2 if lossy else 1.5), patch
        assert found.note == "converted from Display P3"


def test_the_profile_of_a_jpeg_2000_is_converted() -> None:
    def box(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(content)) + kind + content

    data = saved(Image.new("RGB", (32, 32), SKIN), "JPEG2000", irreversible=False)
    named = box(b"colr", b"\x01\0\0\0\0\0\x10")  # sRGB, by number
    start = data.index(b"jp2h") - 4
    end = start + int.from_bytes(data[start : start + 4], "big")
    head = data[start + 8 : end].replace(named, box(b"colr", b"\2\0\0" + profile("Display P3")))
    found = decoded(data[:start] + box(b"jp2h", head) + data[end:])
    assert np.abs(found.pixels[0, 0] - as_srgb(np.array([SKIN]), P3_TO_XYZ)[0]).max() < 2
    assert found.note == "converted from Display P3" and decoded(data).note == ""


def curve(*numbers: int) -> bytes:
    """A curve of an ICC profile in numbers of 16 bits: none is a straight line, one a gamma in 256ths."""
    return struct.pack(f">4s4xI{len(numbers)}H", b"curv", len(numbers), *numbers)


def with_tags(profile: bytes, **tags: bytes) -> bytes:
    """The profile with tags replaced or added."""
    (count,) = struct.unpack_from(">I", profile, 128)
    entries = {
        name: (start, size) for name, start, size in struct.iter_unpack(">4sII", profile[132 : 132 + 12 * count])
    }
    content = {name: profile[start : start + size] for name, (start, size) in entries.items()}
    content |= {name.encode(): tag + bytes(-len(tag) % 4) for name, tag in tags.items()}
    table, body = struct.pack(">I", len(content)), b""
    for name, tag in content.items():
        table += struct.pack(">4sII", name, 132 + 12 * len(content) + len(body), len(tag))
        body += tag
    return struct.pack(">I", 128 + len(table) + len(body)) + profile[4:128] + table + body


def table_of_colours(*colours: tuple[int, int, int]) -> bytes:
    """An `A2B0`: what the eight corners of the cube of colours are in Lab, of 8 bits."""
    straight = bytes(range(256)) * 3
    matrix = struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    return b"mft1\0\0\0\0\3\3\2\0" + matrix + straight + np.array(colours, np.uint8).tobytes() + straight


CURVED = {
    "gamma": colour.adobe_rgb(),
    "sRGB's curve": colour.named_profile(12, 13)[0],
    "wide": colour.named_profile(9, 13)[0],
    "straight": with_tags(colour.adobe_rgb(), rTRC=curve(), gTRC=curve(), bTRC=curve()),
    "one number": with_tags(colour.adobe_rgb(), rTRC=curve(460), gTRC=curve(512), bTRC=curve(563)),
    "many numbers": with_tags(
        colour.adobe_rgb(), rTRC=curve(*(round(65535 * (i / 1023) ** 1.8) for i in range(1024))), gTRC=curve(0, 65535),
        bTRC=curve(*(round(65535 * (i / 25) ** 2.4) for i in range(26))),
    ),
    "seven parameters": with_tags(
        colour.adobe_rgb(), gTRC=struct.pack(">4s4xHxx7i", b"para", 4, 144179, 58982, 6554, 6554, 1311, 655, 0)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CURVED)
def test_tables_convert_as_littlecms_does(name: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    pixels[:100] //= 8  # dark ones, where a level is least light and LittleCMS rounds to a third of one
    opened, srgb = ImageCms.ImageCmsProfile(io.BytesIO(CURVED[name])), ImageCms.createProfile("sRGB")
    assert colour._matrix_conversion(CURVED[name], opened.profile, srgb)
    image = Image.fromarray(pixels)
    expected = ImageCms.buildTransform(opened, srgb, "RGB", "RGB").apply(image)
    found = np.asarray(colour.to_srgb(image, CURVED[name])[0], int) - np.asarray(expected, int)
    assert np.abs(found).max() <= 1 and (found != 0)[100:].mean() < 0.02


def test_a_profile_whose_table_says_otherwise_than_its_curves_is_littlecms() -> None:
    reds = [(30, 160, 160), (60, 60, 160), (90, 160, 60), (120, 60, 60)]
    tag = with_tags(colour.adobe_rgb(), A2B0=table_of_colours(*reds, *((200, b, a) for _, a, b in reds)))
    tag = tag[:20] + b"Lab " + tag[24:]
    opened, srgb = ImageCms.ImageCmsProfile(io.BytesIO(tag)), ImageCms.createProfile("sRGB")
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8))
    expected = ImageCms.buildTransform(opened, srgb, "RGB", "RGB").apply(image)
    assert colour.to_srgb(image.copy(), tag)[0].tobytes() == expected.tobytes()
    adobe, _ = colour.to_srgb(image.copy(), colour.adobe_rgb())
    assert np.abs(np.asarray(adobe, int) - np.asarray(expected, int)).max() > 20


def test_an_image_in_memory_has_a_profile_as_well() -> None:
    file = saved(Image.new("RGB", (32, 32), SKIN), icc_profile=profile("Display P3"))
    assert np.array_equal(fit_image(Image.open(io.BytesIO(file)), 24, 24), decoded(file).pixels)


def test_srgb_by_any_name_changes_nothing() -> None:
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8))
    plain = decoded(saved(image)).pixels
    renamed = colour._matrix_profile("HP's own", colour._SRGB, None)
    for tag in (profile("sRGB"), renamed):
        found = decoded(saved(image, icc_profile=tag))
        assert found.note == "" and np.array_equal(found.pixels, plain)


@pytest.mark.parametrize("gamma", [1.8, 2.6])
def test_the_gamma_of_a_png_counts(gamma: float) -> None:
    for patch, expected in zip(PATCHES, as_srgb(PATCHES, SRGB_TO_XYZ, gamma), strict=True):
        found = decoded(
            png(Image.new("RGB", (32, 32), tuple(patch.tolist())), gAMA=struct.pack(">I", round(1e5 / gamma)))
        )
        assert np.abs(found.pixels[0, 0] - expected).max() < 2 and "gamma" in found.note


def test_of_a_pngs_colour_chunks_the_first_of_the_standards_order_counts() -> None:
    image = Image.new("RGB", (32, 32), SKIN)
    wide = struct.pack(">8I", 31270, 32900, 68000, 32000, 26500, 69000, 15000, 6000)  # Display P3's primaries
    usual = struct.pack(">8I", 31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)
    gamma, odd = struct.pack(">I", 45455), struct.pack(">I", 100_000)
    p3 = as_srgb(np.array([SKIN]), P3_TO_XYZ)[0]
    plain = np.array(SKIN)
    expected = [
        (png(image, gAMA=gamma), plain), (png(image, gAMA=gamma, cHRM=usual), plain),
        (png(image, gAMA=gamma, cHRM=wide), p3), (png(image, sRGB=b"\0", gAMA=odd), plain),
        (png(image, cICP=bytes([12, 13, 0, 1]), sRGB=b"\0"), p3),
        (png(image, cICP=bytes([1, 13, 0, 1]), gAMA=odd), plain),
        (png(image, gAMA=bytes(4)), plain),
    ]  # fmt: skip
    for data, colours in expected:
        assert np.abs(decoded(data).pixels[0, 0] - colours).max() < 2


def test_a_curve_in_numbers_counts_where_it_is_not_srgbs() -> None:
    image = Image.new("RGB", (32, 32), SKIN)
    for transfer, gamma in ((4, 2.2), (5, 2.8), (8, 1.0)):
        found = decoded(png(image, cICP=bytes([1, transfer, 0, 1])))
        expected = as_srgb(np.array([SKIN]), SRGB_TO_XYZ, gamma)[0]
        assert (
            np.abs(found.pixels[0, 0] - expected).max() < 2 and found.note == f"converted from sRGB with gamma {gamma}"
        )
    unspecified = {"cICP": bytes([2, 2, 0, 1]), "iCCP": b"ICC\0\0" + zlib.compress(profile("Display P3"))}
    assert "Display P3" in decoded(png(image, **unspecified)).note


@pytest.mark.parametrize(("number", "name"), [(4, "BT.470 M"), (8, "film"), (9, "BT.2020")])
def test_primaries_far_from_srgbs_are_converted(number: int, name: str) -> None:
    found = decoded(png(Image.new("RGB", (32, 32), SKIN), cICP=bytes([number, 13, 0, 1])))
    assert found.note == f"converted from {name}" and np.abs(found.pixels[0, 0].astype(int) - SKIN).max() > 5
    grey = decoded(png(Image.new("RGB", (32, 32), (128, 128, 128)), cICP=bytes([number, 13, 0, 1])))
    assert np.abs(grey.pixels[0, 0].astype(int) - 128).max() <= 1  # whatever its white is


def test_what_stands_behind_a_pngs_pixels_says_nothing_of_them() -> None:
    data = saved(Image.new("RGB", (32, 32), SKIN))
    gamma = png(Image.new("RGB", (1, 1)), gAMA=struct.pack(">I", 100_000))[33:49]
    assert np.array_equal(decoded(data[:-12] + gamma + data[-12:]).pixels[0, 0], SKIN)


def exif_of(colour_space: int, rules: bytes, order: str) -> bytes:
    """EXIF as cameras write it: a directory that leads to another, which leads to that of interoperability."""
    directories = struct.pack(f"{order}H HHII I", 1, 0x8769, 4, 1, 26, 0)
    directories += struct.pack(f"{order}H HHIHxx HHII I", 2, 0xA001, 3, 1, colour_space, 0xA005, 4, 1, 56, 0)
    directories += struct.pack(f"{order}H HHI4s I", 1, 1, 2, 4, rules, 0)
    return b"Exif\0\0" + (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8) + directories


@pytest.mark.parametrize("order", ["<", ">"])
def test_adobe_rgb_that_only_exif_names_is_converted(order: str) -> None:
    image, adobe = Image.new("RGB", (32, 32), SKIN), {"quality": 100, "subsampling": 0}
    expected = decoded(saved(image, "JPEG", icc_profile=colour.adobe_rgb(), **adobe))
    assert np.abs(expected.pixels[0, 0].astype(int) - SKIN).max() > 8
    for colour_space, rules in ((0xFFFF, b"R03\0"), (2, b"R98\0")):
        found = decoded(saved(image, "JPEG", exif=exif_of(colour_space, rules, order), **adobe))
        assert np.array_equal(found.pixels, expected.pixels) and found.note == "converted from Adobe RGB (1998)"
    for colour_space, rules in ((1, b"R98\0"), (0xFFFF, b"R98\0")):
        assert decoded(saved(image, "JPEG", exif=exif_of(colour_space, rules, order), **adobe)).note == ""
    tagged = saved(image, "JPEG", exif=exif_of(2, b"R03\0", order), icc_profile=profile("sRGB"), **adobe)
    assert decoded(tagged).note == ""  # a profile says more


def bmp_with_profile(data: bytes, embedded: bytes) -> bytes:
    """A BMP as Pillow writes it, with a header of the fifth kind and a profile behind its pixels."""
    pixels = data[54:]
    head = struct.pack("<I", 124) + data[18:54] + bytes(16) + b"DEBM" + bytes(48)
    head += struct.pack("<IIII", 4, 124 + len(pixels), len(embedded), 0)
    length = 138 + len(pixels) + len(embedded)
    return b"BM" + struct.pack("<IHHI", length, 0, 0, 138) + head + pixels + embedded


def test_a_profile_embedded_in_a_bmp_is_converted() -> None:
    embedded = profile("Display P3")
    file = bmp_with_profile(saved(Image.new("RGB", (32, 32), SKIN), "BMP"), embedded)
    found = decoded(file)
    assert np.abs(found.pixels[0, 0] - as_srgb(np.array([SKIN]), P3_TO_XYZ)[0]).max() < 2
    cut = decoded(file[: -len(embedded)])
    assert np.array_equal(cut.pixels[0, 0], SKIN) and cut.note == "colour profile ignored: it is broken"


SRGB_POINTS, WIDE_POINTS = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06))
CALIBRATED = "calibrated colours not converted"


@pytest.mark.parametrize(
    ("points", "gamma", "note"),
    [
        ((), 0, ""), (SRGB_POINTS, 2.2, ""), (SRGB_POINTS, 1 / 2.2, ""), ((), 1.8, CALIBRATED), ((), 1, CALIBRATED),
        (WIDE_POINTS, 2.2, CALIBRATED), (WIDE_POINTS, 0, CALIBRATED),
    ],
)  # fmt: skip
def test_calibrated_colours_of_a_bmp_are_named(
    points: tuple[tuple[float, float], ...], gamma: float, note: str
) -> None:
    plain = saved(Image.new("RGB", (32, 32), SKIN), "BMP")
    places = [round(value * 2**30) for x, y in points for value in (x, y, 1 - x - y)] or [0] * 9
    for kind, space, expected in ((108, bytes(4), note), (124, bytes(4), note), (124, b"BGRs", "")):
        head = struct.pack("<I", kind) + plain[18:54] + bytes(16) + space
        head = (head + struct.pack("<12I", *places, *[round(gamma * 2**16)] * 3)).ljust(kind, b"\0")
        found = decoded(b"BM" + struct.pack("<IHHI", len(plain) - 40 + kind, 0, 0, 14 + kind) + head + plain[54:])
        assert found.note == expected and np.array_equal(found.pixels[0, 0], SKIN)


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_calibrated_colours_of_a_tiff_are_named(mode: str) -> None:
    image = Image.new(mode, (32, 32), SKIN if mode == "RGB" else 140)

    def note(embedded: bytes = b"", **tags: object) -> str:
        info = TiffImagePlugin.ImageFileDirectory_v2()
        for tag, value in tags.items():
            info[int(tag.removeprefix("t"))] = value
        return decoded(saved(image, "TIFF", tiffinfo=info, icc_profile=embedded)).note

    flat = [tuple(value for point in points for value in point) for points in (SRGB_POINTS, WIDE_POINTS)]
    curves = [
        tuple(round(65535 * value) for value in linear(np.arange(256), gamma)) * len(mode) for gamma in (None, 2.2, 1.8)
    ]
    assert note(t318=(0.3127, 0.329), t319=flat[0]) == note(t301=curves[0]) == note(t301=curves[1]) == ""
    assert note(t319=flat[1]) == note(t318=(0.3457, 0.3585)) == (CALIBRATED if mode == "RGB" else "")
    assert note(t301=curves[2]) == CALIBRATED
    if mode == "RGB":
        assert note(profile("sRGB"), t319=flat[1]) == ""  # which says more


def test_high_dynamic_range_is_said_and_not_guessed() -> None:
    found = decoded(png(Image.new("RGB", (32, 32), SKIN), cICP=bytes([9, 16, 0, 1])))
    assert "high dynamic range" in found.note and np.array_equal(found.pixels[0, 0], SKIN)


def test_grey_and_cmyk_have_profiles_too() -> None:
    grey = bytearray(colour._matrix_profile("grey of 1.8", colour._SRGB, 1.8))
    grey[16:20] = b"GRAY"  # the same table with a curve under grey's name
    grey = grey.replace(b"rTRC", b"kTRC", 1)
    found = decoded(saved(Image.new("L", (32, 32), 100), icc_profile=bytes(grey)))
    assert abs(int(found.pixels[0, 0, 0]) - as_srgb(np.array([[100] * 3]), SRGB_TO_XYZ, 1.8)[0, 0]) < 2
    # as files of 16 bits, and as formats that know no grey have it
    for other in (Image.fromarray(np.full((32, 32), 100 * 257, np.uint16)), Image.new("RGB", (32, 32), (100,) * 3)):
        assert np.array_equal(decoded(saved(other, icc_profile=bytes(grey))).pixels, found.pixels)
    # and grey in a profile for RGB is what red, green and blue of that value are
    curved = colour._matrix_profile("RGB of 1.8", colour._SRGB, 1.8)
    assert np.abs(decoded(saved(Image.new("L", (32, 32), 100), icc_profile=curved)).pixels - found.pixels).max() <= 1
    # Of CMYK there is no profile small enough to make by hand: one of RGB does not fit, which is said.
    cmyk = decoded(saved(Image.new("CMYK", (32, 32), (10, 90, 80, 20)), "JPEG", icc_profile=profile("Display P3")))
    assert cmyk.note == "colour profile ignored: it is for RGB, the pixels are CMYK"


@pytest.mark.parametrize("broken", [b"x", bytes(200), colour.named_profile(12, 13)[0][:300]])
def test_a_broken_profile_is_ignored_and_said(broken: bytes) -> None:
    found = decoded(saved(Image.new("RGB", (32, 32), SKIN), icc_profile=broken))
    assert np.array_equal(found.pixels[0, 0], SKIN) and found.note == "colour profile ignored: it is broken"


def test_a_profile_of_a_png_may_be_long() -> None:
    """Pillow refuses a file for more than 1 MiB of it."""
    tag = profile("Display P3") + bytes(2**21)
    tag = struct.pack(">I", len(tag)) + tag[4:]
    found = decoded(png(Image.new("RGB", (32, 32), SKIN), iCCP=b"ICC\0\0" + zlib.compress(tag)))
    assert found.note == "converted from Display P3"


def test_a_profile_that_cannot_be_unpacked_is_said() -> None:
    found = decoded(png(Image.new("RGB", (32, 32), SKIN), iCCP=b"ICC\0\0no stream of zlib"))
    assert np.array_equal(found.pixels[0, 0], SKIN) and found.note == "colour profile ignored: it is broken"


def test_profiles_are_opened_once(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    build = ImageCms.buildTransform

    def counted(*arguments: Any) -> object:
        opened.append(arguments)
        return build(*arguments)

    monkeypatch.setattr(ImageCms, "buildTransform", counted)
    tag = colour._matrix_profile("counted", colour._SRGB, 2.0)
    for _ in range(5):
        assert not isinstance(decoded(saved(Image.new("RGB", (32, 32), SKIN), icc_profile=tag)), ImageError)
    assert len(opened) == 1
