"""TIFF: the right page, every way that samples lie in a file, and damage."""

import io
import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from PIL import Image

from lesionflow.errors import ImageError
from lesionflow.images.decode import Decoded, decode, decode_frames, header
from tests.images.test_jpeg import unusually_sampled_jpeg

HEIGHT, WIDTH = 30, 40
rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
RAMPS = np.stack([columns * 6, rows * 8, (rows + columns) * 3], -1).astype(np.uint8)  # each colour another
WIDE = RAMPS.astype(np.uint16) << 8 | 0x7F  # 16 bits, of which the upper eight are the same picture

Page = dict[int, object]  # tag -> a number, several, or bytes


def tiff(*pages: tuple[Page, list[bytes]], order: str = "<", tiles: bool = False) -> bytes:
    """A TIFF file, by hand: of each page the tags, and its strips or tiles."""
    data = bytearray((b"II*\0" if order == "<" else b"MM\0*") + bytes(4))
    pointer = 4
    for tags, strips in pages:
        offsets = []
        for strip in strips:
            offsets.append(len(data))
            data += strip
        entries = tags | {324 if tiles else 273: offsets, 325 if tiles else 279: [len(strip) for strip in strips]}
        coded = []
        for tag, value in sorted(entries.items()):
            if isinstance(value, bytes):
                kind, count, content = 7, len(value), value
            else:
                numbers = value if isinstance(value, (list, tuple)) else [value]
                kind = 4 if tag in (273, 279, 324, 325, 330) else 3
                count, content = (
                    len(numbers),
                    struct.pack(f"{order}{len(numbers)}{'I' if kind == 4 else 'H'}", *numbers),
                )
            if len(content) > 4:
                content, place = struct.pack(f"{order}I", len(data)), content
                data += place
            coded.append(struct.pack(f"{order}HHI", tag, kind, count) + content.ljust(4, b"\0"))
        data[pointer : pointer + 4] = struct.pack(f"{order}I", len(data))
        data += struct.pack(f"{order}H", len(coded)) + b"".join(coded)
        pointer = len(data)
        data += bytes(4)
    return bytes(data)


def page(pixels: np.ndarray, **more: object) -> Page:
    samples = 1 if pixels.ndim == 2 else pixels.shape[2]
    tags = {
        256: pixels.shape[1], 257: pixels.shape[0], 258: [8 * pixels.itemsize] * samples, 259: 1,
        262: 2 if samples >= 3 else 1, 277: samples, 278: pixels.shape[0], 284: 1,
    }  # fmt: skip
    if samples == 4:
        tags[338] = 2
    return tags | {int(tag.removeprefix("t")): value for tag, value in more.items()}


def one(data: bytes) -> Decoded:
    ((_, decoded),) = decode_frames(data, HEIGHT, WIDTH)
    assert isinstance(decoded, Decoded)
    return decoded


def reason(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data, HEIGHT, WIDTH)
    return caught.value.reason


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("coding", ["none", "deflate"])
@pytest.mark.parametrize("planes", [1, 2])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bits", [8, 16])
def test_every_layout_of_samples_shows_the_same(bits: int, order: str, planes: int, coding: str, alpha: bool) -> None:
    pixels = (RAMPS if bits == 8 else WIDE).astype(f"{order}u{bits // 8}")
    if alpha:
        opaque = np.full((HEIGHT, WIDTH, 1), np.iinfo(pixels.dtype).max, pixels.dtype)
        pixels = np.concatenate([pixels, opaque], -1).astype(pixels.dtype)
    parts = np.moveaxis(pixels, -1, 0) if planes == 2 else pixels[None]
    strips = [part[top : top + 12].tobytes() for part in parts for top in range(0, HEIGHT, 12)]
    if coding == "deflate":
        strips = [zlib.compress(strip) for strip in strips]
    data = tiff((page(pixels, t284=planes, t278=12, t259=8 if coding == "deflate" else 1), strips), order=order)
    assert np.array_equal(decode(data, HEIGHT, WIDTH), RAMPS)


@pytest.mark.parametrize("planes", [1, 2])
def test_tiles_of_16_bits_show_the_same(planes: int) -> None:
    padded = np.zeros((32, 48, 3), np.uint16)
    padded[:HEIGHT, :WIDTH] = WIDE
    parts = np.moveaxis(padded, -1, 0) if planes == 2 else padded[None]
    tiles = [
        part[top : top + 16, left : left + 16].tobytes()
        for part in parts
        for top in (0, 16)
        for left in (0, 16, 32)
    ]  # fmt: skip
    data = tiff((page(WIDE, t284=planes, t322=16, t323=16), tiles), tiles=True)
    assert np.array_equal(decode(data, HEIGHT, WIDTH), RAMPS)


@pytest.mark.parametrize("meaning", [0, 1, 2])  # of the fourth sample: unknown, multiplied, not multiplied
@pytest.mark.parametrize("bits", [8, 16])
def test_an_alpha_of_0_everywhere_is_ignored(bits: int, meaning: int) -> None:
    pixels = RAMPS if bits == 8 else WIDE
    pixels = np.concatenate([pixels, np.zeros((HEIGHT, WIDTH, 1), pixels.dtype)], -1)
    decoded = one(tiff((page(pixels, t338=meaning), [pixels.tobytes()])))
    assert np.array_equal(decoded.pixels, RAMPS)
    assert ("alpha" in decoded.note) == (meaning != 0)


@pytest.mark.parametrize("order", ["<", ">"])
def test_grey_of_16_bits_may_begin_at_white(order: str) -> None:
    stored = (65535 - WIDE[..., 0]).astype(f"{order}u2")
    data = tiff((page(stored, t262=0), [stored.tobytes()]), order=order)
    assert np.array_equal(decode(data, HEIGHT, WIDTH)[..., 1], RAMPS[..., 0])


def test_bits_in_mirrored_order_are_no_damage() -> None:
    """Fill order 2, of fax machines and some scanners: the checks look at the bytes as the decoder does."""
    mirrored = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
    rows = b"".join(b"\x77" + row.tobytes() for row in RAMPS)  # PackBits: 120 bytes as they are
    for compression, packed in ((8, zlib.compress(RAMPS.tobytes())), (32773, rows)):
        data = tiff((page(RAMPS, t259=compression, t266=2), [packed.translate(mirrored)]))
        assert np.array_equal(decode(data, HEIGHT, WIDTH), RAMPS)


@pytest.mark.parametrize("scale", [1, 257])
def test_palettes_of_8_and_16_bits(scale: int) -> None:
    indices = RAMPS[..., 0]
    colours = [value * scale for shift in (0, 80, 160) for value in ((np.arange(256) + shift) % 256).tolist()]
    data = tiff((page(indices, t262=3, t320=colours), [indices.tobytes()]))
    expected = np.stack([(indices.astype(int) + shift) % 256 for shift in (0, 80, 160)], -1)
    assert np.array_equal(decode(data, HEIGHT, WIDTH), expected)


def preview(step: int, **more: object) -> tuple[Page, list[bytes]]:
    pixels = np.zeros((HEIGHT // step, WIDTH // step, 3), np.uint8)
    return page(pixels, **more), [pixels.tobytes()]


WHOLE = page(RAMPS), [RAMPS.tobytes()]
GREY = np.asarray(Image.fromarray(RAMPS[::2, ::2]).convert("L"))
SMALL = page(RAMPS[::3, ::3]), [RAMPS[::3, ::3].tobytes()]


@pytest.mark.parametrize(
    "pages",
    [
        [preview(4, t254=1), WHOLE],
        [preview(4, t255=2), WHOLE],
        [preview(1, t254=4), WHOLE],  # a mask of the same size
        [SMALL, WHOLE],  # says nothing of itself
        [(page(GREY), [GREY.tobytes()]), WHOLE],
        [preview(4, t254=1), preview(2, t254=1), WHOLE],
    ],
)  # fmt: skip
def test_the_preview_is_not_taken_for_the_image(pages: list[tuple[Page, list[bytes]]]) -> None:
    decoded = one(tiff(*pages))
    assert np.array_equal(decoded.pixels, RAMPS)
    assert decoded.note == f"page {len(pages)} of {len(pages)}, of which the first is a preview"
    assert header(tiff(*pages)) == ("TIFF", WIDTH, HEIGHT)


def test_a_preview_in_grey_looks_like_a_colourful_image() -> None:
    colourful = np.repeat(RAMPS // [8, 1, 8], 4, 0).repeat(4, 1).astype(np.uint8)  # green, which is bright in grey
    grey = np.asarray(Image.fromarray(colourful[::4, ::4]).convert("L"))
    decoded = one(tiff((page(grey), [grey.tobytes()]), (page(colourful), [colourful.tobytes()])))
    assert decoded.note == "page 2 of 2, of which the first is a preview"


def test_the_note_says_what_no_directory_names() -> None:
    """Where the directory comes first, nothing else tells that bytes were put in among pixels."""
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "TIFF", description="a text of some length")
    data = buffer.getvalue()
    assert one(data).note == one(data[:-700] + b"abc" + data[-700:-3]).note == ""
    assert one(data[:-700] + b"abc" + data[-700:]).note == "3 bytes behind all that it names"
    assert one(data + b"\n").note == "1 byte behind all that it names"
    order, text = "<", b"a text that stands behind the pixels".ljust(40)
    (at,) = struct.unpack_from(order + "I", data, 4)
    entries = range(at + 2, at + 2 + 12 * struct.unpack_from(order + "H", data, at)[0], 12)
    described = next(entry for entry in entries if struct.unpack_from(order + "H", data, entry) == (270,))
    told = struct.pack(order + "HHII", 270, 2, len(text), len(data))
    behind = data[:described] + told + data[described + 12 :] + text
    assert one(behind).note == ""
    assert one(behind[:-700] + behind[-690:]).note == "10 bytes of what it names beside pixels missing"


def test_numbers_may_be_bytes() -> None:
    """Any kind of whole numbers may stand for another: TIFF 6.0, section 2."""
    data = tiff((page(RAMPS, t274=3), [RAMPS.tobytes()]))
    for tag in (259, 262, 274, 277, 284):
        short = struct.pack("<HHI", tag, 3, 1)
        assert data.count(short) == 1
        data = data.replace(short, struct.pack("<HHI", tag, 1, 1))
    assert np.array_equal(decode(data, HEIGHT, WIDTH), RAMPS[::-1, ::-1])


def test_an_image_in_a_subdirectory_is_found() -> None:
    data = tiff(preview(4, t254=1, t330=0), WHOLE)
    second = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, second)[0]
    following = second + 2 + 12 * count
    place = next(at for at in range(second + 2, following, 12) if data[at : at + 2] == struct.pack("<H", 330))
    moved = data[following : following + 4]  # the next page of the chain becomes one below the first
    data = data[: place + 8] + moved + data[place + 12 : following] + bytes(4) + data[following + 4 :]
    assert np.array_equal(decode(data, HEIGHT, WIDTH), RAMPS)


def test_of_pages_of_one_size_the_first_counts() -> None:
    decoded = one(tiff(WHOLE, preview(1)))
    assert np.array_equal(decoded.pixels, RAMPS) and decoded.note == "page 1 of 2"
    assert one(tiff(WHOLE, preview(2, t254=1), preview(1, t254=4))).note == ""
    assert one(tiff(*[WHOLE] * 120)).note == "page 1 of 100 or more"
    another = np.full((2 * HEIGHT, 2 * WIDTH, 3), 200, np.uint8)  # larger, and of something else
    assert np.array_equal(one(tiff(WHOLE, (page(another), [another.tobytes()]))).pixels, RAMPS)
    # As bright, in another colour.
    lime, red = (np.full((side, side, 3), colour, np.uint8) for side, colour in ((40, (0, 255, 0)), (80, (255, 0, 0))))
    assert (one(tiff((page(lime), [lime.tobytes()]), (page(red), [red.tobytes()]))).pixels == (0, 255, 0)).all()
    smaller_behind = one(tiff(WHOLE, preview(2, t254=1)))
    assert np.array_equal(smaller_behind.pixels, RAMPS)


def test_damage_is_named() -> None:
    strip = RAMPS.tobytes()
    packed = zlib.compress(strip)
    checksum = packed[:-1] + bytes([packed[-1] ^ 1])
    literal = b"".join(bytes([99]) + strip[at : at + 100] for at in range(0, len(strip), 100))  # PackBits
    half = len(packed) // 2
    broken = {
        "hole": tiff((page(RAMPS, t259=8), [packed[:half] + bytes(100) + packed[half + 100 :]])),
        "checksum": tiff((page(RAMPS, t259=8), [checksum])),
        "short strip": tiff((page(RAMPS, t259=8), [packed[:half]])),
        "no strip": tiff((page(RAMPS, t259=8), [b""])),
        "missing strips": tiff((page(RAMPS, t278=10), [strip[:1200]])),
        "too little": tiff((page(np.tile(RAMPS, (50, 50, 1))), [strip])),
        "packbits": tiff((page(RAMPS, t259=32773), [literal[:1000] + bytes(40) + literal[1040:]])),
        "in the header": tiff((page(RAMPS), [strip])).replace(struct.pack("<II", 1, 8), struct.pack("<II", 1, 0)),
        "beyond the end": tiff((page(RAMPS, t259=8), [packed])).replace(struct.pack("<I", 8), struct.pack("<I", 10**6)),
    }
    assert reason(tiff((page(RAMPS, t259=8), [packed]))[:40]) == "damaged"
    assert {name: reason(data) for name, data in broken.items()} == dict.fromkeys(broken, "damaged")
    for whole in (tiff((page(RAMPS, t259=8), [packed])), tiff((page(RAMPS, t259=32773), [literal]))):
        assert np.array_equal(decode(whole, HEIGHT, WIDTH), RAMPS)


@pytest.mark.parametrize(("compression", "length"), [("tiff_ccitt", 40), ("group3", 80), ("group4", 40)])
def test_a_hole_in_black_and_white_is_damage(compression: str, length: int) -> None:
    """Decoders find their way again at the end of a line, and say nothing."""
    noise = Image.effect_noise((400, 300), 90).resize((800, 600)).convert("1", dither=Image.Dither.NONE)
    noise.save(buffer := io.BytesIO(), "TIFF", compression=compression)
    data = buffer.getvalue()
    assert 50 < decode(data, HEIGHT, WIDTH).mean() < 200
    for at in range(3000, len(data) - 3000, len(data) // 10):
        assert reason(data[:at] + bytes(length) + data[at + length :]) == "damaged"
    for blank in (0, 1):
        Image.new("1", (800, 600), blank).save(buffer := io.BytesIO(), "TIFF", compression=compression)
        assert (decode(buffer.getvalue(), HEIGHT, WIDTH) == 255 * blank).all()


@pytest.mark.parametrize(("compression", "length"), [("tiff_lzw", 40), ("zstd", 3000)])
def test_a_hole_in_what_has_no_checksum_is_named(compression: str, length: int) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8))
    lined = noise.copy()
    lined.paste(0, (0, 0, 300, 2))  # which packing does not shorten enough: Zstandard keeps it as it is
    for image in (noise, Image.new("RGB", (300, 200)), noise.point(lambda value: 0 if value < 250 else 255), lined):
        buffer = io.BytesIO()
        image.save(buffer, "TIFF", compression=compression, tiffinfo={278: 200})
        decode(buffer.getvalue(), 32, 32)
    noise.save(buffer := io.BytesIO(), "TIFF", compression=compression)
    data = buffer.getvalue()
    for place in range(10_000, 60_000, 10_000):
        assert reason(data[:place] + bytes(length) + data[place + length :]) == "damaged"


def test_a_thousand_zeros_in_a_packed_block_of_zstandard_are_named() -> None:
    soft = Image.fromarray(np.random.default_rng(0).integers(80, 120, (200, 300, 3), np.uint8))
    soft.save(buffer := io.BytesIO(), "TIFF", compression="zstd")
    data = buffer.getvalue()
    assert np.array_equal(decode(data, 200, 300), np.asarray(soft))
    for place in range(10_000, 100_000, 10_000):
        assert reason(data[:place] + bytes(1000) + data[place + 1000 :]) == "damaged"


def test_damage_within_a_strip_of_jpeg_is_named() -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8))
    buffer = io.BytesIO()
    noise.save(buffer, "TIFF", compression="jpeg")
    data = buffer.getvalue()
    decode(data, 32, 32)
    assert reason(data[:20_000] + bytes(2000) + data[22_000:]) == "damaged"
    assert reason(data[:20_000] + data[30_000:32_000] + data[22_000:]) == "damaged"


def test_what_is_said_of_a_jpeg_is_said_of_a_strip() -> None:
    strip = unusually_sampled_jpeg()
    found = one(tiff((page(np.zeros((16, 32, 3), np.uint8), t259=7, t262=6, t530=[4, 2]), [strip])))
    assert found.note == "unusual colour sampling: damage may go unseen"


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "entry",
    [(274, 3, 1, 0), (274, 3, 1, 9), (270, 1, 1000, 10**8), (333, 4, 0, 0), (700, 4, 1, 7), (700, 7, 5, 10**9),
     (34675, 7, 5, 10**9), (65000, 99, 1, 1)],
)  # fmt: skip
def test_what_the_picture_does_not_need_makes_no_file_damaged(entry: tuple[int, int, int, int], order: str) -> None:
    """Libtiff and Pillow complain of an orientation of 0, of tags that they do not know, and of values elsewhere."""
    data = tiff((page(RAMPS), [RAMPS.tobytes()]), order=order)
    (place,) = struct.unpack_from(f"{order}I", data, 4)
    (count,) = struct.unpack_from(f"{order}H", data, place)
    entries = [data[at : at + 12] for at in range(place + 2, place + 2 + 12 * count, 12)]
    entries.append(struct.pack(f"{order}HHII", *entry))
    if entry[1:3] == (3, 1):  # a short stands at the beginning
        entries[-1] = struct.pack(f"{order}HHIHH", *entry, 0)
    entries.sort(key=lambda each: struct.unpack_from(f"{order}H", each))
    directory = struct.pack(f"{order}H", count + 1) + b"".join(entries) + bytes(4)
    assert np.array_equal(one(data[:4] + struct.pack(f"{order}I", len(data)) + data[8:] + directory).pixels, RAMPS)


def test_damage_within_an_old_jpeg_is_named() -> None:
    """Compression 6: the stream is a strip, and its place and length stand in tags of their own."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (100, 100, 3), np.uint8))
    buffer = io.BytesIO()
    noise.save(buffer, "JPEG", subsampling=0)
    stream = buffer.getvalue()
    tags = page(np.asarray(noise), t259=6, t262=6, t512=1, t513=8, t514=len(stream), t530=[1, 1])
    assert np.abs(decode(tiff((tags, [stream])), 50, 50).astype(int) - decode(stream, 50, 50)).max() <= 3
    assert reason(tiff((tags, [stream[:5000] + bytes(400) + stream[5400:]]))) == "damaged"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"t262": 32803}, "raw image"),
        ({"t259": 34712}, "JPEG 2000"),
        ({"t339": [3, 3, 3], "t258": [32, 32, 32]}, "float"),
        ({"t258": [8, 8, 8], "t339": [2, 2, 2]}, "signed"),
        ({"t258": 8, "t262": 1, "t277": 1, "t339": 2}, "signed"),
        ({"t259": 32773, "t317": 2}, "predictor"),
        ({"t262": 1, "t338": [0, 0]}, "3 channels"),
        ({"t262": 1, "t338": [0, 0], "t284": 2}, "3 channels"),
        ({"t258": 8, "t262": 1, "t277": 1, "t270": b"ImageJ=1.54f\nchannels=3\nmode=composite\n"}, "channels"),
        ({"t258": 8, "t262": 1, "t277": 1, "t270": b'<?xml?><OME><Image><Pixels SizeC="3" SizeT="1"/>'}, "channels"),
    ],
)  # fmt: skip
def test_what_is_not_decoded_is_named(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ImageError, match=said) as caught:
        strips = 3 if changes.get("t284") == 2 else 1
        packed = b"".join(bytes([119]) + row.tobytes() for row in RAMPS)
        strip = packed if changes.get("t259") == 32773 else RAMPS.tobytes() * 4
        decode(tiff((page(RAMPS, **changes), [strip] * strips)), HEIGHT, WIDTH)
    assert caught.value.reason == "unsupported"


def test_a_stack_of_one_channel_and_an_ome_of_rgb_are_read() -> None:
    stack = b"ImageJ=1.54f\nimages=3\nslices=3\n"
    found = one(tiff(*[(page(RAMPS[..., 0], t270=stack), [RAMPS[..., 0].tobytes()])] * 3))
    assert found.note == "page 1 of 3" and np.array_equal(found.pixels[..., 0], RAMPS[..., 0])
    colour = tiff((page(RAMPS, t270=b'<OME><Image><Pixels SizeC="3" SizeT="1"/>'), [RAMPS.tobytes()]))
    assert np.array_equal(one(colour).pixels, RAMPS)


@pytest.mark.parametrize("bits", [8, 16])
def test_grey_with_alpha_in_planes_is_named(bits: int) -> None:
    """Of 8 bits Pillow gives other pixels."""
    grey = (RAMPS if bits == 8 else WIDE)[..., 0]
    planes = np.stack([grey, np.full_like(grey, np.iinfo(grey.dtype).max)], -1)
    tags = page(planes, t284=2, t338=2)
    with pytest.raises(ImageError, match="unsupported: TIFF, grey, 2 x"):
        decode(tiff((tags, [grey.tobytes(), planes[..., 1].tobytes()])), HEIGHT, WIDTH)
    if bits == 8:  # in chunks it is read
        assert np.array_equal(decode(tiff((page(planes, t338=2), [planes.tobytes()])), HEIGHT, WIDTH)[..., 0], grey)


def bigtiff(entries: dict[int, tuple[int, int]], pixels: np.ndarray, order: str = "<") -> bytes:
    """A BigTIFF of grey pixels without compression: of each further tag the kind of number, and the number."""
    letters, bits = {3: "H6x", 4: "I4x", 16: "Q"}, 8 * pixels.itemsize
    tags = {256: WIDTH, 257: HEIGHT, 258: bits, 259: 1, 262: 1, 273: 0, 277: 1, 278: HEIGHT, 279: pixels.nbytes}
    tags[273] = 32 + 20 * len(tags | entries)
    coded = [
        struct.pack(f"{order}HHQ{letters[kind]}", tag, kind, 1, number)
        for tag, (kind, number) in sorted(({tag: (4, number) for tag, number in tags.items()} | entries).items())
    ]
    mark = b"II+\0" if order == "<" else b"MM\0+"
    head = mark + struct.pack(f"{order}HHQQ", 8, 0, 16, len(coded))
    return head + b"".join(coded) + bytes(8) + pixels.astype(f"{order}u{pixels.itemsize}").tobytes()


@pytest.mark.parametrize("kind", [3, 4, 16])  # of numbers: of 16, 32 and 64 bits
@pytest.mark.parametrize("order", ["<", ">"])
def test_a_bigtiff_is_read_in_either_order_of_bytes(order: str, kind: int) -> None:
    """Pillow 13 takes the big-endian header for that of a small file."""
    for pixels in (RAMPS[..., 0], WIDE[..., 0]):
        for begin, stored in ((1, pixels), (0, ~pixels)):
            data = bigtiff({262: (kind, begin)}, stored, order)
            assert np.array_equal(decode(data, HEIGHT, WIDTH)[..., 1], RAMPS[..., 0])


@pytest.mark.parametrize(("kind", "number"), [(3, 0), (3, 7), (4, 70_000), (16, 0), (16, 7), (16, 2**40)])
def test_numbers_of_other_codings_make_no_file_damaged(kind: int, number: int) -> None:
    grey = RAMPS[..., 0]
    for tag in (266, 292, 293, 317, 320, 332, 347, *range(512, 522), *range(529, 533)):
        data = bigtiff({tag: (kind, number)}, grey)
        assert np.array_equal(decode(data, HEIGHT, WIDTH)[..., 1], grey), tag


def test_libtiff_says_nothing_on_stderr() -> None:
    buffer = io.BytesIO()
    Image.fromarray(np.tile(RAMPS, (4, 4, 1))).save(buffer, "TIFF", compression="tiff_lzw")
    data = buffer.getvalue()
    data = data[:2000] + bytes(range(256)) + data[2256:]
    code = """
import io, sys
from PIL import Image
from lesionflow.images.decode import decode
from lesionflow.errors import ImageError
data = sys.stdin.buffer.read()
try:
    decode(data, 8, 8)
except ImageError as error:
    print(error)
print("|", end="", file=sys.stderr, flush=True)
try:
    Image.open(io.BytesIO(data)).load()  # somebody else's reading says what it said before
except OSError:
    pass
"""
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True, timeout=60)
    ours, theirs = done.stderr.split(b"|")
    assert ours == b"" and theirs
    assert done.stdout.startswith(b"damaged: ")


def test_a_directory_with_a_damaged_tag_is_no_other_picture() -> None:
    """A tag that became another is one that comes twice, or compression that is not mentioned."""
    plain = tiff((page(RAMPS), [RAMPS.tobytes()]))
    for tag in (259, 278, 284):
        first = struct.pack("<HHI", 256, 3, 1)
        assert np.array_equal(one(plain.replace(struct.pack("<HHI", tag, 3, 1), first)).pixels, RAMPS)
    buffer = io.BytesIO()
    Image.fromarray(RAMPS).resize((200, 150)).save(buffer, "TIFF", compression="tiff_lzw")
    lost = buffer.getvalue().replace(struct.pack("<HHI", 259, 3, 1), struct.pack("<HHI", 40_000, 3, 1))
    assert reason(lost) == "damaged"
    assert np.array_equal(one(plain.replace(struct.pack("<HHI", 259, 3, 1), first)).pixels, RAMPS)


def test_a_strip_of_jpeg_that_is_narrower_than_the_page_is_damage() -> None:
    """libtiff repeats its rows on what is missing."""
    jpeg = io.BytesIO()
    Image.fromarray(RAMPS).save(jpeg, "JPEG", quality=95, subsampling=0)
    tags = page(RAMPS, t259=7, t262=6)
    assert np.abs(one(tiff((tags, [jpeg.getvalue()]))).pixels.astype(int) - RAMPS).max() < 12
    assert reason(tiff((tags | {256: WIDTH + 8}, [jpeg.getvalue()]))) == "damaged"


def test_strips_that_begin_within_another_are_damage() -> None:
    """Of an offset with wrong bits, where no compression would tell; what is alike may be stored once."""
    strips = [RAMPS[row : row + 5].tobytes() for row in range(0, HEIGHT, 5)]
    whole = tiff((page(RAMPS, t278=5), strips))
    assert np.array_equal(one(whole).pixels, RAMPS)
    places = struct.pack("<6I", *(whole.index(strip) for strip in strips))
    for wrong in (64, 1, -100):
        moved = bytearray(places)
        struct.pack_into("<I", moved, 8, struct.unpack_from("<I", places, 8)[0] + wrong)
        assert reason(whole.replace(places, moved)) == "damaged"
    flat = np.full_like(RAMPS, 90)
    once = tiff((page(flat, t278=5), [flat[:5].tobytes()] * 6))
    start = struct.pack("<I", once.index(flat[:5].tobytes()))
    every = struct.pack("<6I", *(once.index(flat[:5].tobytes()) + 600 * index for index in range(6)))
    assert every in once and np.array_equal(one(once.replace(every, start * 6)).pixels, flat)
