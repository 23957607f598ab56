"""Compare the two models of a report that was scored with `--also`, by diagnoses that came later."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lesionflow.api.trained_before import trained_before
from lesionflow.datasets.label_words import read_label_words
from lesionflow.diagnoses import LabelSet
from lesionflow.evaluation.later_truth import JOINED_COLUMNS, LaterTruth, join_truth_of_all
from lesionflow.evaluation.metrics import Difference, compare, metric_values
from lesionflow.model.report_table import label_set_of, read_both_tables


@dataclass(frozen=True)
class ReportComparison:
    """Two models of one report beside the truth."""

    report: str  # the file
    models: tuple[str, str]  # as the report names them
    truths: tuple[LaterTruth, LaterTruth]  # what each says of the images whose diagnosis is known
    metrics: tuple[Mapping[str, float], Mapping[str, float]]
    differences: Mapping[str, Difference]  # the second model minus the first
    labels: LabelSet
    notes: tuple[str, ...]  # what misleads: images that a model was trained on, and what was left out

    @property
    def about(self) -> str:
        """What is compared, and how much of it is known."""
        return f"{self.models[1]} beside {self.models[0]} in {self.report}: {self.truths[0].about}"


def compare_report(
    report: str | os.PathLike[str],
    truth: str | os.PathLike[str],
    *,
    labels: str | None = None,
    resamples: int = 2000,
    tracking_uri: str | None = None,
) -> ReportComparison:
    """Compare both models of a report on the images whose diagnosis is known.

    Parameters
    ----------
    report
        What `score` with `also` wrote: CSV, Parquet or JSON lines.
    truth
        A table with the columns `path` (or `image_id`) and `diagnosis`.
    labels
        YAML file that says what the words of the truth mean.
    resamples
        Resamples of the paired bootstrap over lesions behind the differences.
    tracking_uri
        MLflow tracking store and registry, which may know what the models were trained on.

    Returns
    -------
    ReportComparison

    Raises
    ------
    ReportError
        The report cannot be read, or has one model alone.
    DataError
        The truth contradicts itself, or belongs to another report.
    """
    both = join_both(report, truth, labels)
    told = [trained_before(label, found, tracking_uri)[1] for label, found in both]
    (model, first), (also, second) = both
    return ReportComparison(
        os.fspath(report),
        (model, also),
        (first, second),
        (metric_values(first.predictions), metric_values(second.predictions)),
        compare(second.predictions, first.predictions, resamples=resamples),
        first.predictions.label_set,
        (*filter(None, told), *first.notes),
    )


def join_both(
    report: str | os.PathLike[str], truth: str | os.PathLike[str], labels: str | None = None
) -> list[tuple[str, LaterTruth]]:
    """Return the label of each of a report's two models and what it says of the images whose diagnosis is known.

    The parameters and the errors are those of `compare_report`.
    """
    tables = read_both_tables(Path(report), JOINED_COLUMNS)
    words = read_label_words(labels, label_set_of(tables[0]))
    truths = join_truth_of_all(tables, Path(truth), words)
    return [(table.model, found) for table, found in zip(tables, truths, strict=True)]
