"""DICOM files as RGB images, with pydicom. Only imported for such files, because pydicom is an extra."""

from __future__ import annotations

import io
import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataelem import RawDataElement
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, generate_fragments, get_frame, parse_fragments
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.pixels import apply_color_lut, as_pixel_options, convert_color_space, get_decoder
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGExtended12Bit,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
    RLELossless,
)

from lesionflow.errors import ImageError, counted, first_few
from lesionflow.images.colour import adobe_rgb
from lesionflow.images.containers import MAXIMUM_BYTES
from lesionflow.images.jpeg import LOSSLESS, JpegLayout, check_end, check_sequential, load_jpeg, read_layout
from lesionflow.images.jpeg2000 import check_codestream, codestream, coding_style
from lesionflow.images.limits import check_pixels
from lesionflow.images.picture import StoredImage, joined
from lesionflow.images.quiet import quietly
from lesionflow.images.signatures import unfinished
from lesionflow.images.tiff import packbits_length

GREY = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
YBR = ("YBR_FULL", "YBR_FULL_422")
TRANSFORMED = ("YBR_ICT", "YBR_RCT")
COLOUR = ("RGB", *YBR, *TRANSFORMED)
MAXIMUM_RLE_BYTES = 16 * 2**20  # of a frame: it can unfold to 64 times as much before anybody counts

# In addition to those that pydicom can name.
_SYNTAX_NAMES = {
    "1.2.840.10008.1.2.4.110": "JPEG XL Lossless",
    "1.2.840.10008.1.2.4.111": "JPEG XL JPEG Recompression",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
    "1.2.840.10008.1.2.8.1": "Deflated Image Frame Compression",
}
# Only the strictest installed one decodes: what it calls damaged, another might decode halfway.
_NEEDED = ("Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "BitsAllocated", "BitsStored",
           "PixelRepresentation")  # fmt: skip
# Retired but still written, for example from progressive files: a frame's own markers say what it is.
_PROGRESSIVE = ("1.2.840.10008.1.2.4.53", "1.2.840.10008.1.2.4.55")
_STREAMS = (b"\xff\xd8\xff", b"\xff\x4f\xff\x51", b"\0\0\0\x0cjP  ")  # how JPEG, JPEG-LS and JPEG 2000 begin
_PIXEL_DATA_TAG = b"\xe0\x7f\x10\x00"
_BEHIND_PIXELS, _UNDEFINED = (0xFFFA, 0xFFFC), 0xFFFFFFFF  # groups of signatures and padding; a length
_ADOBE = b"\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00"  # a segment's start; then 0 for RGB, 1 for YCbCr
_SHOWN_BY = (  # groups of elements of a frame, and what of the data set they stand in place of
    ("PixelValueTransformationSequence", ("ModalityLUTSequence", "RescaleSlope", "RescaleIntercept")),
    ("FrameVOILUTSequence", ("VOILUTSequence", "WindowWidth", "WindowCenter", "VOILUTFunction")),
)
_PALETTES = tuple(f"{colour}PaletteColorLookupTableData" for colour in ("Red", "Green", "Blue"))
_IGNORED = "{} ignored: it makes no sense"
_PLUGINS = ("pydicom", "pyjpegls", "pylibjpeg", "pillow", "gdcm")


class Dicom:
    """An open DICOM file. Raises `ImageError` if it has no image of a supported kind."""

    def __init__(self, data: bytes):
        with quietly():
            self.dataset, self.note, end = _read(data)
            self.syntax = UID(self.dataset.file_meta.TransferSyntaxUID)
            if self.syntax in _PROGRESSIVE:
                self.syntax = JPEGExtended12Bit
            self.decoder = _decoder(self.syntax)
            self._check_pixels(data)
            if self.syntax == ExplicitVRBigEndian:
                for name in _PALETTES:  # pydicom 3.0 reads their words as little-endian, also those of two entries
                    if name in self.dataset:
                        self.dataset[name].value = (
                            np.frombuffer(self.dataset[name].value, ">u2").astype("<u2").tobytes()
                        )
            self.rows, self.columns = int(self.dataset.Rows), int(self.dataset.Columns)
            self.size = self._displayed_size()
            check_pixels(*self.size)
            self.frames = int(self.dataset.get("NumberOfFrames") or 1)
            self._check_frames()
            if not self.syntax.is_compressed:
                self.note = joined(self.note, unfinished(data[:end]))

    def _check_pixels(self, data: bytes) -> None:
        dataset = self.dataset
        if "PixelData" not in dataset:
            if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
                raise _unsupported("pixels that are floats have no defined brightness")
            if _PIXEL_DATA_TAG in data:
                raise ImageError("damaged", "it breaks off within its pixels")
            if not dataset:
                raise ImageError("damaged", "a DICOM file that ends where it begins")
            raise ImageError("not_an_image", "a DICOM file without pixels")
        if missing := [name for name in _NEEDED if dataset.get(name) is None]:
            raise ImageError("damaged", f"the file does not say {first_few(missing)}")
        self.kind = str(dataset.PhotometricInterpretation)
        if self.kind not in (*COLOUR, *GREY, PALETTE):
            raise _unsupported(f"photometric interpretation {self.kind}")
        if (presentation := dataset.get("PixelPresentation")) in ("COLOR", "MIXED"):
            raise _unsupported(f"a supplemental palette (Pixel Presentation {presentation})")
        self.bits, allocated = int(dataset.BitsStored), dataset.BitsAllocated
        if allocated not in (1, 8, 16) or not 1 <= self.bits <= allocated:
            raise _unsupported(f"{self.bits} of {allocated} bits a sample")
        if self.kind in TRANSFORMED and self.syntax not in (*JPEG2000TransferSyntaxes, *JPEGTransferSyntaxes):
            raise _unsupported(f"{self.kind} in {self.syntax.name}, which has no such colours")
        if self.kind in YBR and allocated != 8:
            raise _unsupported(f"{self.kind} with {allocated} bits a sample")
        if dataset.SamplesPerPixel != (3 if self.kind in COLOUR else 1):
            raise _unsupported(f"{self.kind} with {dataset.SamplesPerPixel} samples a pixel")
        if self.kind in COLOUR and dataset.get("PixelRepresentation"):
            raise _unsupported(f"{self.kind} with signed samples")
        if self.kind in COLOUR:
            dataset.setdefault("PlanarConfiguration", 0)  # which other readers take it for, too
        high = dataset.get("HighBit")
        self.unused = 0 if high is None else int(high) + 1 - self.bits  # bits below those that count
        if not 0 <= self.unused <= allocated - self.bits:
            self.unused, self.note = 0, _IGNORED.format("high bit")

    def _check_frames(self) -> None:
        """Check the stated number of frames against the bytes: it must neither cause needless work nor hide a frame."""
        content = self.dataset.PixelData
        if self.syntax.is_compressed:
            whole = self.syntax == RLELossless  # which has a fragment for each frame; others may have several
            places = parse_fragments(content)[1][1:]  # the first item is the table of offsets
            last = places[-1] + 8 if places else 0
            if int.from_bytes(content[last - 4 : last], "little") > len(content) - last + 1:  # may be made even
                raise ImageError("damaged", "a fragment of its pixels goes beyond their end")
            self.starts = [place for place in places if whole or content.startswith(_STREAMS, place + 8)]
            most, least = len(places), len(self.starts)
        else:
            samples = self.rows * self.columns * int(self.dataset.SamplesPerPixel)
            if self.kind == "YBR_FULL_422":
                samples = samples * 2 // 3
            bits = max(samples * int(self.dataset.BitsAllocated), 1)
            padding = -(-self.frames * bits // 8) % 2
            most, least = len(content) * 8 // bits, (len(content) - padding) * 8 // bits
        if not max(least, 1) <= self.frames <= most:
            found = most if self.frames > most else least
            announced = counted(self.frames, "frame", "is", "are")
            raise ImageError("damaged", f"{announced} announced, there are bytes for {found}")
        # Padding is zeros, which some writers add many of, or has one value.
        if not self.syntax.is_compressed and len(set(content[-(-self.frames * bits // 8) :].rstrip(b"\0"))) > 1:
            raise ImageError("damaged", f"more pixels than those of {self.columns} x {self.rows}")

    def picture(self, frame: int) -> StoredImage:
        """One frame, from 0, in RGB. Raises `ImageError`, and whatever pydicom raises for a broken one."""
        if not 0 <= frame < self.frames:
            raise ImageError("damaged", f"there is no frame {frame + 1}, only {self.frames}")
        with quietly():
            pixels, bits, embedded, said = self._pixels(frame)
            note = joined(self.note, said)
            if self.kind in GREY:
                shown, ignored = self._shown(pixels, bits, frame)
                return StoredImage(self._square(Image.fromarray(shown).convert("RGB")), note=joined(note, ignored))
            if self.kind == PALETTE:
                pixels, bits = self._coloured(pixels)
        if pixels.dtype.kind != "u" or pixels.shape[2:] != (3,):
            raise _unsupported(f"{self.kind} samples of type {pixels.dtype} and shape {pixels.shape}")
        image = self._square(Image.fromarray(_eight_bits(pixels, bits)))
        named = adobe_rgb() if self.dataset.get("ColorSpace") == "ADOBERGB" else b""
        return StoredImage(image, profile=self._profile() or embedded or named, note=note)

    def _displayed_size(self) -> tuple[int, int]:
        """Width and height with pixels as high as they are wide: DICOM PS3.3, C.7.6.3.1.7."""
        stated = self.dataset.get("PixelAspectRatio") or self.dataset.get("PixelSpacing") or (1, 1)
        try:
            ratio = float(stated[1]) / float(stated[0])
        except (TypeError, ValueError, IndexError, ZeroDivisionError):
            ratio = math.nan
        if not 0.1 < ratio < 10:
            self.note = joined(self.note, _IGNORED.format("aspect ratio of pixels"))
            return self.columns, self.rows
        if 0.99 < ratio < 1.01:
            return self.columns, self.rows
        self.note = joined(self.note, "pixels made square")
        return round(self.columns * max(ratio, 1)), round(self.rows * max(1 / ratio, 1))

    def _square(self, image: Image.Image) -> Image.Image:
        return image if image.size == self.size else image.resize(self.size, Image.Resampling.BILINEAR)

    def _profile(self) -> bytes:
        """The ICC profile that the data set has for its colours; DICOM PS3.3, C.11.15."""
        for holder in (self.dataset, *(self.dataset.get("OpticalPathSequence") or ())):
            if profile := holder.get("ICCProfile"):
                return bytes(profile)
        return b""

    def _pixels(self, frame: int) -> tuple[np.ndarray, int, bytes, str]:
        """A frame's stored values, (rows, columns) or (rows, columns, 3), their bits, its JPEG's profile and a note."""
        if not self.syntax.is_compressed:
            return self._as_array(self.dataset, self.unused, index=frame), self.bits, b"", ""
        content = self._content(frame)
        if self.syntax == RLELossless:
            if len(content) > MAXIMUM_RLE_BYTES:
                raise ImageError("too_large", f"more than {MAXIMUM_RLE_BYTES // 2**20} MiB of run lengths")
            _check_rle(content, self.rows * self.columns)
            return self._decoded(content, "pydicom", self.unused), self.bits, b"", ""
        stream = _read_stream(content, self.syntax)
        if max(stream.width, stream.height) < 2**16:  # more than the file itself could state is nonsense
            check_pixels(stream.width, stream.height)
        if (stream.width, stream.height) != (self.columns, self.rows):
            size = f"{stream.width} x {stream.height}"
            raise ImageError("damaged", f"a frame is {size}, the file says {self.columns} x {self.rows}")
        if stream.components != self.dataset.SamplesPerPixel:
            raise ImageError("damaged", f"a frame has {stream.components} components, the file says otherwise")
        if stream.precision > self.dataset.BitsAllocated:
            raise ImageError("damaged", f"a frame has {stream.precision} bits a sample, the file says otherwise")
        if stream.signed and stream.components > 1:  # whatever the file says; pydicom would turn 127 into 255
            raise _unsupported(f"{self.kind} with signed samples")
        if stream.layout is not None:
            if stream.precision == 8:
                pixels, note = self._decoded_jpeg(content, stream.layout)
                return pixels, min(self.bits, 8), stream.layout.profile, note
            content = check_sequential(content, stream.layout)
        elif self.syntax in JPEG2000TransferSyntaxes:
            check_codestream(content)
        elif self.syntax in JPEGLSTransferSyntaxes:
            check_end(content)  # without one CharLS 2 reads on for minutes
        # Some encoders leave the unused bits out, some take them for a part of the sample.
        unused = self.unused if stream.precision >= self.bits + self.unused else 0
        # A frame with fewer bits than the file says would be nearly black.
        return self._decoded(content, self._plugin(stream), unused), min(self.bits, stream.precision), b"", ""

    def _decoded(self, content: bytes, plugin: str, unused: int) -> np.ndarray:
        """One compressed frame, by one of pydicom's plug-ins."""
        options = as_pixel_options(self.dataset)
        # The planes of a compressed frame are up to its codec: what the file says about them does not matter.
        options |= {"number_of_frames": 1, "planar_configuration": 0, "decoding_plugin": plugin}
        if self.syntax in JPEG2000TransferSyntaxes and self.kind in YBR and _is_transformed(content):
            options["photometric_interpretation"] = "RGB"  # which the decoder makes of such components
        try:
            return self._as_array(encapsulate([content]), unused, index=0, **options)
        except RuntimeError as error:  # pydicom's list of what each plug-in says
            said = " ".join(str(error).rpartition("\n")[2].removeprefix(f"  {plugin}: ").split())
            raise ImageError("damaged", said) from error

    def _as_array(self, source: Any, unused: int, **options: Any) -> np.ndarray:
        """Stored values of a frame, without other contents of their words: bits above the high bit may be an overlay.

        pydicom 3.0 takes the lowest bits of each sample, wherever the high bit is, and all where they are compressed.
        """
        if unused:
            options["bits_stored"] = self.bits + unused
        pixels: np.ndarray = self.decoder.as_array(source, **options)[0]
        above = max(8 * pixels.itemsize - self.bits - unused, 0)
        return (pixels << above) >> (above + unused)

    def _decoded_jpeg(self, content: bytes, layout: JpegLayout) -> tuple[np.ndarray, str]:
        """A JPEG of 8 bits, lossless or not, as `load_jpeg` decodes it: strictly, and its note.

        Whether its components are RGB or YCbCr is taken from its own markers, as in any JPEG, or else from the file,
        unless they are sampled, as RGB is not: GDCM 3.0 says RGB of such ones, too.
        pydicom 3.0 converts YCbCr to RGB once more if an Adobe marker has made Pillow do so already.
        libjpeg does not convert what is lossless.
        """
        identifiers = bytes(identifier for identifier, *_ in layout.components)
        as_stored = layout.process == LOSSLESS and self.kind in YBR
        if as_stored and (layout.jfif or layout.adobe):
            markers = bytearray(content)  # those that mean YCbCr
            if layout.jfif:
                markers[layout.jfif - 5 : layout.jfif] = bytes(5)
            if layout.adobe:
                markers[layout.adobe] = 0
            content = bytes(markers)
            layout = read_layout(content)
        if len(identifiers) == 3 and not (layout.jfif or layout.adobe or identifiers.upper() == b"RGB"):
            sampled = len({each[1:] for each in layout.components}) > 1
            is_rgb = as_stored or (self.kind == "RGB" and not sampled)
            content = content[:2] + _ADOBE + (b"\0" if is_rgb else b"\1") + content[2:]
            layout = read_layout(content)
        image, note = load_jpeg(content, layout, self.columns, self.rows)
        pixels = np.asarray(image)
        if as_stored:
            pixels = convert_color_space(pixels, "YBR_FULL", "RGB")
        return pixels.view(np.int8) if self.dataset.PixelRepresentation else pixels, note

    def _plugin(self, stream: _Codestream) -> str:
        """The plug-in that decodes a frame. Raises `ImageError` that names the package if there is none."""
        for plugin in _PLUGINS:
            if plugin not in self.decoder.available_plugins:
                continue
            if plugin in ("pillow", "gdcm") and self.syntax == JPEGExtended12Bit:
                continue  # only of 8 bits
            if plugin == "pillow" and (stream.components > 1 or stream.precision > 16) and stream.precision > 8:
                continue  # would be cut down to 8 bits
            return plugin
        if self.syntax in JPEGLSTransferSyntaxes:
            package = "pyjpegls"
        else:
            package = "pylibjpeg-openjpeg" if self.syntax in JPEG2000TransferSyntaxes else "pylibjpeg-libjpeg"
        what = f"{self.syntax.name}, {stream.precision} bits a sample"
        raise ImageError("unsupported", f"transfer syntax {what}: needs {package} (pip install 'lesionflow[dicom]')")

    def _content(self, frame: int) -> bytes:
        """Join the fragments of a compressed frame. Offset tables are sometimes wrong, so they are used last."""
        content, dataset = self.dataset.PixelData, self.dataset
        if len(self.starts) == self.frames:
            start, end = [*self.starts, len(content)][frame : frame + 2]
            return b"".join(generate_fragments(content[start:end]))
        tables = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
        return get_frame(content, frame, number_of_frames=self.frames, extended_offsets=tables if all(tables) else None)

    def _coloured(self, pixels: np.ndarray) -> tuple[np.ndarray, int]:
        """Map indices to the colours of the palette, with their number of bits: DICOM PS3.3, C.7.6.3.1.5."""
        colours = apply_color_lut(pixels, self.dataset)[..., :3]  # without the opacity that there may be
        # Entries of 8 bits in words of 16, whatever the descriptor says: otherwise all of them would be black.
        if colours.dtype == np.uint16 and colours.max(initial=0) < 256:
            return colours, 8
        return colours, 8 * colours.dtype.itemsize

    def _shown(self, pixels: np.ndarray, bits: int, frame: int) -> tuple[np.ndarray, str]:
        """(rows, columns) stored values to uint8 as the file wants them shown, and a note: modality, window, inversion.

        Without a window the full range of the stored bits is shown, not that of this image's values: a value is as
        bright in every image. Follows DICOM PS3.3 C.11.1, C.11.2 and C.11.6.
        """
        dataset, ignored = self._of_frame(frame), []
        low = -(2 ** (bits - 1)) if dataset.PixelRepresentation else 0
        values = np.arange(low, low + 2**bits)  # every value there can be: few, beside an image's pixels
        order = ">" if self.syntax == ExplicitVRBigEndian else "<"
        modality, shown_by = (dataset.get(name) for name in ("ModalityLUTSequence", "VOILUTSequence"))
        rescaling, window = _numbers(dataset, "RescaleSlope", "RescaleIntercept"), _window(dataset)
        if modality:
            values, bottom, top = _looked_up(values, modality[0], order)
        else:
            slope, intercept = rescaling or (1.0, 0.0)
            if not slope or not math.isfinite(slope * intercept):
                ignored.append(_IGNORED.format("rescaling"))
                slope, intercept = 1.0, 0.0
            values = values * slope + intercept
            bottom, top = sorted((float(values[0]), float(values[-1])))  # a negative slope turns them round
        if shown_by:
            values, bottom, top = _looked_up(values, shown_by[0], order)
        elif window:
            values, bottom, top = _windowed(values, *window), 0.0, 1.0
        if window is None:
            ignored.append(_IGNORED.format("window"))
        shown = np.clip((values - bottom) * (255 / ((top - bottom) or 1.0)) + 0.5, 0, 255).astype(np.uint8)
        if self.kind == "MONOCHROME1" or dataset.get("PresentationLUTShape") == "INVERSE":  # both say the same
            shown = 255 - shown
        shown = shown[np.clip(pixels.astype(np.int32) - low, 0, len(shown) - 1)]
        return np.asarray(shown), joined(*ignored)

    def _of_frame(self, frame: int) -> pydicom.Dataset:
        """The data set, with its functional groups' elements on how to show a frame's values: DICOM PS3.3, C.7.6.16."""
        found = pydicom.Dataset()
        found.update(self.dataset)
        groups = (("SharedFunctionalGroupsSequence", 0), ("PerFrameFunctionalGroupsSequence", frame))
        for group in (item for name, at in groups for item in (self.dataset.get(name) or ())[at : at + 1]):
            for name, replaced in _SHOWN_BY:
                for item in (group.get(name) or ())[:1]:
                    for word in replaced:
                        found.pop(word, None)
                    found.update({element.tag: element for element in item})
        return found


@dataclass(frozen=True)
class _Codestream:
    """The header of a frame's codestream."""

    width: int
    height: int
    components: int
    precision: int  # bits a sample
    signed: bool = False
    layout: JpegLayout | None = None  # of a JPEG


def _read_stream(content: bytes, syntax: UID) -> _Codestream:
    """Read the header of a JPEG, JPEG-LS or JPEG 2000. Raises `ImageError` for anything else.

    ITU-T T.81, B.2.2, which JPEG-LS (T.87, C.2.2) follows, and T.800, A.5.1.
    """
    if syntax in JPEG2000TransferSyntaxes:
        start = codestream(content)
        if start >= 0 and len(content) >= start + 43:
            right, bottom, left, top = struct.unpack_from(">4I", content, start + 8)
            (components,) = struct.unpack_from(">H", content, start + 40)
            precision = content[start + 42]
            return _Codestream(right - left, bottom - top, components, (precision & 0x7F) + 1, precision > 0x7F)
    elif content[:2] == b"\xff\xd8":
        if syntax not in JPEGLSTransferSyntaxes:
            layout = read_layout(content)
            return _Codestream(layout.width, layout.height, len(layout.components), layout.precision, layout=layout)
        start = content.find(b"\xff\xf7")
        if start >= 0 and len(content) >= start + 10:
            precision, height, width, components = struct.unpack_from(">BHHB", content, start + 4)
            return _Codestream(width, height, components, precision)
    raise ImageError("damaged", f"a frame is not {syntax.name}")


def _is_transformed(content: bytes) -> bool:
    """Whether a JPEG 2000 stream says that its components were RGB: ITU-T T.800, A.6.1."""
    style = coding_style(content)
    return style >= 0 and content[style + 8 : style + 9] == b"\1"


def _read(data: bytes) -> tuple[pydicom.Dataset, str, int | None]:
    """The data set of a file with or without preamble and meta information, a note, and where its pixels end."""
    added = 128 if data.startswith(b"DICM") and data[128:132] != b"DICM" else 0
    data = bytes(added) + data
    start = io.BytesIO(data)
    start.seek(132 if data[128:132] == b"DICM" else 0)
    # The first group is never compressed: pydicom unpacks a deflated file to any size, unasked.
    meta = read_dataset(start, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        unpacked = stream.decompress(data[start.tell() :], MAXIMUM_BYTES)
        if not stream.eof:
            if len(unpacked) == MAXIMUM_BYTES:
                raise ImageError("too_large", f"more than {MAXIMUM_BYTES // 2**20} MiB, unpacked")
            raise ImageError("damaged", "it breaks off")
        inner = read_dataset(io.BytesIO(unpacked), False, True)
        tags = list(inner.keys())  # without a checksum, what follows other pixels than announced tells
        if tags != sorted(tags) or (tags and 0x7FE0 < tags[-1].group < 0xFFFA):
            raise ImageError("damaged", "its elements are out of order")
        inner.file_meta = FileMetaDataset()
        inner.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        return inner, _said_of_rest(inner, unpacked), None
    dataset = pydicom.dcmread(io.BytesIO(data), force=True)
    if "PixelData" not in dataset:
        _check_last_element(dataset, len(data))
    note, pixels = _said_of_rest(dataset, data), _stored_pixels(dataset)
    end = pixels.value_tell + pixels.length - added if pixels else None
    if not dataset.file_meta.get("TransferSyntaxUID"):
        if dataset.get("PixelData", b"")[:4] == b"\xfe\xff\x00\xe0":
            raise _unsupported("compressed pixels without a transfer syntax")
        implicit, little = dataset.original_encoding
        explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
    return dataset, note, end


def _check_last_element(dataset: pydicom.Dataset, length: int) -> None:
    """Raise `ImageError` for a header that was cut, of whose last element pydicom takes what is there."""
    elements: list[Any] = [each for each in dataset.values() if isinstance(each, RawDataElement)]
    end = max((each.value_tell + each.length for each in elements if each.length != _UNDEFINED), default=length)
    if end > length or 0 < length - end < 8:
        raise ImageError("damaged", "it breaks off within its header")


def _stored_pixels(dataset: pydicom.Dataset) -> RawDataElement | None:
    """Pixels of a known length, as they stand in the file."""
    pixels: Any = dataset.get_item("PixelData")
    return pixels if isinstance(pixels, RawDataElement) and pixels.length != _UNDEFINED else None


def _said_of_rest(dataset: pydicom.Dataset, data: bytes) -> str:
    """A note on what follows the pixels and is no element that may: they may have moved; DICOM PS3.5, 7.1 and 7.8."""
    pixels = _stored_pixels(dataset)
    if pixels is None:
        return ""
    rest = data[pixels.value_tell + pixels.length :]
    group = int.from_bytes(rest[:2], "little" if pixels.is_little_endian else "big")
    known = group in _BEHIND_PIXELS or (group > 0x7FE0 and group % 2)  # private ones are odd
    is_element = known and len(rest) >= 8 and (pixels.is_implicit_VR or rest[4:6].isalpha())
    return f"{counted(len(rest), 'byte')} behind its pixels, no element" if rest and not is_element else ""


def _unsupported(what: str) -> ImageError:
    return ImageError("unsupported", f"{what}; save it as RGB or grey of 8 bits, not compressed")


def _decoder(syntax: UID) -> Any:
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError as error:
        name = _SYNTAX_NAMES.get(syntax, syntax.name)
        raise _unsupported(f"{name} is a transfer syntax that is not decoded ({syntax})") from error
    return decoder


def _check_rle(content: bytes, expected: int) -> None:
    """Raise `ImageError` for a frame whose segments have the wrong numbers of bytes: DICOM PS3.5, annex G.

    pydicom 3.0 drops what is too much, so that a hole only shifts what follows it.
    """
    count, *starts = struct.unpack_from("<16I", content)
    ends = [*starts[1:count], len(content)]
    for start, end in zip(starts[:count], ends, strict=False):
        # A segment is padded to an even length, with a byte that may look like another run.
        if expected not in (packbits_length(content[start:end]), packbits_length(content[start : end - 1])):
            raise ImageError("damaged", "its run lengths do not add up to the pixels of the frame")


def _numbers(dataset: pydicom.Dataset, *names: str) -> list[float]:
    """The first number of each of some elements, or NaN if it is not one; nothing if all are missing."""
    numbers = []
    values = [dataset.get(name) for name in names]
    for value in values if any(value is not None for value in values) else ():
        try:
            numbers.append(float(value[0] if isinstance(value, MultiValue) else value))
        except (IndexError, TypeError, ValueError):
            numbers.append(math.nan)
    return numbers


def _window(dataset: pydicom.Dataset) -> tuple[str, float, float] | tuple[()] | None:
    """Function, centre and width of a data set's window; empty if it has none, None if it is invalid."""
    if dataset.get("WindowWidth") is None:
        return ()
    centre, width = _numbers(dataset, "WindowCenter", "WindowWidth")
    function = str(dataset.get("VOILUTFunction") or "LINEAR").upper()
    least = {"LINEAR": 1, "LINEAR_EXACT": 1e-9, "SIGMOID": 1e-9}.get(function, math.inf)
    return (function, centre, width) if math.isfinite(centre) and least <= width < math.inf else None


def _windowed(values: np.ndarray, function: str, centre: float, width: float) -> np.ndarray:
    """The values as shares of what is shown, some beyond 0 and 1: DICOM PS3.3, C.11.2.1.2 and C.11.2.1.3."""
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700))))
    if function == "LINEAR":
        centre, width = centre - 0.5, max(width - 1, 1e-9)
    return (values - centre) / width + 0.5


def _looked_up(values: np.ndarray, table: Any, order: str) -> tuple[np.ndarray, float, float]:
    """The values after a lookup table, and its range; those beyond its ends get its first or last entry."""
    data, (count, first, bits) = table.LUTData, table.LUTDescriptor
    entries = np.frombuffer(data, f"{order}u2") if isinstance(data, bytes) else np.asarray(data)
    if len(entries) == (count + 1) // 2 > 1:  # entries of 8 bits, two in a word
        entries = entries.astype("<u2").view(np.uint8)[:count]
    indices = np.clip(np.rint(values).astype(np.int64) - int(first), 0, len(entries) - 1)
    return entries[indices], 0.0, 2.0 ** int(bits) - 1


def _eight_bits(pixels: np.ndarray, bits: int) -> np.ndarray:
    if bits <= 8:
        return np.ascontiguousarray(pixels << (8 - bits) if bits < 8 else pixels, np.uint8)
    return np.ascontiguousarray(pixels >> (bits - 8), np.uint8)
