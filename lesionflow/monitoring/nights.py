"""Reads reports one after the other, and reduces them to what nights are compared by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lesionflow.datasets.label_columns import is_missing_word
from lesionflow.errors import DataError, UsageError
from lesionflow.model.card import Estimate
from lesionflow.model.columns import IMAGES, IMAGES_FAILED, LESION
from lesionflow.model.prediction import UNCERTAIN, UNFAMILIAR, LabelledPredictions, confidence_of
from lesionflow.model.report_table import ReportTable, read_report_table
from lesionflow.monitoring.comparison import Sample
from lesionflow.monitoring.image_sample import ImageSample, Measured
from lesionflow.monitoring.performance import estimate_performance

# Columns that a report has on request, and their contents.
NUMBERS = ("distance", "width", "height", "brightness", "contrast", "red_cast", "blue_cast", "sharpness")
CATEGORIES = ("format", "camera")
CONFIDENCE = "probability"  # of the call


@dataclass(frozen=True)
class Night:
    """One report, reduced to what nights are compared by."""

    name: str
    file: Path
    model: str  # empty where the report has no row
    diagnoses: tuple[str, ...]
    grouped_by: str  # the column whose values each have a row; empty where an image has one
    images: int  # rows
    failed: int  # of them, without a prediction
    values: dict[str, float] = field(repr=False)  # by name; what is not defined is left out
    estimates: dict[str, Estimate] = field(repr=False)
    sample: Sample = field(repr=False)
    waiting: dict[str, int]  # rows that a person should look at, by why
    images_failed: int | None = None  # behind the rows; None where a report by groups does not tell

    @property
    def thing(self) -> str:
        """The word for a row."""
        return {"": "image", LESION: "lesion"}.get(self.grouped_by, "group")


def read_nights(reports: Sequence[Path], images: ImageSample | None = None) -> list[Night]:
    """Read reports in the given order.

    images: what measures some images of the reports, if they are to be measured. Raises `ReportError` where a file is
    not a report; `DataError` where the reports are of different models or diagnoses; `UsageError` where one is given
    twice.
    """
    nights: list[Night] = []
    for file in reports:
        if same := next((night.file for night in nights if night.file.resolve() == file.resolve()), None):
            given = "given twice" if same == file else f"the same file as {same}"
            raise UsageError(f"{file}: {given}; a night counts once")
        further = (LESION, *NUMBERS, *CATEGORIES, *(() if images is None else ("path",)))
        night = _reduced(read_report_table(file, further), images)
        if nights and (first := next((other for other in nights if other.model), None)) and night.model:
            check_same(first, night)
        nights.append(night)
    return nights


def check_same(first: Night, night: Night) -> None:
    """Raise `DataError` if two nights cannot be compared: other diagnoses, models or kinds of rows."""
    if night.diagnoses != first.diagnoses:
        raise DataError(
            f"{night.file}: has the diagnoses {', '.join(night.diagnoses)}, {first.file} has "
            f"{', '.join(first.diagnoses)}; give reports of one label set at a time"
        )
    if night.model != first.model:
        raise DataError(
            f"{night.file}: was scored with {night.model}, {first.file} with {first.model}; give reports of one model "
            "at a time, such as those since the last promotion"
        )
    if night.grouped_by != first.grouped_by:
        kinds = [f"one for each {each.grouped_by or 'image'}" for each in (night, first)]
        raise DataError(
            f"{night.file}: its rows are {kinds[0]}, those of {first.file} {kinds[1]}; give reports of one --group-by"
        )


def _reduced(report: ReportTable, images: ImageSample | None) -> Night:
    """Reduce a report to the values that nights are compared by; images: as `read_nights` takes it."""
    lesion_of, first = _lesions(report)
    numbers = _numbers(report, report.diagnoses)
    for name in NUMBERS:
        if (own := report.numbers(name)) is not None and not np.isnan(own).all():
            numbers[name] = own
    values = {"images": float(len(report.rows))}
    if len(report.rows):
        values["failed"] = float((~report.scored).mean())
    images_failed = None if report.grouped_by else int((~report.scored).sum())
    if report.grouped_by and {IMAGES, IMAGES_FAILED} <= set(report.rows.columns):
        scored, unread = (int(report.rows[name].astype(float).sum()) for name in (IMAGES, IMAGES_FAILED))
        images_failed, values["failed"] = unread, unread / max(scored + unread, 1)
    flags = _flags(report, report.diagnoses)
    if len(report.called):
        values |= {name: float(flag.mean()) for name, flag in flags.items()}
        values |= {f"median/{name}": float(np.median(numbers[name])) for name in NUMBERS if name in numbers}
    categories = {name: column for name in CATEGORIES if (column := report.texts(name)) is not None}
    sample = _sample_of(numbers, flags, categories, first)
    if images is not None and (paths := report.texts("path")) is not None:
        sample, medians = _with_images(sample, images.measure(report.file, paths[first]))
        values |= medians
    return Night(
        name=report.file.stem,
        file=report.file,
        model=report.model,
        diagnoses=report.diagnoses,
        grouped_by=report.grouped_by,
        images=len(report.rows),
        failed=int((~report.scored).sum()),
        values=values,
        estimates=estimate_performance(report, lesion_of),
        sample=sample,
        waiting={why: int((report.refer == why).sum()) for why in (UNCERTAIN, UNFAMILIAR)},
        images_failed=images_failed,
    )


def _sample_of(
    numbers: dict[str, np.ndarray], flags: dict[str, np.ndarray], categories: dict[str, np.ndarray], first: np.ndarray
) -> Sample:
    """The values, (images,) each, of one image of each lesion, without NaN; first: which ones, (images,) bool."""
    chosen = {name: values[first] for name, values in numbers.items()}
    return Sample(
        {name: np.sort(values[~np.isnan(values)]) for name, values in chosen.items()},
        {name: (int(flag[first].sum()), int(first.sum())) for name, flag in flags.items()},
        {name: Counter(map(str, values[first])) for name, values in categories.items()},
    )


def _with_images(sample: Sample, measured: Measured) -> tuple[Sample, dict[str, float]]:
    """The sample with properties of images where the report has none of them, and the medians of these."""
    numbers = {name: np.sort(measured[name]) for name in NUMBERS if name in measured and name not in sample.numbers}
    categories = {
        name: Counter(map(str, measured[name]))
        for name in CATEGORIES
        if name in measured and name not in sample.categories
    }
    medians = {f"median/{name}": float(np.median(values)) for name, values in numbers.items()}
    return Sample({**sample.numbers, **numbers}, sample.flags, {**sample.categories, **categories}), medians


def sample_of_validation(said: LabelledPredictions, diagnoses: tuple[str, ...]) -> Sample:
    """Return the sample of a model's validation part, with the names that nights have; said: what its bundle keeps."""
    return _sample_of(_numbers(said, diagnoses), _flags(said, diagnoses), {}, _firsts(said.lesion_ids)[0])


def _lesions(report: ReportTable) -> tuple[np.ndarray | None, np.ndarray]:
    """The lesion of each scored image, None where that is unknown; and which images are the first of theirs."""
    import pandas as pd

    if LESION not in report.rows.columns:
        return None, np.ones(len(report.called), bool)
    codes, words = pd.factorize(report.rows[LESION].to_numpy()[report.scored])
    nothing = [is_missing_word(str(word)) for word in words]
    unknown = np.isin(codes, np.flatnonzero(nothing)) | (codes < 0)
    if unknown.any():  # each on its own
        codes = np.where(unknown, len(words) + np.arange(len(codes)), codes)
    first, lesion_of = _firsts(codes)
    return lesion_of, first


def _firsts(lesions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which images are the first of their lesion, (images,) bool, and the index of each one's lesion, (images,)."""
    _, firsts, lesion_of = np.unique(lesions, return_index=True, return_inverse=True)
    first = np.zeros(len(lesions), bool)
    first[firsts] = True
    return first, lesion_of


def _numbers(said: ReportTable | LabelledPredictions, diagnoses: tuple[str, ...]) -> dict[str, np.ndarray]:
    numbers = {f"p_{name}": said.probabilities[:, index] for index, name in enumerate(diagnoses)}
    return numbers | {
        "p_malignant": said.malignant_probability,
        CONFIDENCE: confidence_of(said.probabilities, said.called),
    }


def _flags(said: ReportTable | LabelledPredictions, diagnoses: tuple[str, ...]) -> dict[str, np.ndarray]:
    flags = {f"share/{name}": said.called == index for index, name in enumerate(diagnoses)}
    flags["share/malignant"] = said.malignant
    return flags | {f"share/{why}": said.refer == why for why in (UNCERTAIN, UNFAMILIAR)}
