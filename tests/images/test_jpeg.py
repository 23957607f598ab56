"""JPEG: damage that libjpeg only warns of is an error, and what merely looks odd is none."""

import base64
import io
import struct
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image, ImageCms

from lesionflow.errors import ImageError
from lesionflow.images.decode import Decoded, decode, decode_frames, header

SIZE = (600, 450)


def picture(size: tuple[int, int] = SIZE) -> Image.Image:
    """Soft blots with grain: as many bits a block as in a photograph."""
    generator = np.random.default_rng(0)
    blots = Image.fromarray(generator.integers(0, 255, (30, 40, 3), np.uint8)).resize(size, Image.Resampling.BICUBIC)
    grain = generator.normal(0, 4, (size[1], size[0], 3))
    return Image.fromarray(np.clip(np.asarray(blots) + grain, 0, 255).astype(np.uint8))


def jpeg(image: Image.Image | None = None, **options: object) -> bytes:
    buffer = io.BytesIO()
    (image or picture()).save(buffer, "JPEG", **{"quality": 90, **options})
    return buffer.getvalue()


PLAIN = jpeg()
KINDS = {
    "baseline": PLAIN,
    "optimized": jpeg(optimize=True),
    "progressive": jpeg(progressive=True),
    "restarts": jpeg(restart_marker_rows=3),
    "full colour": jpeg(subsampling=0),
    "grey": jpeg(picture().convert("L")),
    "CMYK": jpeg(picture().convert("CMYK")),
}
SCAN = {kind: data.index(b"\xff\xda") + 20 for kind, data in KINDS.items()}


def reason(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data, 64, 64)
    return caught.value.reason


@pytest.mark.parametrize("kind", KINDS)
def test_damage_of_every_kind_of_jpeg_is_named(kind: str) -> None:
    data, scan = KINDS[kind], SCAN[kind]
    middle = (scan + len(data)) // 2
    # A third of the way in, cut between two bytes that are no marker's.
    broken = {
        "no end": data[:-2],
        "cut": data[:middle],
        "cut, with an end": data[:middle] + b"\xff\xd9",
        "hole": data[:middle] + bytes(2000) + data[middle + 2000 :],
        "zeroed tail": data[: -len(data) // 4] + bytes(len(data) // 4 - 2) + b"\xff\xd9",
        "bytes lost": data[:middle] + data[middle + 700 :],
        "header cut": data[:300],
        "garbage between segments": data[:20] + b"garbage" + data[20:],
    }
    decode(data, 64, 64)
    assert {name: reason(bytes_) for name, bytes_ in broken.items()} == dict.fromkeys(broken, "damaged")


def test_two_files_spliced_are_damaged() -> None:
    other = jpeg(picture().transpose(Image.Transpose.ROTATE_180))
    for share in (0.2, 0.5, 0.8):
        at = int(share * len(PLAIN))
        assert reason(PLAIN[:at] + other[-(len(PLAIN) - at) - 500 :]) == "damaged"
        assert reason(PLAIN[:at] + other[int((share + 0.1) * len(other)) :]) == "damaged"


@pytest.mark.parametrize("length", [16, 48, 400])
def test_a_hole_is_seen_even_where_the_decoder_finds_its_way_again(length: int) -> None:
    for place in range(SCAN["baseline"], len(PLAIN) - 500, len(PLAIN) // 12):
        assert reason(PLAIN[:place] + bytes(length) + PLAIN[place + length :]) == "damaged"


ARITHMETIC = base64.b64decode(  # a ramp of 16 x 16, in a coding that Pillow cannot write
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAgGBgcGBQgHBwcJCQgKDBQNDAsLDBkSEw8UHRofHh0aHBwgJC4nICIsIxwcKDcpLDAxNDQ0Hyc5PTgy"
    "PC4zNDL/yQALCAAQABABAREA/8wABgAQEAX/2gAIAQEAAD8A/wCyvH3ljhA+bGeUWwwZ4iCP1HVxwP/Z"
)


def test_the_note_of_arithmetic_coding_says_that_damage_may_go_unseen() -> None:
    ((_, found),) = decode_frames(ARITHMETIC, 16, 16)
    assert isinstance(found, Decoded) and found.note == "arithmetic coding: damage may go unseen"
    rows, columns = np.mgrid[:16, :16] * 15
    assert np.abs(found.pixels[..., 0] - (0.299 * columns + 0.587 * rows + 0.114 * 90)).max() < 6


def test_an_arithmetic_scan_that_was_cut_is_damaged_although_its_end_marker_is_there() -> None:
    """Its decoder takes zeros for what is missing, as encoders leave out those that a scan ends with."""
    noise = base64.b64decode(
        "/9j/2wBDAAMCAgMCAgMDAwMEAwMEBQgFBQQEBQoHBwYIDAoMDAsKCwsNDhIQDQ4RDgsLEBYQERMUFRUVDA8XGBYUGBIUFRT/yQALCAAYABgBAREA/8wA"
        "BgAQEAX/2gAIAQEAAD8A0WOIybzOfbnLeU26So6RpTXWKw4ykVdMgAuNdAjLX8X2debRY8rn7HsZfoLS/wCPgadXUTJ7uTM0gLgRI1tRYkYftmzQay0Y"
        "thgJpgFHjVVEPjALBxZ3XntmTzi9T24/pRafZ90eZvGJYQMt8XSqw+94ly4dbn21xQ93tb7u56EkxZzTXzdNIIQm/PMCKcyb95VH7qewFcCZmsqRTp+X"
        "t7Nl6aurTofZORWfJ6t/oocCUePo+pttdQf87peM0kO7j/InCZKUaKCoNzAf/wAXq3Z389btbzPB8jwORv8AxREbTpHDbf8AAkyPYmYgz6e9mF81a5Ic"
        "KVAlYFsPV1R4oa+ExdBaiNaUd7p3+7X8Ypw82A1ZAKIfP/mUzOp60mSt74l/i2QMufjbdnDCmnTIPSNZom7IoOpk6Nz8SsYnExnDXn62npBWVBvprBcZ"
        "KM0K+QcwP9NKxV33+yR8rzY1GdrG2SK/c8hbTgAryn08SF1cXiWNjlB25J75VheaW+89UOAq6xk0cGFK+dU02ce3Fx7UAaXNDTqdoeMw19d1d60yxmB9"
        "VHRi37nvJP6NLmSZZfYd4X+XfrfEEZeGHdQGeQMyueriI//Z"
    )
    assert decode(noise, 24, 24).std() > 40
    for lost in (175, 200, 225):
        assert reason(noise[: -2 - lost] + noise[-2:]) == reason(noise[: -2 - lost]) == "damaged"


def unusually_sampled_jpeg() -> bytes:
    """Grey of 32 x 16, with one place for colour to 4 x 2 of brightness, which TurboJPEG has no name for."""
    data = bytearray(jpeg(Image.new("RGB", (32, 16), (128, 128, 128)), subsampling=0))
    data[data.index(b"\xff\xc0") + 11] = 0x42
    scan = data.index(b"\xff\xda")
    blocks = "001010" * 8 + "00" * 4  # no difference and no more, in the standard codes
    return bytes(data[: scan + 14]) + int(blocks, 2).to_bytes(7, "big") + b"\xff\xd9"


def test_the_note_of_unusual_sampling_says_that_damage_may_go_unseen() -> None:
    ((_, found),) = decode_frames(unusually_sampled_jpeg(), 16, 32)
    assert isinstance(found, Decoded) and found.note == "unusual colour sampling: damage may go unseen"
    assert (found.pixels == 128).all()


def test_the_note_says_which_of_several_pictures_is_decoded() -> None:
    def note(data: bytes) -> str:
        ((_, found),) = decode_frames(data, 32, 32)
        assert isinstance(found, Decoded)
        assert np.abs(found.pixels.astype(int) - decode(jpeg(first, quality=75), 32, 32)).max() <= 1
        return found.note

    def mpo(*others: Image.Image) -> bytes:
        buffer = io.BytesIO()
        first.save(buffer, "MPO", save_all=True, append_images=others)
        return buffer.getvalue()

    first, second = picture(), picture().transpose(Image.Transpose.ROTATE_180)
    preview = first.resize((first.width // 4, first.height // 4))
    alone, behind = jpeg(first, quality=75), jpeg(second, quality=75)
    for several in (mpo(second), mpo(preview, second), alone + behind, alone + bytes(100) + jpeg(preview) + behind):
        assert note(several) == "picture 1 of 2"
    assert note(mpo(second, second)) == note(alone + behind + behind) == "picture 1 of 3"
    larger = jpeg(first.resize((2 * first.width, first.height)))
    assert note(alone + larger) == "picture 1 of 2"
    for nothing in (b"", jpeg(preview), behind[:200], b"\xff\xd8\xff" * 99):
        assert note(alone + nothing) == ""
    assert note(mpo()) == note(mpo(preview)) == ""
    stale = Image.Exif().tobytes() + behind  # a thumbnail that an editor left when it cut the picture
    assert note(jpeg(first, quality=75, exif=stale)) == ""


def test_a_hole_among_arithmetic_codes_is_named_whose_decoder_reads_anything() -> None:
    data = PLAIN.replace(b"\xff\xc0", b"\xff\xc9", 1)
    at = (SCAN["baseline"] + len(data)) // 2
    with pytest.raises(ImageError, match="zeros in place of pixels"):
        decode(data[:at] + bytes(16) + data[at + 16 :], 64, 64)


def test_black_and_white_borders_are_no_holes() -> None:
    for colour in (0, 255):
        framed = Image.new("RGB", (2000, 1500), (colour,) * 3)
        framed.paste(picture((200, 150)), (900, 700))
        for options in ({}, {"optimize": True}, {"progressive": True}, {"quality": 100, "subsampling": 0}):
            decode(jpeg(framed, **options), 64, 64)


def test_a_hole_in_a_progressive_file_is_damage_and_flat_pictures_are_none() -> None:
    random = np.random.default_rng(0)
    soft = np.repeat(np.repeat(random.integers(0, 255, (60, 80, 3), np.uint8), 8, 0), 8, 1) // 2
    soft += random.integers(0, 40, soft.shape, np.uint8)
    bordered = np.zeros((800, 1200, 3), np.uint8)
    bordered[160:640, 280:920] = soft
    flat = [Image.new("RGB", size, colour) for size in ((1, 1), (2000, 1500)) for colour in ("black", "white", "tan")]
    striped = Image.fromarray(np.tile(np.array([[0], [255]], np.uint8), (500, 2000)))
    for image in (Image.fromarray(bordered), Image.fromarray(soft), striped, *flat):
        for quality in (1, 50, 90, 100):
            image.save(buffer := io.BytesIO(), "JPEG", quality=quality, progressive=True, optimize=True)
            decode(buffer.getvalue(), 8, 8)
    Image.fromarray(soft).save(buffer := io.BytesIO(), "JPEG", quality=90, progressive=True)
    data = buffer.getvalue()
    for place in range(1000, len(data) - 1000, len(data) // 40):
        with pytest.raises(ImageError, match="damaged"):
            decode(data[:place] + bytes(1000) + data[place + 1000 :], 8, 8)


@pytest.mark.parametrize("left", [1, 2, 5, 9])
def test_a_progressive_file_whose_last_scans_are_missing_is_damaged(left: int) -> None:
    data, places = KINDS["progressive"], []
    place = data.find(b"\xff\xda")
    while place >= 0:
        places.append(place)
        place = data.find(b"\xff\xda", place + 2)
    assert len(places) == 10
    assert reason(data[: places[left]] + b"\xff\xd9") == "damaged"  # without a complaint of libjpeg's


def test_what_phones_and_cameras_write_is_whole() -> None:
    expected = decode(PLAIN, 64, 64)
    scan = PLAIN.index(b"\xff\xda")
    version = PLAIN.index(b"JFIF\0") + 5
    odd = {
        "film behind the picture": PLAIN + b"\0\0\0\x18ftypmp42" + bytes(5000) + jpeg(progressive=True),
        "fill bytes": PLAIN[:2] + b"\xff\xff" + PLAIN[2:-2] + b"\xff\xff\xff\xd9",
        "padding": PLAIN[:-2] + bytes(14) + b"\xff\xd9",
        "more padding": PLAIN[:-2] + bytes(64) + b"\xff\xd9",
        "scan parameters of progressive files": PLAIN[: scan + 11] + bytes(3) + PLAIN[scan + 14 :],
        "version of JFIF": PLAIN[:version] + b"\2" + PLAIN[version + 1 :],
        "comment": PLAIN[:2] + b"\xff\xfe\0\x06\0\xff\xda\0" + PLAIN[2:],
    }
    for name, data in odd.items():
        assert np.array_equal(decode(data, 64, 64), expected), name
    noise = jpeg(Image.fromarray(np.random.default_rng(18).integers(0, 255, (16, 16), np.uint8)), quality=100)
    assert noise.endswith(b"\xff\0\xff\xd9")  # of what pads it, the first zero belongs to the pixels
    assert np.array_equal(decode(noise[:-2] + bytes(30) + noise[-2:], 16, 16), decode(noise, 16, 16))
    # and with all of it, what is damaged is still seen
    data = odd["scan parameters of progressive files"]
    assert reason(data[:-900] + b"\xff\xd9") == "damaged"


def test_a_transform_that_adobe_did_not_define_means_ycbcr() -> None:
    adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0\2"
    bare = PLAIN[:2] + PLAIN[PLAIN.index(b"\xff\xdb") :]  # without JFIF, which would say the same
    thumbnail = b"\xff\xed\0\x13" + adobe[:-1] + b"\1\0"  # within another segment, as Photoshop has one
    for before in (b"", thumbnail):
        assert np.array_equal(decode(bare[:2] + before + adobe + bare[2:], 64, 64), decode(PLAIN, 64, 64))


def test_a_height_behind_the_pixels_is_named() -> None:
    place = PLAIN.index(b"\xff\xc0") + 5
    height = PLAIN[place : place + 2]
    data = PLAIN[:place] + bytes(2) + PLAIN[place + 2 : -2] + b"\xff\xdc\0\4" + height + PLAIN[-2:]
    assert reason(data) == "unsupported"


def test_a_quantization_table_with_a_hole_is_damaged() -> None:
    place = PLAIN.index(b"\xff\xdb") + 5
    assert reason(PLAIN[: place + 10] + bytes(30) + PLAIN[place + 40 :]) == "damaged"


def test_half_the_size_shows_what_the_frame_can_show() -> None:
    """600 x 450 to 128 x 128 goes by way of 300 x 225, 1.75 times the frame."""
    whole, lossless = jpeg(quality=95, subsampling=0), io.BytesIO()
    Image.open(io.BytesIO(whole)).save(lossless, "PNG")
    for side, mean, largest in ((64, 1.5, 10), (128, 0.9, 8), (129, 0.02, 1)):
        difference = np.abs(decode(whole, side, side).astype(int) - decode(lossless.getvalue(), side, side))
        assert difference.mean() < mean and difference.max() <= largest, side


def test_cmyk_is_shown_as_pillow_shows_it() -> None:
    image = Image.open(io.BytesIO(KINDS["CMYK"])).convert("RGB")
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    assert np.array_equal(decode(KINDS["CMYK"], 200, 200), decode(buffer.getvalue(), 200, 200))


@pytest.mark.parametrize(("marker", "precision"), [(0xC0, 12), (0xC5, 8), (0xC3, 16)])
def test_kinds_that_are_not_decoded_are_named(marker: int, precision: int) -> None:
    place = PLAIN.index(b"\xff\xc0")
    data = PLAIN[: place + 1] + bytes([marker]) + PLAIN[place + 2 : place + 4] + bytes([precision])
    assert reason(data + PLAIN[place + 5 :]) == "unsupported"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_read_from_exif_or_xmp(orientation: int) -> None:
    wide = Image.new("RGB", (80, 40), "red")
    exif = Image.Exif()
    exif[0x0112] = orientation
    expected = ("JPEG", 40, 80) if orientation > 4 else ("JPEG", 80, 40)
    assert header(jpeg(wide, exif=exif)) == expected
    for packet in (
        '<x tiff:Orientation="{}"/>',
        "<x tiff:Orientation='{}'/>",
        "<tiff:Orientation>{}</tiff:Orientation>",
    ):
        assert header(jpeg(wide, xmp=packet.format(orientation).encode())) == expected


def test_a_picture_of_108_megapixels_takes_no_more_memory_than_its_frame_needs() -> None:
    code = """
import io, resource, sys
from PIL import Image
from lesionflow.images.decode import decode
data = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert decode(data, 224, 224).shape == (224, 224, 3)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (1 if sys.platform == "darwin" else 1024))
"""
    # Rows of restart intervals repeat: a small encode makes a large file.
    strip = jpeg(Image.new("RGB", (12000, 16), (200, 150, 120)), restart_marker_rows=1, subsampling=2)
    place, scan = strip.index(b"\xff\xc0") + 5, strip.index(b"\xff\xda")
    rows = 9000 // 16
    entropy = strip[scan + 14 : -2]
    body = b"".join(entropy + bytes([0xFF, 0xD0 + row % 8]) for row in range(rows - 1)) + entropy
    data = strip[:place] + struct.pack(">HH", rows * 16, 12000) + strip[place + 4 : scan + 14] + body + b"\xff\xd9"
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True, timeout=120)
    assert int(done.stdout) < 40_000_000  # decoded in full it would be 324 MB


def test_a_profile_is_converted_and_srgb_costs_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    ((_, plain),) = decode_frames(PLAIN, 32, 32)
    ((_, same),) = decode_frames(jpeg(icc_profile=srgb), 32, 32)
    assert not isinstance(plain, ImageError) and not isinstance(same, ImageError)
    assert np.array_equal(plain.pixels, same.pixels) and plain.note == same.note == ""
    ((_, broken),) = decode_frames(jpeg(icc_profile=srgb[:200]), 32, 32)
    assert not isinstance(broken, ImageError) and "broken" in broken.note
    assert np.array_equal(plain.pixels, broken.pixels)
    segment = b"\xff\xe2\0\x19ICC_PROFILE\0\x01\x02" + b"parts..."  # the first of two, and once more
    ((_, doubled),) = decode_frames(PLAIN[:2] + 2 * (segment + b"x") + PLAIN[2:], 32, 32)
    assert not isinstance(doubled, ImageError) and doubled.note == broken.note
    assert np.array_equal(plain.pixels, doubled.pixels)
