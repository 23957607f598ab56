"""JPEG 2000: its codestream, alone, in a JP2 file or in DICOM, and what Pillow decodes wrongly of it."""

from __future__ import annotations

import re
import struct

import numpy as np
from PIL import Image
from PIL.Jpeg2KImagePlugin import Jpeg2KImageFile

from lesionflow.errors import ImageError
from lesionflow.images.iso_media import boxes
from lesionflow.images.limits import MAXIMUM_STORED_PIXELS, check_pixels

_SPACES = (16, 17, 18)  # sRGB, grey and YCbCr of it
_TILE = b"\xff\x90\0\x0a"  # marker of a part of a tile, and the length of its segment
_MARKER = re.compile(rb"\xff(?!\x91\x00\x04|\x92)[\x90-\xff]")  # none but those around packets
_OTHER_STYLES = (b"\xff\x53", b"\xff\x60", b"\xff\x61")  # of a component; packets' headers elsewhere
_RAW_BITS = 0x41  # styles of blocks: arithmetic coding left out, and high throughput
_OTHER_ZEROS = 100  # many more than seen, and fewer than the 512 that disks lose


def check_jpeg2000(data: bytes, mode: str, profile: bytes) -> tuple[bool, int]:
    """Whether colour is sampled at fewer places than there are pixels, and the bits of what Pillow cannot decode, or 0.

    Sizes as in ITU-T T.800, A.5.1. Raises `ImageError` for what Pillow 13 decodes wrongly, without an error: of colours
    of more than 8 bits, and grey of 9, white becomes black; of fewer bits than 8 nothing becomes white; sampled colours
    are shifted, row by row, where the size is no multiple of the step.
    """
    start = codestream(data)
    if start < 0:
        raise ImageError("damaged", "it holds no codestream")
    check_codestream(data)
    edges, count = struct.unpack_from(">6I", data, start + 8), data[start + 41]  # of the image and of its tiles
    components = data[start + 42 : start + 42 + 3 * count]
    bits = {(each & 0x7F) + 1 for each in components[::3]}
    space = header_box(data, b"colr", (1,))  # by number: ITU-T T.800, I.5.3.3
    number = int.from_bytes(space[3:7], "big") if space else 16
    if number not in _SPACES or profile[16:20] == b"CMYK":
        space_name = "CMYK" if profile else f"colour space {number}"
        raise ImageError("unsupported", f"JPEG 2000 of {space_name}; save it as PNG")
    if number == 17 and count == 3:  # as GDAL writes bands without names
        raise ImageError("unsupported", "JPEG 2000 of three colours that calls itself grey; save it as PNG")
    if bits != {8} and mode != "I;16":
        if number == 16 and 8 <= components[0] < 16 and components == bytes([components[0], 1, 1]) * 3:
            return False, max(bits)  # RGB, which OpenJPEG by itself decodes rightly
        raise ImageError("unsupported", f"JPEG 2000 of {max(bits)} bits a sample; save it as PNG")
    across, down = max(components[1::3]), max(components[2::3])
    if any(edge % across for edge in edges[::2]) or any(edge % down for edge in edges[1::2]):
        raise ImageError("unsupported", "JPEG 2000 whose size is not a multiple of its colour's; save it as PNG")
    return across > 1 or down > 1, 0


def choose_resolution(image: Jpeg2KImageFile, data: bytes, width: int, height: int) -> int:
    """Have the smallest of a JPEG 2000's resolutions decoded that has enough detail for the frame; says which."""
    check_pixels(*image.size, MAXIMUM_STORED_PIXELS)
    style = coding_style(data)
    most = data[style + 9] if 0 <= style < len(data) - 9 else 0  # its levels of decomposition
    halvings = 0
    while halvings < most and min(image.width / width, image.height / height) >= 2 ** (halvings + 2):
        halvings += 1
    image.reduce = halvings
    return halvings


def codestream(data: bytes) -> int:
    """The position of a JPEG 2000's codestream, which may lie in a box of its file; -1 without one."""
    starts = [0, *(start for kind, start, _ in boxes(data, 0, len(data)) if kind == b"jp2c")]
    return next((start for start in starts if data.startswith(b"\xff\x4f\xff\x51", start)), -1)


def coding_style(data: bytes) -> int:
    """The position of a JPEG 2000's marker for its default coding style: ITU-T T.800, A.6.1; -1 without one."""
    start = codestream(data)
    return data.find(b"\xff\x52", start) if start >= 0 else -1


def check_codestream(data: bytes) -> None:
    """Raise `ImageError` for bytes that no encoder writes into a JPEG 2000, about which decoders do not complain.

    More zeros in a row than packets and raw bits can be; among the pixels what only a marker may be, which of 2,000
    wrong bytes is nearly always one, and of 400 mostly: ITU-T T.800, A.1.
    """
    start = codestream(data)
    zeros = bytes(min(_most_zeros(data, start), len(data)))
    at = data.find(_TILE, max(start, 0))
    if zeros and data.find(zeros, max(at, start), data.rfind(b"\xff\xd9")) >= 0:
        raise ImageError("damaged", "zeros in place of pixels")
    style = coding_style(data)
    if b"Lavc" in data[max(start, 0) : at] and data[style + 6 : style + 8] != b"\0\1":
        return  # of several layers, libavcodec lets the share of one end in 0xff
    while data.startswith(_TILE, at) and len(data) > at + 12:
        end = at + int.from_bytes(data[at + 6 : at + 10], "big")
        end = data.rfind(b"\xff\xd9") if end == at else end  # the last one may leave its length to others
        at += 12
        while data[at : at + 2] != b"\xff\x93" and at < end:  # what is said of the tile
            at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if found := _MARKER.search(data, at + 2, end):
            raise ImageError("damaged", f"a marker among its pixels at byte {found.start()}")
        at = end


def _most_zeros(data: bytes, start: int) -> int:
    """How many zeros a tile has in a row at most, as the headers say: ITU-T T.800, A.5.1, A.6.1 and B.6 to B.10.

    A packet without content is one; with several layers, so is a bit for each block that a packet adds nothing to.
    Where bits are stored as they are, what is drawn, such as a ramp, may have some for each sample of a block: 1,148
    zeros were seen. Encoders were seen to write no other 12 zeros in a row.
    """
    style = coding_style(data)
    if style < 0 or len(data) < style + 14 + 33:
        return _OTHER_ZEROS
    edges, components = struct.unpack_from(">6I", data, start + 8), data[start + 41]
    (layers,), levels = struct.unpack_from(">H", data, style + 6), min(data[style + 9], 32)
    precincts = 0
    for level in range(levels + 1):
        sizes = data[style + 14 + level] if data[style + 4] & 1 else 0xFF  # logarithms of height and width
        across, down = (
            min(-(-edges[i] >> levels - level + bits), 1 - (-edges[i + 4] >> levels - level + bits))
            for i, bits in ((0, sizes & 15), (1, sizes >> 4))
        )
        precincts += across * down
    wide, tall = (min(edges[i], edges[i + 4]) for i in (0, 1))
    block = 16 << min(data[style + 10] + data[style + 11], 8)  # samples
    most = precincts * layers * components + _OTHER_ZEROS
    if layers > 1:
        most += wide * tall // block // 8
    if data[style + 12] & _RAW_BITS:
        most += block // 3
    headers = data[start : data.find(b"\xff\x93", start)]
    several = headers.count(b"\xff\x52") > 1 or any(marker in headers for marker in _OTHER_STYLES)
    return max(most, 1000) if several else most


def load_deep(data: bytes, bits: int) -> Image.Image:
    """Decode one of more than 8 bits without Pillow. Raises `ImageError` where the package for that is missing."""
    try:
        import openjpeg
    except ImportError as error:
        raise ImageError(
            "unsupported", "JPEG 2000 of more than 8 bits needs pylibjpeg-openjpeg: pip install 'lesionflow[dicom]'"
        ) from error
    return Image.fromarray((openjpeg.decode(data) >> (bits - 8)).astype(np.uint8))


def header_box(data: bytes, box: bytes, kinds: tuple[int, ...] = ()) -> bytes:
    """The content of a box in the header of a JPEG 2000, the first or that of some kinds: ITU-T T.800, I.5.3."""
    header = next(((start, end) for kind, start, end in boxes(data, 0, len(data)) if kind == b"jp2h"), (0, 0))
    for kind, start, end in boxes(data, *header):
        if kind == box and (not kinds or data[start] in kinds):
            return data[start:end]
    return b""


def palette_of(data: bytes) -> np.ndarray | None:
    """The colours, (entries, 3 or 4), of a JPEG 2000 with a palette: ITU-T T.800, I.5.3.4 and I.5.3.5."""
    palette, mapping = (header_box(data, box) for box in (b"pclr", b"cmap"))
    if not palette:
        return None
    count, columns = struct.unpack_from(">HB", palette)
    channels = list(struct.iter_unpack(">HBB", mapping))  # component, 1 for a number of the palette, column
    if (
        len(channels) not in (3, 4)
        or any(each[:2] != (0, 1) for each in channels)
        or set(palette[3 : 3 + columns]) != {7}
    ):
        raise ImageError("unsupported", "JPEG 2000 with an unusual palette; save it as PNG")
    colours = np.frombuffer(palette, np.uint8, count * columns, 3 + columns).reshape(count, columns)
    return colours[:, [column for *_, column in channels]]


def with_channels_in_order(image: Image.Image, definition: bytes) -> Image.Image:
    """Red, green and blue where a JPEG 2000 has its channels in another order, which Pillow 13 does not look at."""
    bands, order = list(image.split()), {}
    for at in range(2, len(definition) - 5, 6):
        channel, meaning, colour = struct.unpack_from(">3H", definition, at)
        if meaning == 0 and 0 < colour <= 3 and channel < len(bands):
            order[colour - 1] = bands[channel]
    if image.mode not in ("RGB", "RGBA") or len(order) < 3 or all(order[i] is bands[i] for i in range(3)):
        return image
    rest = [band for band in bands if all(band is not each for each in order.values())]
    return Image.merge(image.mode, [order[0], order[1], order[2], *rest])
