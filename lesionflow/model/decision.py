"""Turns a network's outputs into probabilities and decisions, for an image or for all images of a lesion.

What the card's calibration means is here, in one place.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lesionflow.diagnoses import HAM10000, LabelSet
from lesionflow.model.card import Calibration
from lesionflow.model.prediction import TRUSTED, UNCERTAIN, UNFAMILIAR, Predictions
from lesionflow.options import option


def decide(
    logits: np.ndarray,
    distances: np.ndarray,
    calibration: Calibration,
    prior: tuple[float, ...],
    labels: LabelSet = HAM10000,
) -> Predictions:
    """Apply a calibration to a network's outputs.

    The probabilities are those for images as frequent as in training. At full strength, the call is the diagnosis whose
    probability exceeds its prior by the largest factor: the most probable one if all were equally frequent, which
    maximises the expected balanced accuracy (Menon et al. 2021, arXiv:2007.07314). The most probable diagnosis itself
    would be nv for most melanomas, as two images in three are nv. A calibration may have less than full strength, see
    `called_diagnoses`. A call is referred as uncertain by its probability (Hendrycks and Gimpel 2017,
    arXiv:1610.02136), as unfamiliar by its image's distance from the training images.

    Parameters
    ----------
    logits : (images, classes) float
    distances : (images,) float
        NaN where the graph has none.
    calibration : Calibration
    prior : (classes,) float
        Each diagnosis's share of the training images.
    labels : LabelSet
        The diagnoses, in the order of the logits.
    """
    probabilities = softmax(logits / calibration.temperature + np.asarray(calibration.logit_offsets or 0.0))
    farthest = np.inf if calibration.unfamiliar_above is None else calibration.unfamiliar_above
    return _decide(probabilities, distances > farthest, calibration, prior, labels)


def _decide(
    probabilities: np.ndarray,
    unfamiliar: np.ndarray,
    calibration: Calibration,
    prior: tuple[float, ...],
    labels: LabelSet,
) -> Predictions:
    """Apply thresholds to calibrated probabilities; unfamiliar: which images are unlike those of the training."""
    called = called_diagnoses(probabilities, prior, calibration.call_strength)
    nothing, trusted = np.zeros(len(called), bool), np.full(len(called), TRUSTED, dtype="<U10")
    said = Predictions(probabilities, called, nothing, trusted, label_set=labels)
    said.refer[said.confidence < calibration.uncertain_below] = UNCERTAIN
    said.refer[unfamiliar] = UNFAMILIAR
    said.malignant[:] = said.malignant_probability >= calibration.malignant_threshold
    return said


def restrict(said: Predictions, part: LabelSet, calibration: Calibration, prior: tuple[float, ...]) -> Predictions:
    """What a model says of images that are known to have one of some of its diagnoses.

    Probabilities are conditional on that; calls, malignant flags and uncertainty follow from them as from any others.

    Parameters
    ----------
    said : Predictions
        Of all of the model's diagnoses.
    part : LabelSet
        Some of these, by the same names.
    calibration : Calibration
        The thresholds, and how strongly calls correct for the prior.
    prior : (classes,) float
        The share of each of the model's diagnoses among the training images.
    """
    columns = [said.label_set.index_of(name) for name in part.names]
    some = np.maximum(said.probabilities[:, columns], _LEAST_PROBABILITY)
    some /= some.sum(axis=1, keepdims=True)
    return _decide(some, said.refer == UNFAMILIAR, calibration, tuple(prior[column] for column in columns), part)


def called_diagnoses(probabilities: np.ndarray, prior: tuple[float, ...], strength: float) -> np.ndarray:
    """The diagnosis called for each image: (images,) int64 from (images, classes) probabilities.

    strength: from 0, the most probable diagnosis, to 1, the one that exceeds its prior by the largest factor.
    """
    return np.asarray((probabilities / prior_of_call(prior, strength)).argmax(axis=1))


def prior_of_call(prior: tuple[float, ...], strength: float) -> np.ndarray:
    """The divisor of each probability before the greatest is called: (classes,); strength: of the call."""
    return np.asarray(np.asarray(prior) ** strength)


def rule_of_call(strength: float) -> str:
    """Which diagnosis a model with this strength calls, in words."""
    if strength == 0:
        return "the most probable one"
    equal = "the one that would be most probable if all were equally frequent"
    if strength == 1:
        return equal
    return (
        f"the one whose probability, divided by its share of the training images to the power of {strength:g}, is "
        f"greatest (the power of 0 gives the most probable one, the power of 1 {equal})"
    )


def softmax(logits: np.ndarray) -> np.ndarray:
    """(images, classes) logits to probabilities, in float64."""
    logits = np.asarray(logits, dtype=np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


MEAN_LOGITS, MEAN_PROBABILITIES, MALIGNANT_MAXIMUM = "logits", "probabilities", "malignant"
POOLS = (MEAN_LOGITS, MEAN_PROBABILITIES, MALIGNANT_MAXIMUM)
_LEAST_PROBABILITY = 1e-12  # a probability of 0, which six decimals may make of one, has no logarithm


def pool_option(*, group: str = "") -> Any:
    """The field `pool` of a configuration."""
    return option(
        MEAN_LOGITS,
        "How --group-by pools predictions: mean of logits, mean of probabilities, or the most malignant.",
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
    return _decide(probabilities, mostly, calibration, prior, labels)
