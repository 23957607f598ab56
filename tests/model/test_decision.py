import numpy as np
import pytest
from scipy import special
from scipy.stats import gmean

from lesionflow.diagnoses import HAM10000
from lesionflow.model.card import Calibration
from lesionflow.model.decision import POOLS, decide, pool_predictions, pool_probabilities, rule_of_call, softmax
from lesionflow.model.prediction import Predictions

MEL, NV = HAM10000.names.index("mel"), HAM10000.names.index("nv")
GROUP_OF = np.array([2, 0, 1, 0, 2, 2])
PRIOR = tuple(0.67 if diagnosis == "nv" else 0.055 for diagnosis in HAM10000.names)


def logits_of(**probabilities: float) -> np.ndarray:
    return np.log([[probabilities.get(diagnosis, 1e-6) for diagnosis in HAM10000.names]])


def test_the_call_is_what_gains_most_over_its_prior() -> None:
    said = decide(logits_of(mel=0.3, nv=0.7), np.zeros(1), Calibration(), PRIOR)
    assert said.probabilities[0].argmax() == NV and said.called.tolist() == [MEL]
    np.testing.assert_allclose(said.confidence, [0.3], atol=1e-4)


def test_the_rule_in_words_is_that_of_the_strength() -> None:
    assert rule_of_call(0.0) == "the most probable one"
    assert rule_of_call(1.0) == "the one that would be most probable if all were equally frequent"
    assert "share of the training images to the power of 0.6, is greatest" in rule_of_call(0.6)


def test_offsets_take_the_samplers_prior_out() -> None:
    """Under equal priors a posterior q becomes q * prior, normalised, under another."""
    believed = np.array([[0.1, 0.1, 0.1, 0.1, 0.3, 0.2, 0.1]])
    said = decide(np.log(believed), np.zeros(1), Calibration(logit_offsets=tuple(np.log(np.array(PRIOR) * 7))), PRIOR)
    expected = believed * PRIOR / (believed * PRIOR).sum()
    np.testing.assert_allclose(said.probabilities, expected)
    assert said.called.tolist() == [MEL]  # the call is that of the network before


def test_thresholds() -> None:
    logits = np.concatenate([logits_of(mel=0.2, nv=0.8), logits_of(mel=0.05, nv=0.95)])
    said = decide(logits, np.array([1.0, 1.0]), Calibration(malignant_threshold=0.1, uncertain_below=0.5), PRIOR)
    assert said.malignant.tolist() == [True, False]
    assert said.refer.tolist() == ["uncertain", "no"]
    far = decide(logits, np.array([9.0, 1.0]), Calibration(uncertain_below=0.5, unfamiliar_above=2.0), PRIOR)
    assert far.refer.tolist() == ["unfamiliar", "no"]
    without = decide(logits, np.full(2, np.nan), Calibration(unfamiliar_above=2.0), PRIOR)
    assert without.refer.tolist() == ["no", "no"]


def test_nothing_to_decide() -> None:
    said = decide(np.empty((0, 7)), np.empty(0), Calibration(), PRIOR)
    assert said.probabilities.shape == (0, 7) and not len(said.called) and not len(said.refer)


def test_softmax_of_large_logits() -> None:
    np.testing.assert_allclose(softmax(np.array([[1e4, 1e4, -1e4]])), [[0.5, 0.5, 0]])


def test_malignant_is_the_sum_of_three() -> None:
    said = Predictions(np.eye(7), np.arange(7), np.zeros(7, bool), np.full(7, "no"))
    found = [HAM10000.names[index] for index in np.flatnonzero(said.malignant_probability)]
    assert found == ["akiec", "bcc", "mel"]


def test_each_pool_is_what_its_name_says() -> None:
    logits = np.random.default_rng(0).normal(size=(6, 7))
    chances = special.softmax(logits, axis=1)
    found = {pool: pool_probabilities(chances, GROUP_OF, 3, pool, HAM10000.malignant_indices) for pool in POOLS}
    for group in range(3):
        own = chances[group == GROUP_OF]
        assert found["logits"][group] == pytest.approx(special.softmax(logits[group == GROUP_OF].mean(axis=0)))
        assert found["logits"][group] == pytest.approx(gmean(own) / gmean(own).sum())
        assert found["probabilities"][group] == pytest.approx(own.mean(axis=0))
        assert found["malignant"][group] == pytest.approx(own[own[:, HAM10000.malignant_indices].sum(axis=1).argmax()])
    for pool in POOLS:  # a probability of 0 is no error, and an image alone stays as it is
        alone = np.array([[0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
        assert pool_probabilities(alone, np.array([0]), 1, pool, HAM10000.malignant_indices) == pytest.approx(
            alone, abs=1e-9
        )


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
