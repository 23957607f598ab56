"""Finds images that are copies of each other: same bytes, same pixels, or nearly so, also rotated or mirrored.

All pairs are compared by a perceptual hash of the discrete cosine transform (Zauner 2010, "Implementation and
Benchmarking of Perceptual Image Hash Functions"), and those whose hashes are close by the correlation of the
transform's coefficients. The hash alone would not do: one dark spot in the middle of bare skin is much like another.

If one of two images shows a round field in the dark, as many dermatoscopes photograph it, only the area lit in both is
compared; the darkness would make any two of them alike.

Measured on HAM10000 at 200 x 150 pixels, and on 14,853 images of BCN_20000, MSK and ISIC 2017 at 84 x 84 to 256 x 192,
of which 47 % show such a field. Of 200 planted copies each, these shares are found at `NEAR`: recompressed at quality
75, scaled to a half or three times, turned, mirrored, darker by 30 %, of another contrast or colour cast, sharpened or
without colour: all (0.99 or more); recompressed at quality 30: all (0.97); brighter by 30 %, with skin overexposed:
0.985 (0.96); up to 2 % trimmed off: 0.92 (0.65, 0.42 in dark fields); up to 5 %: 0.19 (0.06); turned by 3 degrees: 0.03
(0.20). Among 50 million pairs of HAM10000's images of different lesions, one is at `NEAR` or above, and it is a copy;
the next, at 0.951, is not, but shows two round spots. Among 110 million pairs of the other set there are 27, all of
which look like copies, as do the 36 pairs of one lesion nearest to the limit; the next that is not a copy has 0.952.
Without the comparison of lit parts it was 14,435 pairs, nearly all of them two dark fields. The limits were set by
looking at these, so they say little about false alarms; among 8 million pairs of another demo set none exceeds 0.925.

A bundle has no images to compare with, only a longer hash of each: the signs of 255 coefficients of the details. Among
the same images, of 309 million pairs of different lesions 25 differ in at most 28 signs, and all of these are copies;
the next, at 29, is not. Of 400 planted copies each, these shares are found at `SAME_HASH`: recompressed at quality 75,
scaled to a half or three times, turned, mirrored, darker by 30 %, brighter by 10 %, of another colour cast, sharpened,
softened or without colour: 0.995 (0.965); recompressed at quality 30: 0.99 (0.92); of more contrast: 0.985 (0.78);
brighter by 30 %: 0.97 (0.91); up to 1 % trimmed off: 0.995 (0.72), up to 2 %: 0.81 (0.55), up to 5 %: none. The rest of
the first are images without a hash, as they show one small spot or less: 0.9 % of HAM10000 (1.3 % of the other set).
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
SAME_HASH = 26  # of 255 bits that differ, up to which hashes of bundles count as those of copies
BLANK = 2.0  # grey levels of standard deviation below which a view shows nothing that could be compared
MAXIMUM_IMAGES = 60_000  # all pairs of so many are compared in 90 CPU seconds, of 400,000 in more than an hour
MAXIMUM_PAIRS = 100_000  # beyond which a search stops: a data set of copies is found out long before

# Many dermatoscopes photograph a round field with darkness around it, which makes any two such images alike.
_DARK = 0.4  # of the brightness of the lit part: darker corners are such a field
_OVEREXPOSED = 253  # pixels that are as bright have lost what they showed
_FEWEST = 24  # lit pixels that two views have in common, below which there is too little to compare
_SCALE = (1 - NEAR) / (1 - 0.885)  # from which on details of lit parts are those of copies

_HASHED, _COMPARED = 8, 16  # the lowest frequencies, a side
_SPOT = 20  # pixels that hold nearly all details: one small spot on bare skin is much like another
_GREY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601, as Pillow's
_DISTANCES = 2_500_000  # pairs whose hashes are compared at a time
_CANDIDATES = 8_192  # pairs whose coefficients are


@dataclass(frozen=True)
class Pair:
    """Two images, by their rows of the table, first < second."""

    first: int
    second: int
    correlation: float  # of their coefficients, at most 1
    turn: str  # one of `TURNS`


def grey(views: np.ndarray) -> np.ndarray:
    """The brightness of pixels: (..., 3) uint8 to (...) float32."""
    return np.asarray(views @ _GREY)


def is_blank(views: np.ndarray) -> np.ndarray:
    """Which views, (images, height, width, 3) uint8, are of a uniform colour: (images,) bool."""
    blank = np.zeros(len(views), bool)
    for block in _blocks(len(views), 1024):
        blank[block] = grey(views[block]).std(axis=(1, 2)) < BLANK
    return blank


def same_content(digests: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Pairs of rows with the same digest; empty ones never match."""
    rows: dict[str, list[int]] = {}
    for row, digest in enumerate(digests):
        if not digest:
            continue
        for earlier in rows.setdefault(digest, []):
            yield earlier, row
        rows[digest].append(row)


def similar_pairs(views: np.ndarray, limit: float = ALIKE, before: int | None = None) -> Iterator[Pair]:
    """Pairs of images whose correlation, in the best orientation, is at least limit.

    Brightness, contrast and colour cast do not matter. A blank view matches nothing. If one of the two shows a round
    field in the dark, only the area lit in both is compared: by its details, each pixel less the mean around it, whose
    correlation is converted to the scale of the others.

    Parameters
    ----------
    views : (images, 32, 32, 3) uint8
        The middle square of each image. Takes about 1.1 KB an image and 80 MB beside them, and 1 KB an image more
        where there are dark fields.
    limit : float
        The least correlation that counts.
    before : int, optional
        Compare the first so many views with those after them, and no two on the same side.

    Yields
    ------
    Pair
        In the order of the first image.
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
    dark = np.zeros(len(members), bool)  # (members,)
    for block in _blocks(len(members), 1024):
        dark[block] = dark_fields(views[members[block]]).any(axis=(1, 2))
    lit = lit_parts(views[members]) if dark.any() else np.ones((0, VIEW, VIEW), bool)

    firsts_end = len(members) if before is None else int(np.searchsorted(members, before))
    for block in _blocks(firsts_end, max(1, _DISTANCES // max(len(members), 1))):
        others = block.start if before is None else firsts_end
        best: dict[tuple[int, int], tuple[float, int]] = {}
        for turn in range(len(TURNS)):
            distances = np.bitwise_count(hashes[block, turn, None] ^ hashes[None, others:, 0])
            rows, columns = np.nonzero(distances <= HASH_LIMIT)  # (candidates,) each
            columns += others
            later = columns > rows + block.start
            rows, columns = rows[later], columns[later]
            turned = _turned(compared[block], turn).reshape(-1, _COMPARED**2)
            for part in _blocks(len(rows), _CANDIDATES):
                firsts, seconds = rows[part], columns[part]
                correlations = np.einsum("ij,ij->i", turned[firsts], flat[seconds])
                fields = (dark[firsts + block.start] | dark[seconds]) & (correlations >= min(limit, ALIKE))
                if fields.any():
                    pairs = firsts[fields] + block.start, seconds[fields]
                    correlations[fields] = correlation_in_light(views, lit, members, *pairs, turn)
                for candidate in np.flatnonzero(correlations >= limit):
                    pair = int(rows[part][candidate]) + block.start, int(columns[part][candidate])
                    found = float(correlations[candidate]), -turn  # of equal ones, the simpler turn
                    best[pair] = max(found, best.get(pair, found))
                if len(best) > MAXIMUM_PAIRS:
                    break
        for (first, second), (correlation, turn) in sorted(best.items()):
            yield Pair(int(members[first]), int(members[second]), min(correlation, 1.0), TURNS[-turn])


def perceptual_hashes(views: np.ndarray) -> np.ndarray:
    """A hash of each image, by which copies of it are known later without it: (images, 4) uint64.

    views: (images, 32, 32, 3) uint8, the middle square of each image. The bits are the signs of the lowest frequencies
    of the details outside dark fields, which hardly depend on compression, size, brightness or contrast; all are 0
    where there is too little to see. What they show of an image is blotches of a sixteenth of its side.
    """
    from scipy.fft import dctn

    hashes = np.zeros((len(views), _COMPARED**2 // 64), np.uint64)
    for block in _blocks(len(views), 1024):
        details = _details(grey(views[block]), _beside_nothing(dark_fields(views[block])).astype(np.float32))
        energy, fourth = ((details**power).sum(axis=(1, 2)) for power in (2, 4))
        tells = ~is_blank(views[block]) & (energy**2 >= _SPOT * np.maximum(fourth, 1e-9))
        coefficients = dctn(details, axes=(1, 2), norm="ortho")[:, :_COMPARED, :_COMPARED]
        hashes[block] = np.where(tells[:, None], _signs(coefficients), 0)
    return hashes


def known_by_hash(hashes: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which images are copies of known ones, also turned or mirrored: (images,) bool.

    hashes: of the images, and known: of the others, each as `perceptual_hashes` gives them. 50,000 are compared with as
    many in three CPU minutes.
    """
    found, known = np.zeros(len(hashes), bool), known[known.any(axis=1)]
    for block in _blocks(len(hashes), max(1, _DISTANCES // max(len(known), 1024))):
        bits = np.unpackbits(hashes[block].view(np.uint8), axis=1).reshape(-1, _COMPARED, _COMPARED)
        for turn in range(len(TURNS)):
            turned = _signs(_turned(bits.astype(np.float32) * 2 - 1, turn))
            distances = np.bitwise_count(turned[:, None, 0] ^ known[:, 0])
            distances += np.bitwise_count(turned[:, None, 1] ^ known[:, 1])
            rows, columns = np.nonzero(distances <= SAME_HASH)  # so far: hardly any pair is left for the other half
            same = np.bitwise_count(turned[rows] ^ known[columns]).sum(axis=1) <= SAME_HASH
            found[block.start + rows[same]] = True
    return found & hashes.any(axis=1)


def dark_fields(views: np.ndarray) -> np.ndarray:
    """Mask of the dark field around the lit area of a dermatoscope: (images, height, width) bool.

    That is what is dark and joined to a corner, in views, (images, height, width, 3) uint8, with a corner that is much
    darker than the lit part.
    """
    from scipy.ndimage import label

    pixels = grey(views)
    lit = np.percentile(pixels, 90, axis=(1, 2))  # (images,)
    ends = slice(2), slice(-2, None)
    corners = [pixels[:, rows, columns].mean(axis=(1, 2)) for rows in ends for columns in ends]
    darkest = np.min(corners, axis=0)
    fields = np.zeros(pixels.shape, bool)
    for index in np.flatnonzero(darkest < _DARK * lit):
        parts, _ = label(pixels[index] < (darkest[index] + lit[index]) / 2)
        of_corners = np.unique(parts[[0, 0, -1, -1], [0, -1, 0, -1]])
        fields[index] = np.isin(parts, of_corners[of_corners > 0])
    return fields


def correlation_in_light(
    views: np.ndarray, lit: np.ndarray, members: np.ndarray, firsts: np.ndarray, seconds: np.ndarray, turn: int = 0
) -> np.ndarray:
    """The correlation of the area lit in both views of each pair, on the scale of whole views: (pairs,) float32.

    views: (images, 32, 32, 3) uint8; lit: which pixels of `members` of these can be compared, (members, 32, 32) bool;
    firsts, seconds: (pairs,) indices among the members.
    """
    found = np.zeros(len(firsts), np.float32)
    for part in _blocks(len(firsts), _CANDIDATES):
        both = (_turned_views(lit[firsts[part]], turn) & lit[seconds[part]]).astype(np.float32)
        pixels = _turned_views(grey(views[members[firsts[part]]]), turn), grey(views[members[seconds[part]]])
        one, other = (_details(view, both) for view in pixels)
        products = np.einsum("ijk,ijk->i", one, other)
        lengths = np.sqrt(np.einsum("ijk,ijk->i", one, one) * np.einsum("ijk,ijk->i", other, other))
        enough = both.sum(axis=(1, 2)) >= _FEWEST
        found[part] = np.where(enough, 1 - (1 - products / np.maximum(lengths, 1e-6)) * _SCALE, 0)
    return found


def lit_parts(views: np.ndarray) -> np.ndarray:
    """Which pixels can be compared: neither in a dark field nor overexposed, nor beside: (images, 32, 32) bool."""
    lit = np.empty(views.shape[:3], bool)
    for block in _blocks(len(views), 1024):
        lit[block] = _beside_nothing(dark_fields(views[block]) | (views[block].max(axis=3) >= _OVEREXPOSED))
    return lit


def _beside_nothing(lost: np.ndarray) -> np.ndarray:
    """Which pixels are neither lost nor beside one that is: (images, height, width) bool."""
    from scipy.ndimage import binary_dilation

    cross = np.zeros((3, 3, 3), bool)  # within an image
    cross[1, 1], cross[1, :, 1] = True, True
    return ~np.asarray(binary_dilation(lost, cross))


def _details(pixels: np.ndarray, lit: np.ndarray) -> np.ndarray:
    """Each lit pixel less the mean of those around it, 0 elsewhere: (images, height, width) float32, as both are."""
    from scipy.ndimage import gaussian_filter

    around = gaussian_filter(pixels * lit, (0, 1, 1)) / np.maximum(gaussian_filter(lit, (0, 1, 1)), 1e-3)
    return np.asarray((pixels - around) * lit)


def _turned_views(views: np.ndarray, turn: int) -> np.ndarray:
    """Turned views, (images, height, width), as `_turned` turns their transforms."""
    turned = views.swapaxes(1, 2) if turn & 4 else views
    if turn & 1:
        turned = turned[:, :, ::-1]
    if turn & 2:
        turned = turned[:, ::-1]
    return turned


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


def _signs(coefficients: np.ndarray) -> np.ndarray:
    """256 bits, which coefficients of (images, 16, 16) are above 0, without the mean: (images, 4) uint64."""
    bits = coefficients.reshape(len(coefficients), -1) > 0
    bits[:, 0] = False
    return np.packbits(bits, axis=1).view(np.uint64)


def _weighted(coefficients: np.ndarray) -> np.ndarray:
    """Coefficients by frequency, without mean brightness, of length 1 or 0: (images, 16, 16) float32.

    Natural images have amplitudes that fall with the frequency (Field 1987, J. Opt. Soc. Am. A 4, 2379). The weight
    undoes that: otherwise the correlation would tell only that both images have a spot in the middle.
    """
    weighted = coefficients * np.hypot(*np.mgrid[: coefficients.shape[1], : coefficients.shape[2]])
    length = np.sqrt((weighted**2).sum(axis=(1, 2), keepdims=True))
    return np.asarray(weighted / np.maximum(length, 1e-6), np.float32)
