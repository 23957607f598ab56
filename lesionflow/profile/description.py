"""What a labelled data set consists of, and what about it should make a reader careful."""

from __future__ import annotations

import dataclasses
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lesionflow.datasets.labelled import LabelledImages
from lesionflow.datasets.split import PARTS, Split
from lesionflow.images.duplicates import ALIKE, NEAR
from lesionflow.profile.attributes import Ages, Contradiction, Crosstab
from lesionflow.profile.copies import LOOK_ALIKE, NEARLY, Copy, leaks
from lesionflow.version import __version__

if TYPE_CHECKING:
    import pandas as pd

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
    """One thing found, in one sentence."""

    kind: str  # a word that machines can look for
    text: str
    warning: bool  # whether numbers could be wrong because of it


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

    def _count(self, diagnoses: pd.Series) -> dict[str, int]:
        counts = Counter(diagnoses.tolist())
        return {dx: counts[dx] for dx in self.images.label_set.names}

    def _split_as_json(self, split: Split) -> dict[str, Any]:
        table = self.images.table
        return {
            "seed": split.seed,
            "fractions": split.fractions,
            "digest": split.digest,
            "images": {part: self._count(table["dx"].iloc[split.part(part)]) for part in PARTS},
            "lesions": {part: int(table["lesion_id"].iloc[split.part(part)].nunique()) for part in PARTS},
            "leaking_pairs": leaks(self.copies),
        }


def aspect_ratios(sizes: dict[tuple[int, int], int]) -> dict[str, int]:
    """Images by width over height, the commonest first."""
    ratios: Counter[str] = Counter()
    for (width, height), count in sizes.items():
        ratios[f"{width / height:.2f}"] += count
    return dict(ratios.most_common())
