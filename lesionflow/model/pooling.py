"""One prediction for several images of a lesion, from what the model says of each."""

from __future__ import annotations

from typing import Any

import numpy as np

from lesionflow.model.card import Calibration
from lesionflow.model.decision import decide_probabilities, softmax
from lesionflow.model.prediction import UNFAMILIAR, Predictions
from lesionflow.options import option

MEAN_LOGITS, MEAN_PROBABILITIES, MALIGNANT_MAXIMUM = "logits", "probabilities", "malignant"
POOLS = (MEAN_LOGITS, MEAN_PROBABILITIES, MALIGNANT_MAXIMUM)
_LEAST_PROBABILITY = 1e-12  # a probability of 0, which six decimals may make of one, has no logarithm


def pool_option(*, group: str = "") -> Any:
    """The field `pool` of a configuration."""
    return option(
        MEAN_LOGITS,
        "How --group-by makes one prediction of several: mean of logits, mean of probabilities, or the most malignant.",
        choices=POOLS, group=group, needs="--group-by COLUMN",
    )  # fmt: skip


def pool_probabilities(
    probabilities: np.ndarray, group_of: np.ndarray, groups: int, pool: str, malignant_indices: tuple[int, ...]
) -> np.ndarray:
    """Pool calibrated probabilities of images into those of groups: (groups, classes) float64.

    Parameters
    ----------
    probabilities : (images, classes) float64
        Calibrated.
    group_of : (images,) int64
        The group of each image, from 0; every group has images.
    groups : int
        How many there are.
    pool : str
        `MEAN_LOGITS`: the softmax of the mean of the calibrated logits, which is the geometric mean of the
        probabilities, scaled to a sum of 1. `MEAN_PROBABILITIES`: their mean. `MALIGNANT_MAXIMUM`: those of the image
        with the greatest malignant probability, the first of equal ones.
    malignant_indices : tuple of int
        The malignant diagnoses.
    """
    if pool == MALIGNANT_MAXIMUM:
        malignant = probabilities[:, list(malignant_indices)].sum(axis=1)
        order = np.lexsort((np.arange(len(malignant)), -malignant, group_of))
        _, firsts = np.unique(group_of[order], return_index=True)
        return np.asarray(probabilities[order[firsts]])
    values = np.log(np.maximum(probabilities, _LEAST_PROBABILITY)) if pool == MEAN_LOGITS else probabilities
    means = np.zeros((groups, probabilities.shape[1]))
    np.add.at(means, group_of, values)
    means /= np.bincount(group_of, minlength=groups)[:, None]
    return softmax(means) if pool == MEAN_LOGITS else np.asarray(means / means.sum(axis=1, keepdims=True))


def pool_predictions(
    said: Predictions, group_of: np.ndarray, groups: int, pool: str, calibration: Calibration, prior: tuple[float, ...]
) -> Predictions:
    """Pool predictions of images into one for each group; calls and marks follow from the pooled probabilities.

    A group is unfamiliar where more than half of its images are.

    Parameters
    ----------
    said : Predictions
        Of (images,).
    group_of, groups, pool
        As `pool_probabilities` takes them.
    calibration : Calibration
        The thresholds, and how strongly calls correct for the prior.
    prior : (classes,) float
        Each diagnosis's share of the training images.

    Returns
    -------
    Predictions
        Of (groups,).
    """
    labels = said.label_set
    probabilities = pool_probabilities(said.probabilities, group_of, groups, pool, labels.malignant_indices)
    unfamiliar = np.bincount(group_of, weights=said.refer == UNFAMILIAR, minlength=groups)
    mostly = unfamiliar > np.bincount(group_of, minlength=groups) / 2
    return decide_probabilities(probabilities, mostly, calibration, prior, labels)
