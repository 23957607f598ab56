"""Pooling against what NumPy and SciPy compute group by group."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import gmean

from lesionflow.model.card import Calibration
from lesionflow.model.decision import POOLS, pool_predictions, pool_probabilities
from lesionflow.model.prediction import Predictions

MALIGNANT = (0, 1, 4)
GROUP_OF = np.array([2, 0, 1, 0, 2, 2])


def test_each_pool_is_what_its_name_says() -> None:
    logits = np.random.default_rng(0).normal(size=(6, 7))
    chances = softmax(logits, axis=1)
    found = {pool: pool_probabilities(chances, GROUP_OF, 3, pool, MALIGNANT) for pool in POOLS}
    for group in range(3):
        own = chances[group == GROUP_OF]
        assert found["logits"][group] == pytest.approx(softmax(logits[group == GROUP_OF].mean(axis=0)))
        assert found["logits"][group] == pytest.approx(gmean(own) / gmean(own).sum())
        assert found["probabilities"][group] == pytest.approx(own.mean(axis=0))
        assert found["malignant"][group] == pytest.approx(own[own[:, list(MALIGNANT)].sum(axis=1).argmax()])
    for pool in POOLS:  # a probability of 0 is no error, and an image alone stays as it is
        alone = np.array([[0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
        assert pool_probabilities(alone, np.array([0]), 1, pool, MALIGNANT) == pytest.approx(alone, abs=1e-9)


def test_groups_are_decided_anew() -> None:
    chances = np.array([[0.1, 0, 0, 0, 0.3, 0.6, 0], [0.1, 0, 0, 0, 0.5, 0.4, 0], [0, 0, 0.5, 0, 0, 0.5, 0]])
    nothing = np.zeros(3, np.int64)
    refer = np.array(["unfamiliar", "unfamiliar", "unfamiliar"])
    refer[0] = "no"
    said = Predictions(chances, nothing, nothing.astype(bool), refer)
    prior, calibration = (1 / 7,) * 7, Calibration(malignant_threshold=0.45, uncertain_below=0.51)
    pooled = pool_predictions(said, np.array([0, 0, 1]), 2, "probabilities", calibration, prior)
    assert pooled.called.tolist() == [5, 2] and pooled.malignant.tolist() == [True, False]
    assert pooled.refer.tolist() == ["uncertain", "unfamiliar"]  # one of two is no majority
