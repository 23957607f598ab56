"""The losses and the figure that picks the epoch, against their formulas in NumPy."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from lesionflow.training.config import LOSSES, TrainingConfig
from lesionflow.training.fit import one_hot
from lesionflow.training.objective import BalancedAccuracy, Consistency, build_loss

GENERATOR = np.random.default_rng(5)
LOGITS = GENERATOR.normal(0, 3, (40, 7))
LABELS = GENERATOR.integers(0, 7, 40)
SHOWN = np.array([0.02, 0.05, 0.11, 0.01, 0.11, 0.69, 0.01])
KEPT = GENERATOR.random((40, 1))
# Of images as they are, and blended with the one before.
TARGETS = {"whole": np.eye(7)[LABELS], "blended": KEPT * np.eye(7)[LABELS] + (1 - KEPT) * np.eye(7)[np.roll(LABELS, 1)]}


def log_softmax(logits: np.ndarray) -> np.ndarray:
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


@pytest.mark.parametrize("targets", TARGETS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("loss", LOSSES)
def test_losses_follow_their_formulas(loss: str, smoothing: float, targets: str) -> None:
    wanted = TARGETS[targets] * (1 - smoothing) + smoothing / 7
    logits = LOGITS + np.log(SHOWN) if loss == "logit-adjusted" else LOGITS
    logarithms = log_softmax(logits)
    slack = (1 - np.exp(logarithms)) ** 2 if loss == "focal" else 1
    expected = -(wanted * slack * logarithms).sum(axis=1).mean()
    found = build_loss(loss, smoothing, SHOWN)(TARGETS[targets].astype(np.float32), LOGITS.astype(np.float32))
    assert float(found) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_of_extreme_logits_is_a_number(loss: str) -> None:
    logits = np.where(np.eye(7, dtype=bool)[:2], 1e4, -1e4).astype(np.float32)
    for labels in ([0, 1], [1, 0]):
        assert np.isfinite(float(build_loss(loss, 0.05, SHOWN)(one_hot(np.array(labels), 7), logits)))


def believed(loss: str) -> np.ndarray:
    labels = np.repeat(np.arange(6), [10, 20, 40, 10, 20, 100])  # the last diagnosis has no images
    return TrainingConfig(loss=loss, balance="none").believed_prior(labels, 7)


def test_what_a_network_believes_follows_from_loss_and_sampler() -> None:
    np.testing.assert_allclose(believed("cross-entropy"), np.array([10, 20, 40, 10, 20, 100, 0.5]) / 200)
    np.testing.assert_allclose(believed("focal"), believed("cross-entropy"))
    np.testing.assert_allclose(believed("logit-adjusted"), np.full(7, 1 / 7))


def recalls(called: np.ndarray, labels: np.ndarray) -> list[float]:
    return [float((called[labels == label] == label).mean()) for label in np.unique(labels)]


def test_balanced_accuracy_calls_what_exceeds_the_prior_most() -> None:
    metric = BalancedAccuracy(SHOWN)
    for part in np.array_split(np.arange(40), 3):
        metric.update_state(one_hot(LABELS[part], 7), LOGITS[part].astype(np.float32))
    probabilities = np.exp(log_softmax(LOGITS))
    expected = recalls((probabilities / SHOWN).argmax(axis=1), LABELS)
    assert float(metric.result()) == pytest.approx(np.mean(expected), abs=1e-6)
    assert np.mean(expected) != pytest.approx(np.mean(recalls(LOGITS.argmax(axis=1), LABELS)), abs=0.01)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_balanced_accuracy_of_blended_images_goes_by_the_larger_share() -> None:
    metric = BalancedAccuracy(np.ones(7))
    metric.update_state(TARGETS["blended"].astype(np.float32), LOGITS.astype(np.float32))
    larger = np.where(KEPT[:, 0] > 0.5, LABELS, np.roll(LABELS, 1))
    assert float(metric.result()) == pytest.approx(np.mean(recalls(LOGITS.argmax(axis=1), larger)), abs=1e-6)


def test_consistency_is_the_divergence_of_the_answers_to_two_views() -> None:
    logits = LOGITS[:12].astype(np.float32)
    layer = Consistency(3.0)
    np.testing.assert_array_equal(layer(logits, training=True), logits)
    one, other = (np.exp(log_softmax(half)) for half in np.split(LOGITS[:12], 2))
    divergence = jensenshannon(one, other, axis=1) ** 2  # SciPy's distance is its square root
    assert float(layer.losses[0]) == pytest.approx(3 * divergence.mean(), rel=1e-4)
    same = Consistency(3.0)
    same(np.concatenate([logits, logits]), training=True)
    assert float(same.losses[0]) == pytest.approx(0, abs=1e-6)
    silent = Consistency(3.0)
    silent(logits, training=False)
    assert not silent.losses
