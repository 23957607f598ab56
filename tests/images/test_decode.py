import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lesionflow.errors import ImageError
from lesionflow.images import read_bytes as contents
from lesionflow.images.decode import decode, fit_array, fit_image, header


def quarters(width: int = 120, height: int = 120) -> Image.Image:
    """Red, green, blue and white quarters, clockwise from the upper left."""
    array = np.zeros((height, width, 3), np.uint8)
    array[: height // 2, : width // 2, 0] = 255
    array[: height // 2, width // 2 :, 1] = 255
    array[height // 2 :, width // 2 :, 2] = 255
    array[height // 2 :, : width // 2] = 255
    return Image.fromarray(array)


def corners(image: np.ndarray) -> list[str]:
    """The colours of the four quarters, clockwise from the upper left."""
    side = image.shape[0]
    near, far = side // 4, side - side // 4
    names = {(True, False, False): "red", (False, True, False): "green", (False, False, True): "blue"}
    points = [image[y, x] > 128 for y, x in ((near, near), (near, far), (far, far), (far, near))]
    return [names.get((bool(p[0]), bool(p[1]), bool(p[2])), "white") for p in points]


def file_bytes(image: Image.Image, format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "JPEG2000", "AVIF"])
def test_every_format_gives_the_same_picture(format: str) -> None:
    decoded = decode(file_bytes(quarters(), format), 32, 32)
    assert decoded.shape == (32, 32, 3) and decoded.dtype == np.uint8
    assert corners(decoded) == ["red", "green", "blue", "white"]


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_camera_orientation_is_applied(orientation: int, format: str) -> None:
    upright = quarters()
    stored_as = {
        1: [], 2: [Image.Transpose.FLIP_LEFT_RIGHT], 3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM], 5: [Image.Transpose.TRANSPOSE], 6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE], 8: [Image.Transpose.ROTATE_270],
    }  # fmt: skip
    stored = upright
    for step in stored_as[orientation]:
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = file_bytes(stored, format, exif=exif)
    decoded = decode(file, 40, 40)  # of which a JPEG file of 120 x 120 is decoded in full
    assert corners(decoded) == ["red", "green", "blue", "white"]
    opened = Image.open(io.BytesIO(file))
    np.testing.assert_array_equal(fit_image(opened, 40, 40), decoded)
    opened.load()
    np.testing.assert_array_equal(fit_image(opened, 40, 40), decoded)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF"])
def test_of_an_image_that_pillow_has_only_opened_the_file_counts(format: str) -> None:
    """Pillow itself gives pixels of some files with a hole or without their end."""
    file = file_bytes(Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 90), np.uint8)), format)
    assert np.array_equal(fit_image(Image.open(io.BytesIO(file)), 40, 40), decode(file, 40, 40))
    middle = len(file) // 2
    for broken in (file[:middle] + bytes(2000) + file[middle + 2000 :], file[:middle]):
        with pytest.raises(ImageError, match="damaged"), Image.open(io.BytesIO(broken)) as opened:
            fit_image(opened, 40, 40)


def test_of_an_image_that_was_changed_or_moved_to_another_frame_its_pixels_count(tmp_path: Path) -> None:
    red, blue = (Image.new("RGB", (40, 40), colour) for colour in ("red", "blue"))
    for format in ("PNG", "WEBP", "GIF", "TIFF"):
        red.save(tmp_path / "two", format, save_all=True, append_images=[blue])
        with Image.open(tmp_path / "two") as opened:
            assert fit_image(opened, 8, 8)[4, 4, 0] > 250
            opened.seek(1)
            assert fit_image(opened, 8, 8)[4, 4, 2] > 250
        with Image.open(tmp_path / "two") as opened:
            opened.paste(1, (0, 0, 40, 40)) if opened.mode == "P" else opened.paste(blue)
            assert fit_image(opened, 8, 8)[4, 4, 0] < 250, format
    red.save(tmp_path / "red.ppm")  # which no file is read of
    with Image.open(tmp_path / "red.ppm") as opened:
        assert fit_image(opened, 8, 8)[4, 4].tolist() == [255, 0, 0]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_an_image_in_memory_is_brought_to_the_same_pixels_as_its_file(mode: str) -> None:
    image = quarters().convert("L").convert(mode) if mode == "I;16" else quarters().convert(mode)
    # A file of YCbCr would be JPEG, which is not what was put in.
    file = file_bytes(image.convert("RGB") if mode == "YCbCr" else image, "TIFF")
    np.testing.assert_array_equal(fit_image(image, 32, 48), decode(file, 32, 48))
    upside_down = np.asarray(quarters())[::-1]  # in memory not as in a file
    np.testing.assert_array_equal(fit_array(upside_down, 32, 32), decode(file_bytes(quarters()), 32, 32)[::-1])


def test_aspect_ratio_is_kept_and_the_overhang_cut_evenly() -> None:
    array = np.zeros((100, 300, 3), np.uint8)
    array[:, 100:200] = 255  # the middle third is white, and just that third fills a square
    assert decode(file_bytes(Image.fromarray(array)), 40, 40)[:, 2:-2].min() > 250


def test_draft_mode_shows_nearly_the_same_as_a_full_decode() -> None:
    generator = np.random.default_rng(0)
    soft = Image.fromarray(generator.integers(0, 255, (20, 26, 3), np.uint8)).resize(
        (600, 450), Image.Resampling.BICUBIC
    )
    by_jpeg = decode(file_bytes(soft, "JPEG", quality=95), 64, 64).astype(int)
    by_png = decode(file_bytes(soft), 64, 64).astype(int)
    assert np.abs(by_jpeg - by_png).mean() < 2


def test_sixteen_bits_are_scaled_and_not_clipped() -> None:
    grey = Image.fromarray(np.full((50, 50), 0x8000, np.uint16))
    assert np.all(decode(file_bytes(grey), 16, 16) == 0x80)


def test_transparency_is_black_whatever_lies_hidden_there() -> None:
    hidden = np.full((50, 50, 4), 255, np.uint8)
    hidden[:, 25:, 3] = 0
    decoded = decode(file_bytes(Image.fromarray(hidden)), 16, 16)
    assert decoded[:, :7].min() == 255 and decoded[:, 9:].max() == 0


@pytest.mark.parametrize("mode", ["L", "1", "P", "CMYK", "LA"])
def test_other_colour_modes(mode: str) -> None:
    image = quarters().convert(mode)
    assert decode(file_bytes(image, "TIFF"), 32, 32).shape == (32, 32, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1)])
def test_tiny_images_fill_the_frame(size: tuple[int, int]) -> None:
    assert np.all(decode(file_bytes(Image.new("RGB", size, (9, 99, 199))), 24, 24) == (9, 99, 199))


def reason(source: bytes | Path) -> str:
    with pytest.raises(ImageError) as caught:
        decode(source, 32, 32)
    assert caught.value.detail
    return caught.value.reason


def test_what_is_wrong_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = file_bytes(quarters(), "JPEG")
    assert reason(b"") == "empty"
    assert reason(whole[: len(whole) // 2]) == "damaged"
    assert reason(b"not an image at all") == "not_an_image"
    assert reason(file_bytes(quarters(), "PPM")) == "not_an_image"  # a decoder that is not on the list
    assert reason(tmp_path / "missing.jpg") == "not_found"
    assert reason(tmp_path) == "unreadable"
    assert reason(file_bytes(Image.new("F", (9, 9)), "TIFF")) == "unsupported"
    bomb = file_bytes(Image.new("1", (10_000, 10_000)))
    assert len(bomb) < 100_000
    assert reason(bomb) == "too_large"
    assert reason(file_bytes(Image.new("1", (20_000, 20_000)))) == "too_large"  # beyond Pillow's own limit
    monkeypatch.setattr(contents, "MAXIMUM_BYTES", 100)
    (tmp_path / "long.jpg").write_bytes(whole)
    assert reason(tmp_path / "long.jpg") == "too_large"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"])
def test_header_tells_format_and_size(kind: str) -> None:
    buffer = io.BytesIO()
    quarters(60, 40).save(buffer, kind)
    assert header(buffer.getvalue()) == (kind, 60, 40)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
@pytest.mark.parametrize(("orientation", "size"), [(1, (60, 40)), (3, (60, 40)), (6, (40, 60)), (8, (40, 60))])
def test_header_tells_the_size_as_the_image_is_shown(kind: str, orientation: int, size: tuple[int, int]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    quarters(60, 40).save(buffer, kind, exif=exif)
    assert header(buffer.getvalue()) == (kind, *size)


@pytest.mark.parametrize(("data", "reason"), [(b"", "empty"), (b"text", "not_an_image"), (b"\xff\xd8\xff", "damaged")])
def test_header_of_what_is_no_image(data: bytes, reason: str) -> None:
    with pytest.raises(ImageError) as raised:
        header(data)
    assert raised.value.reason == reason
