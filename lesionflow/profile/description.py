"""Describes labelled images: their contents, and what a reader should be careful about.

Every file is read once, and all are compared with each other.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lesionflow.datasets.labelled import LabelledImages
from lesionflow.datasets.split import HELD_OUT, PARTS, Split
from lesionflow.diagnoses import part_of_set
from lesionflow.errors import counted, first_few
from lesionflow.images.duplicates import ALIKE, MAXIMUM_IMAGES, NEAR, grey, is_blank, perceptual_hashes
from lesionflow.profile.attributes import (
    COLUMN_TITLES,
    UNKNOWN,
    Ages,
    Contradiction,
    Crosstab,
    contradictions,
    crosstab,
    crosstab_of_ages,
    describe_ages,
    shares,
    values_of,
    widest_gap,
)
from lesionflow.profile.copies import KINDS, LOOK_ALIKE, NEARLY, Copy, find_copies, inspect_images, leaks
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
class Finding:
    """One finding, in one sentence."""

    kind: str  # a word that machines can look for
    text: str
    warning: bool  # whether numbers could be wrong because of it


@dataclass(frozen=True)
class Description:
    """A data set, described. Counts are of images unless they say otherwise."""

    images: LabelledImages
    diagnoses: dict[str, dict[str, int]]  # by diagnosis: images, lesions
    images_a_lesion: dict[str, dict[int, int]] = field(repr=False)  # by diagnosis: images of a lesion -> lesions
    columns: dict[str, Crosstab] = field(repr=False)  # by column of the metadata
    missing: dict[str, int]
    ages: Ages = field(repr=False)
    contradictions: tuple[Contradiction, ...] = field(repr=False)
    formats: dict[str, int]
    sizes: dict[tuple[int, int], int] = field(repr=False)  # width and height, the commonest first
    colour: dict[str, Colour] = field(repr=False)
    unreadable: dict[str, str] = field(repr=False)  # image id -> what is wrong
    blank: tuple[str, ...] = field(repr=False)  # image ids
    copies: tuple[Copy, ...] = field(repr=False)  # the worst first: across lesions, then by kind and correlation
    complete: bool  # whether the search for copies went to its end
    hashes: np.ndarray = field(repr=False)  # of `duplicates.perceptual_hashes`, (images, 4) uint64
    split: Split | None
    findings: tuple[Finding, ...] = ()

    @property
    def lesions(self) -> int:
        """The number of lesions."""
        return sum(counts["lesions"] for counts in self.diagnoses.values())

    @property
    def duplicates_across(self) -> tuple[Copy, ...]:
        """Copies that are labelled as different lesions."""
        return tuple(copy for copy in self.copies if copy.duplicate and copy.across)

    def as_json(self) -> dict[str, Any]:
        """Everything, as JSON values; images are named by id, so that no path of this machine is in it."""
        told = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        images, split, _ = (told.pop(name) for name in ("images", "split", "hashes"))
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
        tables = {part: self.images.table.iloc[split.part(part)] for part in PARTS}
        counts = {part: Counter(table["dx"]) for part, table in tables.items()}
        return {
            "seed": split.seed,
            "fractions": split.fractions,
            "digest": split.digest,
            "images": {part: {dx: counts[part][dx] for dx in self.images.label_set.names} for part in PARTS},
            "lesions": {part: table["lesion_id"].nunique() for part, table in tables.items()},
            "leaking_pairs": leaks(self.copies),
        }


def aspect_ratios(sizes: dict[tuple[int, int], int]) -> dict[str, int]:
    """Images by width over height, the commonest first."""
    ratios: Counter[str] = Counter()
    for (width, height), count in sizes.items():
        ratios[f"{width / height:.2f}"] += count
    return dict(ratios.most_common())


def describe_images(
    images: LabelledImages, split: Split | None, progress: Callable[[int, int], None] = lambda done, total: None
) -> Description:
    """Read every file once and describe the data set, with what a reader has to know first in `findings`.

    images: also those that cannot be read; split: where copies would matter most, if there is one; progress: is told
    how many images are done, and of how many.
    """
    table, names = images.table, images.label_set.names
    diagnoses, ids = np.asarray(table["dx"], dtype=object), np.asarray(table["image_id"], dtype=object)
    inspections, views = inspect_images(table["path"].tolist(), progress)
    readable = np.array([inspection.failure is None for inspection in inspections])
    values = {column: values_of(table, column) for column in COLUMN_TITLES}
    per_lesion = table.groupby("lesion_id")["dx"].agg(["size", "first"])
    copies, complete = find_copies(images, inspections, views, split)
    sizes = Counter((one.width, one.height) for one in inspections if one.failure is None)
    description = Description(
        images=images,
        diagnoses={
            dx: {"images": int((diagnoses == dx).sum()), "lesions": int((per_lesion["first"] == dx).sum())}
            for dx in names
        },
        images_a_lesion={
            dx: dict(sorted(Counter(per_lesion["size"][per_lesion["first"] == dx].tolist()).items())) for dx in names
        },
        columns={
            column: (crosstab_of_ages if column == "age" else crosstab)(values[column], diagnoses, names)
            for column in COLUMN_TITLES
        },
        missing={column: int((values[column] == UNKNOWN).sum()) for column in COLUMN_TITLES},
        ages=describe_ages(values["age"], diagnoses, ids),
        contradictions=tuple(one for column in ("sex", "localization") for one in contradictions(table, column)),
        formats=dict(Counter(one.format for one in inspections if one.failure is None).most_common()),
        sizes=dict(sizes.most_common()),
        colour=_colours(views[readable], diagnoses[readable], names),
        unreadable={ids[index]: str(one.failure) for index, one in enumerate(inspections) if one.failure is not None},
        blank=tuple(ids[readable & is_blank(views)].tolist()),
        copies=copies,
        complete=complete,
        hashes=perceptual_hashes(views),
        split=split,
    )
    findings = [Finding(kind, text, True) for kind, text in _warnings(description)]
    findings += [Finding(kind, text, False) for kind, text in _notes(description)]
    return dataclasses.replace(description, findings=tuple(findings))


def _colours(views: np.ndarray, diagnoses: np.ndarray, names: Sequence[str]) -> dict[str, Colour]:
    """By diagnosis that has images; views: (images, 32, 32, 3) uint8."""
    means = views.mean(axis=(1, 2), dtype=np.float64)  # (images, 3)
    brightness = grey(means)  # (images,)
    colours = {}
    for dx in names:
        members = diagnoses == dx
        if members.any():
            red, green, blue = means[members].mean(axis=0).tolist()
            level, deviation = float(brightness[members].mean()), float(brightness[members].std())
            colours[dx] = Colour(*(round(value, 2) for value in (level, deviation, red, green, blue)))
    return colours


def pairs(copies: Sequence[Copy]) -> str:
    """How many pairs there are, and of which kinds: `2 pairs of images (1 same bytes, 1 nearly the same)`."""
    kinds = Counter(copy.kind for copy in copies)
    told = ", ".join(f"{kinds[kind]:,} {kind}" for kind in KINDS if kind in kinds)
    return f"{counted(len(copies), 'pair')} of images ({told})"


def _warnings(description: Description) -> Iterator[tuple[str, str]]:
    yield from _about_copies(description)
    total = len(description.images.table)
    if unreadable := description.unreadable:
        named = first_few([f"{image_id} ({reason})" for image_id, reason in unreadable.items()])
        yield (
            "unreadable",
            f"{counted(len(unreadable), 'image', of=total)} cannot be decoded, and 'train' refuses them: {named}",
        )
    if blank := description.blank:
        yield "blank", f"{counted(len(blank), 'image', 'shows', 'show')} a single tone: {first_few(blank)}"
    for column, name in COLUMN_TITLES.items():
        lesions = [one for one in description.contradictions if one.column == column]
        if lesions:
            named = first_few([f"{one.lesion_id} ({', '.join(one.values)})" for one in lesions])
            yield "contradiction", f"{counted(len(lesions), 'lesion', 'has', 'have')} more than one {name}: {named}"
    if gaps := {column: count for column, count in description.missing.items() if count}:
        told = [
            f"{COLUMN_TITLES[column]} of {'every image' if count == total else f'{count:,} ({count / total:.1%})'}"
            for column, count in gaps.items()
        ]
        yield "missing", f"missing values: {', '.join(told)}"
    ages = description.ages
    if ages.zero:
        zero = counted(len(ages.zero), "image", "is", "are")
        yield "age", f"{zero} of age 0, which may stand for a missing value: {first_few(ages.zero)}"
    for warning in description.images.warnings:
        yield "files", warning


def _about_copies(description: Description) -> Iterator[tuple[str, str]]:
    across, table = description.duplicates_across, description.images.table
    only_train = {*table["image_id"][table["extra"]]} if "extra" in table.columns else set()
    if measured := [copy for copy in across if not only_train.issuperset(copy.image_ids)]:
        text = f"copies across lesions: {pairs(measured)}: {_named(measured)}"
        yield "duplicates", f"{text}; a split by lesion does not keep them together"
    if differing := [copy for copy in across if copy.diagnoses[0] != copy.diagnoses[1]]:
        yield "diagnoses", f"copies with different diagnoses: {pairs(differing)}: {_named(differing)}"
    if found := leaks(description.copies):
        assert description.split is not None
        where = ", ".join(f"{count} in {parts}" for parts, count in found.items())
        yield "leak", f"the split with seed {description.split.seed} separates copies: {where}"
    if len(table) > MAXIMUM_IMAGES:
        told = f"among more than {MAXIMUM_IMAGES:,} images only files with the same bytes are found as copies"
        yield "duplicates", f"{told}; images that merely look the same can be on two sides of the split"
    elif not description.complete:
        yield "duplicates", "there are so many copies that the search was ended early; the counts are too low"
    unfit = []
    if description.split is None:
        few = [f"{dx} ({each['lesions']})" for dx, each in description.diagnoses.items() if 0 < each["lesions"] < 3]
        whose = f"lesions of {first_few(few)}" if few else "lesions, or patients, of a diagnosis"
        unfit.append(f"there are too few {whose} to split these images: three are needed")
    if missing := description.images.missing_diagnoses:
        there = part_of_set(dx for dx in description.diagnoses if dx not in missing)
        unfit.append(
            f"no image of {first_few(missing, 8)}: training on these alone needs images of each diagnosis; name those "
            f"that there are with --diagnoses {there or '(a built-in set, or a YAML file)'}"
        )
    if (split := description.split) is not None:
        labels = description.images.labels
        unmeasured = [
            f"{description.images.label_set.names[label]} in {part}"
            for label in np.unique(labels)
            for part in HELD_OUT
            if label not in labels[split.part(part)]
        ]
        if unmeasured:
            unfit.append(f"no image of {first_few(unmeasured)}: metrics for it are not measured there")
    if unfit:
        yield "split", "; ".join(unfit)


def _notes(description: Description) -> Iterator[tuple[str, str]]:
    total = len(description.images.table)
    counts = {dx: count["images"] for dx, count in description.diagnoses.items()}
    common = max(counts, key=counts.__getitem__)
    yield "imbalance", f"always answering {common} would be right for {counts[common] / total:.1%} of the images"
    several = sum(
        lesions for by_number in description.images_a_lesion.values() for n, lesions in by_number.items() if n > 1
    )
    if several:
        share = f"{several / description.lesions:.1%} of the lesions have several images"
        yield "lesions", f"{share}: only a split by lesion keeps them on one side"
    patients = description.images.table["patient_id"]
    if known := int((patients != "").sum()):
        whose = "the images" if known == total else f"{known:,} of the images"
        people = counted(patients[patients != ""].nunique(), "patient")
        yield "patients", f"{whose} are of {people}: a split keeps all of a patient on one side"
    if within := [copy for copy in description.copies if copy.duplicate and not copy.across]:
        yield "duplicates within", f"copies within lesions: {pairs(within)}"
    if description.split is not None and description.complete and not leaks(description.copies):
        yield "split", f"the split with seed {description.split.seed} separates no copies that were found"
    confirmed = description.columns["dx_type"]
    if gap := widest_gap(confirmed):
        value, high, most, low, least = gap
        if len(shares(confirmed)) > 1:
            text = f"confirmed by {value}: {most:.0%} of {high}, {least:.0%} of {low}"
            yield "confirmation", f"how sure the labels are depends on the diagnosis; {text}"


def _named(copies: Sequence[Copy]) -> str:
    return first_few([" and ".join(copy.image_ids) for copy in copies])
