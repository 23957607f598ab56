"""PNG, WebP, GIF, JPEG 2000, AVIF and HEIC: what Pillow passes over is an error, and what is missing is named."""

import base64
import contextlib
import importlib.util
import io
import struct
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from lesionflow.errors import ImageError
from lesionflow.images.decode import Decoded, decode, decode_frames, header
from lesionflow.images.iso_media import clean_aperture, items_of_picture, read_items

generator = np.random.default_rng(0)
NOISE = Image.fromarray(generator.integers(0, 255, (48, 64, 3), np.uint8))


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def failure(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data, 16, 16)
    return str(caught.value)


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(rows: bytes, interlaced: bool = False) -> bytes:
    """A PNG of 64 x 48 in RGB of these bytes, whatever they come to."""
    head = struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, int(interlaced))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("mode", ["RGB", "P", "L", "RGBA", "1"])
def test_a_png_with_a_wrong_checksum_is_damaged(mode: str) -> None:
    data = saved(NOISE.convert(mode), "PNG")
    assert decode(data, 16, 16).shape == (16, 16, 3)
    for place in (20, data.index(b"IDAT") + 30, len(data) - 14, len(data) - 1):
        broken = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert failure(broken).startswith("damaged: "), place
    half = len(data) // 2
    for broken in (data[:half], data[:-1], data[:-12], data[:half] + bytes(len(data) - half)):
        assert failure(broken).startswith("damaged: ")
    assert decode(data + b"what follows the image", 16, 16).shape == (16, 16, 3)


def with_chunk(data: bytes, before: bytes, kind: bytes, content: bytes) -> bytes:
    """A PNG with one more chunk before the first of a kind."""
    place = data.index(before) - 4
    return data[:place] + chunk(kind, content) + data[place:]


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "RGBA", "I;16"])
def test_a_png_of_a_narrow_range_is_brought_to_the_full_one(mode: str) -> None:
    shades = Image.fromarray(np.array([[16, 126, 235, 255]], np.uint8).repeat(16, 0).repeat(4, 1))
    image = Image.fromarray(np.asarray(shades).astype(np.uint16) * 256) if mode == "I;16" else shades.convert(mode)
    data = saved(image, "PNG")
    numbers = b"\x01\x0d\x00"  # primaries and transfer of sRGB, as RGB
    full, narrow = (with_chunk(data, b"IDAT", b"cICP", numbers + bytes([whole])) for whole in (1, 0))
    assert decode(full, 16, 16)[0, ::4, 0].tolist() == [16, 126, 235, 255]
    assert decode(narrow, 16, 16)[0, ::4, 0].tolist() == [0, 128, 255, 255]


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (b"zTXt", b"prompt\0\0" + zlib.compress(bytes(generator.integers(32, 127, 2**20 + 1, np.uint8)))),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b"<x/>" * 2**18),
        (b"pHYs", b"\0"), (b"acTL", b""), (b"fcTL", bytes(26)), (b"fcTL", b"\0\0\0\7" + bytes(22)),
    ],
)  # fmt: skip
def test_what_stands_beside_the_pixels_of_a_png_makes_it_no_damaged_one(
    before: bytes, kind: bytes, content: bytes
) -> None:
    """Pillow refuses more than 1 MiB of text, and what it cannot make sense of."""
    data = saved(NOISE, "PNG")
    assert np.array_equal(decode(with_chunk(data, before, kind, content), 16, 16), decode(data, 16, 16))
    assert header(with_chunk(data, before, kind, content)) == ("PNG", 64, 48)


def test_a_pixel_whose_colour_the_palette_lacks_is_damage() -> None:
    """Pillow shows it as black."""
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    image.putpalette(generator.integers(0, 256, 3 * 64, np.uint8).tobytes())
    png, bmp = saved(image, "PNG"), saved(image, "BMP")
    assert np.array_equal(decode(png, 8, 8), np.asarray(image.convert("RGB"))) and np.array_equal(
        decode(bmp, 8, 8), decode(png, 8, 8)
    )
    start = png.index(b"PLTE") - 4
    end = start + 12 + 3 * 64
    palette = png[start + 8 : end - 4]
    assert np.array_equal(decode(png[:start] + chunk(b"PLTE", palette) + png[end:], 8, 8), decode(png, 8, 8))
    short = png[:start] + chunk(b"PLTE", palette[:-3]) + png[end:]
    overwritten = bmp[:-1] + b"\x80"
    assert failure(short) == failure(overwritten) == "damaged: pixels of colours that its palette lacks"
    assert failure(png[:start] + png[end:]) == "damaged: it has no palette"


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
def test_a_png_is_turned_wherever_that_stands(before: bytes) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    plain, tags = saved(NOISE, "PNG"), exif.tobytes()
    expected = decode(saved(NOISE.transpose(Image.Transpose.ROTATE_270), "PNG"), 64, 48)
    turns = [(b"eXIf", tags.removeprefix(b"Exif\0\0"))]
    for padding in (0, 2**21):  # of more than 1 MiB Pillow refuses the file
        xmp = b'<x tiff:Orientation="6"/>'.rjust(padding)
        raw = b"\nexif\n%d\n" % len(tags) + tags.hex().encode() + b"\n" * padding
        turns += [(b"iTXt", b"XML:com.adobe.xmp" + bytes(5) + xmp), (b"tEXt", b"Raw profile type exif\0" + raw)]
        turns += [(b"iTXt", b"XML:com.adobe.xmp\0\1\0en\0\0" + zlib.compress(xmp))]
        turns += [(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw))]
    for kind, content in turns:
        turned = with_chunk(plain, before, kind, content)
        assert np.array_equal(decode(turned, 64, 48), expected)
        assert header(turned)[1:3] == (48, 64)


@pytest.mark.parametrize(("bits", "colour"), [(1, 0), (2, 0), (4, 0), (8, 0), (16, 0), (8, 2), (16, 2)])
def test_a_colour_that_a_png_calls_transparent_is_black(bits: int, colour: int) -> None:
    """Left half of one value, which is transparent, right half of the largest."""
    value, channels = 1 if bits > 1 else 0, 3 if colour else 1
    samples = [0x0180 if bits == 16 else value] * 8 * channels + [2**bits - 1] * 8 * channels
    row = int("".join(f"{each:0{bits}b}" for each in samples), 2).to_bytes(2 * bits * channels, "big")
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 16, 16, bits, colour, 0, 0, 0))
    data += chunk(b"IDAT", zlib.compress((b"\0" + row) * 16)) + chunk(b"IEND", b"")
    if value:
        assert decode(data, 16, 16)[:, :8].min() > 0
    pixels = decode(with_chunk(data, b"IDAT", b"tRNS", struct.pack(f">{channels}H", *samples[:channels])), 16, 16)
    assert pixels[:, :8].max() == 0 and pixels[:, 8:].min() == 255


@pytest.mark.parametrize("interlaced", [False, True])
def test_a_png_whose_rows_are_not_all_there_is_damaged(interlaced: bool) -> None:
    """The checksums are right, and Pillow leaves the rest black."""
    if interlaced:
        sizes = [(8, 6), (8, 6), (16, 6), (16, 12), (32, 12), (32, 24), (64, 24)]  # of the passes over 64 x 48
        rows = b"".join((b"\0" + b"\x80" * 3 * across) * down for across, down in sizes)
    else:
        rows = (b"\0" + b"\x80" * 3 * 64) * 48
    assert np.all(decode(png(rows, interlaced), 16, 16) == 0x80)
    for missing in (1, 193, len(rows) // 2):
        assert failure(png(rows[:-missing], interlaced)).startswith("damaged: ")


def test_black_at_the_bottom_of_a_png_is_no_damage() -> None:
    for mode, size in (("RGB", (30, 30)), ("1", (31, 7)), ("P", (9, 9)), ("RGBA", (8, 8))):
        assert decode(saved(Image.new(mode, size), "PNG"), 8, 8).max() == 0


@pytest.mark.parametrize("format", ["WEBP", "GIF", "JPEG2000", "AVIF", "BMP"])
def test_cut_files_are_damaged(format: str) -> None:
    data = saved(NOISE, format)
    for end in (len(data) // 3, len(data) // 2, len(data) - 20):
        assert failure(data[:end]).startswith("damaged: ")


@pytest.mark.parametrize("lossless", [False, True])
def test_a_hole_in_a_webp_is_damage(lossless: bool) -> None:
    """The format has no checksums: what follows a hole is decoded to something, from too few bytes."""
    smooth = NOISE.resize((300, 200), Image.Resampling.BICUBIC)
    data = saved(smooth, "WEBP", lossless=lossless, quality=90, exif=b"Exif\0\0II*\0")
    assert decode(data, 16, 16).shape == (16, 16, 3)
    for share in (0.3, 0.6):
        hole = int(share * len(data))
        assert failure(data[:hole] + bytes(2000) + data[hole + 2000 :]).startswith("damaged: ")


@pytest.mark.parametrize(("size", "colours"), [((1, 1), 1), ((64, 48), 1), ((64, 48), 200)])
def test_a_webp_needs_all_its_bytes_however_small(size: tuple[int, int], colours: int) -> None:
    image = NOISE.quantize(colours).convert("RGB").crop((0, 0, *size))
    for options in ({"quality": 1}, {"quality": 100}, {"lossless": True}, {"lossless": True, "method": 6}):
        assert decode(saved(image, "WEBP", **options), 16, 16).shape == (16, 16, 3)
    clear = image.copy()
    clear.putalpha(0)
    assert decode(saved(clear, "WEBP", lossless=True), 16, 16).shape == (16, 16, 3)
    moving = saved(image, "WEBP", save_all=True, append_images=[image.transpose(Image.Transpose.ROTATE_180)])
    assert decode(moving, 16, 16).shape == (16, 16, 3)


def test_jpeg_2000_is_decoded_at_the_scale_that_is_needed() -> None:
    smooth = NOISE.resize((20, 15)).resize((800, 600), Image.Resampling.BICUBIC)
    for options in ({}, {"no_jp2": True}, {"num_resolutions": 1}, {"tile_size": (256, 256)}):
        data = saved(smooth, "JPEG2000", **options)
        difference = decode(data, 64, 64).astype(int) - decode(saved(smooth, "PNG"), 64, 64)
        assert np.abs(difference).mean() < 2, options
        assert header(data) == ("JPEG 2000", 800, 600)


def test_jpeg_2000_that_pillow_decodes_wrongly_is_unsupported() -> None:
    def changed(image: Image.Image, position: int, *values: int) -> str:
        data = bytearray(saved(image, "JPEG2000", no_jp2=True))
        start = data.index(b"\xff\x52") - 9 + position  # within the sizes of the three components
        data[start : start + len(values)] = values
        return failure(bytes(data))

    assert changed(NOISE, 0, 11, 1, 1, 9, 1, 1, 11).startswith("unsupported: JPEG 2000 of 12 bits")
    odd = NOISE.crop((0, 0, 63, 48))
    assert changed(odd, 4, 2, 2, 7, 2, 2).startswith("unsupported: JPEG 2000 whose size is not a multiple")
    named = saved(NOISE, "JPEG2000")
    space = named.index(b"colr") + 10
    called_grey = named[:space] + b"\x11" + named[space + 1 :]
    assert failure(called_grey).startswith("unsupported: JPEG 2000 of three colours that calls itself grey")
    grey = np.linspace(0, 65535, 64).astype(np.uint16)[None].repeat(48, 0)
    np.testing.assert_allclose(decode(saved(Image.fromarray(grey), "JPEG2000"), 48, 64)[0, :, 0], grey[0] >> 8)


def in_jp2(data: bytes, box: bytes, content: bytes) -> bytes:
    """A JPEG 2000 with one more box in its header."""
    start = data.index(b"jp2h") - 4
    end = start + int.from_bytes(data[start : start + 4], "big")
    more = struct.pack(">I", 8 + len(content)) + box + content
    return data[:start] + struct.pack(">I", end - start + len(more)) + data[start + 4 : end] + more + data[end:]


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_channels_of_jpeg_2000_are_in_the_order_that_it_says(mode: str) -> None:
    image = NOISE.convert(mode)
    red, green, blue, *alpha = image.split()
    swapped = saved(Image.merge(mode, [blue, green, red, *alpha]), "JPEG2000", mct=0)
    channels = [(0, 0, 3), (1, 0, 2), (2, 0, 1), (3, 1, 0)][: len(mode)]
    definition = struct.pack(f">H{3 * len(channels)}H", len(channels), *(each for one in channels for each in one))
    if alpha:  # which has a definition already, in its order
        start = swapped.index(b"cdef") + 4
        swapped = swapped[:start] + definition + swapped[start + len(definition) :]
    else:
        swapped = in_jp2(swapped, b"cdef", definition)
    assert np.array_equal(decode(swapped, 16, 16), decode(saved(image, "PNG"), 16, 16))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_a_palette_of_jpeg_2000_gives_its_colours_at_every_scale(order: tuple[int, ...]) -> None:
    numbers = np.repeat(np.repeat(generator.integers(0, 256, (6, 8), np.uint8), 40, 0), 40, 1)
    colours = generator.integers(0, 256, (256, 3), np.uint8)
    colours[100:120] = colours[7]  # repeated ones
    data = saved(Image.fromarray(numbers), "JPEG2000")
    data = data.replace(b"colr\1\0\0\0\0\0\x11", b"colr\1\0\0\0\0\0\x10")  # sRGB, not grey
    columns = b"".join(struct.pack(">HBB", 0, 1, column) for column in order)
    whole = in_jp2(in_jp2(data, b"pclr", struct.pack(">HB3B", 256, 3, 7, 7, 7) + colours.tobytes()), b"cmap", columns)
    expected = saved(Image.fromarray(colours[:, list(order)][numbers]), "PNG")
    assert np.array_equal(decode(whole, 240, 320), decode(expected, 240, 320))
    assert np.abs(decode(whole, 48, 64).astype(int) - decode(expected, 48, 64)).max() <= 1
    deep = in_jp2(in_jp2(data, b"pclr", struct.pack(">HB3B", 256, 3, 15, 15, 15) + bytes(1536)), b"cmap", columns)
    assert failure(deep) == "unsupported: JPEG 2000 with an unusual palette; save it as PNG"


def test_a_bmp_whose_pixels_begin_within_its_header_is_damaged() -> None:
    data = saved(NOISE, "BMP")
    assert failure(data[:10] + struct.pack("<I", 20) + data[14:]).startswith("damaged: ")
    assert np.array_equal(decode(data[:10] + bytes(4) + data[14:], 16, 16), decode(data, 16, 16))


def test_a_codestream_is_found_by_its_box() -> None:
    """Not by its first bytes, which metadata in front of it may have, too."""
    data = saved(NOISE, "JPEG2000")
    start = data.index(b"jp2h") - 4
    metadata = b"\xff\x4f\xff\x51" + bytes(60) + b"colr\1\0\0\0\0\0\x0c" + bytes(2000)
    longer = data[:start] + struct.pack(">I4s", 8 + len(metadata), b"xml ") + metadata + data[start:]
    assert np.array_equal(decode(longer, 16, 16), decode(data, 16, 16))
    breaking_off = data + struct.pack(">I4s", 1, b"free")  # whose length should follow in eight bytes
    assert np.array_equal(decode(breaking_off, 16, 16), decode(data, 16, 16))


@pytest.mark.parametrize(
    ("brand", "box", "said"),
    [("jpx ", b"ftbl", "in fragments"), ("jpm ", b"mhdr", "a document"), ("mjp2", b"moov", "a film")],
)
def test_jpeg_2000_without_a_picture_of_its_own_is_unsupported(brand: str, box: bytes, said: str) -> None:
    whole = saved(NOISE, "JPEG2000")
    jpx = whole.replace(b"ftypjp2 ", b"ftyp" + brand.encode())
    assert np.array_equal(decode(jpx, 16, 16), decode(whole, 16, 16))
    end = jpx.index(b"jp2c") - 4
    assert failure(jpx[:end] + struct.pack(">I", 8) + box + jpx[end:].replace(b"jp2c", b"mdat")).startswith(
        f"unsupported: JPEG 2000, {said}"
    )


@pytest.mark.parametrize("bits", [12, 16])
def test_jpeg_2000_of_deep_colours(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    encode_array = pytest.importorskip("openjpeg.utils").encode_array
    deep = np.asarray(NOISE).astype(np.uint16) << (bits - 8)
    made = {"bits_stored": bits, "photometric_interpretation": 1}  # RGB
    for container in (0, 1):
        data = encode_array(deep, codec_format=container, **made)
        assert np.array_equal(decode(data, 48, 64), np.asarray(NOISE))
        assert failure(data[: len(data) // 2]).startswith("damaged: ")
    monkeypatch.setitem(sys.modules, "openjpeg", None)
    assert failure(data).endswith("needs pylibjpeg-openjpeg: pip install 'lesionflow[dicom]'")


def test_a_hole_in_jpeg_2000_is_damage() -> None:
    for image in (Image.new("RGB", (900, 700)), NOISE.resize((900, 700)).point(lambda value: 255 * (value > 250))):
        for options in ({}, {"precinct_size": (64, 64), "codeblock_size": (32, 32)}, {"tile_size": (256, 256)}):
            decode(saved(image, "JPEG2000", **options), 16, 16)
    data = saved(NOISE.resize((640, 480)), "JPEG2000")
    for share in (0.3, 0.6, 0.9):  # beyond what so small a picture is decoded from
        hole = int(share * len(data))
        assert failure(data[:hole] + bytes(2000) + data[hole + 2000 :]) == "damaged: zeros in place of pixels"
    assert decode(data + bytes(2000) + b"behind it", 16, 16).any()


@pytest.mark.parametrize(
    "options",
    [
        {}, {"irreversible": True, "quality_layers": [20]}, {"tile_size": (256, 256)}, {"precinct_size": (128, 128)},
        {"quality_mode": "rates", "quality_layers": [80, 40, 20, 10, 5, 1]},
    ],
)  # fmt: skip
def test_a_sector_of_zeros_in_jpeg_2000_is_damage(options: dict[str, object]) -> None:
    data = saved(NOISE.resize((640, 480)), "JPEG2000", no_jp2=True, **options)
    assert decode(data, 64, 64).any()
    for hole in range(1024, len(data) - 512, max(len(data) // 10 // 512, 1) * 512):
        assert failure(data[:hole] + bytes(512) + data[hole + 512 :]).startswith("damaged: "), hole


@pytest.mark.parametrize("options", [{}, {"irreversible": True, "quality_layers": [40, 10]}, {"tile_size": (256, 256)}])
def test_what_no_coder_of_jpeg_2000_writes_is_damage(options: dict[str, object]) -> None:
    data = saved(NOISE.resize((640, 480)), "JPEG2000", no_jp2=True, comment=b"\xff\x99", **options)
    assert decode(data, 16, 16).any()
    for share in (0.3, 0.6, 0.9):
        hole = int(share * len(data))
        wrong = generator.integers(1, 256, 3000, np.uint8).tobytes()
        assert failure(data[:hole] + wrong + data[hole + 3000 :]).startswith("damaged: a marker among its pixels")


def test_empty_packets_are_no_hole_of_jpeg_2000() -> None:
    """A second layer that adds nothing, of which other encoders than Pillow's write a byte 0 for each packet."""
    image = Image.new("RGB", (600, 600), (200, 150, 120))
    data = saved(image, "JPEG2000", precinct_size=(32, 32), num_resolutions=1, no_jp2=True)
    style, tile = data.index(b"\xff\x52"), data.index(b"\xff\x90")
    layered = bytearray(data[:-2] + bytes(19 * 19 * 3) + data[-2:])
    layered[style + 7] = 2
    struct.pack_into(">I", layered, tile + 6, struct.unpack_from(">I", data, tile + 6)[0] + 19 * 19 * 3)
    assert np.array_equal(decode(bytes(layered), 600, 600), np.asarray(image))


def test_bits_of_zero_are_no_hole_in_jpeg_2000_of_high_throughput() -> None:
    """Lines of 0 and 1, which Pillow cannot write in this coding: 524 zeros in a row."""
    coded = (
        "eNr77/8/kEHTgQEIGqAYBlD5jOyMjP8DGDgYmIAcpv9BDDxAFiMDKwuLA+P/GAZhBY8AJODh4fE/hUGcgdG/IDXPK8BDISy1SMFAz8hMz1jv"
        "/wQGLpCJzCcZGP9PPqCb8Pffv7r9999///3799+6/QxfpzMwGO4AW3pA/10GwygYBVAghcRmQ0qrjAuQJDJGNVBLw6KlXlO1QlYGYaHW7pL8"
        "fxMAJnFGkg=="
    )
    data = zlib.decompress(base64.b64decode(coded))
    assert bytes(524) in data and decode(data, 128, 128)[5, :4, 0].tolist() == [0, 1, 0, 1]
    assert failure(data[:300] + bytes(4096) + data[-2:]).startswith("damaged: ")


def test_layers_of_libavcodec_may_end_like_the_start_of_a_marker() -> None:
    made = {"quality_mode": "rates", "quality_layers": [8, 4, 2], "no_jp2": True}
    data = saved(NOISE.resize((200, 150)), "JPEG2000", comment="Lavc62.28.102", **made)
    at = len(data) // 2
    data = data[:at] + b"\xff\xa0" + data[at + 2 :]
    assert decode(data, 16, 16).any()
    assert failure(data.replace(b"Lavc", b"Lave")).startswith("damaged: a marker among its pixels at byte ")


def test_jpeg_2000_of_other_colours_is_unsupported() -> None:
    data = saved(NOISE, "JPEG2000")
    place = data.index(b"colr") + 7
    for number in (12, 14):  # CMYK and Lab
        other = data[:place] + number.to_bytes(4, "big") + data[place + 4 :]
        assert failure(other) == f"unsupported: JPEG 2000 of colour space {number}; save it as PNG"


@pytest.mark.parametrize("format", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_note_says_which_frame_counts(format: str) -> None:
    notes = []
    for others in ([], [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]):
        data = saved(Image.new("RGB", (16, 16), "lime"), format, save_all=True, append_images=others, lossless=True)
        ((_, found),) = decode_frames(data, 16, 16)
        assert isinstance(found, Decoded) and found.pixels[8, 8].tolist() == [0, 255, 0]
        notes.append(found.note)
    assert notes == ["", "frame 1 of 3"]


def test_what_the_first_frame_of_a_gif_leaves_free_is_black() -> None:
    small = NOISE.resize((40, 30)).quantize(16)
    data = saved(small, "GIF", interlace=0)
    found = decode(data[:6] + struct.pack("<HH", 64, 48) + data[10:], 48, 64)
    assert np.array_equal(found[:30, :40], np.asarray(small.convert("RGB"))) and found[30:].max() == 0
    assert found[:, 40:].max() == 0 and np.asarray(small.convert("RGB")).reshape(-1, 3).max(1).min() > 0


@pytest.mark.parametrize("lossless", [False, True])
def test_a_hole_in_the_first_frame_of_a_moving_webp_is_damage(lossless: bool) -> None:
    smooth = NOISE.resize((300, 200), Image.Resampling.BICUBIC)
    data = saved(smooth, "WEBP", save_all=True, append_images=[smooth.rotate(180)], lossless=lossless, quality=90)
    assert decode(data, 16, 16).any()
    hole = len(data) // 4
    assert failure(data[:hole] + bytes(2000) + data[hole + 2000 :]).startswith("damaged: ")


def heif_files(image: Image.Image) -> dict[str, bytes]:
    """An image as AVIF, in one tile and in four, and where there is an encoder as HEIC, its rows apart and in one."""
    files = {
        "AVIF": saved(image, "AVIF", quality=95, subsampling="4:4:4"),
        "AVIF, four tiles": saved(image, "AVIF", quality=95, speed=9, autotiling=False, tile_rows=1, tile_cols=1),
    }
    if importlib.util.find_spec("pillow_heif"):
        import pillow_heif

        for name, coding in (("HEIF", {}), ("HEIF, one row", {"enc_params": {"x265:wpp": "0"}})):
            buffer = io.BytesIO()
            pillow_heif.from_pillow(image).save(buffer, quality=95, chroma=444, **coding)
            files[name] = buffer.getvalue()
    return files


def test_a_hole_in_heic_and_avif_is_damage() -> None:
    exif = Image.Exif()
    exif[0x927C] = bytes(500)  # zeros in what the camera wrote are none
    assert decode(saved(NOISE, "AVIF", exif=exif), 16, 16).any()
    for image in (NOISE.resize((240, 180)), NOISE.resize((240, 180)).convert("RGBA")):
        for data in heif_files(image).values():
            assert decode(data, 16, 16).any()
            for share in (0.3, 0.6, 0.9):
                hole = int(share * len(data))
                broken = data[:hole] + bytes(70) + data[hole + 70 :]
                assert failure(broken).startswith("damaged: zeros in place of pixels from byte ")
            assert failure(data[:-400] + bytes(400)).startswith("damaged: ")  # an end that was not written


@pytest.mark.parametrize(
    ("kind", "codec"), [(b"avc1", "AVC"), (b"jpeg", "JPEG"), (b"av01", "AV1"), (b"unci", "pixels")]
)
def test_a_heif_that_is_not_coded_as_heic_is_unsupported(kind: bytes, codec: str) -> None:
    data = heif_files(NOISE).get("HEIF") or pytest.skip("pillow-heif is not installed")
    assert failure(data.replace(b"hvc1", kind)).startswith(f"unsupported: HEIF of {codec}")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (b"iden", "a picture that shows another"),
        (b"iovl", "pictures laid over each"),
        (b"tmap", "a picture with a map"),
    ],
)
def test_an_avif_whose_picture_is_derived_from_others_is_unsupported(kind: bytes, said: str) -> None:
    assert failure(saved(NOISE, "AVIF").replace(b"av01Color", kind + b"Color")).startswith(
        f"unsupported: AVIF of {said}"
    )


def test_an_avif_that_is_mirrored_before_it_is_turned_is_unsupported() -> None:
    """As its decoder mirrors it last, wherever that stands."""
    plain = saved(NOISE, "AVIF")
    turn, mirror = struct.pack(">I4sB", 9, b"irot", 1), struct.pack(">I4sB", 9, b"imir", 1)
    expected = Image.fromarray(decode(plain, 48, 64)).transpose(Image.Transpose.ROTATE_90)
    expected = expected.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    assert np.array_equal(decode(with_property(with_property(plain, turn), mirror), 64, 48), np.asarray(expected))
    assert failure(with_property(with_property(plain, mirror), turn)).startswith("unsupported: AVIF of a picture that")


def test_a_heic_whose_picture_is_another_turned_is_read() -> None:
    """Of the kinds `iden` and `iovl`: an item behind that of the pixels, with properties of its own."""
    data = heif_files(NOISE).get("HEIF") or pytest.skip("no encoder")
    for kind, placed in (
        (b"iden", b""),
        (b"iovl", b"\0\0" + bytes(6) + b"\xff" * 2 + struct.pack(">HHhh", 64, 48, 0, 0)),
    ):
        derived = shows_another(data, kind, placed)
        assert np.array_equal(decode(derived, 16, 16), decode(data, 16, 16))
        hole = derived.index(b"mdat") + 2000
        assert failure(derived[:hole] + bytes(70) + derived[hole + 70 :]).startswith("damaged: zeros in place")


def shows_another(data: bytes, kind: bytes, placed: bytes) -> bytes:
    """A HEIC around the pixels of another, whose picture is a second item that is derived from the first."""

    def box(kind: bytes, *content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(b"".join(content))) + kind + b"".join(content)

    items = read_items(data)
    ((start, end),) = items.extents[items.primary]
    known = [*items.properties[items.primary], (b"ispe", struct.pack(">III", 0, 64, 48))]
    belong = bytes([len(known) - 1, *(0x80 * (known[i][0] != b"ispe") | i + 1 for i in range(len(known) - 1))])
    entries = [
        box(b"infe", struct.pack(">IHH", 2 << 24, number, 0), each, b"\0") for number, each in ((1, b"hvc1"), (2, kind))
    ]

    def described(first: int) -> bytes:
        places = struct.pack(">HHHHII", 1, 0, 0, 1, first, end - start)
        places += struct.pack(">HHHHII", 2, 1, 0, 1, 0, len(placed)) if placed else b""
        return box(
            b"meta", bytes(4), box(b"hdlr", bytes(8), b"pict", bytes(13)), box(b"pitm", bytes(4), b"\0\2"),
            box(b"iloc", b"\1\0\0\0\x44\0", struct.pack(">H", 1 + bool(placed)), places),
            box(b"iinf", bytes(4), b"\0\2", *entries),
            box(b"iref", bytes(4), box(b"dimg", struct.pack(">HHH", 2, 1, 1))),
            box(b"iprp", box(b"ipco", *(box(*each) for each in known)),
                box(b"ipma", struct.pack(">IIH", 0, 2, 1), belong, struct.pack(">HBB", 2, 1, len(known)))),
            box(b"idat", placed),
        )  # fmt: skip

    head = data[: data.index(b"meta") - 4]
    return head + described(len(head) + len(described(0)) + 8) + box(b"mdat", data[start:end])


def test_wrong_bytes_in_heic_and_avif_are_damage() -> None:
    """A decoder that finds its way through them conceals what it cannot read, or ends before the bytes do."""
    for data in heif_files(NOISE.resize((200, 150), Image.Resampling.BICUBIC)).values():
        for share in (0.2, 0.4, 0.6, 0.8):
            for length in (4, 64, 500):
                at = int(share * len(data)) - length
                wrong = generator.integers(1, 256, length, np.uint8).tobytes()
                assert failure(data[:at] + wrong + data[at + length :]).startswith("damaged: ")


@pytest.mark.parametrize("seed", [30, 364, 376])
def test_a_heic_whose_last_bytes_are_colour_alone_is_whole(seed: int) -> None:
    """As of tiles of 64 x 64 in high quality, one in a hundred: without these bytes its brightness is the same."""
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    data = heif_files(Image.fromarray(pixels)).get("HEIF") or pytest.skip("no encoder")
    assert decode(data, 16, 16).any()


def test_wrong_bytes_are_damage_behind_many_units_of_heic() -> None:
    """As of a picture in slices; here they are padding, and the picture lies at the end of the file."""
    data = heif_files(NOISE.resize((200, 150), Image.Resampling.BICUBIC)).get("HEIF") or pytest.skip("no encoder")
    items = read_items(data)
    ((start, end),) = items.extents[items.primary]
    padding = struct.pack(">I", 6) + b"\x4c\x01" + b"\xff" * 3 + b"\x80"
    for stream, broken in ((data[start:end], False), (data[start : end - 99] + bytes(range(1, 100)), True)):
        place = struct.pack(">IHII", len(data), 1, 0, 400 * len(padding) + len(stream))
        longer = data.replace(struct.pack(">IHII", start, 1, 0, end - start), place) + 400 * padding + stream
        assert read_items(longer).extents != items.extents
        if broken:
            assert failure(longer).startswith("damaged: ")
        else:
            assert np.array_equal(decode(longer, 16, 16), decode(data, 16, 16))


def test_items_of_a_picture_are_its_tiles_and_its_opacity() -> None:
    def box(kind: bytes, *content: bytes) -> bytes:
        return struct.pack(">I", 8 + len(b"".join(content))) + kind + b"".join(content)

    def reference(kind: bytes, item: int, *others: int) -> bytes:
        return box(kind, struct.pack(f">{2 + len(others)}H", item, len(others), *others))

    grid, tiles, small, alpha, of_alpha, depth, elsewhere = 1, (2, 3), 4, 5, 6, 7, 8
    references = [
        reference(b"auxl", alpha, grid), reference(b"auxl", depth, grid), reference(b"thmb", small, grid),
        reference(b"dimg", grid, *tiles), reference(b"dimg", alpha, of_alpha), reference(b"dimg", elsewhere, grid),
    ]  # fmt: skip
    kinds = [
        box(b"auxC", bytes(4), b"urn:mpeg:mpegB:cicp:systems:auxiliary:" + kind) for kind in (b"alpha\0", b"depth\0")
    ]
    belong = struct.pack(">IIHBBHBB", 0, 2, alpha, 1, 1, depth, 1, 2)
    meta = box(
        b"meta", bytes(4), box(b"pitm", bytes(4), struct.pack(">H", grid)), box(b"iref", bytes(4), *references),
        box(b"iprp", box(b"ipco", *kinds), box(b"ipma", belong)),
    )  # fmt: skip
    assert sorted(items_of_picture(read_items(meta))) == [grid, *tiles, alpha, of_alpha]


@pytest.mark.parametrize("image", [NOISE.resize((1, 1)), NOISE, Image.new("RGB", (90, 60)), NOISE.convert("RGBA")])
def test_whole_heic_and_avif_need_all_their_bytes(image: Image.Image) -> None:
    for data in heif_files(image).values():
        assert decode(data, 16, 16).shape == (16, 16, 3)


@pytest.mark.parametrize("kind", ["meta", "iinf", "iprp", "ipco", "ipma", "iloc"])
def test_broken_boxes_are_no_reason_to_break_down(kind: str) -> None:
    whole = saved(NOISE, "AVIF")
    place = whole.index(kind.encode())
    for change in (b"\xff" * 4, bytes(4), b"\0\0\0\1"):
        for at in (place - 4, place + 4, place + 8, place + 12):
            data = whole[:at] + change + whole[at + 4 :]
            clean_aperture(read_items(data), 64, 48)
            with contextlib.suppress(ImageError):
                decode(data, 16, 16)


def with_property(data: bytes, content: bytes) -> bytes:
    """An AVIF whose only item has one more property: the table of properties grows, and the pixels move."""
    start = {kind: data.index(kind) - 4 for kind in (b"meta", b"iprp", b"ipco", b"ipma")}
    length = {kind: int.from_bytes(data[place : place + 4], "big") for kind, place in start.items()}
    end, table = start[b"ipco"] + length[b"ipco"], start[b"ipma"]
    count = data[table + 18]
    known, place = 0, start[b"ipco"] + 8
    while place < end:
        known, place = known + 1, place + int.from_bytes(data[place : place + 4], "big")
    behind = table + 19 + count
    changed = bytearray(data[:end] + content + data[end:behind] + bytes([0x80 | known + 1]) + data[behind:])
    changed[table + 18 + len(content)] += 1
    more = len(content) + 1
    for kind, added in ((b"meta", more), (b"iprp", more), (b"ipco", len(content)), (b"ipma", 1)):
        place = start[kind] + (len(content) if kind == b"ipma" else 0)
        changed[place : place + 4] = (length[kind] + added).to_bytes(4, "big")
    pixels = data.index(b"mdat") + 4
    assert data.count(pixels.to_bytes(4, "big")) == 1
    return bytes(changed).replace(pixels.to_bytes(4, "big"), (pixels + more).to_bytes(4, "big"))


def test_what_an_avif_cuts_off_is_not_shown() -> None:
    """Its clean aperture, which Pillow 13 passes over: cut before it is turned."""
    quarters = NOISE.resize((2, 2)).resize((64, 48), Image.Resampling.NEAREST)
    aperture = struct.pack(">I4sIIIIiIiI", 40, b"clap", 32, 1, 24, 1, -16, 1, -12, 1)
    cut = with_property(saved(quarters, "AVIF", quality=100, subsampling="4:4:4"), aperture)
    assert np.abs(decode(cut, 24, 32).astype(int) - np.asarray(quarters)[:24, :32]).max() < 8
    assert header(cut) == ("AVIF", 32, 24)
    turned = with_property(cut, struct.pack(">I4sB", 9, b"irot", 1))
    assert (
        header(turned) == ("AVIF", 24, 32)
        and np.abs(decode(turned, 32, 24).astype(int) - np.asarray(quarters)[0, 0]).max() < 8
    )
    beyond = struct.pack(">I4sIIIIiIiI", 40, b"clap", 32, 1, 24, 1, 99, 1, 0, 1)  # makes no sense
    assert header(with_property(saved(quarters, "AVIF"), beyond)) == ("AVIF", 64, 48)


def test_xmp_turns_no_avif() -> None:
    """Only its own properties do: ISO/IEC 23000-22."""
    data = saved(NOISE, "AVIF", xmp=b'<x tiff:Orientation="6"/>')
    assert header(data) == ("AVIF", 64, 48) and np.array_equal(
        decode(data, 16, 16), decode(saved(NOISE, "AVIF"), 16, 16)
    )


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
def test_exif_alone_turns_no_avif_or_heic_and_the_note_says_so(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0128] = 6  # the same entry of another tag: both libraries write an orientation as irot
    buffer = io.BytesIO()
    if kind == "AVIF":
        NOISE.save(buffer, kind, exif=exif)
    else:
        pytest.importorskip("pillow_heif").from_pillow(NOISE).save(buffer, exif=exif.tobytes())
    data = buffer.getvalue()
    entry = b"\1\x28\0\3\0\0\0\1\0\6"
    assert data.count(entry) == data.count(b"MM\0*") == 1
    ignored = "EXIF's orientation ignored: the file itself says nothing of turning"
    for content, note in (
        (data, ""),
        (data.replace(entry, b"\1\x12" + entry[2:]), ignored),
        (data.replace(b"MM\0*", b"none"), ""),  # which makes no sense
    ):
        ((_, found),) = decode_frames(content, 48, 64)
        assert isinstance(found, Decoded) and found.note == note
        assert np.array_equal(found.pixels, decode(data, 48, 64))


def test_a_kind_of_bmp_that_is_not_decoded_is_unsupported() -> None:
    data = bytearray(saved(NOISE, "BMP"))
    data[30] = 4  # compressed as JPEG
    assert failure(bytes(data)).startswith("unsupported: BMP: Unsupported BMP compression")


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_heic_is_read_and_turned(orientation: int) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    upright = np.zeros((60, 90, 3), np.uint8)
    upright[:, :30, 0] = upright[:20, 30:, 2] = 255  # red on the left, blue along the top
    turned = {1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
    stored, exif = Image.fromarray(upright), Image.Exif()
    if (step := turned[orientation]) is not None:
        stored = stored.transpose(step)
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    pillow_heif.from_pillow(stored).save(buffer, quality=95, exif=exif.tobytes())
    data = buffer.getvalue()
    pixels = decode(data, 20, 30)
    points = [pixels[y, [4, 15, 25]] for y in (3, 14)]
    names = [["blue" if p[2] > 128 else "red" if p[0] > 128 else "black" for p in row] for row in points]
    assert names == [["red", "blue", "blue"], ["red", "black", "black"]]
    assert header(data) == ("HEIF", 90, 60)
    assert failure(data[: len(data) // 2]).startswith("damaged: ")


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(500)
    assert failure(heic) == "unsupported: HEIC needs pillow-heif: pip install 'lesionflow[heif]'"
    assert failure(b"\xff\xd8\xff\xf7\0\x0b" + bytes(500)) == "unsupported: JPEG-LS outside of DICOM; save it as PNG"
    of_apple = b"\x89PNG\r\n\x1a\n" + chunk(b"CgBI", bytes(4)) + png(b"")[8:]
    assert failure(of_apple).startswith("unsupported: a PNG of Apple's own kind")
    assert failure(b"\xff\x0a" + bytes(500)) == "unsupported: JPEG XL; save it as PNG or JPEG"
    monkeypatch.setattr("PIL.features.check", lambda feature: False)
    assert failure(saved(NOISE, "AVIF")).startswith("unsupported: this Pillow was built without AVIF")


def test_a_gif_whose_pixels_end_before_its_bytes_do_is_damaged() -> None:
    """Pillow stops when the picture is full: a piece that comes twice moves what follows it."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90), np.uint8))
    whole = saved(noise, "GIF")
    assert np.array_equal(decode(whole, 90, 90)[..., 0], np.asarray(noise))
    for at in range(2000, 8000, 1500):
        assert failure(whole[:at] + whole[at - 512 :]).startswith("damaged")
    start = whole.index(b",", 13 + 3 * 256)
    assert np.array_equal(decode(whole[:start] + b"\0" + whole[start:], 90, 90)[..., 0], np.asarray(noise))
    for flat in (Image.new("P", (1, 1)), Image.new("P", (300, 400))):
        assert not decode(saved(flat, "GIF"), 1, 1).any()


def test_a_bmp_of_fewer_bytes_than_it_says_is_damaged_and_of_more_the_note_says_so() -> None:
    """A byte that is lost moves all that follows, and what is short is only the padding of the last row."""
    data = saved(Image.effect_noise((31, 20), 90).convert("RGB"), "BMP")
    decode(data, 20, 31)
    assert failure(data[:500] + data[501:]) == "damaged: it breaks off"
    for more, note in ((b"", ""), (b"abc", "3 bytes more than its pixels")):
        ((_, found),) = decode_frames(data[:500] + more + data[500:], 20, 31)
        assert isinstance(found, Decoded) and found.note == note
    unsaid = data[:2] + bytes(4) + data[6:]  # as of programs that write no size
    ((_, found),) = decode_frames(unsaid + b"abc", 20, 31)
    assert isinstance(found, Decoded) and np.array_equal(found.pixels, decode(data, 20, 31)) and found.note == ""


def bmp_of_run_lengths(packed: bytes, width: int, height: int) -> bytes:
    header = struct.pack("<IiiHHIIIIII", 40, width, height, 1, 8, 1, len(packed), 0, 0, 256, 0)
    greys = b"".join(bytes([grey, grey, grey, 0]) for grey in range(256))
    return struct.pack("<2sIII", b"BM", 54 + 1024 + len(packed), 0, 54 + 1024) + header + greys + packed


def test_run_lengths_of_a_bmp_that_go_beyond_its_rows_are_damage() -> None:
    """Of a hole of zeros each pair ends a row."""
    rows, columns = np.mgrid[:60, :90]
    pixels = (rows * 3 + columns // 30).astype(np.uint8)
    runs = [b"".join(bytes([30, value]) for value in row[::30]) for row in pixels[::-1]]
    written = [b"\0\x5a" + row.tobytes() for row in pixels[::-1]]  # as they are
    filled = [row + b"\2\0" for row in runs]  # to a whole word, as ImageMagick has it
    for coded in (runs, written, filled):
        packed = b"".join(row + b"\0\0" for row in coded) + b"\0\1"
        assert np.array_equal(decode(bmp_of_run_lengths(packed, 90, 60), 60, 90)[..., 0], pixels)
        assert failure(bmp_of_run_lengths(packed[: len(packed) // 2], 90, 60)).startswith("damaged")
    packed = b"".join(row + b"\0\0" for row in runs) + b"\0\1"
    hole, twice, early = packed[:200] + bytes(200) + packed[400:], packed[:200] + packed[100:], packed[:200] + b"\0\1"
    for broken in (hole, twice, early + packed[202:]):
        assert failure(bmp_of_run_lengths(broken, 90, 60)).startswith("damaged")
    above = b"\0\2\0\5" + b"".join(row + b"\0\0" for row in runs[5:]) + b"\0\1"  # the lowest rows are passed over
    assert np.array_equal(decode(bmp_of_run_lengths(above, 90, 60), 60, 90)[:55, :, 0], pixels[:55])


def webp_of_soft_opacity(frames: int = 1) -> bytes:
    """One of a single colour, of which all that is to be seen is in its opacity."""
    rows, columns = np.mgrid[:120, :160]
    soft = 200 - np.hypot(rows - 60, columns - 80) + np.random.default_rng(0).normal(0, 5, rows.shape)
    image = Image.new("RGBA", (160, 120), (200, 150, 140, 0))
    image.putalpha(Image.fromarray(np.clip(soft, 0, 255).astype(np.uint8)))
    return saved(image, "WEBP", save_all=frames > 1, append_images=[image.rotate(180)] * (frames - 1), quality=80)


@pytest.mark.parametrize("frames", [1, 2])
def test_a_hole_in_the_opacity_of_a_webp_is_damage(frames: int) -> None:
    """Colours beside it are whole, and what becomes transparent by it is shown black."""
    data = webp_of_soft_opacity(frames)
    start = data.index(b"ALPH") + 8
    length = int.from_bytes(data[start - 4 : start], "little")
    assert decode(data, 8, 8).any() and length > 4000
    for at in range(start + 1000, start + length - 1000, 800):
        assert failure(data[:at] + bytes(512) + data[at + 512 :]).startswith("damaged")
