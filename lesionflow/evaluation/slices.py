"""The same metrics for parts of the images: by sex, age, body site, confirmation of the diagnosis and source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.datasets.label_columns import ATTRIBUTES
from lesionflow.evaluation.bootstrap import SECTION_RESAMPLES
from lesionflow.evaluation.measure import measure
from lesionflow.evaluation.metrics import Place, in_words, shown_at
from lesionflow.model.card import Estimate
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.profile.attributes import AGE_BANDS, UNKNOWN, age_band, values_of

if TYPE_CHECKING:
    import pandas as pd

# With 20 lesions, one more or less moves a sensitivity by five points, and its interval is about 40 points wide.
FEWEST_IMAGES, FEWEST_LESIONS = 100, 20
SOURCE, MOST_SOURCES = "source", 30  # a column of more values tells images apart, such as by their address
ATTRIBUTE_WORDS = {"localization": "body site", "dx_type": "confirmation"}


@dataclass(frozen=True)
class Slice:
    """The images that have one value of an attribute."""

    attribute: str
    value: str
    images: int
    lesions: int
    small: bool  # fewer than 100 images, or fewer than 20 malignant or 20 benign lesions: read its metrics with care
    metrics: dict[str, Estimate]


@dataclass(frozen=True)
class Gap:
    """The two slices of an attribute that differ most in a metric."""

    attribute: str
    metric: str
    lowest: Slice
    highest: Slice
    overall: Estimate
    overlap: bool  # whether the intervals of the two have a value in common
    same_diagnoses: bool  # whether both hold the same diagnoses; else an average over diagnoses is not of the same ones

    @property
    def size(self) -> float:
        """The metric of the highest minus that of the lowest."""
        return self.highest.metrics[self.metric].value - self.lowest.metrics[self.metric].value


def slices(
    predictions: LabelledPredictions, attributes: pd.DataFrame, *, resamples: int = SECTION_RESAMPLES
) -> list[Slice]:
    """All of `measure.measure` for each value of each attribute, the more frequent values first, unknown last.

    attributes: the rows of predictions in the same order, with text in whichever of `ATTRIBUTES` and `source` it has as
    columns; age is cut into `AGE_BANDS`. Empty text counts as unknown; an attribute of which nothing else is known is
    left out, and so is the source where all images are of one, or of more than `MOST_SOURCES`. Averages over diagnoses
    are over those in the slice. Raises `ValueError` where the rows are not those of predictions.
    """
    if len(attributes) != len(predictions):
        raise ValueError(f"attributes of {len(attributes)} images, predictions of {len(predictions)}")
    if "image_id" in attributes.columns and (attributes["image_id"].to_numpy() != predictions.image_ids).any():
        raise ValueError("attributes and predictions are not of the same images in the same order")
    # Numbers in the order of the texts: the same lesions are drawn, and each slice sorts them faster.
    _, lesions = np.unique(predictions.lesion_ids, return_inverse=True)
    predictions = replace(predictions, lesion_ids=lesions)
    found = []
    for attribute in (*ATTRIBUTES, SOURCE):
        if attribute not in attributes.columns:
            continue
        if attribute == SOURCE and not 1 < attributes[SOURCE].nunique() <= MOST_SOURCES:
            continue
        values = values_of(attributes, attribute)  # (images,)
        if attribute == "age":
            bands = {age: age_band(age) for age in set(values.tolist())}
            values = np.array([bands[age] for age in values], dtype=object)
        if (values != UNKNOWN).any():
            for value in _order(attribute, values):
                members = predictions.take(values == value)
                found.append(_slice(attribute, value, members, resamples))
    return found


def largest_gaps(slices: Iterable[Slice], overall: dict[str, Estimate]) -> list[Gap]:
    """The gap of each attribute in the metrics of `Place.GROUP_GAPS`, the largest first: the slices that differ most.

    Small slices and those of unknown values are left out, and so is a metric that fewer than two slices have. The two
    were chosen because they differ, so intervals that do not overlap are a reason to look closer, not a proof.
    """
    by_attribute: dict[str, list[Slice]] = {}
    for each in slices:
        if not each.small and each.value != UNKNOWN:
            by_attribute.setdefault(each.attribute, []).append(each)
    found = [
        gap
        for attribute, members in by_attribute.items()
        for name in (metric.name for metric in shown_at(Place.GROUP_GAPS))
        if name in overall
        for gap in _gap(attribute, name, [each for each in members if name in each.metrics], overall[name])
    ]
    return sorted(found, key=lambda gap: -gap.size)


def _gap(attribute: str, name: str, members: list[Slice], overall: Estimate) -> Iterator[Gap]:
    if len(members) < 2:
        return
    ordered = sorted(members, key=lambda each: each.metrics[name].value)
    lowest, highest = ordered[0], ordered[-1]
    overlap = not lowest.metrics[name].high < highest.metrics[name].low  # also where one has no interval
    yield Gap(attribute, name, lowest, highest, overall, overlap, _diagnoses(lowest) == _diagnoses(highest))


def _diagnoses(members: Slice) -> set[str]:
    """The diagnoses that a slice has images of: those that have a sensitivity."""
    return {name.removeprefix("sensitivity_") for name in members.metrics if name.startswith("sensitivity_")}


def _slice(attribute: str, value: str, members: LabelledPredictions, resamples: int) -> Slice:
    malignant = members.is_malignant
    of_each_kind = [len(np.unique(members.lesion_ids[kind])) for kind in (malignant, ~malignant)]
    small = len(members) < FEWEST_IMAGES or min(of_each_kind) < FEWEST_LESIONS
    metrics = measure(members, resamples=resamples)
    return Slice(attribute, value, len(members), len(np.unique(members.lesion_ids)), small, metrics)


def _order(attribute: str, values: np.ndarray) -> list[str]:
    names, counts = np.unique(values, return_counts=True)
    size = dict(zip(names.tolist(), counts.tolist(), strict=True))
    known = sorted((name for name in size if name != UNKNOWN), key=lambda name: (-size[name], name))
    if attribute == "age":
        known = [band for band in AGE_BANDS if band in size]
    return known + [UNKNOWN] * (UNKNOWN in size)


def attribute_in_words(attribute: str) -> str:
    """The display name of an attribute."""
    return ATTRIBUTE_WORDS.get(attribute, attribute)


def gap_sentence(gap: Gap, safe: Callable[[str], str] = str) -> str:
    """A gap between two slices in one sentence, with caveats.

    safe: what makes a slice's name, which comes from the data, safe to stand where the sentence will.
    """
    lowest, highest = (each.metrics[gap.metric].value for each in (gap.lowest, gap.highest))
    caution = "their intervals overlap: it may be chance" if gap.overlap else "their intervals do not overlap"
    if not gap.same_diagnoses and not gap.metric.startswith("malignant_"):
        caution += "; the two do not hold the same diagnoses"
    return (
        f"By {attribute_in_words(gap.attribute)}, {in_words(gap.metric)} is {lowest:.2f} for {safe(gap.lowest.value)} "
        f"and {highest:.2f} for {safe(gap.highest.value)}; {caution}"
    )
