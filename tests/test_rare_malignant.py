"""One malignant image in a thousand, as in ISIC 2024: what training, calibration and the gates make of 200,000 rows."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from lesionflow.datasets.sampling import BALANCES, MOST_SHOWN, epoch_indices, positive_shares, shares
from lesionflow.datasets.split import PARTS, Split, split_by_lesion
from lesionflow.diagnoses import BINARY
from lesionflow.evaluation.calibration import ece_by_chance, fit_calibration
from lesionflow.evaluation.measure import measure, metric_values
from lesionflow.model.card import Card, Estimate
from lesionflow.model.decision import decide
from lesionflow.model.prediction import LabelledPredictions, with_labels
from lesionflow.registry.compared_model import ComparedModel
from lesionflow.registry.gates import reach_verdict
from lesionflow.training.config import TrainingConfig

ROWS, SHARE = 200_000, 0.001
IDS = np.char.add("I", np.arange(ROWS).astype(str))


@pytest.fixture(scope="module")
def labels() -> np.ndarray:
    return (np.random.default_rng(0).random(ROWS) < SHARE).astype(np.int64)


@pytest.fixture(scope="module")
def split(labels: np.ndarray) -> Split:
    """By patient, of whom each has some forty images."""
    patients = (np.arange(ROWS) // 40).astype(str)
    return split_by_lesion(IDS.tolist(), patients.tolist(), labels, seed=1)


def answers(labels: np.ndarray, skill: float, seed: int) -> np.ndarray:
    """Logits of a network that was shown malignant images more often than they are, (images, 2)."""
    score = np.random.default_rng(seed).normal(-4, 1.5, len(labels)) + skill * labels
    return np.stack([np.zeros(len(labels)), score], axis=1)


def calibrated(labels: np.ndarray, split: Split, skill: float, part: str = "validation") -> LabelledPredictions:
    """What a model says of a part, calibrated on the validation part."""
    config, train, members = TrainingConfig(balance="oversample"), split.train, split.validation
    believed = config.believed_prior(labels[train], 2)
    prior = positive_shares(labels[train], "none", 2)
    unknown = np.full(ROWS, np.nan)
    logits = answers(labels, skill, seed=2)
    fitted = fit_calibration((logits[members], unknown[members]), labels[members], believed, prior, label_set=BINARY)
    members = split.part(part)
    said = decide(logits[members], unknown[members], fitted, tuple(prior), BINARY)
    return with_labels(said, IDS[members], IDS[members], labels[members])


def test_every_part_has_malignant_images_and_no_patient_is_in_two(labels: np.ndarray, split: Split) -> None:
    patients = [set((split.part(part) // 40).tolist()) for part in PARTS]
    assert not (patients[0] & patients[1] or patients[0] & patients[2] or patients[1] & patients[2])
    assert all(0.5 * SHARE < labels[split.part(part)].mean() < 2 * SHARE for part in PARTS)


@pytest.mark.parametrize("balance", BALANCES)
def test_no_image_is_shown_so_often_that_it_is_learnt_by_heart(labels: np.ndarray, balance: str) -> None:
    tracemalloc.start()
    shown = epoch_indices(labels, balance, np.random.default_rng(0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(shown) == ROWS and peak < 20 * 2**20
    assert np.bincount(shown).max() <= MOST_SHOWN and shares(labels, balance, 2).sum() == pytest.approx(1)
    asked = {"none": labels.mean(), "sqrt": MOST_SHOWN * labels.mean(), "oversample": MOST_SHOWN * labels.mean()}
    assert labels[shown].mean() == pytest.approx(asked[balance], rel=0.02)


def test_probabilities_are_calibrated_and_the_operating_point_finds_what_was_asked(
    labels: np.ndarray, split: Split
) -> None:
    said = calibrated(labels, split, skill=4, part="test")
    found = measure(said, resamples=100)
    assert said.malignant_probability.mean() == pytest.approx(SHARE, rel=0.3)
    assert found["ece"].value < 0.002 < SHARE * 5
    assert found["malignant_sensitivity"].high >= 0.95 and found["malignant_specificity"].value > 0.5
    assert found["accuracy_of_always_commonest"].value > 0.998 and found["balanced_accuracy"].value > 0.8
    assert 0.15 < found["malignant_partial_auc"].value < 0.2 and found["malignant_average_precision"].value > 0.1
    assert ece_by_chance(said.probabilities) < 0.002


def test_gates_tell_a_better_model_from_one_that_is_as_good(labels: np.ndarray, split: Split, tmp_path: Path) -> None:
    def compared(label: str, skill: float) -> ComparedModel:
        said = calibrated(labels, split, skill)
        values = {name: Estimate(value, value, value) for name, value in metric_values(said).items()}
        card = Card("cnn", 16, 16, "isic", "d", False, "s", 1, (0.7, 0.15, 0.15), labels=BINARY,
                    metrics={"validation": values})  # fmt: skip
        return ComparedModel(label, card, said)

    good, better = compared("good", 3), compared("better", 5)
    verdict = reach_verdict(better, good)
    assert verdict.promote, verdict.reason
    assert [gate.name for gate in verdict.gates] == ["data", "balanced accuracy", "calibration"]
    assert not reach_verdict(good, better).promote and not reach_verdict(good, good).promote
