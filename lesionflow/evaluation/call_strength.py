"""Metrics of calls that correct for the diagnoses' frequencies more or less strongly than the model's own.

From the most probable diagnosis (0), which accuracy rewards, to the one that would be most probable if all were equally
frequent (1), which balanced accuracy rewards; between them the correction is tempered (Menon et al. 2021,
arXiv:2007.07314, whose tau this is).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lesionflow import pages
from lesionflow.evaluation.bootstrap import interval, ratio, resampled_sums
from lesionflow.evaluation.metrics import with_interval
from lesionflow.model.card import Estimate
from lesionflow.model.decision import called_diagnoses
from lesionflow.model.prediction import LabelledPredictions

if TYPE_CHECKING:
    from markupsafe import Markup

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class CallStrength:
    """Metrics of calls with one strength of correction on labelled images; an undefined metric is None."""

    strength: float
    accuracy: Estimate | None
    balanced_accuracy: Estimate | None
    sensitivity: Estimate | None  # of the diagnosis that must not be missed


def call_strengths(
    predictions: LabelledPredictions,
    prior: tuple[float, ...],
    strengths: Iterable[float] = STRENGTHS,
    *,
    resamples: int = 2000,
) -> tuple[CallStrength, ...]:
    """Measure calls of each strength, with 95 % intervals from a bootstrap over lesions, the same for all.

    Parameters
    ----------
    predictions : LabelledPredictions
        Their own calls do not count.
    prior : (classes,) float
        Each diagnosis's share of the training images.
    strengths : iterable of float
        From 0 to 1.
    resamples : int
        How often lesions are drawn.
    """
    strengths, not_to_miss = tuple(strengths), predictions.label_set.not_to_miss_index
    images = np.eye(predictions.probabilities.shape[1])[predictions.labels]  # (images, classes)
    columns = [images]
    for strength in strengths:
        right = called_diagnoses(predictions.probabilities, prior, strength) == predictions.labels
        columns.append(images * right[:, None])
    sums = resampled_sums(predictions.lesion_ids, np.hstack(columns), resamples, seed=0)
    among, *hits = np.split(sums, len(columns), axis=1)
    lesions = predictions.lesion_ids
    missable = lesions[predictions.labels == not_to_miss]
    behind = len(np.unique(lesions)), None, len(np.unique(missable))  # lesions, of the shares among the metrics
    found = []
    for strength, own, drawn in zip(strengths, columns[1:], hits, strict=True):
        whole = _shares(own.sum(axis=0)[None], images.sum(axis=0)[None], not_to_miss)
        estimates = [
            None if np.isnan(value[0]) else interval(float(value[0]), each, count)
            for value, each, count in zip(whole, _shares(drawn, among, not_to_miss), behind, strict=True)
        ]
        found.append(CallStrength(strength, *estimates))
    return tuple(found)


def _shares(hits: np.ndarray, images: np.ndarray, not_to_miss: int | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Accuracy, balanced accuracy and the sensitivity not to miss of (resamples, classes) counts: (resamples,) each."""
    sensitivities = ratio(hits, images)
    present = (images > 0).sum(axis=1)
    balanced = ratio(np.nansum(sensitivities, axis=1), present)
    missed = np.full(len(hits), np.nan) if not_to_miss is None else sensitivities[:, not_to_miss]
    return ratio(hits.sum(axis=1), images.sum(axis=1)), balanced, missed


def strength_rows(found: Iterable[CallStrength], own: float, not_to_miss: str) -> tuple[list[str], list[list[str]]]:
    """The header and rows of a table; own: the strength in the model's card, which is marked."""
    header = ["--call", "balanced accuracy", "accuracy", *([f"{not_to_miss} sensitivity"] if not_to_miss else [])]
    rows = []
    for each in found:
        estimates = [each.balanced_accuracy, each.accuracy, *([each.sensitivity] if not_to_miss else [])]
        mark = ", this model's" if each.strength == own else ""
        rows.append([f"{each.strength:g}{mark}", *map(with_interval, estimates)])
    return header, rows


def strengths_section(found: Iterable[CallStrength], own: float, not_to_miss: str) -> list[Markup]:
    """Their section on the page of an evaluation."""
    header, rows = strength_rows(found, own, not_to_miss)
    text = (
        "The diagnosis called is the one whose probability, divided by its share of the training images to the power "
        "of --call, is greatest: 0 calls the most probable diagnosis, 1 the one that would be most probable if all "
        "were equally frequent. Probabilities and the malignant mark do not depend on it; 'lesionflow train --call' "
        "chooses."
    )
    return [pages.paragraph(text), pages.table(header, rows, "Calls of other strengths on these images")]
