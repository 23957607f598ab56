"""From a network's outputs to probabilities and decisions: what the card's calibration means, in one place."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesionflow.diagnoses import MALIGNANT_INDICES
from lesionflow.model.card import Calibration

TRUSTED, UNCERTAIN, UNFAMILIAR = "no", "uncertain", "unfamiliar"  # whether a person should look, and why


@dataclass(frozen=True)
class Predictions:
    """What a bundle says of some images."""

    probabilities: np.ndarray  # (images, 7) float64, calibrated
    called: np.ndarray  # (images,) int64, indices into DIAGNOSES
    malignant: np.ndarray  # (images,) bool, at the operating point
    refer: np.ndarray  # (images,) text: TRUSTED, UNCERTAIN or UNFAMILIAR


def decide(
    logits: np.ndarray, distances: np.ndarray, calibration: Calibration, prior: tuple[float, ...]
) -> Predictions:
    """Apply a calibration.

    logits: (images, 7); distances: (images,), NaN where the graph has none; prior: each diagnosis's share of the
    training images. The probabilities are those for images as frequent as in training. The call is the diagnosis whose
    probability exceeds its prior by the largest factor: the most probable one if all seven were equally frequent, which
    maximises the expected balanced accuracy (Menon et al. 2021, arXiv:2007.07314). The most probable diagnosis itself
    would be nv for most melanomas, as two images in three are nv. A call is referred as uncertain by its probability
    (Hendrycks and Gimpel 2017, arXiv:1610.02136), as unfamiliar by its image's distance (`bundle.distance`).
    """
    probabilities = softmax(logits / calibration.temperature + np.asarray(calibration.logit_offsets))
    called = (probabilities / np.asarray(prior)).argmax(axis=1)
    refer = np.full(len(logits), TRUSTED, dtype="<U10")
    refer[confidence(probabilities, called) < calibration.uncertain_below] = UNCERTAIN
    if calibration.unfamiliar_above is not None:
        refer[distances > calibration.unfamiliar_above] = UNFAMILIAR
    malignant = malignant_probability(probabilities) >= calibration.malignant_threshold
    return Predictions(probabilities, called, malignant, refer)


def softmax(logits: np.ndarray) -> np.ndarray:
    """(images, classes) logits to probabilities, in float64."""
    logits = np.asarray(logits, dtype=np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def confidence(probabilities: np.ndarray, called: np.ndarray) -> np.ndarray:
    """(images, 7) and (images,) to (images,): the probability of the diagnosis that is called."""
    return np.asarray(np.take_along_axis(probabilities, called[:, None], axis=1)[:, 0])


def malignant_probability(probabilities: np.ndarray) -> np.ndarray:
    """(images, 7) to (images,): the summed probability of the malignant diagnoses."""
    return np.asarray(probabilities[:, list(MALIGNANT_INDICES)].sum(axis=1))
