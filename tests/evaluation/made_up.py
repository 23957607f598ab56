"""LabelledPredictions drawn at random, for tests of figures of merit."""

import numpy as np

from lesionflow.diagnoses import HAM10000
from lesionflow.model.card import Calibration
from lesionflow.model.decision import decide
from lesionflow.model.prediction import TRUSTED, UNCERTAIN, LabelledPredictions, with_labels

PRIOR = (0.05, 0.1, 0.15, 0.05, 0.15, 0.45, 0.05)


def made_up(lesions: int = 150, seed: int = 0, digits: int | None = None, skill: float = 1.5) -> LabelledPredictions:
    """Lesions with one to four images each; rounded to some digits, many have the same probability."""
    generator = np.random.default_rng(seed)
    images = generator.integers(1, 5, lesions)
    label = generator.choice(len(HAM10000.names), lesions, p=PRIOR)
    label[:14] = np.arange(14) % 7  # at least two lesions of each diagnosis
    labels, lesion_ids = np.repeat(label, images), np.repeat([f"L{number:04}" for number in range(lesions)], images)
    logits = generator.normal(size=(len(labels), 7)) + np.repeat(generator.normal(size=(lesions, 7)), images, axis=0)
    logits += skill * np.eye(7)[labels]
    if digits is not None:
        logits = np.round(logits, digits)
    calibration = Calibration(malignant_threshold=0.35, uncertain_below=0.3)
    said = decide(logits, np.full(len(labels), np.nan), calibration, PRIOR)
    order = generator.permutation(len(labels))
    ids = np.array([f"I{number:05}" for number in range(len(labels))])
    return with_labels(said, ids, lesion_ids, labels).take(order)


def by_hand(
    true: list[str], called: list[str], lesions: list[str] | None = None, sure: float = 0.94
) -> LabelledPredictions:
    """A probability of 0.94 for what is called and the rest for the others; the last image, if wrong, is referred."""
    labels, calls = (np.array([HAM10000.names.index(dx) for dx in names], dtype=np.int64) for names in (true, called))
    probabilities = np.full((len(labels), 7), (1 - sure) / 6)
    probabilities[np.arange(len(labels)), calls] = sure
    ids = np.array([f"I{number}" for number in range(len(labels))])
    refer = np.where((labels != calls) & (np.arange(len(labels)) == len(labels) - 1), UNCERTAIN, TRUSTED)
    malignant = np.isin(calls, HAM10000.malignant_indices)
    return LabelledPredictions(probabilities, calls, malignant, refer, ids, np.array(lesions or ids), labels)
