"""From a network's outputs to probabilities and decisions: what the card's calibration means, in one place."""

from __future__ import annotations

import numpy as np

from lesionflow.diagnoses import HAM10000, LabelSet
from lesionflow.model.card import Calibration
from lesionflow.model.prediction import TRUSTED, UNCERTAIN, UNFAMILIAR, Predictions


def decide(
    logits: np.ndarray,
    distances: np.ndarray,
    calibration: Calibration,
    prior: tuple[float, ...],
    labels: LabelSet = HAM10000,
) -> Predictions:
    """Apply a calibration to a network's outputs.

    The probabilities are those for images as frequent as in training. The call is the diagnosis whose probability
    exceeds its prior by the largest factor: the most probable one if all were equally frequent, which maximises the
    expected balanced accuracy (Menon et al. 2021, arXiv:2007.07314). The most probable diagnosis itself would be nv for
    most melanomas, as two images in three are nv; a calibration may temper that, see `called_diagnoses`. A call is
    referred as uncertain by its probability (Hendrycks and Gimpel 2017, arXiv:1610.02136), as unfamiliar by its image's
    distance from the training images.

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
    return decide_probabilities(probabilities, distances > farthest, calibration, prior, labels)


def decide_probabilities(
    probabilities: np.ndarray,
    unfamiliar: np.ndarray,
    calibration: Calibration,
    prior: tuple[float, ...],
    labels: LabelSet = HAM10000,
) -> Predictions:
    """Apply the thresholds of a calibration to calibrated probabilities.

    Parameters
    ----------
    probabilities : (images, classes) float64
    unfamiliar : (images,) bool
        Whether an image is unlike those of the training.
    calibration, prior, labels
        As `decide` takes them.
    """
    called = called_diagnoses(probabilities, prior, calibration.call_strength)
    nothing, trusted = np.zeros(len(called), bool), np.full(len(called), TRUSTED, dtype="<U10")
    said = Predictions(probabilities, called, nothing, trusted, label_set=labels)
    said.refer[said.confidence < calibration.uncertain_below] = UNCERTAIN
    said.refer[unfamiliar] = UNFAMILIAR
    said.malignant[:] = said.malignant_probability >= calibration.malignant_threshold
    return said


def called_diagnoses(probabilities: np.ndarray, prior: tuple[float, ...], strength: float) -> np.ndarray:
    """The diagnosis called of each image: (images,) int64 from (images, classes) probabilities.

    strength: from 0, the most probable diagnosis, to 1, the one that exceeds its prior by the largest factor.
    """
    return np.asarray((probabilities / prior_of_call(prior, strength)).argmax(axis=1))


def prior_of_call(prior: tuple[float, ...], strength: float) -> np.ndarray:
    """What each probability is divided by before the greatest is called: (classes,); strength: of the call."""
    return np.asarray(np.asarray(prior) ** strength)


def softmax(logits: np.ndarray) -> np.ndarray:
    """(images, classes) logits to probabilities, in float64."""
    logits = np.asarray(logits, dtype=np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
