"""Evaluate a report of scoring with truth that came later; nothing is scored again."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lesionflow.api.trained_before import trained_before
from lesionflow.atomic import atomic_file, output_folder
from lesionflow.datasets.label_words import read_label_words
from lesionflow.evaluation.later_truth import JOINED_COLUMNS, LaterTruth, join_truth, measure_later_truth
from lesionflow.evaluation.later_truth_page import later_truth_json, later_truth_page
from lesionflow.model.card import Estimate
from lesionflow.model.report_table import label_set_of, read_report_table
from lesionflow.pages import write_page

PAGE_FILE, METRICS_FILE = LATER_TRUTH_FILES = ("report.html", "metrics.json")


@dataclass(frozen=True)
class ReportEvaluation:
    """A report of scoring beside the truth."""

    model: str  # as the report names it
    report: str  # the file
    truth: LaterTruth
    metrics: Mapping[str, Estimate]

    @property
    def about(self) -> str:
        """Model, report and how much of it is known."""
        weighted = "" if self.truth.weights is None else ", weighted by the chance of being asked"
        return f"{self.model} in {self.report}: {self.truth.about}{weighted}"


def evaluate_report(
    report: str | os.PathLike[str],
    truth: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    sampled: str | os.PathLike[str] | None = None,
    labels: str | None = None,
    resamples: int = 2000,
    overwrite: bool = False,
    tracking_uri: str | None = None,
) -> ReportEvaluation:
    """Measure what a report says against diagnoses that came after it; no image is read.

    Parameters
    ----------
    report
        What `score` wrote: CSV, Parquet or JSON lines.
    truth
        A table with the columns `path` (or `image_id`) and `diagnosis`; as wanted `lesion_id` and `chance`. Of a report
        with a row for each lesion, `lesion_id` joins them.
    out
        Folder for a page and the metrics as JSON.
    sampled
        A table with the columns `path` and `chance`: which images were asked about, and with what chance. Images then
        count by the inverse of their chance.
    labels
        YAML file that says what the words of the truth mean.
    resamples
        Bootstrap resamples behind the intervals.
    overwrite
        Whether an earlier evaluation in the folder may be replaced.
    tracking_uri
        MLflow tracking store and registry, which may know what the model was trained on.

    Returns
    -------
    ReportEvaluation
        Metrics with 95 % intervals, and notes on what was left out and what misleads.

    Raises
    ------
    DataError
        The truth contradicts itself, or belongs to another report.
    ReportError
        The report cannot be read, or the folder holds an evaluation already.
    """
    folder = None if out is None else Path(out)
    with output_folder(folder, LATER_TRUTH_FILES, overwrite):
        found = _evaluated(report, truth, sampled, labels, resamples, tracking_uri)
        if folder is not None:
            values = later_truth_json(found.model, found.report, found.truth, found.metrics)
            with atomic_file(folder / METRICS_FILE, overwrite) as file:
                file.write(json.dumps(values, indent=2, allow_nan=False).encode() + b"\n")
            write_page(folder / PAGE_FILE, later_truth_page(found.about, found.truth, found.metrics), overwrite)
    return found


def _evaluated(
    report: str | os.PathLike[str],
    truth: str | os.PathLike[str],
    sampled: str | os.PathLike[str] | None,
    labels: str | None,
    resamples: int,
    tracking_uri: str | None,
) -> ReportEvaluation:
    table = read_report_table(Path(report), JOINED_COLUMNS)
    words = read_label_words(labels, label_set_of(table))
    joined = join_truth(table, Path(truth), words, None if sampled is None else Path(sampled))
    _, told = trained_before(table.model, joined, tracking_uri)
    if told:  # first: nothing else matters as much
        joined = dataclasses.replace(joined, notes=(told, *joined.notes))
    metrics = measure_later_truth(joined, resamples=resamples)
    return ReportEvaluation(table.model, os.fspath(report), joined, metrics)
