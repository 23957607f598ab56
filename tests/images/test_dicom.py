import builtins
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from lesionflow.errors import ImageError
from lesionflow.images.decode import Decoded, decode, decode_frames, header

pydicom = pytest.importorskip("pydicom")
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402
from pydicom.uid import (  # noqa: E402
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLosslessSV1,
    RLELossless,
)


def dicom(
    pixels: np.ndarray | bytes,
    kind: str,
    *,
    bits: int = 8,
    allocated: int = 8,
    frames: int | None = None,
    syntax: Any = ExplicitVRLittleEndian,
    size: tuple[int, int] | None = None,
    **elements: Any,
) -> bytes:
    """The bytes of a DICOM file around these pixels: an array, or the value of the element itself."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.77.1.4")  # VL photographic image
    dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3")
    if isinstance(pixels, np.ndarray):
        size = pixels.shape[1:3] if frames else pixels.shape[:2]
    assert size is not None
    dataset.Rows, dataset.Columns = size
    dataset.SamplesPerPixel = 1 if kind.startswith(("MONO", "PAL")) else 3
    dataset.PhotometricInterpretation = kind
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = allocated, bits, bits - 1
    dataset.PixelRepresentation = int(isinstance(pixels, np.ndarray) and pixels.dtype.kind == "i")
    if dataset.SamplesPerPixel == 3:
        dataset.PlanarConfiguration = 0
    if frames:
        dataset.NumberOfFrames = frames
    for name, value in elements.items():
        setattr(dataset, name, value)
    dataset.PixelData = pixels.tobytes() if isinstance(pixels, np.ndarray) else pixels
    dataset["PixelData"].VR = "OB" if allocated == 8 else "OW"
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def grey(value: int, kind: str = "MONOCHROME2", dtype: Any = np.uint8, **options: Any) -> int:
    """The brightness that a uniformly grey image of this stored value is decoded to."""
    pixels = decode(dicom(np.full((16, 16), value, dtype), kind, **options), 8, 8)
    assert pixels.min() == pixels.max()
    return int(pixels[0, 0, 0])


WIDE: dict[str, Any] = {"bits": 12, "allocated": 16, "dtype": np.uint16}


def test_grey_is_shown_as_the_file_says() -> None:
    assert [grey(value) for value in (0, 100, 255)] == [0, 100, 255]
    assert [grey(value, "MONOCHROME1") for value in (0, 100, 255)] == [255, 155, 0]


def test_without_a_window_the_whole_range_of_the_stored_bits_is_shown() -> None:
    assert [grey(value, **WIDE) for value in (0, 2048, 4095)] == [0, 128, 255]
    assert [grey(value, bits=16, allocated=16, dtype=np.uint16) for value in (0, 0x8080, 0xFFFF)] == [0, 128, 255]
    assert [grey(value, bits=12, allocated=16, dtype=np.int16) for value in (-2048, 0, 2047)] == [0, 128, 255]
    assert [grey(value, RescaleSlope=2, RescaleIntercept=-1000, **WIDE) for value in (0, 2048, 4095)] == [0, 128, 255]
    assert [grey(value, RescaleSlope=-1, RescaleIntercept=0, **WIDE) for value in (0, 4095)] == [255, 0]


def test_a_window_is_applied() -> None:
    window = {"WindowCenter": 1000, "WindowWidth": 200, **WIDE}
    assert [grey(value, **window) for value in (0, 899, 1101, 4095)] == [0, 0, 255, 255]
    assert abs(grey(1000, **window) - 128) <= 1
    assert [grey(value, "MONOCHROME1", **window) for value in (899, 1101)] == [255, 0]
    assert [grey(value, RescaleSlope=1, RescaleIntercept=-500, **window) for value in (1399, 1601)] == [0, 255]
    assert [grey(value, WindowCenter=[1000, 5], WindowWidth=[200, 5], **WIDE) for value in (899, 1101)] == [0, 255]
    # A window wider than what can be stored: half the range of values is half the range of brightness.
    assert abs(grey(4095, WindowCenter=2048, WindowWidth=8191, **WIDE) - 191) <= 1


def test_a_lookup_table_is_applied() -> None:
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4, 1000, 8], [10, 20, 30, 40]
    for name in ("LUTDescriptor", "LUTData"):
        table[name].VR = "US"
    assert [grey(value, VOILUTSequence=[table], **WIDE) for value in (0, 1000, 1002, 1003, 4095)] == [
        10,
        10,
        30,
        40,
        40,
    ]


def test_colours_of_every_kind() -> None:
    red = np.zeros((16, 16, 3), np.uint8)
    red[...] = (200, 30, 40)
    assert (decode(dicom(red, "RGB"), 8, 8) == (200, 30, 40)).all()
    planes = np.ascontiguousarray(red.transpose(2, 0, 1))
    as_planes = dicom(planes.tobytes(), "RGB", size=(16, 16), PlanarConfiguration=1)
    assert (decode(as_planes, 8, 8) == (200, 30, 40)).all()
    ybr = np.asarray(Image.fromarray(red).convert("YCbCr"))
    assert np.abs(decode(dicom(ybr, "YBR_FULL"), 8, 8).astype(int) - (200, 30, 40)).max() <= 2
    halved = np.stack([ybr[:, 0::2, 0], ybr[:, 1::2, 0], ybr[:, 0::2, 1], ybr[:, 0::2, 2]], axis=-1)
    as_422 = dicom(halved.tobytes(), "YBR_FULL_422", size=(16, 16))
    assert np.abs(decode(as_422, 8, 8).astype(int) - (200, 30, 40)).max() <= 2
    deep = dicom(red.astype(np.uint16) << 8, "RGB", bits=16, allocated=16)
    assert (decode(deep, 8, 8) == (200, 30, 40)).all()


@pytest.mark.parametrize("entry_bits", [8, 16])
def test_a_palette_is_applied(entry_bits: int) -> None:
    dtype, shift = (np.uint8, 0) if entry_bits == 8 else (np.uint16, 8)
    palette: dict[str, Any] = {
        f"{colour}PaletteColorLookupTable{part}": value
        for colour, level in (("Red", 200), ("Green", 30), ("Blue", 40))
        for part, value in (
            ("Descriptor", [4, 0, entry_bits]),
            ("Data", (np.array([0, 0, level, 0]) << shift).astype(dtype).tobytes()),
        )
    }
    data = dicom(np.full((16, 16), 2, np.uint8), "PALETTE COLOR", **palette)
    assert (decode(data, 8, 8) == (200, 30, 40)).all()


def compressed(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def test_compressed_files() -> None:
    red = Image.new("RGB", (32, 32), (200, 30, 40))
    jpeg = dicom(encapsulate([compressed(red, "JPEG")]), "YBR_FULL_422", syntax=JPEGBaseline8Bit, size=(32, 32))
    assert np.abs(decode(jpeg, 8, 8).astype(int) - (200, 30, 40)).max() <= 3
    stream = compressed(red, "JPEG2000", irreversible=False, no_jp2=True)
    jpeg_2000 = dicom(encapsulate([stream]), "RGB", syntax=JPEG2000Lossless, size=(32, 32))
    assert (decode(jpeg_2000, 8, 8) == (200, 30, 40)).all()
    dataset = pydicom.dcmread(io.BytesIO(dicom(np.asarray(red), "RGB")))
    dataset.compress(RLELossless)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    assert (decode(buffer.getvalue(), 8, 8) == (200, 30, 40)).all()


def test_every_frame_is_an_image(tmp_path: Path) -> None:
    stack = np.arange(3, dtype=np.uint8)[:, None, None] * np.full((3, 16, 16), 50, np.uint8)
    file = tmp_path / "three.dcm"
    file.write_bytes(dicom(stack, "MONOCHROME2", frames=3))
    frames = dict(decode_frames(file, 8, 8))
    assert list(frames) == [0, 1, 2]
    for number, frame in frames.items():
        assert isinstance(frame, Decoded) and frame.format == "DICOM" and (frame.pixels == 50 * number).all()
        assert (decode(file, 8, 8, frame=number) == frame.pixels).all()
    with pytest.raises(ImageError, match="no frame 4"):
        decode(file, 8, 8, frame=3)


def test_a_broken_frame_leaves_its_neighbours_alone() -> None:
    good = compressed(Image.new("RGB", (32, 32), (200, 30, 40)), "JPEG")
    data = dicom(
        encapsulate([good, good[:300], good]), "YBR_FULL_422", syntax=JPEGBaseline8Bit, size=(32, 32), frames=3
    )
    frames = [frame for _, frame in decode_frames(data, 8, 8)]
    assert isinstance(frames[1], ImageError) and frames[1].reason == "damaged"
    assert isinstance(frames[0], Decoded) and isinstance(frames[2], Decoded)
    assert (frames[0].pixels == frames[2].pixels).all()


def test_other_formats_have_one_frame() -> None:
    image = compressed(Image.new("RGB", (32, 32), (1, 2, 3)), "PNG")
    ((number, frame),) = decode_frames(image, 8, 8)
    assert number == 0 and isinstance(frame, Decoded) and (frame.format, frame.note) == ("PNG", "")
    assert (frame.pixels == (1, 2, 3)).all()
    with pytest.raises(ImageError, match="empty"):
        list(decode_frames(b"", 8, 8))


def reason_of(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        decode(data, 8, 8)
    return f"{caught.value.reason}: {caught.value.detail}"


SQUARE = np.zeros((16, 16), np.uint8)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: dicom(SQUARE, "MONOCHROME2")[:-100], "damaged"),
        (lambda: dicom(SQUARE, "MONOCHROME2", frames=None, NumberOfFrames=10**9), "damaged: 1000000000 frames"),
        (lambda: dicom(SQUARE.tobytes(), "MONOCHROME2", size=(60_000, 60_000)), "too_large: 60000 x 60000"),
        (lambda: dicom(SQUARE, "HSV", SamplesPerPixel=3), "unsupported: photometric interpretation HSV"),
        (lambda: dicom(np.zeros((4, 4), np.uint32), "MONOCHROME2", bits=32, allocated=32), "unsupported: 32 of 32"),
        (lambda: dicom(encapsulate([b"x" * 50]), "RGB", syntax=JPEGLosslessSV1, size=(4, 4)), "unsupported: transfer"),
        (lambda: dicom(encapsulate([b"x" * 50]), "RGB", syntax=JPEGBaseline8Bit, size=(4, 4)), "damaged"),
        (lambda: b"\0" * 128 + b"DICM", "damaged"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_says_why(make: Callable[[], bytes], expected: str) -> None:
    assert reason_of(make()).startswith(expected)


def test_a_compressed_frame_larger_than_the_file_says_is_not_unfolded() -> None:
    bomb = compressed(Image.new("L", (12_000, 12_000)), "JPEG")
    data = dicom(encapsulate([bomb]), "MONOCHROME2", syntax=JPEGBaseline8Bit, size=(16, 16))
    assert reason_of(data).startswith("too_large: ")


def test_a_deflated_file_is_not_unfolded() -> None:
    plain = dicom(SQUARE, "MONOCHROME2", syntax=DeflatedExplicitVRLittleEndian)
    assert pydicom.dcmread(io.BytesIO(plain)).Rows == 16
    assert reason_of(plain).startswith("unsupported: transfer syntax Deflated")


def test_a_file_without_pixels_is_no_image() -> None:
    dataset = pydicom.dcmread(io.BytesIO(dicom(SQUARE, "MONOCHROME2")))
    del dataset.PixelData
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    assert reason_of(buffer.getvalue()) == "not_an_image: a DICOM file without pixels"


def test_without_pydicom_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    original = builtins.__import__

    def without(name: str, *arguments: Any, **options: Any) -> Any:
        if name.startswith("pydicom"):
            raise ImportError(name)
        return original(name, *arguments, **options)

    data = dicom(SQUARE, "MONOCHROME2")
    monkeypatch.setattr(builtins, "__import__", without)
    assert reason_of(data) == "unsupported: DICOM needs pydicom: pip install 'lesionflow[dicom]'"


def test_header_tells_the_size() -> None:
    assert header(dicom(np.zeros((30, 40), np.uint8), "MONOCHROME2")) == ("DICOM", 40, 30)
