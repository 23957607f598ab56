"""What a labelled data set consists of, and what about it should make a reader careful."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from lesionflow.datasets.labelled import LabelledImages
from lesionflow.datasets.split import PARTS, Split
from lesionflow.diagnoses import DIAGNOSES
from lesionflow.profile.attributes import (
    COLUMNS,
    UNKNOWN,
    Ages,
    Contradiction,
    Crosstab,
    contradictions,
    cross,
    cross_ages,
    describe_ages,
    values_of,
)
from lesionflow.profile.copies import LOOK_ALIKE, NEARLY, Copy, find_copies, leaks
from lesionflow.profile.data_warnings import Finding, find
from lesionflow.profile.duplicates import ALIKE, NEAR, grey, is_blank
from lesionflow.profile.inspection import inspect_images
from lesionflow.version import __version__

DESCRIPTION_FORMAT = 1


@dataclass(frozen=True)
class Colour:
    """The middle squares of a diagnosis's images: means of 0 to 255, and how much images differ in brightness."""

    brightness: float
    brightness_deviation: float
    red: float
    green: float
    blue: float


@dataclass(frozen=True)
class Description:
    """A data set, described. Counts are of images unless they say otherwise."""

    images: LabelledImages
    diagnoses: dict[str, dict[str, int]]  # by diagnosis: images, lesions
    images_a_lesion: dict[str, dict[int, int]]  # by diagnosis: images of a lesion -> lesions
    columns: dict[str, Crosstab]  # by column of the metadata
    missing: dict[str, int]
    ages: Ages
    contradictions: tuple[Contradiction, ...]
    formats: dict[str, int]
    sizes: dict[tuple[int, int], int]  # width and height, the commonest first
    colour: dict[str, Colour]
    unreadable: dict[str, str]  # image id -> what is wrong
    blank: tuple[str, ...]  # image ids
    copies: tuple[Copy, ...]  # the worst first: across lesions, then by kind and correlation
    complete: bool  # whether the search for copies went to its end
    split: Split | None
    findings: tuple[Finding, ...] = ()

    @property
    def lesions(self) -> int:
        """How many lesions the images show."""
        return sum(counts["lesions"] for counts in self.diagnoses.values())

    @property
    def duplicates_across(self) -> tuple[Copy, ...]:
        """Copies that are said to show different lesions."""
        return tuple(copy for copy in self.copies if copy.duplicate and copy.across)

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON values; an image is named by its id, no path of this machine comes along."""
        told = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        images, split = told.pop("images"), told.pop("split")
        sizes = told["sizes"]
        return {
            "format": DESCRIPTION_FORMAT,
            "lesionflow_version": __version__,
            "name": images.name,
            "demo": images.demo,
            "digest": images.digest,
            "images": len(images.table),
            "lesions": self.lesions,
            "findings": [dataclasses.asdict(finding) for finding in told.pop("findings")],
            **told,
            "ages": dataclasses.asdict(self.ages),
            "contradictions": [dataclasses.asdict(one) for one in self.contradictions],
            "sizes": {f"{width} x {height}": count for (width, height), count in sizes.items()},
            "aspect_ratios": aspect_ratios(sizes),
            "colour": {dx: dataclasses.asdict(colour) for dx, colour in self.colour.items()},
            "copies": [dataclasses.asdict(copy) for copy in self.copies],
            "copies_limits": {NEARLY: NEAR, LOOK_ALIKE: ALIKE},
            "split": None if split is None else self._split_as_json(split),
        }

    def _split_as_json(self, split: Split) -> dict[str, Any]:
        table = self.images.table
        return {
            "seed": split.seed,
            "fractions": split.fractions,
            "digest": split.digest,
            "images": {part: _count_diagnoses(table["dx"].iloc[split.part(part)]) for part in PARTS},
            "lesions": {part: int(table["lesion_id"].iloc[split.part(part)].nunique()) for part in PARTS},
            "leaking_pairs": leaks(self.copies),
        }


def describe_images(
    images: LabelledImages, split: Split | None, progress: Callable[[int, int], None] = lambda done, total: None
) -> Description:
    """Read every file once and describe the set; split: where copies would matter most, if there is a split.

    What is wrong with single images is told in the description. progress is called with images done and all.
    """
    table = images.table
    diagnoses, ids = np.asarray(table["dx"], dtype=object), np.asarray(table["image_id"], dtype=object)
    inspections, views = inspect_images(table["path"].tolist(), progress)
    readable = np.array([inspection.failure is None for inspection in inspections])
    values = {column: values_of(table, column) for column in COLUMNS}
    per_lesion = table.groupby("lesion_id")["dx"].agg(["size", "first"])
    copies, complete = find_copies(images, inspections, views, split)
    sizes = Counter((one.width, one.height) for one in inspections if one.failure is None)
    description = Description(
        images=images,
        diagnoses={
            dx: {"images": int((diagnoses == dx).sum()), "lesions": int((per_lesion["first"] == dx).sum())}
            for dx in DIAGNOSES
        },
        images_a_lesion={
            dx: dict(sorted(Counter(per_lesion["size"][per_lesion["first"] == dx].tolist()).items()))
            for dx in DIAGNOSES
        },
        columns={column: (cross_ages if column == "age" else cross)(values[column], diagnoses) for column in COLUMNS},
        missing={column: int((values[column] == UNKNOWN).sum()) for column in COLUMNS},
        ages=describe_ages(values["age"], diagnoses, ids),
        contradictions=tuple(one for column in ("sex", "localization") for one in contradictions(table, column)),
        formats=dict(Counter(one.format for one in inspections if one.failure is None).most_common()),
        sizes=dict(sizes.most_common()),
        colour=_colours(views[readable], diagnoses[readable]),
        unreadable={ids[place]: str(one.failure) for place, one in enumerate(inspections) if one.failure is not None},
        blank=tuple(ids[readable & is_blank(views)].tolist()),
        copies=copies,
        complete=complete,
        split=split,
    )
    return dataclasses.replace(description, findings=tuple(find(description)))


def aspect_ratios(sizes: dict[tuple[int, int], int]) -> dict[str, int]:
    """Images by width over height, the commonest first."""
    ratios: Counter[str] = Counter()
    for (width, height), count in sizes.items():
        ratios[f"{width / height:.2f}"] += count
    return dict(ratios.most_common())


def _colours(views: np.ndarray, diagnoses: np.ndarray) -> dict[str, Colour]:
    """By diagnosis that has images; views: (images, 32, 32, 3) uint8."""
    means = views.mean(axis=(1, 2), dtype=np.float64)  # (images, 3)
    brightness = grey(views).mean(axis=(1, 2), dtype=np.float64)  # (images,)
    colours = {}
    for dx in DIAGNOSES:
        members = diagnoses == dx
        if members.any():
            red, green, blue = means[members].mean(axis=0).tolist()
            level, deviation = float(brightness[members].mean()), float(brightness[members].std())
            colours[dx] = Colour(*(round(value, 2) for value in (level, deviation, red, green, blue)))
    return colours


def _count_diagnoses(diagnoses: Any) -> dict[str, int]:
    counts = Counter(diagnoses.tolist())
    return {dx: counts[dx] for dx in DIAGNOSES}
