"""Images that are copies of each other: the same bytes, the same pixels, or nearly so, also turned or mirrored.

All pairs are compared by a perceptual hash of the discrete cosine transform (Zauner 2010, "Implementation and
Benchmarking of Perceptual Image Hash Functions"), and those whose hashes are close by the correlation of the
transform's coefficients. The hash alone would not do: one dark spot in the middle of bare skin is much like another.

Measured on HAM10000 at 200 x 150 pixels (and on the demo set): of 400 planted copies each, these shares are found at
`NEAR`: recompressed at quality 75 or 30, scaled to a half or three times, turned, mirrored, brighter, darker, of more
contrast, with a colour cast or without colour: all (0.997 or more); up to 2 % trimmed off: 0.91 (0.86); up to 5 %: 0.09
(0.02); more, or turned by 3 degrees: none. Of the 50 million pairs of HAM10000's images of different lesions one is at
`NEAR` or above, and it is a copy; the next comes to 0.951 and is none, but two round spots. The limit was set by
looking at these, so they say little of false alarms; of 8 million pairs of another demo set, drawn later, none comes
above 0.925.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

VIEW = 32  # pixels a side of the views that are compared
TURNS = (  # what makes the first of a pair lie like the second
    "as it is",
    "mirrored left to right",
    "mirrored top to bottom",
    "turned by 180 degrees",
    "mirrored along the diagonal",
    "turned by 90 degrees clockwise",
    "turned by 90 degrees anticlockwise",
    "mirrored along the other diagonal",
)
HASH_LIMIT = 12  # of 64 bits: nearly all copies trimmed by 2 % are within it
NEAR = 0.955  # correlation from which two images count as near duplicates
ALIKE = 0.92  # from which they are worth a look, if only to see what the limit keeps out
BLANK = 2.0  # grey levels of standard deviation below which a view shows nothing that could be compared
MAXIMUM_PAIRS = 100_000  # beyond which a search stops: a data set of copies is found out long before

_HASHED, _COMPARED = 8, 16  # the lowest frequencies, a side
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow's
_DISTANCES = 2_500_000  # pairs whose hashes are compared at a time
_CANDIDATES = 8_192  # pairs whose coefficients are


@dataclass(frozen=True)
class Pair:
    """Two images, by their places in the table, first < second."""

    first: int
    second: int
    correlation: float  # of their coefficients, at most 1
    turn: str  # one of `TURNS`


def grey(views: np.ndarray) -> np.ndarray:
    """The brightness of pixels: (..., 3) uint8 to (...) float32."""
    return np.asarray(views @ _GREY)


def is_blank(views: np.ndarray) -> np.ndarray:
    """Which views, (images, height, width, 3) uint8, are of one tone: (images,) bool."""
    blank = np.zeros(len(views), bool)
    for block in _blocks(len(views), 1024):
        blank[block] = grey(views[block]).std(axis=(1, 2)) < BLANK
    return blank


def same_content(digests: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs of places that hold the same digest; nothing is the same as an empty one."""
    places: dict[str, list[int]] = {}
    for place, digest in enumerate(digests):
        if not digest:
            continue
        for earlier in places.setdefault(digest, []):
            yield earlier, place
        places[digest].append(place)


def similar_pairs(views: np.ndarray, limit: float = ALIKE, hash_limit: int = HASH_LIMIT) -> Iterator[Pair]:
    """Pairs of images whose correlation, in the turn that suits best, is at least limit.

    views: (images, 32, 32, 3) uint8, each the middle square of an image. Brightness, contrast and colour cast do not
    matter. A blank view is like nothing. Takes about 1.1 KB an image and 80 MB beside the views.
    """
    from scipy.fft import dctn

    members = np.flatnonzero(~is_blank(views))
    hashes = np.empty((len(members), len(TURNS)), np.uint64)
    compared = np.empty((len(members), _COMPARED, _COMPARED), np.float32)
    for block in _blocks(len(members), 1024):
        coefficients = dctn(grey(views[members[block]]), axes=(1, 2), norm="ortho")[:, :_COMPARED, :_COMPARED]
        for turn in range(len(TURNS)):
            hashes[block, turn] = _hash(_turned(coefficients, turn)[:, :_HASHED, :_HASHED])
        compared[block] = _weighted(coefficients)
    flat = compared.reshape(len(members), _COMPARED**2)  # (members, 256), each of length 1

    for block in _blocks(len(members), max(1, _DISTANCES // max(len(members), 1))):
        best: dict[tuple[int, int], tuple[float, int]] = {}
        for turn in range(len(TURNS)):
            distances = np.bitwise_count(hashes[block, turn, None] ^ hashes[None, block.start :, 0])
            rows, columns = np.nonzero(distances <= hash_limit)  # (candidates,) each
            later = columns > rows
            rows, columns = rows[later], columns[later] + block.start
            turned = _turned(compared[block], turn).reshape(-1, _COMPARED**2)
            for part in _blocks(len(rows), _CANDIDATES):
                correlations = np.einsum("ij,ij->i", turned[rows[part]], flat[columns[part]])
                for candidate in np.flatnonzero(correlations >= limit):
                    pair = int(rows[part][candidate]) + block.start, int(columns[part][candidate])
                    found = float(correlations[candidate]), -turn  # of equal ones, the simpler turn
                    best[pair] = max(found, best.get(pair, found))
                if len(best) > MAXIMUM_PAIRS:
                    break
        for (first, second), (correlation, turn) in sorted(best.items()):
            yield Pair(int(members[first]), int(members[second]), min(correlation, 1.0), TURNS[-turn])


def _blocks(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _turned(coefficients: np.ndarray, turn: int) -> np.ndarray:
    """The transform of turned images from that of the images: (images, n, n).

    Mirroring an image negates its odd frequencies in that direction; mirroring it along the diagonal transposes them.
    """
    alternating = np.where(np.arange(coefficients.shape[1]) % 2, -1, 1).astype(np.float32)
    turned = coefficients.swapaxes(1, 2) if turn & 4 else coefficients
    if turn & 1:
        turned = turned * alternating
    if turn & 2:
        turned = turned * alternating[:, None]
    return turned


def _hash(coefficients: np.ndarray) -> np.ndarray:
    """64 bits of (images, 8, 8) lowest frequencies, each whether it is above their median: (images,) uint64."""
    values = coefficients.reshape(len(coefficients), -1).copy()
    values[:, 0] = 0  # the mean brightness
    bits = values > np.median(values, axis=1, keepdims=True)
    return np.ascontiguousarray(np.packbits(bits, axis=1)).view(np.uint64)[:, 0]


def _weighted(coefficients: np.ndarray) -> np.ndarray:
    """Coefficients by frequency, without mean brightness, of length 1 or 0: (images, 16, 16) float32.

    Natural images have amplitudes that fall with the frequency (Field 1987, J. Opt. Soc. Am. A 4, 2379). The weight
    undoes that: otherwise the correlation would tell only that both images have a spot in the middle.
    """
    weighted = coefficients * np.hypot(*np.mgrid[: coefficients.shape[1], : coefficients.shape[2]])
    length = np.sqrt((weighted**2).sum(axis=(1, 2), keepdims=True))
    return np.asarray(weighted / np.maximum(length, 1e-6), np.float32)
