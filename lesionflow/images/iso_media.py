"""HEIC and AVIF files: their boxes, and holes in their pixels; ISO/IEC 14496-12 and 23008-12."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from lesionflow.images.picture import exif_orientation

# The number of zeros that cannot be pixels, by the codec of the items: HEVC never has three in a row, except within
# lengths; AV1 may be padded, though no such file is known.
_HOLES = {b"hvc1": bytes(16), b"av01": bytes(64)}
_DECODED = {"AVIF": (b"av01", b"grid"), "HEIF": (b"hvc1", b"grid", b"iden", b"iovl")}
_OTHER_KINDS = {
    b"avc1": "AVC", b"av01": "AV1, which does not call itself AVIF", b"evc1": "EVC", b"hvc1": "HEVC",
    b"iden": "a picture that shows another one", b"iovl": "pictures laid over each other", b"j2k1": "JPEG 2000",
    b"jpeg": "JPEG", b"tmap": "a picture with a map of tones", b"unci": "pixels without compression", b"vvc1": "VVC",
}  # fmt: skip
_IN_ORDER = [b"clap", b"irot", b"imir"]


@dataclass
class Items:
    """The box `meta`: the items of a file, one of which is its picture."""

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    extents: dict[int, list[tuple[int, int]]] = field(default_factory=dict)  # start and end in the file
    properties: dict[int, list[tuple[bytes, bytes]]] = field(default_factory=dict)  # kind and content
    below: dict[int, list[int]] = field(default_factory=dict)  # what an item consists of, and what is auxiliary to it


def read_items(data: bytes) -> Items:
    """Read the items of a file; of a damaged one, as far as possible, as decoding decides whether it is intact."""
    items = Items()
    try:
        for kind, start, end in boxes(data, 0, len(data)):
            if kind == b"meta":
                _read_meta(items, data, start + 4, end)
                break
    except (struct.error, IndexError):
        pass
    return items


def items_of_picture(items: Items) -> list[int]:
    """The items that make up the picture and its opacity: not thumbnails, maps of depth, other pictures."""
    found: dict[int, bool] = {}
    waiting = [items.primary]
    while waiting:
        item = waiting.pop()
        auxiliary = dict(items.properties.get(item, ())).get(b"auxC", b":alpha\0")
        if item not in found and (b":alpha\0" in auxiliary or b":auxid:1\0" in auxiliary):
            found[item] = True
            waiting += items.below.get(item, ())
    return list(found)


def hole(data: bytes, items: Items) -> int:
    """The position of zeros in place of pixels; -1 if there are none."""
    for item in items_of_picture(items):
        if zeros := _HOLES.get(items.kinds.get(item, b"")):
            for start, end in items.extents.get(item, ()):
                if (found := data.find(zeros, start, end)) >= 0:
                    return found
    return -1


def not_decoded(kind: str, items: Items) -> str:
    """What the picture of a HEIF or AVIF is that its decoder does not read; empty if it does, or if unknown."""
    coded = items.kinds.get(items.primary)
    turned = [box for box, _ in items.properties.get(items.primary, ()) if box in _IN_ORDER]
    if kind == "AVIF" and turned != sorted(turned, key=_IN_ORDER.index):  # libavif mirrors last, wherever that stands
        return "a picture that is mirrored before it is turned, or turned before it is cut"
    others = _OTHER_KINDS.keys() - set(_DECODED[kind])
    if coded in others:
        return _OTHER_KINDS[coded]
    kinds = set(items.kinds.values())  # of the tiles that it consists of
    return next((_OTHER_KINDS[each] for each in kinds & others if _DECODED[kind][0] not in kinds), "")


def clean_aperture(items: Items, width: int, height: int) -> tuple[int, int, int, int] | None:
    """The part of the picture that is to be shown, as left, top, right and bottom; None for all of it."""
    for kind, content in items.properties.get(items.primary, ()):
        if kind != b"clap" or len(content) < 32:
            continue
        numbers = struct.unpack(">IIIIiIiI", content[:32])
        if not all(numbers[1::2]):
            break
        wide, tall, right, down = (numbers[i] / numbers[i + 1] for i in range(0, 8, 2))
        left, top = (width - wide) / 2 + right, (height - tall) / 2 + down
        if wide < 1 or tall < 1 or left < 0 or top < 0 or left + wide > width or top + tall > height:
            break
        return round(left), round(top), round(left + wide), round(top + tall)
    return None


def named_colours(items: Items) -> tuple[int, int] | None:
    """Primaries and transfer in numbers of ITU-T H.273: of the picture or, where it does not say, of its first tile."""
    for item in (items.primary, *items.properties):
        for kind, content in items.properties.get(item, ()):
            if kind == b"colr" and content.startswith(b"nclx") and len(content) >= 8:
                return int.from_bytes(content[4:6], "big"), int.from_bytes(content[6:8], "big")
    return None


def turned_by_exif(data: bytes, items: Items) -> bool:
    """Whether EXIF alone says how to turn the picture, which does not count: ISO/IEC 23008-12, 6.5.10 and 6.5.12."""
    if {b"irot", b"imir"} & dict(items.properties.get(items.primary, ())).keys():
        return False
    exif = [item for item, kind in items.kinds.items() if kind == b"Exif"]
    content = b"".join(data[start:end] for item in exif[:1] for start, end in items.extents.get(item, ()))
    start = 4 + int.from_bytes(content[:4], "big")  # of the TIFF header
    return exif_orientation(content[start:]) not in (0, 1)


def without_exif(data: bytes) -> bytes:
    """The file with an EXIF that no decoder looks for: Pillow 13 refuses a broken one, and no pixel depends on it."""
    for kind, start, end in boxes(data, 0, len(data)):
        if kind == b"meta":
            return data[:start] + data[start:end].replace(b"Exif", b"none") + data[end:]
    return data


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """The boxes between two places, which JPEG 2000 has too: kind, and where the content starts and ends."""
    while start + 8 <= end:
        (length,), kind, head = struct.unpack_from(">I", data, start), data[start + 4 : start + 8], 8
        if length == 1 and start + 16 <= end:
            (length,), head = struct.unpack_from(">Q", data, start + 8), 16
        length = length or end - start
        if length < head:
            return
        yield kind, start + head, min(start + length, end)
        start += length


def _read_meta(items: Items, data: bytes, start: int, end: int) -> None:
    places = {kind: (first, last) for kind, first, last in boxes(data, start, end)}
    if b"pitm" in places:
        first, _ = places[b"pitm"]
        items.primary = int.from_bytes(data[first + 4 : first + (8 if data[first] else 6)], "big")
    if b"iinf" in places:
        first, last = places[b"iinf"]
        for kind, at, _ in boxes(data, first + (8 if data[first] else 6), last):
            if kind == b"infe" and data[at] in (2, 3):
                wide = 4 if data[at] == 3 else 2
                items.kinds[int.from_bytes(data[at + 4 : at + 4 + wide], "big")] = data[at + 6 + wide : at + 10 + wide]
    if b"iref" in places:
        first, last = places[b"iref"]
        wide = 4 if data[first] else 2
        for kind, start, end in boxes(data, first + 4, last):
            item = int.from_bytes(data[start : start + wide], "big")
            for at in range(start + wide + 2, end, wide):  # behind how many there are
                other = int.from_bytes(data[at : at + wide], "big")
                if kind == b"dimg":
                    items.below.setdefault(item, []).append(other)
                elif kind == b"auxl":
                    items.below.setdefault(other, []).append(item)
    if b"iprp" in places:
        _read_properties(items, data, *places[b"iprp"])
    if b"iloc" in places:
        _read_locations(items, data, places[b"iloc"][0])


def _read_properties(items: Items, data: bytes, start: int, end: int) -> None:
    known: list[tuple[bytes, bytes]] = []
    for box, first, last in boxes(data, start, end):
        if box == b"ipco":
            known += [(kind, data[at:until]) for kind, at, until in boxes(data, first, last)]
        elif box == b"ipma":
            wide, step = 4 if data[first] else 2, 2 if data[first + 3] & 1 else 1
            at = first + 8
            for _ in range(int.from_bytes(data[first + 4 : at], "big")):
                item, count = int.from_bytes(data[at : at + wide], "big"), data[at + wide]
                at += wide + 1
                for position in range(at, at + count * step, step):
                    index = int.from_bytes(data[position : position + step], "big") & (0x7FFF if step == 2 else 0x7F)
                    if 0 < index <= len(known):
                        items.properties.setdefault(item, []).append(known[index - 1])
                at += count * step
                if at > end:
                    return


def _read_locations(items: Items, data: bytes, start: int) -> None:
    version, at = data[start], start + 6
    offset_size, length_size, base_size, index_size = (
        size for each in data[start + 4 : at] for size in (each >> 4, each & 15)
    )

    def number(size: int) -> int:
        nonlocal at
        if at + size > len(data):
            raise IndexError
        at += size
        return int.from_bytes(data[at - size : at], "big")

    for _ in range(number(4 if version == 2 else 2)):
        item = number(4 if version == 2 else 2)
        in_file = not version or number(2) & 15 == 0
        number(2)  # which file
        base = number(base_size)
        for _ in range(number(2)):
            number(index_size if version else 0)
            first = base + number(offset_size)
            length = number(length_size)
            if in_file:
                items.extents.setdefault(item, []).append((first, first + length if length else len(data)))
