"""Expected metrics against truth that is drawn from the very probabilities."""

from __future__ import annotations

import numpy as np
import pytest

from lesionflow.diagnoses import LabelSet
from lesionflow.model.prediction import Predictions
from lesionflow.monitoring.performance import ACCURACY, BALANCED_ACCURACY, ESTIMATES, MALIGNANT_SENSITIVITY
from lesionflow.monitoring.performance import estimate_performance as estimate


def predictions(probabilities: np.ndarray, called: np.ndarray, threshold: float, malignant: int = 1) -> Predictions:
    """Of a label set whose first diagnoses are malignant."""
    names = tuple("abcd"[: probabilities.shape[1]])
    labels = LabelSet("made", names, {name: f"full {name}" for name in names}, names[:malignant])
    flags = probabilities[:, :malignant].sum(axis=1) > threshold
    return Predictions(probabilities, called, flags, np.full(len(called), "no"), label_set=labels)


def scored(images: int, seed: int, lesions: bool = False) -> tuple[Predictions, np.ndarray | None]:
    """Calibrated probabilities of made-up images, and their lesions; with these, each image is there twice."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet((0.3, 0.5, 0.2, 1.5), images)
    lesion_of = None
    if lesions:
        probabilities, lesion_of = np.repeat(probabilities, 2, axis=0), np.repeat(np.arange(images), 2)
    called = (probabilities / (0.1, 0.2, 0.1, 0.6)).argmax(axis=1)
    return predictions(probabilities, called, 0.3, malignant=2), lesion_of


def truths(said: Predictions, lesion_of: np.ndarray | None, draws: int, seed: int) -> dict[str, np.ndarray]:
    """The metrics that truth gives, drawn from the probabilities; images of a lesion have the same."""
    generator = np.random.default_rng(seed)
    units = np.arange(len(said.called)) if lesion_of is None else lesion_of
    limits = np.cumsum(said.probabilities, axis=1)
    found: dict[str, list[float]] = {name: [] for name in ESTIMATES}
    for _ in range(draws):
        labels = (generator.random(units.max() + 1)[units][:, None] > limits[:, :-1]).sum(axis=1)
        right = labels == said.called
        found[ACCURACY].append(right.mean())
        found[BALANCED_ACCURACY].append(np.mean([right[labels == index].mean() for index in np.unique(labels)]))
        found[MALIGNANT_SENSITIVITY].append(said.malignant[labels < 2].mean())
    return {name: np.array(values) for name, values in found.items()}


@pytest.mark.parametrize("lesions", [False, True])
def test_expected_metrics_and_their_intervals_are_those_of_drawn_truth(lesions: bool) -> None:
    said, lesion_of = scored(400, seed=2, lesions=lesions)
    found, drawn = estimate(said, lesion_of), truths(said, lesion_of, draws=1500, seed=3)
    for name in ESTIMATES:
        mean, deviation = drawn[name].mean(), drawn[name].std()
        assert found[name].value == pytest.approx(mean, abs=4 * deviation / np.sqrt(1500) + 0.002), name
        half = (found[name].high - found[name].low) / 2
        assert half / 1.96 == pytest.approx(deviation, rel=0.12), name
        inside = (drawn[name] >= found[name].low) & (drawn[name] <= found[name].high)
        assert 0.93 < inside.mean() < 0.97, name


def test_what_is_not_defined_is_left_out() -> None:
    assert estimate(predictions(np.empty((0, 2)), np.empty(0, int), 0.5)) == {}
    benign = predictions(np.array([[0.01, 0.99]] * 3), np.ones(3, int), 0.5)
    assert set(estimate(benign)) == {ACCURACY, BALANCED_ACCURACY}
    assert estimate(benign)[ACCURACY].value == pytest.approx(0.99)


def test_a_rare_diagnosis_is_left_out_of_the_balanced_accuracy() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0]] * 20)
    said = predictions(probabilities, np.array([0, 1] * 20), 0.5)
    expected = np.mean([20 * 0.9 / 22, 20 * 0.8 / 18])
    assert estimate(said)[BALANCED_ACCURACY].value == pytest.approx(expected)
