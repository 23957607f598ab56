"""Figures of merit, from labels and probabilities alone."""

from __future__ import annotations

import numpy as np

from lesionflow.diagnoses import DIAGNOSES, MALIGNANT_INDICES

NV = DIAGNOSES.index("nv")


def classification_metrics(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, float]:
    """All metrics of one set of images by name.

    labels: (images,) indices into `DIAGNOSES`; probabilities: (images, 7). Diagnoses without images are left out of
    averages, and what is not defined (a recall of no images) is left out of the result. Sensitivity and specificity
    count an image as called malignant where its most probable diagnosis is; their definitions are the usual ones
    (share of malignant images called so; share of benign images not called so).
    """
    from sklearn import metrics

    called = probabilities.argmax(axis=1)  # (images,)
    recalls = {dx: _share(called[labels == i] == i) for i, dx in enumerate(DIAGNOSES) if (labels == i).any()}
    malignant = np.isin(labels, MALIGNANT_INDICES)
    called_malignant = np.isin(called, MALIGNANT_INDICES)
    result = {
        "accuracy": _share(called == labels),
        "accuracy_of_always_nv": _share(labels == NV),
        "balanced_accuracy": float(np.mean(list(recalls.values()))),
        "log_loss": float(metrics.log_loss(labels, probabilities, labels=range(len(DIAGNOSES)))),
    }
    aucs = [
        metrics.roc_auc_score(labels == i, probabilities[:, i])
        for i in range(len(DIAGNOSES))
        if 0 < (labels == i).sum() < len(labels)
    ]
    if aucs:
        result["macro_auc"] = float(np.mean(aucs))  # one against the rest, as in the ISIC 2018 challenge
    if malignant.any() and not malignant.all():
        result["malignant_auc"] = float(
            metrics.roc_auc_score(malignant, probabilities[:, list(MALIGNANT_INDICES)].sum(axis=1))
        )
        result["malignant_sensitivity"] = _share(called_malignant[malignant])
        result["malignant_specificity"] = _share(~called_malignant[~malignant])
    return result | {f"recall_{dx}": recall for dx, recall in recalls.items()}


def confusion_matrix(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """Numbers of images, (7, 7) int64: row the true diagnosis, column the most probable one."""
    matrix = np.zeros((len(DIAGNOSES), len(DIAGNOSES)), dtype=np.int64)
    np.add.at(matrix, (labels, probabilities.argmax(axis=1)), 1)
    return matrix


def _share(true: np.ndarray) -> float:
    return float(np.mean(true))


CALIBRATION_BINS = 15


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """ECE of the most probable diagnosis: the gap between confidence and accuracy, averaged over images by bin.

    15 bins of equal width (Guo et al. 2017, arXiv:1706.04599). labels: (images,); probabilities: (images, 7).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    places = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = np.bincount(places, weights=confidence - right, minlength=CALIBRATION_BINS)  # summed, not averaged
    return float(np.abs(gaps).sum() / len(labels))
