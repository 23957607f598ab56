"""DICOM files as RGB images, with pydicom. Imported only when such a file comes along: pydicom is an extra."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import pydicom
from PIL import Image, UnidentifiedImageError
from pydicom.encaps import get_frame, parse_fragments
from pydicom.filereader import read_dataset
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_windowing, get_decoder, pixel_array
from pydicom.uid import UID, DeflatedExplicitVRLittleEndian, RLELossless

from lesionflow.errors import ImageError
from lesionflow.images.jpeg import check_scans
from lesionflow.images.limits import check_pixels
from lesionflow.images.quiet import quietly

# A file that breaks the standard in what does not matter here is no news to whoever scores it.
warnings.filterwarnings("ignore", module=r"pydicom(\.|$)")

COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")  # pydicom turns the latter four into RGB
GREY = ("MONOCHROME1", "MONOCHROME2")
PALETTE = "PALETTE COLOR"
MAXIMUM_RLE_BYTES = 16 * 2**20  # of a frame: it can unfold to 64 times as much before anybody counts


class Dicom:
    """An open DICOM file. Raises `ImageError` for one that holds no image of a kind that is decoded."""

    def __init__(self, data: bytes):
        syntax = _transfer_syntax(data)
        if syntax == DeflatedExplicitVRLittleEndian:  # pydicom unpacks such a file to any size, unasked
            raise ImageError("unsupported", f"transfer syntax {syntax.name}")
        self.dataset = pydicom.dcmread(io.BytesIO(data))
        if "PixelData" not in self.dataset:
            raise ImageError("not_an_image", "a DICOM file without pixels")
        self.kind = str(self.dataset.PhotometricInterpretation)
        if self.kind not in (*COLOUR, *GREY, PALETTE):
            raise ImageError("unsupported", f"photometric interpretation {self.kind}")
        self.bits = int(self.dataset.BitsStored)
        if self.dataset.BitsAllocated not in (1, 8, 16) or not 1 <= self.bits <= self.dataset.BitsAllocated:
            raise ImageError("unsupported", f"{self.bits} of {self.dataset.BitsAllocated} bits a sample")
        self.syntax = syntax
        if syntax.is_compressed and not get_decoder(syntax).is_available:
            raise ImageError("unsupported", f"transfer syntax {syntax.name} needs another decoder beside pydicom")
        self.rows, self.columns = int(self.dataset.Rows), int(self.dataset.Columns)
        check_pixels(self.columns, self.rows)
        self.frames = int(self.dataset.get("NumberOfFrames") or 1)
        possible = self._possible_frames()
        if not 1 <= self.frames <= possible:
            raise ImageError("damaged", f"{self.frames} frames are announced, there are bytes for {possible}")

    def _possible_frames(self) -> int:
        """How many frames the bytes can hold at most: a number in a header alone must not set the work."""
        if self.syntax.is_compressed:
            return int(parse_fragments(self.dataset.PixelData)[0])
        samples = self.rows * self.columns * int(self.dataset.SamplesPerPixel)
        if self.kind == "YBR_FULL_422":
            samples = samples * 2 // 3
        return len(self.dataset.PixelData) * 8 // max(samples * int(self.dataset.BitsAllocated), 1)

    def image(self, frame: int) -> Image.Image:
        """One frame, from 0, as an RGB image. Raises `ImageError`, and whatever pydicom raises for a broken one."""
        if not 0 <= frame < self.frames:
            raise ImageError("damaged", f"there is no frame {frame + 1}, only {self.frames}")
        self._check_compressed(frame)
        pixels = pixel_array(self.dataset, index=frame)  # (rows, columns) or (rows, columns, 3)
        if self.kind in GREY:
            return Image.fromarray(self._shown(pixels)).convert("RGB")
        if self.kind == PALETTE:
            pixels = apply_color_lut(pixels, self.dataset)
            bits = 8 * pixels.dtype.itemsize
        else:
            bits = self.bits
        if pixels.dtype.kind != "u" or pixels.shape[2:] != (3,):
            raise ImageError("unsupported", f"{self.kind} samples of type {pixels.dtype} and shape {pixels.shape}")
        return Image.fromarray(_eight_bits(pixels, bits))

    def _check_compressed(self, frame: int) -> None:
        """What a compressed frame says of its size may be another thing than what the file says."""
        if not self.syntax.is_compressed:
            return
        content = get_frame(self.dataset.PixelData, frame, number_of_frames=self.frames, **self._offsets())
        if self.syntax == RLELossless:
            if len(content) > MAXIMUM_RLE_BYTES:
                raise ImageError("too_large", f"more than {MAXIMUM_RLE_BYTES // 2**20} MiB of run lengths")
            return
        try:
            with quietly(), Image.open(io.BytesIO(content), formats=("JPEG", "JPEG2000")) as image:
                check_pixels(*image.size)
            if image.format == "JPEG":
                check_scans(content)
        except UnidentifiedImageError as error:
            raise ImageError("damaged", f"frame {frame + 1} is no {self.syntax.name}") from error

    def _offsets(self) -> dict[str, Any]:
        if "ExtendedOffsetTable" not in self.dataset:
            return {}
        return {"extended_offsets": (self.dataset.ExtendedOffsetTable, self.dataset.ExtendedOffsetTableLengths)}

    def _shown(self, pixels: np.ndarray) -> np.ndarray:
        """(rows, columns) stored values to uint8 as the file wants them shown: modality, window, inversion.

        Without a window the full range of the stored bits is shown, not that of this image's values: the same value is
        as bright in every image. Follows DICOM PS3.3 C.11.1 and C.11.2, as far as pydicom does.
        """
        dataset = self.dataset
        low = -(2 ** (self.bits - 1)) if dataset.PixelRepresentation else 0
        stored = np.arange(low, low + 2**self.bits)  # every value there can be: few, beside an image's pixels
        values = apply_modality_lut(stored, dataset)
        if dataset.get("ModalityLUTSequence"):
            bottom, top = 0.0, 2.0 ** int(dataset.ModalityLUTSequence[0].LUTDescriptor[2]) - 1
        else:
            bottom, top = float(values[0]), float(values[-1])  # a negative slope turns them round
        if dataset.get("VOILUTSequence"):
            table = dataset.VOILUTSequence[0]
            values, bottom, top = _looked_up(values, table), 0.0, 2.0 ** int(table.LUTDescriptor[2]) - 1
        elif dataset.get("WindowWidth") is not None:
            values = apply_windowing(values, dataset)  # from bottom to top, even where the slope turned them round
        else:
            bottom, top = min(bottom, top), max(bottom, top)
        shown = np.clip((values - bottom) * (255 / ((top - bottom) or 1.0)) + 0.5, 0, 255).astype(np.uint8)
        if self.kind == "MONOCHROME1":
            shown = 255 - shown
        return np.asarray(shown[np.clip(pixels.astype(np.int32) - low, 0, len(shown) - 1)])


def _transfer_syntax(data: bytes) -> UID:
    """Read ahead to the transfer syntax: the file's first group, which is never compressed."""
    start = io.BytesIO(data)
    start.seek(132)
    meta = read_dataset(start, False, True, stop_when=lambda tag, vr, length: tag.group != 2)
    return UID(meta.TransferSyntaxUID)


def _looked_up(values: np.ndarray, table: Any) -> np.ndarray:
    """The values after a lookup table; those beyond its ends get its first or last entry."""
    data = table.LUTData
    entries = np.frombuffer(data, "<u2") if isinstance(data, bytes) else np.asarray(data)
    places = np.clip(np.rint(values).astype(np.int64) - int(table.LUTDescriptor[1]), 0, len(entries) - 1)
    return np.asarray(entries[places])


def _eight_bits(pixels: np.ndarray, bits: int) -> np.ndarray:
    if bits <= 8:
        return np.ascontiguousarray(pixels << (8 - bits) if bits < 8 else pixels, np.uint8)
    return np.ascontiguousarray(pixels >> (bits - 8), np.uint8)
