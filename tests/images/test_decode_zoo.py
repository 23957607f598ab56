"""Files as they come: any kind of image, or of none, gives pixels or a documented reason, at a bounded cost."""

import base64
import gzip
import io
import os
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionflow.errors import ImageError
from lesionflow.images.decode import Decoded, decode, decode_frames
from lesionflow.images.limits import MAXIMUM_SCANS
from lesionflow.images.read_bytes import MAXIMUM_BYTES

COLOUR = (200, 30, 40)
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "AVIF")  # as Pillow names what it writes


def file_bytes(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def plain(mode: str = "RGB", size: tuple[int, int] = (40, 30)) -> Image.Image:
    image = Image.new("RGB", size, COLOUR)
    return image.quantize(4) if mode == "P" else image.convert(mode)


def noise(size: tuple[int, int] = (64, 48)) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), np.uint8))


def shows(data: bytes | Path, colour: tuple[int, int, int] = COLOUR, tolerance: int = 3) -> bool:
    pixels = decode(data, 16, 24)
    assert pixels.shape == (16, 24, 3) and pixels.dtype == np.uint8
    return bool(np.abs(pixels.astype(int) - colour).max() <= tolerance)


def reason_of(source: bytes | str | Path) -> str:
    with pytest.raises(ImageError) as caught:
        decode(source, 16, 16)
    return caught.value.reason


def tiff(bits: int, photometric: int, data: bytes, width: int = 4, height: int = 2) -> bytes:
    """An uncompressed grey TIFF file, by hand: Pillow writes neither 12 bits nor zero as white."""
    entries = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, 1, bits), (259, 3, 1, 1), (262, 3, 1, photometric),
        (273, 4, 1, 8), (277, 3, 1, 1), (278, 3, 1, height), (279, 4, 1, len(data)),
    ]  # fmt: skip
    directory = struct.pack("<H", len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries) + bytes(4)
    return struct.pack("<2sHI", b"II", 42, 8 + len(data)) + data + directory


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2, 2), (25, 17)])
def test_the_smallest_and_the_narrowest(format: str, size: tuple[int, int]) -> None:
    assert shows(file_bytes(plain(size=size), format))


@pytest.mark.parametrize(
    ("format", "mode"),
    [("JPEG", "CMYK"), ("TIFF", "CMYK"), ("TIFF", "YCbCr"), ("PNG", "P"), ("BMP", "P"), ("TIFF", "P"), ("PNG", "RGBA"),
     ("WEBP", "RGBA"), ("TIFF", "RGBA"), ("TIFF", "LAB")],
)  # fmt: skip
def test_every_way_to_store_colour_shows_the_same(format: str, mode: str) -> None:
    if mode == "LAB":
        cms = pytest.importorskip("PIL.ImageCms")
        image = cms.profileToProfile(plain(), cms.createProfile("sRGB"), cms.createProfile("LAB"), outputMode="LAB")
    else:
        image = plain(mode)
    assert shows(file_bytes(image, format), tolerance=6)


def test_lab_needs_no_profile_and_none_is_found_fault_with() -> None:
    cms = pytest.importorskip("PIL.ImageCms")
    lab = cms.createProfile("LAB")
    image = cms.profileToProfile(plain(), cms.createProfile("sRGB"), lab, outputMode="LAB")
    data = file_bytes(image, "TIFF", icc_profile=cms.ImageCmsProfile(lab).tobytes())
    (shown,) = [each for _, each in decode_frames(data, 16, 16)]
    assert isinstance(shown, Decoded) and shown.note == "" and shows(data, tolerance=6)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("mode", ["L", "1"])
def test_grey_and_bilevel(format: str, mode: str) -> None:
    assert shows(file_bytes(Image.new(mode, (40, 30), 255), format), (255, 255, 255))


def test_sixteen_bits_a_sample_however_they_are_stored() -> None:
    for dtype in ("<u2", ">u2"):
        grey = Image.fromarray(np.full((30, 40), 0x6000, dtype))
        assert shows(file_bytes(grey, "TIFF"), (0x60,) * 3, 0)
    assert shows(file_bytes(Image.fromarray(np.full((30, 40), 0x6000, np.uint16))), (0x60,) * 3, 0)
    assert shows(tiff(16, 0, struct.pack("<H", 0x2000) * 8), (0xDF,) * 3, 0)  # zero is white
    assert shows(tiff(8, 0, bytes([0x20]) * 8), (0xDF,) * 3, 0)
    assert shows(tiff(12, 1, bytes([0x80, 0x08, 0x00]) * 4), (0x80,) * 3, 0)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_numbers_without_a_brightness_are_unsupported(mode: str) -> None:
    assert reason_of(file_bytes(Image.new(mode, (4, 4)), "TIFF")) == "unsupported"


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_what_is_transparent_is_black(format: str) -> None:
    image, hidden = plain("RGBA", (40, 60)), Image.new("L", (40, 60), 0)
    hidden.paste(255, (0, 0, 40, 4))
    image.putalpha(hidden)
    assert shows(file_bytes(image, format, **({"exact": True} if format == "WEBP" else {})), (0, 0, 0), 1)
    palette = plain("P", (40, 60))
    key = int(np.asarray(palette)[0, 0])
    palette.putpalette([*(palette.getpalette() or []), 9, 9, 9])
    palette.paste(key + 1, (0, 0, 40, 4))
    assert shows(file_bytes(palette, "PNG", transparency=key), (0, 0, 0), 1)


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF"])
def test_an_alpha_of_0_everywhere_is_used_by_nobody(format: str) -> None:
    image = plain("RGBA")
    image.putalpha(0)
    data = file_bytes(image, format, **({"exact": True} if format == "WEBP" else {}))
    assert shows(data)
    ((_, decoded),) = decode_frames(data, 16, 24)
    assert isinstance(decoded, Decoded) and "alpha" in decoded.note


@pytest.mark.parametrize("format", ["WEBP", "PNG", "TIFF", "MPO", "GIF", "AVIF"])
def test_of_an_animation_the_first_frame_counts(format: str) -> None:
    more = [Image.new("RGB", (40, 30), (0, 0, 255))]
    assert shows(file_bytes(plain(), format, save_all=True, append_images=more), tolerance=6)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_in_every_format_is_turned_once(format: str, orientation: int) -> None:
    """A wide picture whose left third is red, stored as a camera held in that way stores it."""
    upright = np.zeros((60, 90, 3), np.uint8)
    upright[:, :30, 0] = upright[:20, 30:, 2] = 255  # red on the left, blue along the top
    turn = {
        1: [], 2: ["FLIP_LEFT_RIGHT"], 3: ["ROTATE_180"], 4: ["FLIP_TOP_BOTTOM"], 5: ["TRANSPOSE"], 6: ["ROTATE_90"],
        7: ["TRANSVERSE"], 8: ["ROTATE_270"],
    }  # fmt: skip
    stored = Image.fromarray(upright)
    for step in turn[orientation]:
        stored = stored.transpose(Image.Transpose[step])
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95} if format == "JPEG" else {"lossless": True} if format == "WEBP" else {}
    pixels = decode(file_bytes(stored, format, exif=exif, **options), 20, 30)
    assert pixels.shape == (20, 30, 3)
    names = [
        ["blue" if p[2] > 128 else "red" if p[0] > 128 else "black" for p in pixels[y, [4, 15, 25]]] for y in (3, 14)
    ]
    assert names == [["red", "blue", "blue"], ["red", "black", "black"]]


def test_broken_exif_does_not_lose_the_image() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    data = file_bytes(plain(), "JPEG", exif=exif)
    place = data.index(b"Exif\0\0") + 6
    assert shows(data[:place] + b"????" + data[place + 4 :])


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.1, 0.5, 0.95])
def test_a_truncated_file_is_damaged(format: str, share: float) -> None:
    data = file_bytes(noise(), format)
    expected = {"damaged"}
    if format == "BMP" and share == 0.02:
        expected |= {"not_an_image"}  # its two first letters say little
    assert reason_of(data[: int(len(data) * share)]) in expected


@pytest.mark.parametrize("format", FORMATS)
def test_a_wrong_ending_changes_nothing(format: str, tmp_path: Path) -> None:
    file = tmp_path / ("photo.png" if format == "JPEG" else "photo.jpg")
    file.write_bytes(file_bytes(noise(), format))
    assert np.array_equal(decode(file, 16, 16), decode(file.read_bytes(), 16, 16))


@pytest.mark.parametrize(
    "data",
    [b"<html>404", b"<svg xmlns='http://www.w3.org/2000/svg'/>", b"PK\x03\x04" + bytes(500), b"x",
     b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"\x00\x00\x01\x00" + bytes(100), b"BM"],
)  # fmt: skip
def test_what_is_no_image_says_so(data: bytes) -> None:
    assert reason_of(data) == "not_an_image"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\r\n<!DOCTYPE html>", "a web page"), (b'{"detail": 404}', "a server's message"),
        (b'<?xml version="1.0"?>\n<Error><Code>NoSuchKey', "a server's message"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"/9j/4AAQSkZJRgABAQ", "base64"), (b"data:image/png;base64,iVBORw0KGgoAAAA", "base64"),
        (b"Content-Type: image/jpeg\r\n\r\n/9j/4AAQ", "an e-mail"), (gzip.compress(b"a", mtime=0), "an archive"),
        (b"%PDF-1.4\n%\xe2\xe3\n \xff\xd8\xff", "a PDF document"), (b"8BPS\0\1" + bytes(99), "Photoshop"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "table of paths"),
        (b"P6\n2 2\n255\n", "a format that is not read"), (b"qoif\0\0\0\2", "a format that is not read"),
        (b'<?xml version="1.0"?>\n<svg xmlns=', "a format that is not read"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1", "raw image"), (b"\0\0\0\x18ftypqt  ", "a film"),
        (b"\xef\xbb\xbf<!DOCTYPE html>", "a web page"), ("<html><body>".encode("utf-16"), "a web page"),
        (b"<!-- saved -->\n<html>", "a web page"), (b"404: Not Found", "a server's message"),
        (b"/annex/objects/MD5E-s9--a.jpg\n", "git annex get"), (b"outs:\n- md5: 0\n  path: a.jpg\n", "dvc pull"),
        (b"[InternetShortcut]\r\nURL=http://a.b/c.jpg\r\n", "a link"), (b"bplist00\xd1\1\2", "a link"),
        (b"L\0\0\0\1\x14\2\0" + bytes(99), "a link"), (b'<?xml version="1.0"?>\n<!DOCTYPE plist>', "a link"),
        (b"../images/ISIC_1.JPG\n", "the path of another file"), (b"\0\5\x16\7\0\2\0\0Mac OS X   ", "AppleDouble"),
        (b"X-UIDL: 1\r\nFrom: a@b.c\r\n", "an e-mail"), (b"begin 644 a.jpg\nM_]C_X\n", "packed for e-mail"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "Office"), (b"Salted__" + bytes(range(90)), "encrypted"),
        (b"\x1f\x9d\x90abc", "an archive"), (b"a/1.jpg" + bytes(250) + b"ustar", "an archive"),
        (b"\x93NUMPY\1\0", "arrays"), (b"SQLite format 3\0", "a table"), (b"icns\0\0\1\0ic07", "not read"),
        (b"IIU\0\x18\0\0\0", "raw image"), (b"RIFF\0\0\1\0AVI LIST", "a film"),
    ],
)  # fmt: skip
def test_what_often_has_an_images_name_is_named(data: bytes, said: str) -> None:
    with pytest.raises(ImageError, match=said) as caught:
        decode(data, 16, 16)
    assert caught.value.reason == "not_an_image"


@pytest.mark.parametrize("format", FORMATS)
def test_an_image_that_is_written_as_text_is_named(format: str) -> None:
    data = file_bytes(noise(), format)
    plain = base64.encodebytes(data)
    digits = data.hex().encode()
    of_urls = base64.urlsafe_b64encode(data)
    for text in (
        plain,
        of_urls,
        b'"data:image/any;base64,' + plain,
        b"\r\nb'" + plain,
        digits,
        b"\\x" + digits.upper(),
    ):
        with pytest.raises(ImageError, match="written as text") as caught:
            decode(text, 16, 16)
        assert caught.value.reason == "not_an_image"
    assert reason_of(b"/wp-content/uploads/a.htm") == "not_an_image"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "JPEG2000", "WEBP"])
def test_other_bytes_in_front_of_an_image_are_damage(format: str) -> None:
    data = file_bytes(noise(), format)
    for front in (b"\0", len(data).to_bytes(4, "big"), b"\0\x05a.jpg" + bytes(57) + b"JPEG8BIM" + bytes(55)):
        with pytest.raises(ImageError) as caught:
            decode(front + data, 16, 16)
        if format == "WEBP":  # whose first bytes are those of sounds and films, too
            assert caught.value.reason == "not_an_image"
        else:
            told = f"other bytes in front of {format.replace('2000', ' 2000')}, which begins at byte {len(front)}"
            assert (caught.value.reason, caught.value.detail[: len(told)]) == ("damaged", told)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "JPEG2000"])
@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.replace(b"\n", b"\r\n"), lambda data: data.replace(b"\r\n", b"\n"),
        lambda data: data.decode("latin-1").encode(), lambda data: data.decode(errors="replace").encode(),
        lambda data: bytes(byte & 0x7F for byte in data), lambda data: b"\xef\xbb\xbf" + data,
        lambda data: b"HTTP/1.1 200 OK\r\nContent-Type: image/any\r\n\r\n" + data, lambda data: data[:2],
        lambda data: bytes(512) + data[512:], lambda data: bytes(len(data)), lambda data: b"\xff" * len(data),
    ],
)  # fmt: skip
def test_what_a_transfer_changed_is_damaged(format: str, change: Callable[[bytes], bytes]) -> None:
    data = file_bytes(noise(), format)
    assert change(data) == data or reason_of(change(data)) == "damaged"


def test_a_carriage_return_in_front_of_each_line_feed_of_pixels_is_damage() -> None:
    """As FTP adds it to what it takes for text: nothing else in the file says that its pixels have moved."""
    dark = np.random.default_rng(0).integers(0, 40, (30, 40, 3), np.uint8)
    data = file_bytes(Image.fromarray(dark), "BMP")
    assert decode(data, 16, 16).any() and data.count(b"\n") > 50
    assert reason_of(data.replace(b"\n", b"\r\n")) == "damaged"
    assert shows(file_bytes(Image.new("RGB", (40, 30), (9, 10, 13)), "BMP"), (9, 10, 13))  # the same in a flat picture
    text = "".join(f"{name}={number}\r\n" for number, name in enumerate(["Lens", "Light", "Gain"] * 20))
    bright = Image.new("RGB", (40, 30), (200, 150, 140))  # of whose bytes none is a line feed
    assert shows(file_bytes(bright, "TIFF", description=text), (200, 150, 140))


@pytest.mark.parametrize("format", ["BMP", "TIFF"])
@pytest.mark.parametrize("filled", [b"\0", b"\xff"])
def test_the_note_says_where_a_copy_may_have_stopped(format: str, filled: bytes) -> None:
    """A file of its full size whose end never came: where pixels are not compressed, it could be a black picture."""
    data = file_bytes(noise((100, 90)), format)
    called = {b"\0": "zeros", b"\xff": "255"}[filled]
    for stopped, said in ((8192, True), (8192 + 300, False), (len(data) // 512 * 512, False)):
        ((_, found),) = decode_frames(data[:stopped].ljust(len(data), filled), 16, 16)
        assert isinstance(found, Decoded)
        noted = f"its last {len(data) - stopped:,} bytes are {called}, as of a copy that was not finished"
        assert found.note == (noted if said else "")


@pytest.mark.parametrize("format", ["BMP", "TIFF"])
@pytest.mark.parametrize("filled", [b"\0", b"\xff"])
def test_the_note_says_where_a_copy_left_a_gap(format: str, filled: bytes) -> None:
    data, called = file_bytes(noise((100, 90)), format), {b"\0": "zeros", b"\xff": "255"}[filled]
    for start, length, said in ((8192, 512, True), (8192, 4096, True), (8000, 4096, False), (8192, 4000, False)):
        ((_, found),) = decode_frames(data[:start] + filled * length + data[start + length :], 16, 16)
        assert isinstance(found, Decoded)
        noted = f"{length:,} bytes from byte {start:,} on are {called}, as of a copy that was not finished"
        assert found.note == (noted if said else "")


def test_one_of_many_runs_of_black_is_no_gap() -> None:
    """As beside a round field of view: by chance a few begin and end between blocks."""
    pixels = np.random.default_rng(0).integers(1, 255, (2400, 500, 3), np.uint8)
    pixels[::2, 20:420] = 0
    data = bytearray(file_bytes(Image.fromarray(pixels), "BMP"))
    at = data.index(bytes(1200)) // 512 * 512 + 512
    data[at - 1] = data[at + 512] = 1
    ((_, found),) = decode_frames(bytes(data), 16, 16)
    assert isinstance(found, Decoded) and found.note == ""


def test_other_formats_of_pillow_are_not_reached() -> None:
    for format in ("PPM", "TGA", "ICO", "PCX", "EPS"):
        assert reason_of(file_bytes(plain(), format)) == "not_an_image"


def test_what_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    (tmp_path / "gone.jpg").symlink_to("nothing.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")  # nobody writes to it: opened as a file is, it would wait without end
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(MAXIMUM_BYTES + 1)  # sparse: it takes no room
    found = {name: reason_of(tmp_path / f"{name}.jpg") for name in ("empty", "loop", "gone", "none", "pipe", "huge")}
    assert found == {
        "empty": "empty", "loop": "unreadable", "gone": "not_found", "none": "not_found", "pipe": "unreadable",
        "huge": "too_large",
    }  # fmt: skip
    assert reason_of(tmp_path) == reason_of("a\0b.jpg") == reason_of("/dev/zero") == "unreadable"
    assert reason_of(str(tmp_path / ("n" * 300))) == "unreadable"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="permissions as POSIX has them")
def test_what_may_not_be_read() -> None:
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to other users, and root may read everything
    try:
        folder.chmod(0o755)
        file = folder / "secret.jpg"
        file.write_bytes(file_bytes(noise(), "JPEG"))
        file.chmod(0)
        child = os.fork()
        if child == 0:
            status = 1
            try:
                if os.geteuid() == 0:
                    os.setuid(65534)
                status = 0 if reason_of(file) == "no_permission" else 2
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        shutil.rmtree(folder)


def resized(jpeg: bytes, width: int, height: int) -> bytes:
    """A JPEG file whose header announces another size."""
    place = jpeg.index(b"\xff\xc0") + 5
    return jpeg[:place] + struct.pack(">HH", height, width) + jpeg[place + 4 :]


def bombs(folder: Path) -> None:
    """100 megapixels in each format, 900 in JPEG, as files: some of a few kilobytes."""
    side = 10_000
    (folder / "bomb.jpg").write_bytes(resized(file_bytes(plain("L"), "JPEG"), 30_000, 30_000))
    Image.new("1", (side, side)).save(folder / "bomb.png")
    Image.new("1", (side, side)).save(folder / "bomb.tif", compression="group4")
    Image.new("1", (side, side)).save(folder / "bomb.bmp")
    # WebP by hand: the header of a lossless image of 16,383 x 16,383 pixels (14 bits a side, less one)
    content = struct.pack("<BI", 0x2F, 16_382 | 16_382 << 14) + bytes(64)
    chunk = b"WEBPVP8L" + struct.pack("<I", len(content)) + content
    (folder / "bomb.webp").write_bytes(b"RIFF" + struct.pack("<I", len(chunk)) + chunk)


def test_bombs_are_refused_before_they_unfold(tmp_path: Path) -> None:
    bombs(tmp_path)
    code = """
import resource, sys
from lesionflow.images.decode import Decoded, decode, decode_frames
from lesionflow.errors import ImageError
from PIL import Image
Image.init()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        decode(path, 64, 64)
    except ImageError as error:
        print(error.reason, end=" ")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / before)
"""
    files = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=True, timeout=60)
    *reasons, growth = done.stdout.split()
    assert reasons == ["too_large"] * 5
    assert float(growth) < 2  # unfolded, one of them would take 100 MB at least, several times what was there before


def test_what_there_is_no_memory_for_is_too_large_and_nothing_else(tmp_path: Path) -> None:
    Image.new("1", (7900, 7900)).save(tmp_path / "large.png")
    code = """
import resource, sys
from lesionflow.errors import ImageError
from lesionflow.images.decode import decode
decode(sys.argv[1], 64, 64)
pages = int(open("/proc/self/statm").read().split()[0])
resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 2**24, -1))
try:
    decode(sys.argv[2], 64, 64)
except ImageError as error:
    print(error)
"""
    (tmp_path / "small.png").write_bytes(file_bytes(noise()))
    files = [str(tmp_path / name) for name in ("small.png", "large.png")]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, timeout=60)
    assert done.stdout == "too_large: there is not enough memory to decode it\n", done.stderr


def test_a_progressive_jpeg_with_endless_scans_is_refused() -> None:
    data = file_bytes(noise(), "JPEG", progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    assert reason_of(data[:-2] + 20 * last + b"\xff\xd9") == "damaged"  # more bits than there are
    assert reason_of(data[:-2] + MAXIMUM_SCANS * last + b"\xff\xd9") == "too_large"
    # What follows the image, such as a film that a camera appended, is no part of it.
    assert decode(data + MAXIMUM_SCANS * last, 16, 16).shape == (16, 16, 3)


def test_a_broken_neighbour_changes_nothing(tmp_path: Path) -> None:
    good = file_bytes(noise(), "JPEG")
    expected = decode(good, 32, 32)
    for bad in (good[:200], b"", b"x", file_bytes(Image.new("F", (4, 4)), "TIFF")):
        with pytest.raises(ImageError):
            decode(bad, 32, 32)
        assert np.array_equal(decode(good, 32, 32), expected)


def test_a_broken_file_says_nothing_on_stderr() -> None:
    """Pillow logs what it cannot make of a TIFF file, which without a handler would run through the progress bar."""
    code = """
import sys
from lesionflow.images.decode import Decoded, decode, decode_frames
from lesionflow.errors import ImageError
try:
    decode(sys.stdin.buffer.read(), 8, 8)
except ImageError as error:
    print(error.reason)
"""
    whole = tiff(8, 1, bytes(8))
    samples = struct.pack("<HHI", 277, 3, 1)
    data = whole.replace(samples + struct.pack("<I", 1), samples + struct.pack("<I", 9999))
    assert data != whole
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True, timeout=60)
    assert (done.stdout.strip(), done.stderr) == (b"damaged", b"")
