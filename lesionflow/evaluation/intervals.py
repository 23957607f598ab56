"""How far chance could have moved a metric, or the difference of two models: a bootstrap over lesions.

Images of one lesion are no independent evidence, so lesions are drawn, with all their images (the cluster bootstrap;
Davison and Hinkley 1997, Bootstrap Methods and their Application, section 3.8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lesionflow.errors import DataError, UsageError, first_few
from lesionflow.evaluation.bootstrap_metrics import LOWER_IS_BETTER, METRICS, calibration_gaps, weighted_metrics
from lesionflow.model.card import Estimate
from lesionflow.model.prediction import LabelledPredictions

OUTSIDE = 0.025  # of the resamples on either side of a 95 % interval
_AT_ONCE = 100  # resamples that are drawn together
COMPARED = (
    "balanced_accuracy", "accuracy", "macro_f1", "macro_auc", "macro_average_precision", "log_loss", "brier", "ece",
    "malignant_auc", "malignant_auc_above_80", "malignant_sensitivity", "malignant_specificity", "sensitivity_mel",
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """A metric of one model minus that of another on the same images, with the ends of its 95 % interval."""

    value: float
    low: float
    high: float
    probability_better: float  # the share of resamples in which the first model is better, equal ones half


def lesion_weights(lesion_ids: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """How often each image is in each resample: (resamples, images) uint8.

    lesion_ids: (images,). A resample draws as many lesions as there are, with replacement. It depends on the lesions
    and the seed alone, not on the order of the images.
    """
    lesions, lesion_of = np.unique(lesion_ids, return_inverse=True)
    generator = np.random.default_rng(seed)
    weights = np.empty((resamples, len(lesion_of)), dtype=np.uint8)
    for start in range(0, resamples, _AT_ONCE):
        rows = weights[start : start + _AT_ONCE]
        drawn = generator.integers(0, len(lesions), (len(rows), len(lesions)))
        drawn += len(lesions) * np.arange(len(rows))[:, None]  # numbers of their own for each row, to count in one go
        counts = np.bincount(drawn.ravel(), minlength=len(rows) * len(lesions)).reshape(len(rows), -1)
        rows[:] = counts[:, lesion_of]
    return weights


def interval(value: float, resampled: np.ndarray, lesions: int | None = None) -> Estimate | None:
    """The 95 % percentile interval of a value; None where no resample has one.

    resampled: (resamples,), NaN in a resample that leaves the metric undefined, which then does not count. lesions: of
    a share, how many it rests on: a share of 0 or 1 is the same in every resample, as if it were certain, and gets the
    exact interval (Clopper and Pearson 1934, Biometrika 26, 404-413) of none or all out of so many lesions.
    """
    defined = resampled[~np.isnan(resampled)]
    if not len(defined):
        return None
    low, high = (float(end) for end in np.quantile(defined, (OUTSIDE, 1 - OUTSIDE)))
    if lesions and value in (0.0, 1.0):
        bound = OUTSIDE ** (1 / lesions)
        low, high = (bound, 1.0) if value else (0.0, 1 - bound)
    return Estimate(value, low, high)


def calibration_interval(predictions: LabelledPredictions, weights: np.ndarray) -> Estimate:
    """The ECE with a 95 % interval that also covers a small one; weights: as `lesion_weights` gives them.

    Chance only ever adds to an ECE, in the images as in every resample of them, so that the percentile interval of a
    calibrated model lies above the truth. But an ECE cannot be farther from the truth than the gaps of its bins, added
    up, are from theirs, and of that the resamples show the distribution: it gives the lower end.
    """
    gaps = calibration_gaps(predictions)  # (images, bins)
    of_all, resampled = gaps.mean(axis=0), weights @ gaps / weights.sum(axis=1, keepdims=True, dtype=np.float64)
    value, highest = np.abs(of_all).sum(), np.quantile(np.abs(resampled).sum(axis=1), 1 - OUTSIDE)
    farthest = np.quantile(np.abs(resampled - of_all).sum(axis=1), 1 - OUTSIDE)
    return Estimate(float(value), max(0.0, float(value - farthest)), float(max(value, highest)))


def compare(
    first: LabelledPredictions,
    second: LabelledPredictions,
    names: Sequence[str] = COMPARED,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Difference]:
    """The differences first minus second of some metrics, by name, from a paired bootstrap over lesions.

    Both models' metrics are taken on the same resamples, so that what is hard about the images cancels out. Of log
    loss, Brier and ECE lower is better, of all others higher. A metric that is not defined on these images is left
    out; a resample that leaves one undefined does not count for it. Raises `DataError` unless both are of the same
    images, lesions and labels, in whatever order, and `UsageError` for a name that is not one of `METRICS`.
    """
    if unknown := [name for name in names if name not in METRICS]:
        raise UsageError(f"no metric {first_few(unknown)}; there are {', '.join(METRICS)}")
    first, second = _in_order(first), _in_order(second)
    _check_same(first, second)
    weights = lesion_weights(first.lesion_ids, resamples, seed)
    weights = np.concatenate([np.ones((1, len(first)), np.uint8), weights])  # first, the images as they are
    ours, theirs = weighted_metrics(first, weights, names), weighted_metrics(second, weights, names)
    found = {}
    for name in names:
        difference = ours[name] - theirs[name]  # (1 + resamples,)
        estimate = interval(float(difference[0]), difference[1:])
        if estimate is not None and not np.isnan(estimate.value):
            found[name] = Difference(*estimate, _share_better(name, difference[1:]))
    return found


def _share_better(name: str, difference: np.ndarray) -> float:
    gain = -difference if name in LOWER_IS_BETTER else difference
    gain = gain[~np.isnan(gain)]
    return float(((gain > 0).mean() + (gain >= 0).mean()) / 2)


def _in_order(predictions: LabelledPredictions) -> LabelledPredictions:
    return predictions.take(np.argsort(predictions.image_ids, kind="stable"))


def _check_same(first: LabelledPredictions, second: LabelledPredictions) -> None:
    """Refuse to compare what is not of the same images: both are in the order of image ids."""
    if not len(first) or not len(second):
        raise DataError("there are no images to compare two models on")
    for predictions in (first, second):
        ids, counts = np.unique(predictions.image_ids, return_counts=True)
        if twice := ids[counts > 1].tolist():
            raise DataError(f"{len(twice)} images are there more than once: {first_few(twice)}")
    if alone := sorted({*first.image_ids.tolist()} ^ {*second.image_ids.tolist()}):
        raise DataError(
            f"two models can only be compared on the same images; {len(alone)} are with one of them alone: "
            f"{first_few(alone)}"
        )
    for what, ours, theirs in (
        ("diagnosis", first.labels, second.labels),
        ("lesion", first.lesion_ids, second.lesion_ids),
    ):
        if differing := first.image_ids[ours != theirs].tolist():
            raise DataError(
                f"two models can only be compared on the same data; the {what} of {len(differing)} images differs: "
                f"{first_few(differing)}"
            )
