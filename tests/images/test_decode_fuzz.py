"""Whatever bytes a file holds, the decoder gives pixels or a documented reason."""

import io
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lesionflow.errors import IMAGE_FAILURES, ImageError
from lesionflow.images.decode import Decoded, decode, decode_frames

KINDS = ("jpeg", "progressive", "png", "palette", "tiff", "packed tiff", "webp", "lossless webp", "bmp", "dicom")


@cache
def seed(kind: str) -> bytes:
    """A small real file."""
    array = np.random.default_rng(0).integers(0, 255, (20, 28, 3), np.uint8)
    image = Image.fromarray(array).resize((56, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    match kind:
        case "jpeg":
            image.save(buffer, "JPEG", exif=exif)
        case "progressive":
            image.save(buffer, "JPEG", progressive=True)
        case "png":
            image.save(buffer, "PNG", exif=exif)
        case "palette":
            image.quantize(16).save(buffer, "PNG", transparency=0)
        case "tiff":
            image.save(buffer, "TIFF")
        case "packed tiff":
            image.save(buffer, "TIFF", compression="tiff_lzw")
        case "webp":
            image.save(buffer, "WEBP", exif=exif)
        case "lossless webp":
            image.save(buffer, "WEBP", lossless=True, save_all=True, append_images=[image.rotate(90)])
        case "bmp":
            image.save(buffer, "BMP")
        case "dicom":
            pydicom = pytest.importorskip("pydicom")
            dataset = pydicom.Dataset()
            dataset.file_meta = pydicom.dataset.FileMetaDataset()
            dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
            dataset.file_meta.MediaStorageSOPClassUID = dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
            dataset.Rows, dataset.Columns, dataset.SamplesPerPixel, dataset.NumberOfFrames = 20, 28, 1, 3
            dataset.PhotometricInterpretation, dataset.PixelRepresentation = "MONOCHROME2", 0
            dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
            dataset.WindowCenter, dataset.WindowWidth = 100, 50
            dataset.PixelData = array.tobytes()
            dataset["PixelData"].VR = "OB"
            dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def check(content: bytes) -> None:
    try:
        frames = list(decode_frames(content, 16, 24))
    except ImageError as error:
        assert error.reason in IMAGE_FAILURES and error.detail
        return
    for _, frame in frames:
        if isinstance(frame, Decoded):
            assert frame.pixels.shape == (16, 24, 3) and frame.pixels.dtype == np.uint8 and frame.format
        else:
            assert frame.reason in IMAGE_FAILURES and frame.detail


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=200, deadline=10_000)
@given(data=st.data())
def test_a_mutated_file_gives_pixels_or_a_reason(kind: str, data: st.DataObject) -> None:
    content = bytearray(seed(kind))
    for _ in range(data.draw(st.integers(1, 6))):
        # Half of the changes hit the headers, where the numbers are that set the work and the memory.
        reach = data.draw(st.sampled_from((min(200, len(content)), len(content))))
        start = data.draw(st.integers(0, reach))
        content[start : start + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    check(bytes(content))


@settings(max_examples=300, deadline=10_000)
@given(st.sampled_from((b"", *(seed(kind)[:20] for kind in KINDS[:-1]), bytes(128) + b"DICM")), st.binary(max_size=300))
def test_any_bytes_behind_the_start_of_a_file(start: bytes, rest: bytes) -> None:
    check(start + rest)


@pytest.mark.parametrize("kind", KINDS)
def test_the_seeds_themselves_decode(kind: str) -> None:
    assert decode(seed(kind), 16, 24).std() > 0
