"""Content says what is an image: by how the file begins, whatever its name."""

import io
import struct

import pytest
from PIL import Image

from lesionflow.images.signatures import HEAD, SUFFIXES, is_dicom, sniff


def saved(format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 30, 40)).save(buffer, format, **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("format", "name"),
    [
        ("JPEG", "JPEG"), ("PNG", "PNG"), ("GIF", "GIF"), ("BMP", "BMP"), ("TIFF", "TIFF"), ("WEBP", "WEBP"),
        ("JPEG2000", "JPEG 2000"), ("AVIF", "AVIF"),
    ],
)  # fmt: skip
def test_what_is_saved_is_recognised(format: str, name: str) -> None:
    assert sniff(saved(format)[:HEAD]) == name


def test_less_common_beginnings() -> None:
    assert sniff(saved("JPEG2000", no_jp2=True)[:HEAD]) == "JPEG 2000"
    assert sniff(saved("TIFF", big_tiff=True)[:HEAD]) == "TIFF"
    assert sniff(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(100)) == "HEIF"
    assert sniff(b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf" + bytes(100)) == "AVIF"
    assert sniff(b"\xff\x0a\xfa\x7f" + bytes(100)) == "JPEG XL"


def elements(*parts: tuple[int, int, bytes, bytes], order: str = "<", explicit: bool = True) -> bytes:
    """Data elements of DICOM: group, element, value representation, value."""
    written = b""
    for group, element, representation, value in parts:
        length = representation + struct.pack(f"{order}H", len(value)) if explicit else struct.pack("<I", len(value))
        written += struct.pack(f"{order}HH", group, element) + length + value
    return written


CLASS, INSTANCE, MODALITY = (0x0008, 0x0016, b"UI", b"1.2.3.40"), (0x0008, 0x0018, b"UI", b"1.2.3.4\0"), (
    0x0008, 0x0060, b"CS", b"XC",
)  # fmt: skip
META = ((0x0002, 0x0000, b"UL", b"\x50\0\0\0"), (0x0002, 0x0002, b"UI", b"1.2.3.40"), (0x0002, 0x0003, b"UI", b"1.2\0"))


@pytest.mark.parametrize(
    "head",
    [
        bytes(128) + b"DICM",
        b"II*\0" + bytes(124) + b"DICM",  # a TIFF's header in the preamble
        b"DICM" + elements(*META) + bytes(50),
        elements(*META) + bytes(50),
        elements(CLASS, INSTANCE, MODALITY) + bytes(50),
        elements(CLASS, INSTANCE, MODALITY, explicit=False) + bytes(50),
        elements(CLASS, INSTANCE, MODALITY, order=">") + bytes(50),
        elements(CLASS, (0x0008, 0x0018, b"UI", b"1" * 600))[:HEAD],
    ],
)
def test_dicom_with_and_without_preamble(head: bytes) -> None:
    assert sniff(head) == "DICOM" and is_dicom(head)


@pytest.mark.parametrize(
    "head",
    [
        b"", b"\xff", b"path,dx\na.jpg,nv\n", b"BM begins this text, which is no bitmap", b"PK\x03\x04" + bytes(30),
        b"\0\0\0\x18ftypisom\0\0\0\0isomavc1" + bytes(100), b"RIFF\0\0\0\0WAVE", b"\0\x05\x16\x07\0\x02\0\0Mac OS X",
        b"\x02\x00" + bytes(200), b"\x08\x00" + bytes(200), b"\x08\x00\x16\x00", b"\x08\x00" * 100,
        elements(INSTANCE, CLASS, MODALITY) + bytes(50),  # tags go up in DICOM
    ],
)  # fmt: skip
def test_what_is_no_image(head: bytes) -> None:
    assert sniff(head) is None


def test_endings_are_written_in_small_letters_and_stand_once() -> None:
    assert len(set(SUFFIXES)) == len(SUFFIXES) and all(suffix == suffix.lower() for suffix in SUFFIXES)
