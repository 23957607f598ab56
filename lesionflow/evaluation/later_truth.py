"""Truth that comes after the scoring: a report joined with labels, and measured without scoring again.

Where only a sample of the images was labelled, each counts as much as the inverse of the chance that it had to be
asked (Hajek's estimator of a mean; Horvitz and Thompson 1952, J. Am. Stat. Assoc. 47, 663-685). Without these chances
the metrics are of the labelled images alone.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.datasets.label_table import lowered, read_table
from lesionflow.datasets.label_words import LabelWords, unknown_words
from lesionflow.errors import DataError, first_few
from lesionflow.evaluation.bootstrap import calibration_interval, draw_lesions, interval, tallies
from lesionflow.evaluation.metrics import metric_values, metrics_of
from lesionflow.model.card import Estimate
from lesionflow.model.columns import as_written
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.model.report_table import ReportTable, label_set_of

if TYPE_CHECKING:
    import pandas as pd

PATH_COLUMNS, ID_COLUMNS = ("path", "file_name"), ("image_id", "isic_id", "image")
TRUTH_COLUMNS = ("diagnosis", "dx")
CHANCE = "chance"  # the column with the chance that an image had to be asked
CONTRAST = 0.05  # of mean malignant probabilities: beyond it, who was labelled is called unlike the night


@dataclass(frozen=True)
class LaterTruth:
    """The scored images of a report whose diagnosis is known."""

    predictions: LabelledPredictions
    scored: int  # images of the report
    failed: int  # of the report, without a prediction
    weights: np.ndarray | None  # (images,) the inverse of each one's chance; None where it is unknown
    sampled: int  # images that were asked about; 0 where that is unknown
    notes: tuple[str, ...]  # what was left out, and why the metrics may mislead

    @property
    def diagnoses(self) -> tuple[str, ...]:
        """The diagnoses that the predictions' indices are into."""
        return self.predictions.label_set.names

    @property
    def share(self) -> float:
        """The share of the scored images whose truth is known."""
        return len(self.predictions) / self.scored if self.scored else 0.0

    @property
    def effective_images(self) -> float:
        """How many images of equal weight would say as much (Kish 1965)."""
        if self.weights is None:
            return float(len(self.predictions))
        return float(self.weights.sum() ** 2 / np.square(self.weights).sum())


def join_truth(report: ReportTable, truth: Path, words: LabelWords, sampled: Path | None = None) -> LaterTruth:
    """Join a report with a table of diagnoses, by path or else by id.

    Parameters
    ----------
    report
        With the column `path`, and `lesion_id` where images of a lesion are to count together.
    truth
        A table with the columns `path` (or `image_id`) and `diagnosis` (or `dx`); with `lesion_id` and `chance` where
        they are known.
    words
        What the words of the table mean, of the report's diagnoses.
    sampled
        A table with the columns `path` and `chance`: which images were asked about, and with what chance.

    Raises
    ------
    DataError
        No image of the table is in the report, the table contradicts itself, or a chance is none.
    """
    table = _read_truth(truth, words)
    names = [as_written(str(path)) for path in report.rows["path"]]
    row_of, how = _match(list(table["name"]), names, truth, report.file)
    table["row"] = row_of
    notes = list(_left_out(table, report, truth))
    table = _one_each(table[table["row"] >= 0], truth)
    known = table[report.scored[table["row"].to_numpy(np.int64)]]
    chances, asked = _chances(known, names, sampled, truth)
    if chances is not None and np.isnan(chances).any():
        notes.append(
            f"{int(np.isnan(chances).sum())} images with truth are not in {sampled}: nobody knows their chance, so "
            "they are left out"
        )
        known, chances = known[~np.isnan(chances)], chances[~np.isnan(chances)]
    if known.empty:
        raise DataError(f"{truth}: none of its images has a prediction in {report.file}; is it of another report?")
    predictions = _predictions(report, known)
    if how:
        notes.append(how)
    notes += _bias(report, predictions, chances, asked)
    weights = None if chances is None else 1 / chances
    return LaterTruth(
        predictions,
        int(report.scored.sum()),
        int((~report.scored).sum()),
        weights,
        asked,
        tuple(notes),
    )


def measure_later_truth(found: LaterTruth, *, resamples: int = 2000, seed: int = 0) -> dict[str, Estimate]:
    """All metrics that are defined, with 95 % intervals from a bootstrap over lesions.

    Images are weighted where their chances are known, and a resample keeps each image's weight. The intervals are
    those of a sample drawn with replacement, a little too wide where a large share of the images was drawn.
    """
    predictions = found.predictions
    weights = np.ones(len(predictions)) if found.weights is None else found.weights
    names, known = tuple(metric_values(predictions)), metrics_of(predictions.label_set)
    (tally,) = tallies(predictions, weights[None])
    values = {name: float(known[name].under(tally)[0]) for name in names}
    lesions, lesion_of = np.unique(predictions.lesion_ids, return_inverse=True)
    resampled: dict[str, list[np.ndarray]] = {name: [] for name in names}
    gaps = []
    for drawn in draw_lesions(len(lesions), resamples, seed):
        for tally in tallies(predictions, drawn[:, lesion_of] * weights):
            for name in names:
                resampled[name].append(known[name].under(tally))
            gaps.append(tally.calibration_gaps)
    estimates = {}
    for name in names:
        share = known[name].share
        rests_on = None if share is None else len(np.unique(lesion_of[share(predictions)[1]]))
        estimate = interval(values[name], np.concatenate(resampled[name]), rests_on)
        if estimate is not None:
            estimates[name] = estimate
    (of_all,) = next(tallies(predictions, weights[None])).calibration_gaps
    return estimates | {"ece": calibration_interval(of_all, np.concatenate(gaps))}


def _read_truth(truth: Path, words: LabelWords) -> pd.DataFrame:
    """A row for each label: `name` of the image, `label`, and `lesion_id` and `chance` as given."""
    table = lowered(read_table(truth))
    name = next((column for column in (*PATH_COLUMNS, *ID_COLUMNS) if column in table.columns), None)
    label = next((column for column in TRUTH_COLUMNS if column in table.columns), None)
    if name is None or label is None:
        raise DataError(
            f"{truth}: the columns are {first_few(list(table.columns), 7)}; needed are path or image_id, and diagnosis"
        )
    if {"p_malignant", "malignant", "refer"} <= set(table.columns):
        raise DataError(
            f"{truth}: a report of scoring, whose column {label} is what a model called; give the diagnoses that were "
            "made of the lesions, in a table with the columns path and diagnosis"
        )
    table = table[table[label] != ""]  # not decided yet
    decided = words.decide([(word,) for word in table[label]])
    if any(meant is None for _, meant in decided):
        raise unknown_words(truth, decided, words)
    found = table[[column for column in ("lesion_id", CHANCE) if column in table.columns]].copy()
    found["name"] = [as_written(value) for value in table[name]]
    found["label"] = [meant for _, meant in decided]
    return found[found["label"] != ""].reset_index(drop=True)


def _match(wanted: list[str], names: list[str], truth: Path, report: Path) -> tuple[list[int], str]:
    """The row of the report for each name, -1 where there is none; and how, where it was not by path."""
    by_path = {name: row for row, name in enumerate(names)}
    rows = [by_path.get(name, -1) for name in wanted]
    if any(row >= 0 for row in rows) or not wanted:
        return rows, ""
    by_id: dict[str, int] = {}
    doubled = set()
    for row, name in enumerate(names):
        image_id = _image_id(name)
        if by_id.setdefault(image_id, row) != row:
            doubled.add(image_id)
    ids = [_image_id(name) for name in wanted]
    if unclear := [name for name in ids if name in doubled]:
        raise DataError(
            f"{truth}: {first_few(unclear)}: several images of {report} are called so; give their paths in place of ids"
        )
    rows = [by_id.get(name, -1) for name in ids]
    matched = sum(row >= 0 for row in rows)
    if not matched:
        raise DataError(f"{truth}: none of its images is in {report}; is it of another report?")
    return rows, f"no path of {truth} is in the report: images were joined by the names of their files"


def _image_id(name: str) -> str:
    """A file's name without folders and ending; the number of a frame stays."""
    path, mark, frame = name.rpartition("#")
    if not mark or not frame.isdigit():
        path, frame = name, ""
    stem = os.path.basename(path.replace("\\", "/"))
    root, ending = os.path.splitext(stem)
    return (root if ending and not ending[1:].isdigit() else stem) + (f"#{frame}" if frame else "")


def _left_out(table: pd.DataFrame, report: ReportTable, truth: Path) -> list[str]:
    notes = []
    strangers = table[table["row"] < 0]["name"]
    if len(strangers):
        notes.append(f"{len(strangers)} images of {truth} were not scored, and are left out: {first_few(strangers)}")
    rows = table[table["row"] >= 0]["row"].to_numpy(np.int64)
    if failed := int((~report.scored[rows]).sum()):
        notes.append(f"{failed} images with truth could not be read when they were scored, and are left out")
    return notes


def _one_each(table: pd.DataFrame, truth: Path) -> pd.DataFrame:
    """The table with an image once. Raises `DataError` where its rows disagree."""
    kinds = table.groupby("row")["label"].nunique()
    if contradicting := sorted(kinds[kinds > 1].index):
        told = []
        for row in contradicting[:3]:
            rows = table[table["row"] == row]
            told.append(f"{rows['name'].iloc[0]} ({' and '.join(sorted(set(rows['label'])))})")
        raise DataError(
            f"{truth}: contradicts itself about {len(contradicting)} images: {', '.join(told)}; leave one row of each"
        )
    return table.drop_duplicates("row").reset_index(drop=True)


def _chances(known: pd.DataFrame, names: list[str], sampled: Path | None, truth: Path) -> tuple[np.ndarray | None, int]:
    """The chance of each image, NaN where it is in no sample, and how many were asked; None where there are none."""
    if sampled is None:
        if CHANCE not in known.columns:
            return None, 0
        return _numbers(known[CHANCE], truth), len(known)
    table = lowered(read_table(sampled))
    if not {"path", CHANCE} <= set(table.columns):
        raise DataError(f"{sampled}: needs the columns path and {CHANCE}, as 'lesionflow score --sample' writes them")
    rows, _ = _match([as_written(path) for path in table["path"]], names, sampled, Path("the report"))
    chance_of = dict(zip(rows, _numbers(table[CHANCE], sampled), strict=True))
    return np.array([chance_of.get(row, np.nan) for row in known["row"]]), sum(row >= 0 for row in rows)


def _numbers(values: pd.Series, file: Path) -> np.ndarray:
    try:
        chances = values.to_numpy(np.float64)
    except ValueError as error:
        raise DataError(f"{file}: column {CHANCE}: {error}") from error
    if not ((chances > 0) & (chances <= 1)).all():
        raise DataError(f"{file}: column {CHANCE} has to hold numbers above 0, at most 1")
    return np.asarray(chances)


def _predictions(report: ReportTable, known: pd.DataFrame) -> LabelledPredictions:
    rows = known["row"].to_numpy(np.int64)
    at = (np.cumsum(report.scored) - 1)[rows]  # among the scored images
    names = np.array([as_written(str(path)) for path in report.rows["path"].to_numpy()[rows]], dtype=str)
    lesions = names
    if "lesion_id" in known.columns:
        lesions = known["lesion_id"].to_numpy().astype(str)
    elif "lesion_id" in report.rows.columns:
        lesions = report.rows["lesion_id"].to_numpy()[rows].astype(str)
    lesions = np.where(np.isin(lesions, ("", "unknown")), names, lesions)
    label_set = label_set_of(report)
    return LabelledPredictions(
        probabilities=report.probabilities[at],
        called=report.called[at],
        malignant=report.malignant[at],
        refer=report.refer[at].astype("<U10"),
        image_ids=names,
        lesion_ids=lesions,
        labels=np.array([label_set.index_of(name) for name in known["label"]], dtype=np.int64),
        label_set=label_set,
    )


def _bias(report: ReportTable, known: LabelledPredictions, chances: np.ndarray | None, asked: int) -> list[str]:
    """What to know of who was labelled."""
    scored = int(report.scored.sum())
    if chances is not None:
        if asked > len(known):
            return [
                f"{asked - len(known)} of {asked} sampled images have no truth yet; if those are the hard ones, the "
                "metrics flatter"
            ]
        return []
    if len(known) == scored:
        return []
    mean, of_all = float(known.malignant_probability.mean()), float(report.malignant_probability.mean())
    told = (
        f"truth is known of {len(known)} of {scored} images ({len(known) / scored:.1%}); a share that was chosen by "
        "suspicion is biased, and its metrics are not those of the night; a random share is not (see --sample)"
    )
    if abs(mean - of_all) > CONTRAST:
        told += (
            f". This share is unlike the night: its mean malignant probability is {mean:.3f}, that of all is "
            f"{of_all:.3f}"
        )
    return [told]
