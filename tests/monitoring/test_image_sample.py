"""Properties of drawn images that are known to be dark, red, soft or of a camera."""

from __future__ import annotations

import dataclasses
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from lesionflow.errors import ImageError
from lesionflow.monitoring.image_sample import ImageSample, measure_properties
from tests.images.test_dicom import dicom


def file_of(image: Image.Image, kind: str = "PNG", **saved: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **saved)
    return stream.getvalue()


def test_properties_are_those_of_the_pixels() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    found = measure_properties(file_of(Image.fromarray(pixels)))
    luma = pixels @ np.array((0.299, 0.587, 0.114))
    red, green, blue = pixels.mean(axis=(0, 1))
    assert (found.width, found.height, found.format, found.camera) == (128, 128, "PNG", "")
    assert (found.brightness, found.contrast) == pytest.approx((luma.mean(), luma.std()), rel=1e-4)
    assert (found.red_cast, found.blue_cast) == pytest.approx((red - green, blue - green), abs=1e-3)


def test_blur_darkness_and_a_cast_move_what_they_should() -> None:
    noise = np.random.default_rng(1).integers(60, 200, (200, 300, 3), dtype=np.uint8)
    image = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(1))
    plain = measure_properties(file_of(image))
    soft = measure_properties(file_of(image.filter(ImageFilter.GaussianBlur(3))))
    dark = measure_properties(file_of(image.point(lambda value: value * 0.4)))
    red = measure_properties(file_of(Image.fromarray(np.asarray(image) + np.array([30, 0, 0], np.uint8))))
    assert soft.sharpness < plain.sharpness / 3 and soft.brightness == pytest.approx(plain.brightness, abs=2)
    assert dark.brightness == pytest.approx(0.4 * plain.brightness, abs=2)
    assert red.red_cast == pytest.approx(plain.red_cast + 30, abs=1.5)
    assert red.blue_cast == pytest.approx(plain.blue_cast, abs=1.5)
    assert (plain.width, plain.height) == (300, 200)


def test_the_camera_is_exifs() -> None:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Maker\0", "D\u00e9rma 3"
    found = measure_properties(file_of(Image.new("RGB", (20, 10)), "JPEG", exif=exif))
    assert found.format == "JPEG" and found.camera.startswith("Maker D") and found.camera.isascii()
    assert all(np.isfinite(value) for value in dataclasses.astuple(found)[:7])


def test_what_is_no_image_is_an_image_error() -> None:
    with pytest.raises(ImageError):
        measure_properties(b"text")


def test_further_frames_of_a_report_are_measured(tmp_path: Path) -> None:
    frames = np.stack([np.full((16, 16, 3), value, np.uint8) for value in (40, 200)])
    (tmp_path / "two.dcm").write_bytes(dicom(frames, "RGB", frames=2))
    (tmp_path / "report.csv").touch()
    sample = ImageSample(5, None)
    found = sample.measure(tmp_path / "report.csv", np.array([f"{tmp_path}/two.dcm", f"{tmp_path}/two.dcm#2"]))
    assert found["brightness"].tolist() == pytest.approx([40, 200], abs=1) and not sample.unreachable
