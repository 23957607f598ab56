"""A report with diagnoses that came after the scoring: its metrics, without scoring again, as a page and as JSON.

Where only a sample of the images was labelled, each counts as much as the inverse of the chance that it had to be
asked (Hajek's estimator of a mean; Horvitz and Thompson 1952, J. Am. Stat. Assoc. 47, 663-685). Without these chances
the metrics are of the labelled images alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lesionflow import pages
from lesionflow.evaluation.measure import confusion_matrix, effective_size
from lesionflow.evaluation.metrics import Place, ends, in_words, shown_at
from lesionflow.evaluation.result import NOT_A_DEVICE
from lesionflow.model.card import Estimate, strict_json
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.version import __version__

LATER_TRUTH_FORMAT = 2  # 1 had keys that began with `images_`, lesions or not


@dataclass(frozen=True)
class LaterTruth:
    """The rows of a report whose diagnosis is known."""

    predictions: LabelledPredictions = field(repr=False)
    scored: int  # rows of the report
    failed: int  # of the report, without a prediction
    weights: np.ndarray | None = field(repr=False)  # (rows,) the inverse of each one's chance; None where it is unknown
    sampled: int  # rows that were asked about; 0 where that is unknown
    notes: tuple[str, ...]  # what was left out, and why the metrics may mislead
    unit: str = "images"  # what a row is: images, lesions or groups of another column
    grouped_by: str = ""  # the column whose values each have a row; empty where an image has one

    @property
    def diagnoses(self) -> tuple[str, ...]:
        """The diagnoses that the predictions' indices are into."""
        return self.predictions.label_set.names

    @property
    def share(self) -> float:
        """The share of the scored rows whose truth is known."""
        return len(self.predictions) / self.scored if self.scored else 0.0

    @property
    def effective(self) -> float:
        """The effective sample size (Kish 1965)."""
        if self.weights is None:
            return float(len(self.predictions))
        return effective_size(self.weights)

    @property
    def about(self) -> str:
        """How many rows have a label, in words."""
        return f"{len(self.predictions)} of {self.scored} scored {self.unit} have truth ({self.share:.1%})"


def later_truth_json(model: str, report: str, found: LaterTruth, metrics: Mapping[str, Estimate]) -> dict[str, Any]:
    """Return everything as values of strict JSON; model: as the report names it; report: its file."""
    return {
        "format": LATER_TRUTH_FORMAT,
        "research_use": NOT_A_DEVICE,
        "model": model,
        "report": report,
        "unit": found.unit,
        "grouped_by": found.grouped_by or None,
        "scored": found.scored,
        "failed": found.failed,
        "with_truth": len(found.predictions),
        "share_with_truth": round(found.share, 6),
        "asked": found.sampled or None,
        "weighted": found.weights is not None,
        "effective": round(found.effective, 1),
        "notes": list(found.notes),
        "metrics": strict_json(metrics),
        "lesionflow_version": __version__,
    }


def later_truth_page(about: str, found: LaterTruth, metrics: Mapping[str, Estimate]) -> str:
    """Return the page: warnings, the metrics of the headline, the confusion matrix, then all metrics."""
    tiles = [
        (metric.headline or metric.short, f"{metrics[metric.name].value:.3f}", ends(metrics[metric.name]))
        for metric in shown_at(Place.HEADLINE, found.predictions.label_set)
        if metric.name in metrics
    ]
    said, names = found.predictions, found.diagnoses
    counts = confusion_matrix(said)
    mix_ups = [(name, *(str(count) for count in row)) for name, row in zip(names, counts, strict=True)]
    everything = [(in_words(name), f"{each.value:.4f}", ends(each, ".4f")) for name, each in metrics.items()]
    sections = [
        pages.section("In short", pages.headline(tiles)),
        pages.section(
            "Mix-ups", pages.table(("true", *names), mix_ups, f"{found.unit.capitalize()} by true diagnosis and call")
        ),
        pages.section("All metrics", pages.table(("metric", "value", "95% interval"), everything)),
    ]
    head = [pages.paragraph(f"{about}."), pages.warning(NOT_A_DEVICE)]
    notes = [pages.warning(pages.sentence(note)) for note in found.notes]
    return pages.page("A report and the truth", [*head, *notes], sections)
