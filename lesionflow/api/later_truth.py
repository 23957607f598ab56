"""Measure a report, or compare the two models of `--also`, by diagnoses that came after the scoring."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np

from lesionflow.atomic import check_own_folder, output_folder, write_together
from lesionflow.datasets.label_words import read_label_words
from lesionflow.diagnoses import LabelSet
from lesionflow.errors import LesionflowError, ReportError
from lesionflow.evaluation.config import EvaluationConfig
from lesionflow.evaluation.evaluate import ALL_FILES, METRICS_FILE, PAGE_FILE
from lesionflow.evaluation.join_truth import JOINED_COLUMNS, join_truth, join_truth_of_all, leaks_of
from lesionflow.evaluation.later_truth import LaterTruth, later_truth_json, later_truth_page
from lesionflow.evaluation.measure import compare, measure
from lesionflow.evaluation.metrics import Difference
from lesionflow.model.card import CARD_FILE, HASHES_FILE, TRAINED_ON_FILE, Estimate
from lesionflow.model.files import PRETRAINED
from lesionflow.model.report_table import OF_COLUMNS, ReportTable, label_set_of, read_both_tables, read_report_table
from lesionflow.storage.location import path_here


@dataclass(frozen=True)
class ReportEvaluation:
    """A report measured by later diagnoses."""

    model: str  # as the report names it
    report: str  # the file
    truth: LaterTruth
    metrics: Mapping[str, Estimate]

    @property
    def about(self) -> str:
        """Model, report and how much of it is known."""
        weighted = "" if self.truth.weights is None else ", each weighted by the inverse of its chance to be sampled"
        return f"{self.model} in {self.report}: {self.truth.about}{weighted}"


def evaluate_report(
    report: str | os.PathLike[str],
    truth: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    *,
    sampled: str | os.PathLike[str] | None = None,
    labels: str | os.PathLike[str] | None = None,
    resamples: int = 2000,
    overwrite: bool = False,
    tracking_uri: str | None = None,
) -> ReportEvaluation:
    """Measure a report by diagnoses that came after the scoring; no image is scored again.

    Images that are still there are read to see whether the model was trained on them.

    Parameters
    ----------
    report
        What `score` wrote: CSV, Parquet or JSON lines.
    truth
        A table with the columns `path` (or `image_id`) and `diagnosis`; optionally `lesion_id` and `chance`. A report
        with one row per lesion is joined by `lesion_id`.
    out
        Folder for a page and the metrics as JSON.
    sampled
        A table with the columns `path` and `chance`: the sampled images and the chance of each. Images are then
        weighted by the inverse of their chance.
    labels
        YAML file with the meaning of the words in `truth`.
    resamples
        Bootstrap resamples behind the intervals.
    overwrite
        Replace an earlier evaluation in the folder.
    tracking_uri
        MLflow tracking store and registry, which may know what the model was trained on.

    Returns
    -------
    ReportEvaluation
        Metrics with 95 % intervals, and notes on what was left out and what may mislead.

    Raises
    ------
    DataError
        If the truth contradicts itself, or belongs to another report.
    ReportError
        If the report cannot be read, or the folder already holds an evaluation, or anything else.
    """
    folder, how = None if out is None else path_here(out, "out"), EvaluationConfig(resamples=resamples)
    check_own_folder(folder, "an evaluation", METRICS_FILE)
    with output_folder(folder, (PAGE_FILE, METRICS_FILE), overwrite):
        table = read_report_table(path_here(report, "report"), JOINED_COLUMNS)
        words = read_label_words(labels, _label_set_by_card(table, tracking_uri))
        chances = None if sampled is None else path_here(sampled, "sampled")
        joined = join_truth(table, path_here(truth, "truth"), words, chances)
        ((_, told),) = trained_before([table.model], joined, tracking_uri)
        if told:  # first: nothing else matters as much
            joined = dataclasses.replace(joined, notes=(told, *joined.notes))
        metrics = measure(joined.predictions, weights=joined.weights, resamples=how.resamples)
        found = ReportEvaluation(table.model, os.fspath(report), joined, metrics)
        if folder is not None:
            values = later_truth_json(found.model, found.report, found.truth, found.metrics)
            page = later_truth_page(found.about, found.truth, found.metrics)
            contents = {METRICS_FILE: json.dumps(values, indent=2, allow_nan=False) + "\n", PAGE_FILE: page}
            write_together(folder, contents, overwrite, ALL_FILES)
    return found


def trained_before(models: Sequence[str], found: LaterTruth, tracking_uri: str | None) -> list[tuple[bool, str]]:
    """Whether each of a report's models is known to be trained on some of the images, and a sentence about it.

    models: their labels there. The sentence is empty if a model was not; if that cannot be determined, it says why.
    """
    told = [_training_images(model, tracking_uri) for model in models]
    try:
        leaks = iter(leaks_of(found, [known for known in told if not isinstance(known, str)]))
    except LesionflowError as error:  # of an image that is there and cannot be read
        told = [known if isinstance(known, str) else str(error) for known in told]
    answers = []
    for model, known in zip(models, told, strict=True):
        if isinstance(known, str):
            answers.append((False, f"whether {model} was trained on these images is unknown: {known}"))
        else:
            leak = next(leaks)
            answers.append((leak.images > 0, leak.describe(model)))
    return answers


def _label_set_by_card(report: ReportTable, tracking_uri: str | None) -> LabelSet:
    """The diagnoses of a report. Those of no built-in set have words, and one not to miss, in their model's card."""
    from lesionflow.registry.versions import opened

    with suppress(ReportError):  # its rows can be too few to tell
        if (labels := label_set_of(report)).name != OF_COLUMNS:
            return labels
    address = _address_of(report.model)
    with suppress(LesionflowError), opened(address or report.model, tracking_uri, (CARD_FILE,)) as found:
        if found.label == report.model and found.card.classes == report.diagnoses:
            return found.card.labels
    return label_set_of(report)


def _address_of(model: str) -> str:
    """The address of the model with a report's label; empty if that names no registered version."""
    version = re.match(r"[^/@:]+/\d+(?= \(|$)", model)
    return PRETRAINED if model.startswith(f"{PRETRAINED} ") else f"models:/{version.group()}" if version else ""


def _training_images(model: str, tracking_uri: str | None) -> dict[str, np.ndarray] | str:
    """What the model with a report's label tells of its training images; or why that cannot be determined."""
    from lesionflow.registry.versions import opened  # which brings MLflow along only for a registry's model

    address = _address_of(model)
    if not address:
        return "its report names no registered version"
    try:
        with opened(address, tracking_uri, (CARD_FILE, TRAINED_ON_FILE, HASHES_FILE)) as resolved:
            known = resolved.trained_on()
    except LesionflowError as error:
        return str(error)
    if known is None:
        return "it does not say which lesions trained it"
    return known if resolved.label == model else f"{address} is {resolved.label}"


@dataclass(frozen=True)
class ReportComparison:
    """Two models of one report, compared by later diagnoses."""

    report: str  # the file
    models: tuple[str, str]  # as the report names them
    truths: tuple[LaterTruth, LaterTruth]  # what each says of the images whose diagnosis is known
    metrics: tuple[Mapping[str, Estimate], Mapping[str, Estimate]]
    differences: Mapping[str, Difference]  # the second model minus the first
    labels: LabelSet
    notes: tuple[str, ...]  # what misleads: images that a model was trained on, and what was left out

    @property
    def about(self) -> str:
        """The models compared, and the share of images with truth."""
        return f"{self.models[1]} beside {self.models[0]} in {self.report}: {self.truths[0].about}"


def compare_report(
    report: str | os.PathLike[str],
    truth: str | os.PathLike[str],
    *,
    labels: str | os.PathLike[str] | None = None,
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
        YAML file with the meaning of the words in `truth`.
    resamples
        Resamples of the bootstrap over lesions behind the intervals; for the differences it is paired.
    tracking_uri
        MLflow tracking store and registry, which may know what the models were trained on.

    Returns
    -------
    ReportComparison
        The metrics of both models on the same images, and their differences.

    Raises
    ------
    ReportError
        If the report cannot be read, or has only one model.
    DataError
        If the truth contradicts itself, or belongs to another report.
    """
    how = EvaluationConfig(resamples=resamples)
    both = join_both(report, truth, labels, tracking_uri)
    (model, first), (also, second) = both
    told = [sentence for _, sentence in trained_before([model, also], first, tracking_uri)]
    one, other = (measure(found.predictions, resamples=how.resamples) for _, found in both)
    return ReportComparison(
        os.fspath(report),
        (model, also),
        (first, second),
        (one, other),
        compare(second.predictions, first.predictions, resamples=how.resamples),
        first.predictions.label_set,
        (*filter(None, told), *notes_of_comparison(first)),
    )


def notes_of_comparison(truth: LaterTruth) -> tuple[str, ...]:
    """What misleads where two models are compared by later diagnoses of the same images; truth: of either of them."""
    told = (
        "the chances of the images are not used here: each counts once, so these are metrics of the sample, not of the "
        "night"
    )
    return (*([told] if truth.weights is not None else []), *truth.notes)


def join_both(
    report: str | os.PathLike[str],
    truth: str | os.PathLike[str],
    labels: str | os.PathLike[str] | None = None,
    tracking_uri: str | None = None,
) -> list[tuple[str, LaterTruth]]:
    """Return the label of each of a report's two models, and its predictions for images with a known diagnosis.

    The parameters and the errors are those of `compare_report`.
    """
    tables = read_both_tables(path_here(report, "report"), JOINED_COLUMNS)
    words = read_label_words(labels, _label_set_by_card(tables[0], tracking_uri))
    truths = join_truth_of_all(tables, path_here(truth, "truth"), words)
    return [(table.model, found) for table, found in zip(tables, truths, strict=True)]
