import builtins
import io
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from lesionflow.errors import ImageError
from lesionflow.images.colour import named_profile
from lesionflow.images.decode import Decoded, decode, decode_frames, header
from lesionflow.images.signatures import unfinished
from tests.images.test_jpeg import unusually_sampled_jpeg

pydicom = pytest.importorskip("pydicom")
from pydicom.data import get_testdata_file  # noqa: E402
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate, parse_fragments  # noqa: E402
from pydicom.uid import (  # noqa: E402
    JPEG2000,
    MPEG4HP41,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
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
    delete: str = "",
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
    if delete:
        delattr(dataset, delete)
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


@pytest.mark.parametrize(
    "window",
    [{"WindowWidth": 0}, {"WindowWidth": 100, "WindowCenter": None}, {"WindowWidth": 9, "VOILUTFunction": "CUBIC"}],
)
def test_a_window_that_makes_no_sense_is_ignored_and_said(window: dict[str, Any]) -> None:
    data = dicom(np.full((16, 16), 100, np.uint8), "MONOCHROME2", **{"WindowCenter": 128, **window})
    ((_, found),) = decode_frames(data, 8, 8)
    assert isinstance(found, Decoded) and (found.pixels == 100).all()
    assert found.note == "window ignored: it makes no sense"


@pytest.mark.parametrize("text", [b"abc ", b"4,5 ", b"    ", b"nan ", b"inf "])
@pytest.mark.parametrize("name", ["WindowCenter", "WindowWidth", "RescaleSlope", "RescaleIntercept"])
def test_what_should_be_a_number_and_is_none_is_ignored_and_said(name: str, text: bytes) -> None:
    numbers: dict[str, Any] = {
        "WindowCenter": 128,
        "WindowWidth": 256,
        "RescaleSlope": 1,
        "RescaleIntercept": 0,
        name: 4321,
    }
    data = dicom(np.full((16, 16), 100, np.uint8), "MONOCHROME2", **numbers)
    assert data.count(b"4321.0") == 1
    ((_, found),) = decode_frames(data.replace(b"4321.0", text.ljust(6)), 8, 8)
    assert isinstance(found, Decoded) and (found.pixels == 100).all()
    assert found.note == f"{'window' if name.startswith('Window') else 'rescaling'} ignored: it makes no sense"


def group(name: str, **elements: Any) -> Dataset:
    """What a multi-frame file says of one frame, or of all of them."""
    holder, item = Dataset(), Dataset()
    for word, value in elements.items():
        setattr(item, word, value)
    setattr(holder, name, [item])
    return holder


def test_windows_and_rescaling_of_functional_groups_are_applied() -> None:
    wide, narrow = ({"WindowCenter": 1000, "WindowWidth": width} for width in (4000, 400))
    shared = group("FrameVOILUTSequence", **wide)
    shared.update(group("PixelValueTransformationSequence", RescaleSlope=2, RescaleIntercept=-1000, RescaleType="US"))
    own = [Dataset(), group("FrameVOILUTSequence", **narrow)]
    kinds = {"SharedFunctionalGroupsSequence": [shared], "PerFrameFunctionalGroupsSequence": own}
    pixels = np.full((2, 16, 16), 1050, np.uint16)

    def shades(**elements: Any) -> list[int]:
        data = dicom(pixels, "MONOCHROME2", bits=12, allocated=16, frames=2, **elements)
        return [int(found.pixels.max()) for _, found in decode_frames(data, 8, 8) if isinstance(found, Decoded)]

    assert shades() == [65, 65]
    assert shades(**kinds) == [134, 192]  # 1,100 in a window of 4,000 and in one of 400
    assert shades(**kinds, WindowCenter=5, WindowWidth=5) == [134, 192]  # a frame's own comes first
    assert shades(**kinds, PresentationLUTShape="INVERSE") == [121, 63]


def test_a_presentation_inverts_once() -> None:
    assert [grey(100, kind, PresentationLUTShape="INVERSE") for kind in ("MONOCHROME1", "MONOCHROME2")] == [155, 155]


@pytest.mark.parametrize("dtype", [np.uint16, np.int16])
def test_samples_end_at_the_high_bit(dtype: Any) -> None:
    """12 bits in the upper ones of 16, and others in the lower ones that do not count."""
    expected = [grey(value, dtype=dtype, bits=12, allocated=16) for value in (100, 1000)]
    above = [grey(value << 4 | 9, dtype=dtype, bits=12, allocated=16, HighBit=15) for value in (100, 1000)]
    assert above == expected
    ((_, found),) = decode_frames(dicom(np.full((16, 16), 100, np.uint8), "MONOCHROME2", HighBit=8), 8, 8)
    assert isinstance(found, Decoded) and found.pixels.max() == 100  # there is no such bit
    assert found.note == "high bit ignored: it makes no sense"


@pytest.mark.parametrize("name", ["ModalityLUTSequence", "VOILUTSequence"])
def test_a_lookup_table_is_applied(name: str) -> None:
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [4, 1000, 12], [160, 320, 480, 640]
    for word in ("LUTDescriptor", "LUTData"):
        table[word].VR = "US"
    options, expected = {name: [table], **WIDE}, [10, 10, 30, 40, 40]
    assert [grey(value, **options) for value in (0, 1000, 1002, 1003, 4095)] == expected
    table.LUTDescriptor, table.LUTData = [4, 1000, 8], b"\x0a\x14\x1e\x28"  # two entries in a word
    table["LUTData"].VR = "OW"
    assert [grey(value, **options) for value in (0, 1000, 1002, 1003, 4095)] == expected


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
    stream = compressed(red, "JPEG", progressive=True)
    progressive = dicom(encapsulate([stream]), "YBR_FULL", syntax=UID("1.2.840.10008.1.2.4.55"), size=(32, 32))
    assert np.array_equal(decode(progressive, 8, 8), decode(jpeg, 8, 8))
    stream = compressed(red, "JPEG2000", irreversible=False, no_jp2=True)
    jpeg_2000 = dicom(encapsulate([stream]), "RGB", syntax=JPEG2000Lossless, size=(32, 32))
    assert (decode(jpeg_2000, 8, 8) == (200, 30, 40)).all()
    dataset = pydicom.dcmread(io.BytesIO(dicom(np.asarray(red), "RGB")))
    dataset.compress(RLELossless)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    assert (decode(buffer.getvalue(), 8, 8) == (200, 30, 40)).all()


RED = (200, 30, 40)


def redden(height: int = 32, width: int = 32) -> np.ndarray:
    """A red image with a green quarter, so that planes and rows cannot be mixed up unseen."""
    pixels = np.full((height, width, 3), RED, np.uint8)
    pixels[: height // 2, : width // 2] = (30, 160, 60)
    return pixels


def shown(data: bytes) -> np.ndarray:
    """All pixels of a file of 32 x 32."""
    return decode(data, 32, 32).astype(int)


def compressed_dataset(pixels: np.ndarray, kind: str, syntax: Any, **options: Any) -> bytes:
    """A file that pydicom compresses with one of its plug-ins."""
    dataset = pydicom.dcmread(io.BytesIO(dicom(pixels, kind, **options)))
    dataset.compress(syntax)
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("planes", [0, 1])
def test_the_order_of_planes_means_nothing_for_compressed_pixels(planes: int) -> None:
    image = Image.fromarray(redden())
    jpeg = encapsulate([compressed(image, "JPEG", quality=95, subsampling=0)])
    made: dict[str, Any] = {"size": (32, 32), "PlanarConfiguration": planes}
    assert np.abs(shown(dicom(jpeg, "YBR_FULL", syntax=JPEGBaseline8Bit, **made)) - redden()).max() <= 12
    stream = encapsulate([compressed(image, "JPEG2000", irreversible=False, no_jp2=True)])
    assert np.array_equal(shown(dicom(stream, "RGB", syntax=JPEG2000Lossless, **made)), redden())
    for syntax in (RLELossless, JPEGLSLossless):
        if syntax == JPEGLSLossless:
            pytest.importorskip("jpeg_ls")
        data = pydicom.dcmread(io.BytesIO(compressed_dataset(redden(), "RGB", syntax)))
        data.PlanarConfiguration = planes
        buffer = io.BytesIO()
        data.save_as(buffer)
        assert np.array_equal(shown(buffer.getvalue()), redden())


def stripped(jpeg: bytes) -> bytes:
    """A JPEG without the segments of applications, which say what its components are."""
    kept, place = jpeg[:2], 2
    while jpeg[place + 1] != 0xDA:
        end = place + 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
        kept += b"" if 0xE0 <= jpeg[place + 1] <= 0xEF else jpeg[place:end]
        place = end
    return kept + jpeg[place:]


def test_components_are_what_the_stream_or_else_the_file_says() -> None:
    """pydicom 3.0.2 turns YCbCr into RGB twice where an Adobe marker makes Pillow do so."""
    image = Image.fromarray(redden())
    ycc = compressed(image, "JPEG", quality=95, subsampling=0)
    rgb = compressed(image, "JPEG", quality=95, subsampling=0, keep_rgb=True)
    adobe = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"
    bare = stripped(ycc)
    plain_ids = bytearray(stripped(rgb))
    frame, scan = plain_ids.index(b"\xff\xc0") + 10, plain_ids.index(b"\xff\xda") + 5
    plain_ids[frame : frame + 9 : 3] = plain_ids[scan : scan + 6 : 2] = b"\1\2\3"
    for stream, kinds in (
        (ycc, ("RGB", "YBR_FULL", "YBR_FULL_422")),
        (bare[:2] + adobe + b"\1" + bare[2:], ("RGB", "YBR_FULL", "YBR_FULL_422")),
        (bare, ("YBR_FULL", "YBR_FULL_422")),
        (rgb, ("RGB", "YBR_FULL")),
        (stripped(rgb), ("RGB", "YBR_FULL")),
        (bytes(plain_ids), ("RGB",)),
    ):
        for kind in kinds:
            data = dicom(encapsulate([stream]), kind, syntax=JPEGBaseline8Bit, size=(32, 32))
            assert np.abs(shown(data) - redden()).max() <= 12, (stream[:30], kind)
    sampled = encapsulate([stripped(compressed(Image.new("RGB", (32, 32), RED), "JPEG", quality=95))])
    for kind in ("RGB", "YBR_FULL_422"):
        data = dicom(sampled, kind, syntax=JPEGBaseline8Bit, size=(32, 32))
        assert np.abs(shown(data) - RED).max() <= 3, kind


def test_colours_without_a_word_of_planes_lie_pixel_by_pixel() -> None:
    assert np.array_equal(shown(dicom(redden(), "RGB", delete="PlanarConfiguration")), redden())


def test_uncompressed_ycbcr_in_planes() -> None:
    ybr = np.asarray(Image.fromarray(redden()).convert("YCbCr"))
    planes = np.ascontiguousarray(ybr.transpose(2, 0, 1)).tobytes()
    data = dicom(planes, "YBR_FULL", size=(32, 32), PlanarConfiguration=1)
    assert np.abs(shown(data) - redden()).max() <= 2


def palette_of(entries: np.ndarray, depth: int, swap: bool = False) -> dict[str, Any]:
    """The elements of a palette; entries: (3, entries) in words or bytes."""
    made: dict[str, Any] = {}
    for colour, values in zip(("Red", "Green", "Blue"), entries, strict=True):
        made[f"{colour}PaletteColorLookupTableDescriptor"] = [len(values), 0, depth]
        made[f"{colour}PaletteColorLookupTableData"] = (values.byteswap() if swap else values).tobytes()
    return made


def test_the_depth_of_a_palette_is_what_its_descriptor_says() -> None:
    entries = np.array([[0, 0, 200, 0], [0, 0, 30, 0], [0, 0, 40, 0]])
    index = np.full((32, 32), 2, np.uint8)
    words = entries.astype(np.uint16)
    for values, depth in ((entries.astype(np.uint8), 8), (words, 8), (words, 16),
                          ((entries << 8).astype(np.uint16), 16), ((entries * 257).astype(np.uint16), 8)):  # fmt: skip
        assert (shown(dicom(index, "PALETTE COLOR", **palette_of(values, depth))) == RED).all()
    two_in_a_word = entries.astype(np.uint8).view(np.uint16)
    for swapped, depth in (((entries << 8).astype(np.uint16), 16), (two_in_a_word, 8)):
        described = {f"{colour}PaletteColorLookupTableDescriptor": [4, 0, depth] for colour in ("Red", "Green", "Blue")}
        data = dicom(index, "PALETTE COLOR", **palette_of(swapped, depth, swap=True) | described)
        dataset = pydicom.dcmread(io.BytesIO(data))
        dataset.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, dataset, implicit_vr=False, little_endian=False)
        assert (shown(buffer.getvalue()) == RED).all()


def test_a_segmented_palette_is_unfolded() -> None:
    made: dict[str, Any] = {}
    for colour, level in zip(("Red", "Green", "Blue"), RED, strict=True):
        made[f"{colour}PaletteColorLookupTableDescriptor"] = [4, 0, 16]
        # Two entries of 0, then a line in two steps to the level.
        segments = np.array([0, 2, 0, 0, 1, 2, level << 8], np.uint16)
        made[f"Segmented{colour}PaletteColorLookupTableData"] = segments.tobytes()
    assert (shown(dicom(np.full((32, 32), 3, np.uint8), "PALETTE COLOR", **made)) == RED).all()


def test_files_without_preamble_are_dicom() -> None:
    whole = dicom(redden(), "RGB")
    assert np.array_equal(shown(whole[132:]), redden()) and np.array_equal(shown(whole[128:]), redden())
    dataset = pydicom.dcmread(io.BytesIO(whole))
    for implicit in (True, False):
        bare = Dataset(dataset)
        bare.SOPClassUID, bare.SOPInstanceUID, bare.Modality = "1.2.840.10008.5.1.4.1.1.77.1.4", "1.2.3", "XC"
        buffer = io.BytesIO()
        pydicom.dcmwrite(buffer, bare, implicit_vr=implicit, little_endian=True, enforce_file_format=False)
        assert np.array_equal(shown(buffer.getvalue()), redden())
        assert header(buffer.getvalue()) == ("DICOM", 32, 32)


def test_jpeg_ls_and_jpeg_2000_by_plug_ins() -> None:
    pytest.importorskip("jpeg_ls")
    pytest.importorskip("openjpeg")
    grey = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32) * 4
    deep = redden().astype(np.uint16) << 4
    for syntax in (JPEGLSLossless, JPEG2000Lossless):
        assert np.array_equal(shown(compressed_dataset(redden(), "RGB", syntax)), redden())
        plain = dicom(grey, "MONOCHROME2", bits=12, allocated=16)
        packed = compressed_dataset(grey, "MONOCHROME2", syntax, bits=12, allocated=16)
        assert np.array_equal(shown(packed), shown(plain))
        signed = grey.astype(np.int16) - 2048
        packed = compressed_dataset(signed, "MONOCHROME2", syntax, bits=12, allocated=16)
        assert np.array_equal(shown(packed), shown(plain))
    assert np.array_equal(shown(compressed_dataset(deep, "RGB", JPEG2000Lossless, bits=12, allocated=16)), redden())


@pytest.mark.parametrize("syntax", [RLELossless, JPEGLSLossless, JPEG2000Lossless])
def test_samples_end_at_the_high_bit_of_compressed_files_too(syntax: Any) -> None:
    for module in ("jpeg_ls", "openjpeg"):
        pytest.importorskip(module)
    grey = np.arange(32 * 32, dtype=np.uint16).reshape(32, 32) * 4
    for stored, high in ((grey << 4, 15), (grey | 5 << 12, 11)):  # an overlay may be above
        data = pydicom.dcmread(io.BytesIO(compressed_dataset(stored, "MONOCHROME2", syntax, bits=16, allocated=16)))
        data.BitsStored, data.HighBit = 12, high
        buffer = io.BytesIO()
        data.save_as(buffer)
        assert np.array_equal(shown(buffer.getvalue()), shown(dicom(grey, "MONOCHROME2", bits=12, allocated=16)))


def test_lossless_and_12_bit_jpeg() -> None:
    """Files that come with pydicom: nothing here writes these."""
    for name in ("SC_rgb_jpeg_gdcm.dcm", "JPGExtended.dcm", "JPEG-lossy.dcm"):
        if name != "SC_rgb_jpeg_gdcm.dcm":  # of 8 bits: decoded without a plug-in
            pytest.importorskip("libjpeg")
        data = Path(str(get_testdata_file(name, download=False))).read_bytes()
        assert decode(data, 32, 32).std() > 1
        place = data.rindex(b"\xff\xd9", 0, len(data) - 8)
        assert reason_of(data[: place - 200] + bytes(202) + data[place + 2 :]).startswith("damaged: ")
        wrong = b"\xff\x77\x88" * 30  # which no coder writes
        assert reason_of(data[: place - 200] + wrong + data[place - 110 :]).startswith("damaged: ")


def lossless_jpeg(pixels: np.ndarray, bits: int, first_code: int) -> bytes:
    """Pixels as lossless JPEG of ITU-T T.81, annex H; first_code: the size of difference whose code is all zeros.

    Every pixel is predicted by its left neighbour, and the first of a row by the one above.
    """
    rows, columns, components = pixels.shape
    values = pixels.astype(int)
    predicted = np.empty_like(values)
    predicted[:, 1:], predicted[1:, 0], predicted[0, 0] = values[:, :-1], values[:-1, 0], 1 << (bits - 1)
    sizes = [first_code, *(size for size in range(17) if size != first_code)]  # each has a code of five bits
    coded = ""
    for difference in (values - predicted).ravel().tolist():
        size = abs(difference).bit_length()
        coded += f"{sizes.index(size):05b}"
        coded += f"{difference if difference > 0 else difference + (1 << size) - 1:0{size}b}" if size else ""
    coded += "1" * (-len(coded) % 8)
    scan = int(coded, 2).to_bytes(len(coded) // 8, "big").replace(b"\xff", b"\xff\0")
    numbers = range(1, components + 1)
    frame = struct.pack(">BHHB", bits, rows, columns, components) + b"".join(bytes([i, 0x11, 0]) for i in numbers)
    header = bytes([components]) + b"".join(bytes([i, 0]) for i in numbers) + b"\1\0\0"
    tables = bytes([0, 0, 0, 0, 0, 17, *bytes(11), *sizes])
    segments = ((0xC3, frame), (0xC4, tables), (0xDA, header))
    head = b"".join(bytes([0xFF, kind]) + struct.pack(">H", len(it) + 2) + it for kind, it in segments)
    return b"\xff\xd8" + head + scan + b"\xff\xd9"


def lossless_dicom(frame: bytes, kind: str, size: int, bits: int) -> bytes:
    allocated = 8 if bits == 8 else 16
    made = encapsulate([frame + b"\0" * (len(frame) % 2)])
    return dicom(made, kind, bits=bits, allocated=allocated, syntax=JPEGLosslessSV1, size=(size, size))


@pytest.mark.parametrize(
    "marker", [b"", b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", b"\xff\xee\0\x0eAdobe\0d\0\0\0\0\1"]
)
def test_lossless_jpeg_of_ycbcr_becomes_rgb(marker: bytes) -> None:
    ycbcr = np.asarray(Image.new("RGB", (32, 32), RED).convert("YCbCr"))
    frame = lossless_jpeg(ycbcr, 8, 0)
    data = lossless_dicom(frame[:2] + marker + frame[2:], "YBR_FULL", 32, 8)
    assert np.abs(shown(data).astype(int) - RED).max() <= 2


def test_a_hole_in_lossless_jpeg_is_damage_and_flat_pixels_are_none() -> None:
    pytest.importorskip("libjpeg")
    grey = np.random.default_rng(0).integers(1000, 3000, (128, 128, 1))
    frame = lossless_jpeg(grey, 12, 4)
    assert decode(lossless_dicom(frame, "MONOCHROME2", 128, 12), 32, 32).std() > 1
    middle = len(frame) // 2
    holed = frame[:middle] + bytes(600) + frame[middle + 600 :]
    assert reason_of(lossless_dicom(holed, "MONOCHROME2", 128, 12)).startswith("damaged: zeros in place")
    grey[30:90] = 2000
    frame = lossless_jpeg(grey, 12, 0)
    assert bytes(600) in frame
    assert decode(lossless_dicom(frame, "MONOCHROME2", 128, 12), 32, 32).std() > 1


@pytest.mark.parametrize(
    ("syntax", "package"),
    [(JPEGLSLossless, "pyjpegls"), (HTJ2KLossless, "pylibjpeg-openjpeg"), (JPEGLosslessSV1, "pylibjpeg-libjpeg"),
     (JPEGExtended12Bit, "pylibjpeg-libjpeg"), (JPEG2000Lossless, "pylibjpeg-openjpeg")],
)  # fmt: skip
def test_without_a_plug_in_the_package_is_named(syntax: Any, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = pydicom.pixels.get_decoder(syntax)
    monkeypatch.setattr(decoder, "_available", {name: f for name, f in decoder._available.items() if name == "pillow"})
    if "2000" in syntax.name:  # Pillow would cut 12 bits of a colour down to 8
        stream = bytearray(compressed(Image.new("RGB", (32, 32)), "JPEG2000", no_jp2=True))
        place = stream.index(b"\xff\x4f\xff\x51") + 42
        stream[place : place + 9 : 3] = b"\x0b" * 3
        data = dicom(encapsulate([bytes(stream)]), "RGB", bits=12, allocated=16, syntax=syntax, size=(32, 32))
    else:
        header = bytearray(compressed(Image.new("L", (32, 32)), "JPEG"))
        place = header.index(b"\xff\xc0")
        header[place + 1] = {JPEGLSLossless: 0xF7, JPEGLosslessSV1: 0xC3}.get(syntax, 0xC1)
        header[place + 4] = 12
        data = dicom(encapsulate([bytes(header)]), "MONOCHROME2", bits=12, allocated=16, syntax=syntax, size=(32, 32))
    assert reason_of(data).startswith(
        f"unsupported: transfer syntax {syntax.name}, 12 bits a sample: needs {package} ("
    )


@pytest.mark.parametrize(
    ("number", "name"), [(110, "JPEG XL Lossless"), (111, "JPEG XL"), (112, "JPEG XL"), (102, "MPEG-4")]
)
def test_transfer_syntaxes_that_nobody_decodes_are_named(number: int, name: str) -> None:
    known = UID("1.2.840.10008.1.2.4.102")
    data = dicom(encapsulate([b"x" * 50]), "RGB", syntax=known, size=(4, 4))
    data = data.replace(known.encode(), f"1.2.840.10008.1.2.4.{number}".encode())
    assert reason_of(data).startswith(f"unsupported: {name}")


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, RLELossless, JPEGLSLossless])
@pytest.mark.parametrize("kind", ["YBR_RCT", "YBR_ICT"])
def test_colours_of_jpeg_2000_are_unsupported_elsewhere(kind: str, syntax: UID) -> None:
    pixels = np.asarray(Image.fromarray(redden()).convert("YCbCr"))
    value = encapsulate([bytes(64)]) if syntax.is_compressed else pixels
    assert reason_of(dicom(value, kind, syntax=syntax, size=(32, 32))).startswith(f"unsupported: {kind} in ")


@pytest.mark.parametrize("stated", [{"PixelAspectRatio": [1, 2]}, {"PixelSpacing": [0.05, 0.1]}])
def test_pixels_that_are_wider_than_high_are_made_square(stated: dict[str, Any]) -> None:
    upright = np.zeros((32, 64, 3), np.uint8)
    upright[8:24, 16:48] = 255
    data = dicom(upright[:, ::2], "RGB", **stated)
    ((_, found),) = decode_frames(data, 32, 64)
    assert header(data) == ("DICOM", 64, 32)
    assert isinstance(found, Decoded) and found.note == "pixels made square"
    assert np.abs(found.pixels.astype(int) - upright)[:, [0, 10, 20, 32, 44, 50]].max() == 0
    ((_, square),) = decode_frames(dicom(upright, "RGB", PixelAspectRatio=[1, 1], PixelSpacing=[0.1, 0.1]), 32, 64)
    assert isinstance(square, Decoded) and square.note == "" and np.array_equal(square.pixels, upright)
    ((_, odd),) = decode_frames(dicom(upright, "RGB", PixelAspectRatio=[0, 1]), 32, 64)
    assert isinstance(odd, Decoded) and odd.note == "aspect ratio of pixels ignored: it makes no sense"


def test_signed_colours_of_jpeg_2000_are_unsupported() -> None:
    stream = bytearray(compressed(Image.fromarray(redden()), "JPEG2000", no_jp2=True))
    place = stream.index(b"\xff\x4f\xff\x51") + 42
    stream[place : place + 9 : 3] = b"\x87" * 3
    data = dicom(encapsulate([bytes(stream)]), "RGB", syntax=JPEG2000Lossless, size=(32, 32))
    assert reason_of(data).startswith("unsupported: RGB with signed samples; save it as")


def test_what_is_said_of_a_jpeg_is_said_of_a_frame() -> None:
    data = dicom(encapsulate([unusually_sampled_jpeg()]), "YBR_FULL", syntax=JPEGBaseline8Bit, size=(16, 32))
    ((_, found),) = decode_frames(data, 16, 16)
    assert isinstance(found, Decoded) and found.note == "unusual colour sampling: damage may go unseen"


def test_a_compressed_frame_of_another_size_is_damaged() -> None:
    jpeg = encapsulate([compressed(Image.fromarray(redden(16, 64)), "JPEG")])
    data = dicom(jpeg, "YBR_FULL", syntax=JPEGBaseline8Bit, size=(32, 32))
    assert reason_of(data) == "damaged: a frame is 64 x 16, the file says 32 x 32"


def test_a_frame_of_more_bits_than_the_file_has_room_for_is_damaged() -> None:
    jpeg = encapsulate([compressed(Image.fromarray(redden()).convert("L"), "JPEG")])
    data = dicom(jpeg, "MONOCHROME2", syntax=JPEGBaseline8Bit, size=(32, 32), bits=1, allocated=1)
    assert reason_of(data) == "damaged: a frame has 8 bits a sample, the file says otherwise"


@pytest.mark.parametrize("syntax", [JPEGLSLossless, JPEG2000Lossless])
def test_a_cut_stream_is_damaged(syntax: Any) -> None:
    pytest.importorskip("jpeg_ls")
    noise = np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)
    stream = pydicom.encaps.get_frame(
        pydicom.dcmread(io.BytesIO(compressed_dataset(noise, "RGB", syntax))).PixelData, 0, number_of_frames=1
    )
    if syntax == JPEG2000Lossless:
        holed = stream[:400] + bytes(1200) + stream[1600:]
        assert reason_of(dicom(encapsulate([holed]), "RGB", syntax=syntax, size=(32, 32))).endswith(
            "in place of pixels"
        )
    cut = dicom(encapsulate([stream[: len(stream) * 2 // 3]]), "RGB", syntax=syntax, size=(32, 32))
    assert reason_of(cut).startswith("damaged: ") and "\n" not in reason_of(cut)


@pytest.mark.parametrize("lossy", [False, True])
def test_a_sector_of_zeros_in_jpeg_2000_is_damage(lossy: bool) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 300, 3), np.uint8))
    stream = compressed(noise, "JPEG2000", no_jp2=True, irreversible=lossy, quality_layers=[5] if lossy else None)
    data = dicom(encapsulate([stream]), "YBR_ICT" if lossy else "YBR_RCT", syntax=JPEG2000, size=(200, 300))
    assert decode(data, 16, 16).any()
    for hole in range(2048, len(data) - 1024, len(data) // 10):
        assert reason_of(data[:hole] + bytes(512) + data[hole + 512 :]).startswith("damaged: "), hole


def test_a_hole_in_run_lengths_is_damage() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    data = compressed_dataset(noise, "RGB", RLELossless)
    assert (decode(data, 64, 64) == noise).all()
    for hole in (bytes(200), noise.tobytes()[:200]):
        assert reason_of(data[:-6000] + hole + data[-6000 + len(hole) :]).startswith("damaged: ")


def test_of_missing_frames_nobody_knows_which() -> None:
    good = compressed(Image.new("RGB", (32, 32), RED), "JPEG")
    for table in (True, False):
        frames = encapsulate([good, good], has_bot=table)
        data = dicom(frames, "YBR_FULL_422", syntax=JPEGBaseline8Bit, size=(32, 32), frames=3)
        assert reason_of(data) == "damaged: 3 frames are announced, there are bytes for 2"


def test_more_pixels_than_the_file_says_are_damage_and_padding_is_not() -> None:
    pixels = redden()
    few = dicom(pixels, "RGB", Rows=20)
    assert reason_of(few).startswith("damaged: more pixels than those of ")
    for padding in (b"\0", b"\x20", bytes(128), b"\xff" * 128):
        assert (decode(dicom(pixels.tobytes() + padding, "RGB", size=(32, 32)), 32, 32) == pixels).all()
    decode(Path(str(get_testdata_file("MR_small_padded.dcm"))).read_bytes(), 8, 8)


def test_no_frame_is_passed_over_in_silence() -> None:
    """A file that says nothing of its frames, or of fewer than it has."""
    stack = np.stack([redden(), redden()[::-1]])
    whole = [dicom(stack, "RGB", frames=2), compressed_dataset(stack, "RGB", RLELossless, frames=2)]
    jpegs = [compressed(Image.fromarray(each), "JPEG") for each in stack]
    for fragments in (1, 3):
        for table in (True, False):
            frames = encapsulate(jpegs, fragments_per_frame=fragments, has_bot=table)
            whole.append(dicom(frames, "YBR_FULL_422", syntax=JPEGBaseline8Bit, size=(32, 32), frames=2))
    for data in whole:
        assert len([frame for _, frame in decode_frames(data, 8, 8) if isinstance(frame, Decoded)]) == 2
        dataset = pydicom.dcmread(io.BytesIO(data))
        del dataset.NumberOfFrames
        buffer = io.BytesIO()
        dataset.save_as(buffer)
        assert reason_of(buffer.getvalue()) == "damaged: 1 frame is announced, there are bytes for 2"


@pytest.mark.parametrize("offsets", [(0, 0), (0, 100), (4, 8)])
@pytest.mark.parametrize("fragments", [1, 3])
def test_frames_are_told_apart_whatever_the_table_of_offsets_says(offsets: tuple[int, int], fragments: int) -> None:
    jpegs = [compressed(Image.new("RGB", (32, 32), (value,) * 3), "JPEG") for value in (40, 200)]
    frames = bytearray(encapsulate(jpegs, fragments_per_frame=fragments))
    frames[8:16] = struct.pack("<2I", *offsets)
    data = dicom(bytes(frames), "YBR_FULL_422", syntax=JPEGBaseline8Bit, size=(32, 32), frames=2)
    assert [frame.pixels.max() for _, frame in decode_frames(data, 8, 8) if isinstance(frame, Decoded)] == [40, 200]


def test_a_fragment_that_goes_beyond_the_pixels_is_damage() -> None:
    """Its frame would hold the next one's fragments, and that one be found by a table that knows nothing of it."""
    jpegs = [compressed(Image.fromarray(each), "JPEG") for each in (redden(), redden()[::-1], redden())]
    frames = encapsulate(jpegs, fragments_per_frame=2)
    items = parse_fragments(frames)[1]
    for item in items[1:]:
        wrong = frames[: item + 5] + b"\x80" + frames[item + 6 :]
        data = dicom(wrong, "YBR_FULL_422", syntax=JPEGBaseline8Bit, size=(32, 32), frames=3)
        assert reason_of(data).startswith("damaged")
    uneven = encapsulate([jpegs[0] + b"\0" * (1 - len(jpegs[0]) % 2)])[:-1]  # without the byte that makes it even
    assert shown(dicom(uneven, "YBR_FULL_422", syntax=JPEGBaseline8Bit, size=(32, 32))).any()


@pytest.mark.parametrize("bits", [12, 16])
def test_a_frame_of_fewer_bits_than_the_file_says_is_not_black(bits: int) -> None:
    pytest.importorskip("openjpeg")
    for kind, pixels in (("RGB", redden()), ("MONOCHROME2", redden()[..., 0])):
        stream = encapsulate([compressed(Image.fromarray(pixels), "JPEG2000", irreversible=False, no_jp2=True)])
        for window in ({}, {"WindowCenter": 128, "WindowWidth": 256}):
            stated: dict[str, Any] = {"size": (32, 32), "bits": bits, "allocated": 16, **window}
            found = shown(dicom(stream, kind, syntax=JPEG2000Lossless, **stated))
            assert np.array_equal(found, np.broadcast_to(pixels.reshape(32, 32, -1), (32, 32, 3)))


def test_what_pads_a_frame_is_no_other_frame() -> None:
    for size, padding in (((1, 1), 1), ((3, 5), 1), ((32, 32), 500)):
        pixels = np.full(size, 90, np.uint8)
        assert (decode(dicom(pixels.tobytes() + bytes(padding), "MONOCHROME2", size=size), 4, 4) == 90).all()
    jpeg = encapsulate([compressed(Image.fromarray(redden()), "JPEG")], fragments_per_frame=4, has_bot=False)
    assert shown(dicom(jpeg, "YBR_FULL_422", syntax=JPEGBaseline8Bit, size=(32, 32))).any()


def test_the_profile_that_a_jpeg_brought_along_is_converted() -> None:
    image, p3 = Image.fromarray(redden()), named_profile(12, 13)[0]
    stream = compressed(image, "JPEG", quality=95, icc_profile=p3)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    made: dict[str, Any] = {"syntax": JPEGBaseline8Bit, "size": (32, 32)}
    found = shown(dicom(encapsulate([stream]), "YBR_FULL_422", **made))
    assert np.array_equal(found, decode(stream, 32, 32))
    stated = shown(dicom(encapsulate([stream]), "YBR_FULL_422", ICCProfile=srgb, **made))  # which counts more
    assert np.array_equal(stated, decode(compressed(image, "JPEG", quality=95), 32, 32))
    assert not np.array_equal(stated, found)


def test_jpeg_2000_is_rgb_where_its_stream_says_so() -> None:
    stream = compressed(Image.fromarray(redden()), "JPEG2000", irreversible=False, no_jp2=True, mct=1)
    for kind in ("RGB", "YBR_RCT", "YBR_FULL"):
        assert np.array_equal(shown(dicom(encapsulate([stream]), kind, syntax=JPEG2000, size=(32, 32))), redden())
    ybr = np.asarray(Image.fromarray(redden()).convert("YCbCr"))
    stream = compressed(Image.fromarray(ybr), "JPEG2000", irreversible=False, no_jp2=True, mct=0)
    data = dicom(encapsulate([stream]), "YBR_FULL", syntax=JPEG2000, size=(32, 32))
    assert np.abs(shown(data) - redden()).max() <= 2


def test_the_profile_of_a_file_is_converted() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = srgb.replace(b"rXYZ", b"none").replace(b"gXYZ", b"rXYZ").replace(b"none", b"gXYZ")  # red means green
    red = np.full((32, 32, 3), RED, np.uint8)
    assert (shown(dicom(red, "RGB", ICCProfile=srgb)) == RED).all()
    assert np.abs(shown(dicom(red, "RGB", ICCProfile=swapped)) - (30, 200, 40)).max() <= 3
    ((_, named),) = decode_frames(dicom(red, "RGB", ColorSpace="ADOBERGB"), 32, 32)
    assert isinstance(named, Decoded) and named.note == "converted from Adobe RGB (1998)"
    assert (shown(dicom(red, "RGB", ColorSpace="ADOBERGB", ICCProfile=srgb)) == RED).all()
    path = Dataset()
    path.ICCProfile = swapped
    assert np.abs(shown(dicom(red, "RGB", OpticalPathSequence=[path])) - (30, 200, 40)).max() <= 3
    entries = np.array([[0, 0, 200, 0], [0, 0, 30, 0], [0, 0, 40, 0]], np.uint8)
    index = np.full((32, 32), 2, np.uint8)
    data = dicom(index, "PALETTE COLOR", ICCProfile=swapped, **palette_of(entries, 8))
    assert np.abs(shown(data) - (30, 200, 40)).max() <= 3
    assert (shown(dicom(index, "MONOCHROME2", ICCProfile=swapped)) == 2).all()


def test_what_pydicom_says_stays_inside(recwarn: pytest.WarningsRecorder) -> None:
    """Neither an import nor a decode changes what the process does with warnings."""
    before = list(warnings.filters)
    odd = dicom(redden(), "RGB", PatientAge="012Y").replace(b"012Y", b"old!")
    assert np.array_equal(shown(odd), redden()) and warnings.filters == before and not recwarn.list
    code = """
import warnings
import numpy, pydicom.pixels, simplejpeg
before = list(warnings.filters)
import lesionflow.images.dicom
assert warnings.filters == before
"""
    subprocess.run([sys.executable, "-c", code], check=True)


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
        (lambda: dicom(SQUARE, "MONOCHROME2", frames=None, NumberOfFrames=10**9), "damaged: 1,000,000,000 frames"),
        (lambda: dicom(SQUARE.tobytes(), "MONOCHROME2", size=(60_000, 60_000)), "too_large: 60000 x 60000"),
        (lambda: dicom(SQUARE, "HSV", SamplesPerPixel=3), "unsupported: photometric interpretation HSV"),
        (lambda: dicom(SQUARE, "MONOCHROME2", PixelPresentation="COLOR"), "unsupported: a supplemental palette"),
        (
            lambda: dicom(encapsulate([b"x" * 50]), "YBR_PARTIAL_420", syntax=MPEG4HP41, size=(4, 4)),
            "unsupported: MPEG-4",
        ),
        (lambda: dicom(np.zeros((4, 4), np.uint32), "MONOCHROME2", bits=32, allocated=32), "unsupported: 32 of 32"),
        (lambda: dicom(encapsulate([b"x" * 50]), "RGB", syntax=JPEGLosslessSV1, size=(4, 4)), "damaged"),
        (lambda: dicom(encapsulate([b"x" * 50]), "RGB", syntax=JPEG2000, size=(4, 4)), "damaged: a frame is not JPEG"),
        (lambda: dicom(encapsulate([b"x" * 50]), "RGB", syntax=JPEGLSLossless, size=(4, 4)), "damaged: a frame is not"),
        (lambda: dicom(SQUARE, "MONOCHROME2", FloatPixelData=b"", delete="PixelData"), "unsupported: pixels that"),
        (lambda: dicom(SQUARE, "MONOCHROME2", delete="BitsStored"), "damaged: the file does not say BitsStored"),
        (lambda: dicom(np.zeros((4, 4, 3), np.uint16), "YBR_FULL", bits=16, allocated=16), "unsupported: YBR_FULL"),
        (lambda: dicom(np.zeros((4, 4, 3), np.int8), "RGB"), "unsupported: RGB with signed samples"),
        (lambda: dicom(SQUARE, "RGB", SamplesPerPixel=1), "unsupported: RGB with 1 samples"),
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


def test_a_deflated_file_is_unpacked_within_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    deflated = dicom(SQUARE, "MONOCHROME2", syntax=DeflatedExplicitVRLittleEndian)
    np.testing.assert_array_equal(decode(deflated, 16, 16), decode(dicom(SQUARE, "MONOCHROME2"), 16, 16))
    assert reason_of(deflated[:-20]).startswith("damaged: it breaks off")
    start = 144 + pydicom.dcmread(io.BytesIO(deflated)).file_meta.FileMetaInformationGroupLength
    longer = zlib.compressobj(wbits=-15)
    unpacked = zlib.decompress(deflated[start:], -15) + bytes(range(100))
    assert reason_of(deflated[:start] + longer.compress(unpacked) + longer.flush()).startswith("damaged: its elements")
    monkeypatch.setattr("lesionflow.images.dicom.MAXIMUM_BYTES", 100)
    assert reason_of(deflated).startswith("too_large: ")


def test_a_file_without_pixels_is_no_image() -> None:
    dataset = pydicom.dcmread(io.BytesIO(dicom(SQUARE, "MONOCHROME2")))
    del dataset.PixelData
    buffer = io.BytesIO()
    dataset.save_as(buffer)
    assert reason_of(buffer.getvalue()) == "not_an_image: a DICOM file without pixels"
    for less in (1, 3, 9):
        assert reason_of(buffer.getvalue()[:-less]) == "damaged: it breaks off within its header"
        assert reason_of(buffer.getvalue()[128:-less]) == "damaged: it breaks off within its header"
    assert reason_of(buffer.getvalue()[128:]) == "not_an_image: a DICOM file without pixels"


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


def test_the_note_says_where_a_copy_may_have_stopped() -> None:
    data = dicom(np.random.default_rng(0).integers(1, 255, (100, 90, 3), np.uint8), "RGB", size=(100, 90))
    for stopped, said in ((12_288, True), (12_300, False)):
        ((_, found),) = decode_frames(data[:stopped].ljust(len(data), b"\0"), 16, 16)
        assert isinstance(found, Decoded)
        assert ("as of a copy that was not finished" in found.note) == said


def test_padding_behind_the_pixels_is_no_gap() -> None:
    """Some programs bring files to multiples of 1,024 bytes: DICOM PS3.10, 7.2."""
    data = dicom(np.random.default_rng(0).integers(1, 99, (20, 30, 3), np.uint8), "RGB", size=(20, 30))
    length = -(len(data) + 12) % 512 + 8192
    padded = data + b"\xfc\xff\xfc\xffOB\0\0" + length.to_bytes(4, "little") + bytes(length)
    start = len(data) + 12 + length - 8192
    padded = padded[: start - 1] + b"x" + padded[start:]
    assert "copy" in unfinished(padded)
    ((_, found),) = decode_frames(padded, 16, 16)
    assert isinstance(found, Decoded) and found.note == ""


def test_the_note_says_what_follows_the_pixels_and_is_no_element() -> None:
    """Bytes that are put in between move what is behind them, and the last pixels behind the end."""
    data = dicom(np.random.default_rng(0).integers(1, 99, (20, 30, 3), np.uint8), "RGB", size=(20, 30))
    padding = b"\xfc\xff\xfc\xffOB\0\0\4\0\0\0abcd"
    private = b"\xe1\x7f\x10\0LO\4\0abcd"
    for changed, note in (
        (data, ""), (data + padding, ""), (data + private, ""),
        (data[:-500] + b"abc" + data[-500:], "3 bytes behind its pixels, no element"),
        (data[:-500] + b"\r\n" * 20 + data[-500:], "40 bytes behind its pixels, no element"),
    ):  # fmt: skip
        ((_, found),) = decode_frames(changed, 16, 16)
        assert isinstance(found, Decoded) and found.note == note
