"""What confidence is worth: how accuracy grows when the least confident calls are left to people."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lesionflow.diagnoses import DIAGNOSES
from lesionflow.evaluation.bootstrap_metrics import CALIBRATION_BINS, confidence_bins
from lesionflow.evaluation.intervals import interval, lesion_weights
from lesionflow.model.card import Estimate
from lesionflow.model.prediction import LabelledPredictions


class CoverageCurve(NamedTuple):
    """Accuracy of the calls that are kept, a point for each confidence there is, the most confident first."""

    coverage: np.ndarray  # (points,) the share of images whose call is kept, ascending to 1
    confidence: np.ndarray  # (points,) the lowest that is kept, descending
    accuracy: np.ndarray  # (points,) of the calls that are kept
    balanced_accuracy: np.ndarray  # (points,) of them; NaN as long as a diagnosis has no image among them
    aurc: float  # the area under the curve of risk, 1 - accuracy, over coverage: lower is better


class Bin(NamedTuple):
    """The images whose most probable diagnosis has a probability from low on and below high; 1 is in the last bin."""

    low: float
    high: float
    images: int
    confidence: float  # the mean probability of the most probable diagnosis
    accuracy: Estimate  # how often it is right


def coverage_curve(predictions: LabelledPredictions) -> CoverageCurve:
    """Accuracy against coverage when the calls of lowest confidence are left out.

    That is selective classification (Geifman and El-Yaniv 2017, arXiv:1705.08500). Confidence is the probability of the
    called diagnosis, as `bundle.decision` refers by it. The area under the risk-coverage curve is the mean of the risks
    at each number of images kept (Geifman, Uziel and El-Yaniv 2019, arXiv:1805.08206); among images of the same
    confidence, on average over their orders. Balanced accuracy is over the diagnoses of all images: a model that keeps
    nothing but nevi would else look perfect.
    """
    order = np.argsort(-predictions.confidence, kind="stable")
    confidence, labels = predictions.confidence[order], predictions.labels[order]
    right = (predictions.called == predictions.labels)[order].astype(np.float64)
    ends = np.flatnonzero(np.append(np.diff(confidence) != 0, True))  # (points,): no threshold parts equal confidences
    kept = ends + 1.0

    present = np.eye(len(DIAGNOSES))[labels][:, np.unique(labels)]  # (images, diagnoses)
    with np.errstate(invalid="ignore"):  # 0 / 0: no image of a diagnosis kept yet
        recalls = (np.cumsum(present * right[:, None], axis=0) / np.cumsum(present, axis=0))[ends]
    found = np.cumsum(right)[ends]

    sizes = np.diff(ends, prepend=-1)
    risk = np.repeat(
        1 - np.diff(found, prepend=0.0) / sizes, sizes
    )  # (images,): an image's share of its equals' errors
    aurc = float((np.cumsum(risk) / np.arange(1, len(risk) + 1)).mean())
    return CoverageCurve(kept / len(labels), confidence[ends], found / kept, recalls.mean(axis=1), aurc)


def reliability(
    predictions: LabelledPredictions, bins: int = CALIBRATION_BINS, *, resamples: int = 1000, seed: int = 0
) -> list[Bin]:
    """Probability against accuracy of the most probable diagnosis, by bins of equal width.

    Bins without images are left out. The gaps between confidence and accuracy, averaged over images, are the ECE. The
    intervals of accuracy are from a bootstrap over lesions.
    """
    confidence = predictions.probabilities.max(axis=1)
    right = predictions.probabilities.argmax(axis=1) == predictions.labels
    places = confidence_bins(confidence, bins)
    weights = lesion_weights(predictions.lesion_ids, resamples, seed).astype(np.float64)
    found = []
    for place in np.unique(places).tolist():
        inside = places == place
        with np.errstate(invalid="ignore"):  # a resample without any of them
            resampled = (weights @ (right & inside)) / (weights @ inside)
        lesions = len(np.unique(predictions.lesion_ids[inside]))
        accuracy = interval(float(right[inside].mean()), resampled, lesions)
        if accuracy is not None:
            mean = float(confidence[inside].mean())
            found.append(Bin(place / bins, (place + 1) / bins, int(inside.sum()), mean, accuracy))
    return found
