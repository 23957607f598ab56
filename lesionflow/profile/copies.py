"""Labelled images that are copies of each other, under different lesions or on different sides of a split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice

import numpy as np

from lesionflow.datasets.labelled import LabelledImages
from lesionflow.datasets.split import PARTS, Split
from lesionflow.errors import ImageError
from lesionflow.images.containers import row_order
from lesionflow.images.decode import decode, decode_frames, header
from lesionflow.images.duplicates import MAXIMUM_IMAGES, MAXIMUM_PAIRS, NEAR, TURNS, VIEW, same_content, similar_pairs
from lesionflow.images.read_bytes import file_and_frame, read_image_bytes


@dataclass(frozen=True)
class Inspection:
    """The findings about one image file."""

    format: str = ""  # as Pillow names it, or DICOM
    width: int = 0  # pixels, as the image is shown
    height: int = 0
    failure: ImageError | None = None


def inspect_images(
    paths: Sequence[str], progress: Callable[[int, int], None] = lambda done, total: None
) -> tuple[list[Inspection], np.ndarray]:
    """Inspect every file; unreadable ones get a failure.

    Returns one inspection each and the views of their middle squares, (images, 32, 32, 3) uint8; black where an image
    cannot be decoded.
    """
    views = np.zeros((len(paths), VIEW, VIEW, 3), np.uint8)
    inspections = [Inspection()] * len(paths)
    files: dict[str, list[tuple[int, int]]] = {}  # of each file the rows, and their frames
    for index, (file, frame) in enumerate(map(file_and_frame, paths)):
        files.setdefault(file, []).append((index, frame))

    def inspect(file: str) -> int:
        rows, described = files[file], ("", 0, 0)
        found: dict[int, np.ndarray | ImageError] = {}
        try:
            data = read_image_bytes(file)
            described = header(data)
            if len(rows) == 1:
                found[rows[0][1]] = decode(data, VIEW, VIEW, rows[0][1])
            else:
                for at, each in decode_frames(data, VIEW, VIEW):
                    found[at] = each if isinstance(each, ImageError) else each.pixels
        except ImageError as error:
            found = {frame: error for _, frame in rows}
        for index, frame in rows:
            one = found[frame] if frame in found else ImageError("not_found", f"the file has no frame {frame + 1}")
            if isinstance(one, ImageError):
                inspections[index] = Inspection(failure=one)
            else:
                inspections[index], views[index] = Inspection(*described), one
        return len(rows)

    done = 0
    with ThreadPoolExecutor() as threads:  # Pillow's decoders release the interpreter's lock
        for count in threads.map(inspect, sorted(files, key=row_order)):
            done += count
            progress(done, len(paths))
    return inspections, views


SAME_BYTES, SAME_PIXELS, NEARLY, LOOK_ALIKE = "same bytes", "same pixels", "nearly the same", "alike"
KINDS = (SAME_BYTES, SAME_PIXELS, NEARLY, LOOK_ALIKE)  # the last is listed to show what the limit keeps out


@dataclass(frozen=True)
class Copy:
    """Two images that are, or look like, copies of each other."""

    image_ids: tuple[str, str]
    lesion_ids: tuple[str, str]
    diagnoses: tuple[str, str]
    parts: tuple[str, str] | None  # of the split, where there is one
    kind: str  # one of `KINDS`
    correlation: float
    turn: str  # what makes the first lie like the second

    @property
    def across(self) -> bool:
        """Whether they are labelled as different lesions."""
        return self.lesion_ids[0] != self.lesion_ids[1]

    @property
    def duplicate(self) -> bool:
        """Whether they count as copies of each other."""
        return self.kind != LOOK_ALIKE

    @property
    def leak(self) -> bool:
        """Whether they count as copies and the split puts them into two parts."""
        return self.duplicate and self.parts is not None and self.parts[0] != self.parts[1]


def find_copies(
    images: LabelledImages, inspections: Sequence[Inspection], views: np.ndarray, split: Split | None
) -> tuple[tuple[Copy, ...], bool]:
    """The copies among the images, the worst first, and whether these are all.

    A search ends at `MAXIMUM_PAIRS`; of more than `MAXIMUM_IMAGES`, only files of the same bytes are found.

    inspections and views, (images, 32, 32, 3) uint8: what `inspect_images` gave. Images of one lesion that merely look
    alike are left out: so they should.
    """
    table, part_of = images.table, None if split is None else split.part_of_each(len(images.table))
    ids, lesions, diagnoses, paths = (table[name].tolist() for name in ("image_id", "lesion_id", "dx", "path"))
    same = list(islice(same_content(table["content"].tolist()), MAXIMUM_PAIRS + 1))
    compared = len(views) <= MAXIMUM_IMAGES
    similar = list(islice(similar_pairs(views), MAXIMUM_PAIRS + 1)) if compared else []
    complete = compared and max(len(same), len(similar)) <= MAXIMUM_PAIRS

    found = [(first, second, SAME_BYTES, 1.0, TURNS[0]) for first, second in same]
    known = set(same)
    for pair in similar:
        first, second = pair.first, pair.second
        kind = NEARLY if pair.correlation >= NEAR else LOOK_ALIKE
        if (first, second) in known or (kind == LOOK_ALIKE and lesions[first] == lesions[second]):
            continue
        if pair.correlation > 0.99 and _same_pixels(paths, inspections, first, second):
            kind = SAME_PIXELS
        found.append((first, second, kind, round(pair.correlation, 4), pair.turn))
    copies = [
        Copy(
            (ids[first], ids[second]),
            (lesions[first], lesions[second]),
            (diagnoses[first], diagnoses[second]),
            None if part_of is None else (part_of[first], part_of[second]),
            kind,
            correlation,
            turn,
        )
        for first, second, kind, correlation, turn in found
    ]
    copies.sort(key=lambda one: (not one.across, KINDS.index(one.kind), -one.correlation, one.image_ids))
    return tuple(copies), complete


def leaks(copies: Sequence[Copy]) -> dict[str, int]:
    """Pairs of copies that the split separates, by the parts they lie in, such as `train and test`."""
    pairs = [sorted(copy.parts, key=PARTS.index) for copy in copies if copy.leak and copy.parts is not None]
    return dict(Counter(" and ".join(pair) for pair in pairs).most_common())


def _same_pixels(paths: Sequence[str], inspections: Sequence[Inspection], first: int, second: int) -> bool:
    one, other = inspections[first], inspections[second]
    if (one.width, one.height) != (other.width, other.height):
        return False
    pixels = [decode(paths[index], one.height, one.width) for index in (first, second)]
    return bool(np.array_equal(pixels[0], pixels[1]))
