"""Expected metrics of images without labels, from a model's own calibrated probabilities.

Confidence-based performance estimation (Bialek et al. 2024, arXiv:2407.08649): if the probabilities are right, the
expected accuracy is the mean probability of what was called, and so on. Means and standard deviations are in closed
form, first order where a metric is a ratio; nothing is drawn at random. The interval is that of the metric which the
images' truth would give; it says nothing of probabilities that are wrong, which is how the estimate fails.
"""

from __future__ import annotations

import math

import numpy as np

from lesionflow.model.card import Estimate
from lesionflow.model.prediction import Predictions, confidence_of
from lesionflow.model.report_table import ReportTable

_NORMAL_QUANTILE = 1.959964  # of a 95 % interval
_FEWEST_EXPECTED = 1.0  # expected images of a diagnosis below which it is left out of the balanced accuracy

ACCURACY, BALANCED_ACCURACY = "expected_accuracy", "expected_balanced_accuracy"
MALIGNANT_SENSITIVITY = "expected_malignant_sensitivity"
ESTIMATES = (ACCURACY, BALANCED_ACCURACY, MALIGNANT_SENSITIVITY)


def estimate_performance(said: ReportTable | Predictions, lesion_of: np.ndarray | None = None) -> dict[str, Estimate]:
    """The expected metrics of some images, each with a 95 % interval for the metric that their labels would give.

    Images of a lesion share their truth, and are taken to vary together: the intervals are rather too wide.

    Parameters
    ----------
    said
        What a model says of them.
    lesion_of : (images,) int64
        The lesion of each; None: each image is one of its own.

    Returns
    -------
    dict of str to Estimate
        By names of `ESTIMATES`; what is not defined is left out, as everything is without images.
    """
    if not len(said.called):
        return {}
    right = confidence_of(said.probabilities, said.called)
    moments: dict[str, tuple[float, np.ndarray] | None] = {
        ACCURACY: (float(right.mean()), right * (1 - right) / len(right) ** 2),
        BALANCED_ACCURACY: _balanced_accuracy(said),
        MALIGNANT_SENSITIVITY: _malignant_sensitivity(said),
    }
    return {name: _estimate(each[0], each[1], lesion_of) for name, each in moments.items() if each is not None}


def _balanced_accuracy(said: ReportTable | Predictions) -> tuple[float, np.ndarray] | None:
    """The mean over diagnoses of (expected correct calls) / (expected images), and each image's variance."""
    probabilities, called, images = said.probabilities, said.called, np.arange(len(said.called))
    expected = probabilities.sum(axis=0)  # (diagnoses,)
    counted = expected >= _FEWEST_EXPECTED
    if not counted.any():
        return None
    right = np.bincount(called, probabilities[images, called], minlength=len(expected))
    sensitivity = right[counted] / expected[counted]
    # An image of a diagnosis moves the mean by this much: (images, counted diagnoses).
    moves = np.broadcast_to(-sensitivity, (len(images), int(counted.sum()))).copy()
    position = np.cumsum(counted) - 1
    hit = counted[called]
    moves[images[hit], position[called[hit]]] += 1
    moves /= expected[counted] * counted.sum()
    shares = probabilities[:, counted]
    mean = (shares * moves).sum(axis=1)
    variances = (shares * np.square(moves)).sum(axis=1) - np.square(mean)
    return float(sensitivity.mean()), np.maximum(variances, 0.0)


def _malignant_sensitivity(said: ReportTable | Predictions) -> tuple[float, np.ndarray] | None:
    chance = said.malignant_probability
    expected = float(chance.sum())
    if expected < _FEWEST_EXPECTED:
        return None
    value = float(chance[said.malignant].sum()) / expected
    moves = (said.malignant - value) / expected
    return value, chance * (1 - chance) * np.square(moves)


def _estimate(value: float, variances: np.ndarray, lesion_of: np.ndarray | None) -> Estimate:
    """The interval from each image's variance; of a lesion's images the standard deviations add up."""
    if lesion_of is not None:
        variances = np.square(np.bincount(lesion_of, np.sqrt(variances)))
    half = _NORMAL_QUANTILE * math.sqrt(float(variances.sum()))
    return Estimate(value, max(0.0, value - half), min(1.0, value + half))
