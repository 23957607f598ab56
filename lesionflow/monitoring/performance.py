"""Expected metrics of images without labels, from a model's own calibrated probabilities.

Confidence-based performance estimation (Bialek et al. 2024, arXiv:2407.08649): if the probabilities are right, the
expected accuracy is the mean probability of what was called, and so on. Means and standard deviations are in closed
form, first order where a metric is a ratio; nothing is drawn at random. The interval is that of the metric which the
images' truth would give; it says nothing of probabilities that are wrong, which is how the estimate fails.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from lesionflow.model.card import Estimate

_NORMAL_QUANTILE = 1.959964  # of a 95 % interval
_FEWEST_EXPECTED = 1.0  # expected images of a diagnosis below which it is left out of the balanced accuracy

ACCURACY, BALANCED_ACCURACY = "expected_accuracy", "expected_balanced_accuracy"
MALIGNANT_SENSITIVITY = "expected_malignant_sensitivity"
ESTIMATES = (ACCURACY, BALANCED_ACCURACY, MALIGNANT_SENSITIVITY)


@dataclass(frozen=True)
class Scored:
    """A model's predictions for some images, as far as the estimates need them."""

    probabilities: np.ndarray  # (images, diagnoses) float64
    called: np.ndarray  # (images,) int64
    malignant_probability: np.ndarray  # (images,) float64
    malignant: np.ndarray  # (images,) bool, at the operating point
    lesion_of: np.ndarray | None = None  # (images,) int64, the lesion of each; None: each image is one of its own


def estimate_performance(scored: Scored) -> dict[str, Estimate]:
    """The expected metrics of some images, each with a 95 % interval for the metric that their labels would give.

    Images of a lesion share their truth, and are taken to vary together: the intervals are rather too wide.

    Returns
    -------
    dict of str to Estimate
        By names of `ESTIMATES`; what is not defined is left out, as everything is without images.
    """
    if not len(scored.called):
        return {}
    found = {ACCURACY: _accuracy(scored)}
    for name, estimate in (
        (BALANCED_ACCURACY, _balanced_accuracy(scored)),
        (MALIGNANT_SENSITIVITY, _malignant_sensitivity(scored)),
    ):
        if estimate is not None:
            found[name] = estimate
    return found


def _accuracy(scored: Scored) -> Estimate:
    right = np.take_along_axis(scored.probabilities, scored.called[:, None], axis=1)[:, 0]
    return _estimate(float(right.mean()), right * (1 - right) / len(right) ** 2, scored)


def _balanced_accuracy(scored: Scored) -> Estimate | None:
    """The mean over diagnoses of (expected correct calls) / (expected images)."""
    probabilities, images = scored.probabilities, np.arange(len(scored.called))
    expected = probabilities.sum(axis=0)  # (diagnoses,)
    counted = expected >= _FEWEST_EXPECTED
    if not counted.any():
        return None
    right = np.bincount(scored.called, probabilities[images, scored.called], minlength=len(expected))
    sensitivity = right[counted] / expected[counted]
    # An image of a diagnosis moves the mean by this much: (images, counted diagnoses).
    moves = np.broadcast_to(-sensitivity, (len(images), int(counted.sum()))).copy()
    position = np.cumsum(counted) - 1
    hit = counted[scored.called]
    moves[images[hit], position[scored.called[hit]]] += 1
    moves /= expected[counted] * counted.sum()
    shares = probabilities[:, counted]
    mean = (shares * moves).sum(axis=1)
    variances = (shares * np.square(moves)).sum(axis=1) - np.square(mean)
    return _estimate(float(sensitivity.mean()), np.maximum(variances, 0.0), scored)


def _malignant_sensitivity(scored: Scored) -> Estimate | None:
    chance = scored.malignant_probability
    expected = float(chance.sum())
    if expected < _FEWEST_EXPECTED:
        return None
    value = float(chance[scored.malignant].sum()) / expected
    moves = (scored.malignant - value) / expected
    return _estimate(value, chance * (1 - chance) * np.square(moves), scored)


def _estimate(value: float, variances: np.ndarray, scored: Scored) -> Estimate:
    """The interval from each image's variance; of a lesion's images the standard deviations add up."""
    if scored.lesion_of is not None:
        variances = np.square(np.bincount(scored.lesion_of, np.sqrt(variances)))
    half = _NORMAL_QUANTILE * math.sqrt(float(variances.sum()))
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))
