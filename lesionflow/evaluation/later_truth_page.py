"""A report with later truth as a page and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lesionflow import pages
from lesionflow.evaluation.later_truth import LaterTruth
from lesionflow.evaluation.metrics import Place, confusion_matrix, ends, in_words, shown_at
from lesionflow.evaluation.report import NOT_A_DEVICE
from lesionflow.model.card import Estimate, nan_as_null
from lesionflow.version import __version__

LATER_TRUTH_FORMAT = 2  # 1 had keys that began with `images_`, lesions or not


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
        "metrics": {name: nan_as_null(estimate._asdict()) for name, estimate in metrics.items()},
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
