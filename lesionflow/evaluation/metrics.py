"""Figures of merit: their values, and how far chance could have moved them."""

from __future__ import annotations

import numpy as np

from lesionflow.diagnoses import DIAGNOSES, MALIGNANT_INDICES
from lesionflow.errors import DataError
from lesionflow.evaluation.bootstrap_metrics import (
    METRICS,
    confidence_bins,
    shares,
    weighted_metrics,
)  # fmt: skip
from lesionflow.evaluation.intervals import calibration_interval, interval, lesion_weights
from lesionflow.model.card import Estimate
from lesionflow.model.prediction import LabelledPredictions


def measure(predictions: LabelledPredictions, *, resamples: int = 2000, seed: int = 0) -> dict[str, Estimate]:
    """All of `METRICS` that are defined on some images, each with its 95 % interval from a bootstrap over lesions.

    The values are those of `figures`, the intervals those of `intervals.interval`, from resamples that draw lesions
    with all their images. A metric that a resample leaves undefined does without that resample; averages over
    diagnoses are then over those that are in it. Intervals that rest on a dozen lesions or fewer are too narrow, as
    those of any bootstrap; only shares of 0 and 1 are exact. The ECE has an interval of its own, see
    `intervals.calibration_interval`. Raises `DataError` where there are no images.
    """
    values = figures(predictions)
    weights = lesion_weights(predictions.lesion_ids, resamples, seed)
    resampled = weighted_metrics(predictions, weights)
    rests_on = {name: len(np.unique(predictions.lesion_ids[among])) for name, (_, among) in shares(predictions).items()}
    found = {}
    for name, value in values.items():
        estimate = interval(value, resampled[name], rests_on.get(name))
        if estimate is not None:
            found[name] = estimate
    return found | {"ece": calibration_interval(predictions, weights)}


def figures(predictions: LabelledPredictions) -> dict[str, float]:
    """The values of all of `METRICS` that are defined on some images, by name.

    Accuracy, balanced accuracy (the mean of the sensitivities), macro F1 and each diagnosis's sensitivity,
    specificity, PPV and NPV are of the diagnosis that is called; `..._of_most_probable` of the most probable one;
    `accuracy_of_trusted` of images that are not referred, and `referred` is the share that is. AUC and average
    precision set a diagnosis against the rest, by its probability; `macro_...` are means over diagnoses, each counting
    once. `malignant_...` are of malignant against benign: sensitivity, specificity, PPV and NPV at the operating point,
    AUC by the malignant probability. `malignant_auc_above_80` is the area under the ROC curve from 80 % sensitivity on,
    straight down to the axis, as the ISIC 2018 challenge had it: at best 1, and 0.18 by chance. Log loss and Brier are
    those of `weighted.losses`, ECE that of `expected_calibration_error`.

    Averages are over diagnoses that have images. What is not defined is left out: the sensitivity of a diagnosis
    without images, the PPV of one that is never called, AUC and average precision where all images or none have it.
    Raises `DataError` where there are no images.
    """
    if not len(predictions):
        raise DataError("there are no images to measure a model on")
    once = weighted_metrics(predictions, np.ones((1, len(predictions))))
    found = {name: float(values[0]) for name, values in once.items()} | _by_scikit_learn(predictions)
    return {name: found[name] for name in METRICS if not np.isnan(found[name])}


def _by_scikit_learn(predictions: LabelledPredictions) -> dict[str, float]:
    """What scikit-learn has: its definitions are the ones that readers know, and tests hold the resampled to them."""
    from sklearn import metrics

    labels, called, probabilities = predictions.labels, predictions.called, predictions.probabilities
    everything, present = range(len(DIAGNOSES)), np.unique(labels)
    malignant = np.isin(labels, MALIGNANT_INDICES)
    undefined = {"zero_division": np.nan}
    found = {
        "accuracy": metrics.accuracy_score(labels, called),
        "accuracy_of_most_probable": metrics.accuracy_score(labels, probabilities.argmax(axis=1)),
        "balanced_accuracy": metrics.recall_score(labels, called, labels=present, average="macro"),
        "balanced_accuracy_of_most_probable": metrics.recall_score(
            labels, probabilities.argmax(axis=1), labels=present, average="macro"
        ),
        "macro_f1": metrics.f1_score(labels, called, labels=present, average="macro", zero_division=0.0),
        "log_loss": metrics.log_loss(labels, probabilities, labels=everything),
        "malignant_sensitivity": metrics.recall_score(malignant, predictions.malignant, **undefined),
        "malignant_ppv": metrics.precision_score(malignant, predictions.malignant, **undefined),
    }
    sensitivities = metrics.recall_score(labels, called, labels=everything, average=None, **undefined)
    ppvs = metrics.precision_score(labels, called, labels=everything, average=None, **undefined)
    both = []  # diagnoses that some images have and some have not
    for place, diagnosis in enumerate(DIAGNOSES):
        found |= {f"sensitivity_{diagnosis}": sensitivities[place], f"ppv_{diagnosis}": ppvs[place]}
        cases = labels == place
        if 0 < cases.sum() < len(labels):
            both.append(diagnosis)
            found[f"auc_{diagnosis}"] = metrics.roc_auc_score(cases, probabilities[:, place])
            found[f"average_precision_{diagnosis}"] = metrics.average_precision_score(cases, probabilities[:, place])
    if both:
        for metric in ("auc", "average_precision"):
            found[f"macro_{metric}"] = np.mean([found[f"{metric}_{diagnosis}"] for diagnosis in both])
    if 0 < malignant.sum() < len(labels):
        found["malignant_auc"] = metrics.roc_auc_score(malignant, predictions.malignant_probability)
    return {name: float(value) for name, value in found.items()}


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """ECE of the most probable diagnosis: the gap between confidence and accuracy, averaged over images by bin.

    15 bins of equal width (Guo et al. 2017, arXiv:1706.04599). labels: (images,); probabilities: (images, 7).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    gaps = np.bincount(confidence_bins(confidence), weights=confidence - right)  # summed, not averaged
    return float(np.abs(gaps).sum() / len(labels))


def confusion_matrix(labels: np.ndarray, called: np.ndarray) -> np.ndarray:
    """Numbers of images, (7, 7) int64: row the true diagnosis, column the called one; both (images,) indices."""
    from sklearn import metrics

    return np.asarray(metrics.confusion_matrix(labels, called, labels=range(len(DIAGNOSES))))
