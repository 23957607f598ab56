"""Joins a report with labels that came after the scoring: by path, by the name of the file, or by lesion."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.datasets.csv_and_folders import (
    NAME_YOURS,
    check_no_report,
    image_columns,
    one_label,
    with_standard_names,
)
from lesionflow.datasets.ids import check_one_image
from lesionflow.datasets.label_columns import LABEL_COLUMNS, is_missing, is_missing_word, lowered, without_fractions
from lesionflow.datasets.label_table import read_table, workbook_notes
from lesionflow.datasets.label_words import LabelWords, unknown_words
from lesionflow.datasets.raw_labels import fill_lesions
from lesionflow.diagnoses import LabelSet
from lesionflow.errors import DataError, counted, first_few, plural
from lesionflow.evaluation.later_truth import LaterTruth
from lesionflow.evaluation.leaks import Leak, find_leaks_of_files
from lesionflow.evaluation.metrics import few_of
from lesionflow.model.columns import FRAME, LESION, as_written
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.model.report_table import ReportTable

if TYPE_CHECKING:
    import pandas as pd

CHANCE = "chance"  # the column with the chance that an image had to be asked
CONTRAST = 0.05  # of mean malignant probabilities: beyond it, who was labelled is called unlike the night
JOINED_COLUMNS = ("path", FRAME, LESION)  # of a report, those that it has: the join uses them


@dataclass(frozen=True)
class _Rows:
    """The names of a report's rows, and what they are joined by."""

    file: Path
    paths: list[str]
    lesions: list[str] | None  # the value of `column`, "" where unknown; None where the report has no such column
    column: str  # that the rows are grouped by, or else that says which lesion an image is of
    grouped: bool  # whether a row stands for all images of a lesion

    @property
    def thing(self) -> str:
        """The unit of a row."""
        return "image" if not self.grouped else "lesion" if self.column == LESION else f"group by {self.column}"

    @property
    def unit(self) -> str:
        """The unit of the rows, in the plural."""
        return plural(self.thing)

    @cached_property
    def by_path(self) -> dict[str, int]:
        """The row of each path."""
        return {_whole(path): row for row, path in enumerate(self.paths)}

    def name(self, row: int) -> str:
        """The name of a row in messages."""
        lesion = self.lesions[row] if self.grouped and self.lesions else ""
        return lesion or self.paths[row]


def join_truth(report: ReportTable, truth: Path, words: LabelWords, sampled: Path | None = None) -> LaterTruth:
    """Join a report with a table of diagnoses, by path or else by id; by lesion where a row is one.

    Parameters
    ----------
    report
        With those of `JOINED_COLUMNS` that it has.
    truth
        A table with the columns `path` (or `image_id`) and `diagnosis` (or `dx`); with `lesion_id` and `chance` where
        they are known. `lesion_id` alone will do where the report has that column.
    words
        What the words of the table mean, of the report's diagnoses.
    sampled
        A table with the columns `path` and `chance`: which images were asked about, and with what chance.

    Raises
    ------
    DataError
        No image of the table is in the report, the table contradicts itself or the report, or a chance is none.
    """
    return join_truth_of_all((report,), truth, words, sampled)[0]


def join_truth_of_all(
    reports: Sequence[ReportTable], truth: Path, words: LabelWords, sampled: Path | None = None
) -> tuple[LaterTruth, ...]:
    """Join what several models say in one report with a table of diagnoses, as `join_truth` does with one's."""
    report = reports[0]
    rows = _rows(report)
    table, notes = _read_truth(truth, words, rows)
    table, how = _match(table, rows, truth)
    notes += _left_out(table, report, rows, truth)
    table = table[table["row"] >= 0]
    _refuse_contradictions(table, "row", rows.thing, [rows.name(row) for row in table["row"]], truth)
    table = table.drop_duplicates("row").reset_index(drop=True)
    known = table[report.scored[table["row"].to_numpy(np.int64)]]
    chances, asked = _chances(known, rows, sampled, truth)
    if chances is not None and np.isnan(chances).any():
        notes.append(
            f"{int(np.isnan(chances).sum())} {rows.unit} with truth are not in {sampled}: their chance is unknown, so "
            "they are left out"
        )
        known, chances = known[~np.isnan(chances)], chances[~np.isnan(chances)]
    if known.empty:
        why = "is it of another report?" if report.scored.any() else "no row of that report was scored: see its errors"
        raise DataError(f"{truth}: none of its {rows.unit} has a prediction in {report.file}; {why}")
    if how:
        notes.append(how)
    lesions, of_lesions = _lesions(rows, known)
    notes += of_lesions
    weights = None if chances is None else 1 / chances
    found = []
    for each in reports:
        predictions = _predictions(each, rows, known, lesions, words.labels)
        few = few_of(predictions, rows.unit)
        bias = _bias(each, rows.unit, predictions, chances, asked)
        scored, failed = int(each.scored.sum()), int((~each.scored).sum())
        found.append(
            LaterTruth(predictions, scored, failed, weights, asked, (*notes, *bias, *few), rows.unit, report.grouped_by)
        )
    return tuple(found)


def leaks_of(found: LaterTruth, known: Sequence[dict[str, np.ndarray]]) -> list[Leak]:
    """Images that each of some models was trained on; known: what each tells of them, as `leaks.trained_on` gave it."""
    paths = found.predictions.image_ids.tolist()
    return find_leaks_of_files(known, paths, list(map(_image_id, paths)), found.predictions.lesion_ids.tolist())


def _rows(report: ReportTable) -> _Rows:
    paths = [as_written(str(path)) for path in report.rows["path"]]
    if FRAME in report.rows.columns and len(set(paths)) < len(paths):  # the frame stands in a column of its own
        paths = [_whole(f"{path}#{frame}") for path, frame in zip(paths, report.rows[FRAME], strict=True)]
    column = report.grouped_by or LESION
    lesions = _known(report.rows[column]) if column in report.rows.columns else None  # left out with --columns
    return _Rows(report.file, paths, lesions, column, bool(report.grouped_by))


def _whole(path: str) -> str:
    """A path without the number of the first frame, which is the file itself, and with each umlaut as one sign."""
    return unicodedata.normalize("NFC", path).removesuffix("#1")


def _known(lesions: Iterable[object]) -> list[str]:
    """The ids of lesions, "" for a word that stands for none."""
    import pandas as pd

    ids = pd.Series([as_written(str(lesion)) for lesion in lesions], dtype=str)
    return without_fractions(ids.where(~is_missing(ids), "")).tolist()


def _read_truth(truth: Path, words: LabelWords, rows: _Rows) -> tuple[pd.DataFrame, list[str]]:
    """One row per label, and notes on what is left out.

    Its columns are `name` of the image ("" where the table names lesions alone), `label`, `lesion`, and `chance` as
    given.
    """
    own = words.with_named_columns(lowered(read_table(truth)))
    words.unmet()
    column = rows.column.lower()
    table = with_standard_names(own).assign(**{column: own[column]} if column in own.columns else {})
    name, other = image_columns(table, truth, words)
    label = next((column for column in (*LABEL_COLUMNS, "label") if column in table.columns), None)
    by_lesion = column in table.columns and rows.lesions is not None
    if label is None or (not name and not by_lesion):
        needed = "path or image_id, and diagnosis" if rows.lesions is None else f"path or {rows.column}, and diagnosis"
        raise DataError(
            f"{truth}: the columns are {first_few(list(table.columns), 7)}; needed are {needed}; {NAME_YOURS}"
        )
    check_no_report(own.columns, truth, words)
    labels = table[label] if label == "label" else one_label(table, truth, words, may_be_empty=True)
    decided = words.decide([(word,) for word in labels])
    if any(meant is None for _, meant in decided):
        raise unknown_words(truth, decided, words)
    found = table[[CHANCE] if CHANCE in table.columns else []].copy()
    found["name"] = "" if not name else [_whole(as_written(value)) for value in table[name]]
    if other:
        found["other"] = [_whole(as_written(value)) for value in table[other]]
    found["lesion"] = _known(table[column]) if column in table.columns else ""
    found["label"] = [meant for _, meant in decided]
    known = found["label"] != ""
    strange = [word for word, meant in decided if not meant and not is_missing_word(word)]  # else it is not decided yet
    which = sorted(set(strange))
    if not known.any():
        why = f"all are of other ones: {first_few(which)}" if which else "none is filled in"
        raise DataError(f"{truth}: has no diagnosis that the model of {rows.file} knows; {why}")
    notes = workbook_notes(truth)
    if which:
        notes.append(
            f"{counted(len(strange), f'row of {truth}', 'has', 'have')} a diagnosis that the model does not know, left "
            f"out: {first_few(which)}"
        )
    return found[known].reset_index(drop=True), notes


def _match(table: pd.DataFrame, rows: _Rows, truth: Path) -> tuple[pd.DataFrame, str]:
    """Add `row`, the report's for each label, -1 where there is none; and how, where it was not by path."""
    names = table["name"].tolist()
    if rows.grouped:
        found = _match_lesions(table["lesion"].tolist(), names, rows, truth)
        how = f"the report is grouped by {rows.column}, and {truth} was joined by it" if (found >= 0).any() else ""
        others = np.flatnonzero((found < 0) & (table["name"] != ""))
        found[others], how_others = _match_names([names[index] for index in others], rows, truth)
        table, how = table.assign(row=found), how or how_others
    elif any(names):
        found, how = _match_names(names, rows, truth)
        if "other" in table.columns:
            others, how_others = _match_names(table["other"].tolist(), rows, truth)
            unclear = np.flatnonzero((found >= 0) & (others >= 0) & (found != others))
            check_one_image(table.iloc[unclear][["name", "other"]].itertuples(index=False), truth)
            found, how = np.where(found < 0, others, found), how if (found >= 0).any() else how_others
        table = table.assign(row=found)
    else:
        _refuse_contradictions(table, "lesion", "lesion", table["lesion"].tolist(), truth)
        table, how = (
            _every_image(table, rows),
            f"{truth} names lesions: each diagnosis counts for all images of the lesion",
        )
    if not (table["row"] >= 0).any():
        raise DataError(f"{truth}: none of its {rows.unit} is in {rows.file}; is it of another report?")
    return table, how


def _match_names(wanted: list[str], rows: _Rows, truth: Path) -> tuple[np.ndarray, str]:
    """The row of the report for each name, (names,), -1 where there is none; and how, where it was not by path."""
    found = np.array([rows.by_path.get(name, -1) for name in wanted], np.int64)
    if (found >= 0).any() or not wanted:
        return found, ""
    by_id: dict[str, int] = {}
    doubled = set()
    for row, name in enumerate(rows.paths):
        image_id = _image_id(name)
        if by_id.setdefault(image_id, row) != row:
            doubled.add(image_id)
    ids = [_image_id(name) for name in wanted]
    if unclear := [name for name in ids if name in doubled]:
        raise DataError(
            f"{truth}: {first_few(unclear)}: several images of {rows.file} have this id; give paths instead of ids"
        )
    found = np.array([by_id.get(name, -1) for name in ids], np.int64)
    return found, f"no path of {truth} is in the report: images were joined by the names of their files"


def _match_lesions(wanted: list[str], names: list[str], rows: _Rows, truth: Path) -> np.ndarray:
    """The row of each lesion, (lesions,), -1 where there is none; names: of an image of each.

    Raises `DataError` where an image is of another lesion in the report.
    """
    row_of = {lesion: row for row, lesion in enumerate(rows.lesions or ()) if lesion}
    found = np.array([row_of.get(lesion, -1) for lesion in wanted], np.int64)
    for lesion, name, row in zip(wanted, names, found.tolist(), strict=True):
        own = rows.by_path.get(name, row)  # the row of that image, which has another lesion's id or none
        if lesion and own != row and (row >= 0 or rows.name(own) != name):
            raise DataError(
                f"{truth}: {name} has the {rows.column} {lesion} there, and {rows.name(own)} in {rows.file}; correct "
                "one of them"
            )
    return found


def _every_image(table: pd.DataFrame, rows: _Rows) -> pd.DataFrame:
    """A row for each image of the report whose lesion the table names, and for each lesion that has none."""
    images: dict[str, list[int]] = {}
    for row, lesion in enumerate(rows.lesions or ()):
        images.setdefault(lesion, []).append(row)
    own = [images.get(lesion, [-1]) if lesion else [-1] for lesion in table["lesion"]]
    repeated = table.iloc[np.repeat(np.arange(len(table)), [len(each) for each in own])]
    return repeated.assign(row=np.array([row for each in own for row in each], np.int64))


def _image_id(name: str) -> str:
    """A file's name without folders and ending; the number of a frame stays."""
    path, mark, frame = _whole(name).rpartition("#")
    if not mark or not frame.isdigit():
        path, frame = _whole(name), ""
    stem = os.path.basename(path.replace("\\", "/"))
    root, ending = os.path.splitext(stem)
    return (root if ending and not ending[1:].isdigit() else stem) + (f"#{frame}" if frame else "")


def _left_out(table: pd.DataFrame, report: ReportTable, rows: _Rows, truth: Path) -> list[str]:
    notes = []
    strangers = table[table["row"] < 0]
    if len(strangers):
        names = strangers["name"].where(strangers["name"] != "", strangers["lesion"])
        if rows.grouped and (table["lesion"] == "").all():
            notes.append(
                f"{counted(len(names), f'image of {truth}', 'is', 'are')} not the first of a {rows.column}, which a "
                f"row of {rows.file} is, and left out; a column {rows.column} in {truth} joins them: {first_few(names)}"
            )
        else:
            thing = rows.thing if (strangers["name"] != "").any() else "lesion"
            told = counted(len(names), thing, f"of {truth} was", f"of {truth} were")
            notes.append(f"{told} not scored, and left out: {first_few(names)}")
    found = table[table["row"] >= 0]["row"].to_numpy(np.int64)
    if failed := int((~report.scored[found]).sum()):
        notes.append(f"{counted(failed, rows.thing)} with truth could not be read by scoring, left out")
    return notes


def _refuse_contradictions(table: pd.DataFrame, column: str, thing: str, names: list[str], truth: Path) -> None:
    """Raise `DataError` where rows of the same value have different labels; names: what messages call each row."""
    kinds = table.groupby(column)["label"].nunique()
    if contradicting := sorted(kinds[kinds > 1].index):
        told = []
        for value in contradicting[:3]:
            own = np.flatnonzero(table[column] == value)
            labels = sorted(set(table["label"].iloc[own]))
            told.append(f"{names[own[0]]} ({' and '.join(labels)})")
        raise DataError(
            f"{truth}: contradicts itself about {counted(len(contradicting), thing)}: {', '.join(told)}; "
            "keep one row of each"
        )


def _chances(known: pd.DataFrame, rows: _Rows, sampled: Path | None, truth: Path) -> tuple[np.ndarray | None, int]:
    """The chance of each image, NaN where it is in no sample, and how many were asked; None where there are none."""
    if sampled is None:
        if CHANCE not in known.columns:
            return None, 0
        return _numbers(known[CHANCE], truth), len(known)
    table = lowered(read_table(sampled))
    if not {"path", CHANCE} <= set(table.columns):
        raise DataError(f"{sampled}: needs the columns path and {CHANCE}, as 'lesionflow score --sample' writes them")
    found, _ = _match_names([_whole(as_written(path)) for path in table["path"]], rows, sampled)
    if not (found >= 0).any():
        raise DataError(f"{sampled}: none of its images is in {rows.file}; is it of another report?")
    chance_of = dict(zip(found.tolist(), _numbers(table[CHANCE], sampled), strict=True))
    return np.array([chance_of.get(row, np.nan) for row in known["row"]]), int((found >= 0).sum())


def _numbers(values: pd.Series, file: Path) -> np.ndarray:
    try:
        chances = values.to_numpy(np.float64)
    except ValueError as error:
        raise DataError(f"{file}: column {CHANCE}: {error}") from error
    if not ((chances > 0) & (chances <= 1)).all():
        raise DataError(f"{file}: column {CHANCE} has to hold numbers above 0, at most 1")
    return np.asarray(chances)


def _lesions(rows: _Rows, known: pd.DataFrame) -> tuple[np.ndarray, list[str]]:
    """The lesion of each row with truth, its path where unknown; and a warning about those, unless a row is a group."""
    import pandas as pd

    members = known["row"].to_numpy(np.int64)
    names = np.array(rows.paths, dtype=str)[members]
    lesions = known["lesion"].to_numpy().astype(str)
    if rows.lesions is not None and (rows.grouped or not lesions.astype(bool).any()):
        lesions = np.array(rows.lesions, dtype=str)[members]
    table = pd.DataFrame({"lesion_id": lesions, "image_id": names})
    warnings = fill_lesions(table)
    return table["lesion_id"].to_numpy().astype(str), [] if rows.grouped else warnings


def _predictions(
    report: ReportTable, rows: _Rows, known: pd.DataFrame, lesions: np.ndarray, label_set: LabelSet
) -> LabelledPredictions:
    members = known["row"].to_numpy(np.int64)
    at = (np.cumsum(report.scored) - 1)[members]  # among the scored images
    return LabelledPredictions(
        probabilities=report.probabilities[at],
        called=report.called[at],
        malignant=report.malignant[at],
        refer=report.refer[at].astype("<U10"),
        image_ids=np.array(rows.paths, dtype=str)[members],
        lesion_ids=lesions,
        labels=np.array([label_set.index_of(name) for name in known["label"]], dtype=np.int64),
        label_set=label_set,
    )


def _bias(
    report: ReportTable, unit: str, known: LabelledPredictions, chances: np.ndarray | None, asked: int
) -> list[str]:
    """How the labelled rows differ from the others, as a note."""
    scored = int(report.scored.sum())
    if chances is not None:
        if asked > len(known):
            return [
                f"{asked - len(known)} of {asked} sampled {unit} have no truth yet; if those are the hard ones, the "
                "metrics are too good"
            ]
        return []
    if len(known) == scored:
        return []
    mean, of_all = float(known.malignant_probability.mean()), float(report.malignant_probability.mean())
    told = (
        f"truth is known for {len(known)} of {scored} {unit} ({len(known) / scored:.1%}); if these were chosen "
        "because they looked suspicious, their metrics are biased and not those of the night; those of images "
        "drawn at random are (see --sample)"
    )
    if abs(mean - of_all) > CONTRAST:
        told += (
            f". This share differs from the night: its mean malignant probability is {mean:.3f}, that of all is "
            f"{of_all:.3f}"
        )
    return [told]
