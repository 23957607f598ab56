import dataclasses

import numpy as np
import pytest

from lesionflow.diagnoses import HAM10000
from lesionflow.evaluation.calibration import (
    AVERAGED_IMAGES,
    AVERAGED_MALIGNANT,
    UNFAMILIAR_SHARE,
    OperatingPoint,
    averaged_images,
    carried_over,
    fit_calibration,
)
from lesionflow.model.card import Calibration
from lesionflow.model.decision import decide, softmax
from lesionflow.model.prediction import TRUSTED, UNCERTAIN, UNFAMILIAR

PRIOR = np.array([0.03, 0.05, 0.11, 0.02, 0.11, 0.66, 0.02])
EVEN = np.full(7, 1 / 7)


def logits_of(labels: np.ndarray, seed: int = 1, skill: float = 2.0) -> np.ndarray:
    """What the best of all networks says, had it been trained on as many images of each diagnosis: (images, 7).

    Each diagnosis moves a normal number of its own by skill; the logarithms of the densities are the logits.
    """
    return np.asarray(skill * (np.random.default_rng(seed).normal(size=(len(labels), 7)) + skill * np.eye(7)[labels]))


def drawn(images: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, distances and labels of validation images that are as frequent as in training."""
    generator = np.random.default_rng(seed)
    labels = generator.choice(7, images, p=PRIOR)
    return logits_of(labels, seed + 1), generator.gamma(9, 1 / 9, images), labels


def log_loss(labels: np.ndarray, probabilities: np.ndarray) -> float:
    return float(-np.log(probabilities[np.arange(len(labels)), labels]).mean())


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_and_prior_shift_are_recovered(temperature: float) -> None:
    logits, distances, labels = drawn(8000)
    found = fit_calibration((logits * temperature, distances), labels, EVEN, PRIOR)
    assert found.temperature == pytest.approx(temperature, rel=0.06)
    offsets, expected = np.array(found.logit_offsets), np.log(PRIOR * 7)
    np.testing.assert_allclose(offsets - offsets.mean(), expected - expected.mean(), atol=0.25)
    probabilities = decide(logits * temperature, distances, found, tuple(PRIOR)).probabilities
    truth = softmax(logits + np.log(PRIOR))
    assert np.abs(probabilities - truth).mean() < 0.005


@pytest.mark.parametrize("seed", range(3))
def test_the_ece_falls_also_on_images_that_nothing_was_fitted_on(seed: int) -> None:
    logits, distances, labels = drawn(1500, seed)
    found = fit_calibration((logits * 1.8, distances), labels, EVEN, PRIOR)
    figures = found.figures
    assert figures["ece_after"] < 0.03 < 0.1 < figures["ece_before"]
    assert figures["ece_after"] < figures["ece_of_prior_correction_alone"]
    new_logits, new_distances, new_labels = drawn(6000, seed + 100)
    said = decide(new_logits * 1.8, new_distances, found, tuple(PRIOR)).probabilities
    gap = said.max(axis=1) - (said.argmax(axis=1) == new_labels)
    assert abs(gap.mean()) < 0.02
    for place in range(7):  # as often as it says, diagnosis by diagnosis
        assert said[:, place].mean() == pytest.approx((new_labels == place).mean(), abs=0.015)
    uncorrected = softmax(new_logits)  # at the right temperature: it still believes in the sampler's shares
    assert log_loss(new_labels, said) < log_loss(new_labels, uncorrected) - 0.1


def test_a_model_that_is_calibrated_is_left_as_it_is() -> None:
    logits, distances, labels = drawn(8000)
    found = fit_calibration((logits + np.log(PRIOR), distances), labels, PRIOR, PRIOR)
    assert found.temperature == pytest.approx(1, abs=0.05)
    offsets = np.array(found.logit_offsets)
    np.testing.assert_allclose(offsets - offsets.mean(), 0, atol=0.25)


@pytest.mark.parametrize("sensitivity", [0.01, 0.5, 0.8, 0.95, 1.0])
@pytest.mark.parametrize("images", [40, 41, 1000])
def test_the_threshold_is_the_highest_that_reaches_the_sensitivity(images: int, sensitivity: float) -> None:
    logits, distances, labels = drawn(images)
    found = fit_calibration((logits, distances), labels, EVEN, PRIOR, aims=OperatingPoint(sensitivity=sensitivity))
    said = decide(logits, distances, found, tuple(PRIOR))
    malignant = np.isin(labels, HAM10000.malignant_indices)
    reached = said.malignant[malignant].mean()
    assert reached >= sensitivity - 1e-9
    assert reached - 1 / malignant.sum() < sensitivity  # one image fewer would be too few
    assert found.figures["specificity_at_the_threshold"] == pytest.approx((~said.malignant[~malignant]).mean())


def test_last_digits_do_not_move_an_image_across_the_threshold() -> None:
    logits, distances, labels = drawn(1000)
    found = fit_calibration((logits, distances), labels, EVEN, PRIOR)
    before = decide(logits, distances, found, tuple(PRIOR)).malignant
    for nudge in (1e-7, -1e-7):
        nudged = logits + nudge * np.isin(np.arange(7), HAM10000.malignant_indices)
        assert (decide(nudged, distances, found, tuple(PRIOR)).malignant == before).all()


def test_equal_malignant_probabilities_fall_on_one_side() -> None:
    labels = np.repeat([HAM10000.names.index("mel"), HAM10000.names.index("nv")], 20)
    logits = np.zeros((40, 7))
    found = fit_calibration((logits, np.full(40, np.nan)), labels, EVEN, EVEN)
    assert decide(logits, np.full(40, np.nan), found, tuple(EVEN)).malignant.all()
    assert found.figures["specificity_at_the_threshold"] == 0


@pytest.mark.parametrize("referred", [0.0, 0.1, 0.35])
def test_the_asked_share_is_referred(referred: float) -> None:
    logits, distances, labels = drawn(1500)
    found = fit_calibration((logits, distances), labels, EVEN, PRIOR, aims=OperatingPoint(referred=referred))
    refer = decide(logits, distances, dataclasses.replace(found, unfamiliar_above=None), tuple(PRIOR)).refer
    assert (refer == UNCERTAIN).mean() == pytest.approx(referred, abs=1 / 1500)
    refer = decide(logits, distances, found, tuple(PRIOR)).refer
    assert (refer == UNFAMILIAR).mean() == pytest.approx(UNFAMILIAR_SHARE, abs=1 / 1500)
    farthest = distances >= np.sort(distances)[-15]
    assert (refer[farthest] == UNFAMILIAR).all()


def test_the_referred_calls_are_wrong_more_often() -> None:
    logits, distances, labels = drawn(3000)
    said = decide(logits, distances, fit_calibration((logits, distances), labels, EVEN, PRIOR), tuple(PRIOR))
    right = said.called == labels
    assert right[said.refer == UNCERTAIN].mean() < right[said.refer == TRUSTED].mean() - 0.2


def test_without_distances_nothing_is_unfamiliar() -> None:
    logits, distances, labels = drawn(300)
    none = np.full(300, np.nan)
    found = fit_calibration((logits, none), labels, EVEN, PRIOR)
    assert found.unfamiliar_above is None
    assert UNFAMILIAR not in decide(logits, none, found, tuple(PRIOR)).refer
    with_them = fit_calibration((logits, distances), labels, EVEN, PRIOR)
    assert dataclasses.replace(with_them, unfamiliar_above=None) == found  # the rest does not depend on distances


def test_without_malignant_images_the_threshold_is_one_half() -> None:
    logits, distances, labels = drawn(400)
    benign = ~np.isin(labels, HAM10000.malignant_indices)
    found = fit_calibration((logits[benign], distances[benign]), labels[benign], EVEN, PRIOR)
    assert found.malignant_threshold == 0.5
    only = fit_calibration((logits[~benign], distances[~benign]), labels[~benign], EVEN, PRIOR)
    assert "specificity_at_the_threshold" not in only.figures and 0 < only.malignant_threshold < 1


def test_a_diagnosis_that_validation_lacks_keeps_about_the_prior_of_training() -> None:
    logits, distances, labels = drawn(1500)
    kept = labels != HAM10000.names.index("df")
    found = fit_calibration((logits[kept], distances[kept]), labels[kept], EVEN, PRIOR)
    offset = dict(zip(HAM10000.names, np.array(found.logit_offsets) - np.log(PRIOR * 7), strict=True))
    assert -2.5 < offset["df"] < 0  # some 30 images are missed, but nothing is impossible
    assert all(abs(offset[diagnosis]) < 1 for diagnosis in HAM10000.names if diagnosis != "df")
    probabilities = decide(logits, distances, found, tuple(PRIOR)).probabilities
    assert probabilities[~kept, HAM10000.names.index("df")].mean() > 0.1


@pytest.mark.parametrize("images", [1, 7, 30, 300])
def test_a_few_images_that_are_all_right_do_not_make_a_model_certain(images: int) -> None:
    labels = np.arange(images) % 7
    logits = 6 * np.eye(7)[labels] + np.random.default_rng(0).normal(size=(images, 7))
    found = fit_calibration((logits, np.full(images, np.nan)), labels, EVEN, EVEN)
    assert 0.4 < found.temperature < 1.2
    for number in (found.temperature, found.malignant_threshold, found.uncertain_below, *found.figures.values()):
        assert np.isfinite(number) and type(number) is float


def test_only_the_arguments_count_and_they_stay_as_they_are() -> None:
    logits, distances, labels = drawn(500)
    arrays = (logits, distances, labels, EVEN.copy(), PRIOR.copy())
    before = [array.copy() for array in arrays]
    np.random.seed(0)
    first = fit_calibration(arrays[:2], *arrays[2:])
    np.random.seed(1)
    assert fit_calibration(arrays[:2], *arrays[2:]) == first
    for array, copy in zip(arrays, before, strict=True):
        assert (array == copy).all()
    order = np.random.default_rng(0).permutation(500)
    shuffled = fit_calibration((logits[order], distances[order]), labels[order], EVEN, PRIOR)
    assert shuffled.temperature == pytest.approx(first.temperature, rel=1e-3)
    assert shuffled.malignant_threshold == pytest.approx(first.malignant_threshold, rel=1e-2)


def test_the_figures_are_of_the_probabilities_that_the_bundle_will_give() -> None:
    logits, distances, labels = drawn(1000)
    found = fit_calibration((logits, distances), labels, EVEN, PRIOR)
    said = decide(logits, distances, found, tuple(PRIOR))
    gaps = said.probabilities.max(axis=1) - (said.probabilities.argmax(axis=1) == labels)
    bins = np.minimum((said.probabilities.max(axis=1) * 15).astype(int), 14)
    assert found.figures["ece_after"] == pytest.approx(
        sum(abs(gaps[bins == place].sum()) for place in range(15)) / 1000
    )
    neutral = decide(logits, distances, Calibration(), tuple(PRIOR))
    assert neutral.malignant_probability.mean() > said.malignant_probability.mean()
    assert found.figures["images"] == 1000


def test_a_calibration_of_some_images_is_carried_over_to_all() -> None:
    logits, distances, labels = drawn(3000)
    averaged = logits + np.random.default_rng(5).normal(scale=0.3, size=logits.shape)  # as like as looks at one image
    some = np.arange(300)

    def fitted(of: np.ndarray, members: np.ndarray) -> Calibration:
        return fit_calibration((of[members], distances[members]), labels[members], EVEN, PRIOR)

    all_images, of_some = fitted(averaged, np.arange(3000)), fitted(averaged, some)
    found = carried_over(of_some, fitted(logits, some), fitted(logits, np.arange(3000)))
    for name in ("temperature", "unfamiliar_above"):
        true, alone, carried = (getattr(each, name) for each in (all_images, of_some, found))
        assert abs(carried - true) < abs(alone - true) / 5
    true_offsets, alone_offsets, offsets = (np.array(each.logit_offsets) for each in (all_images, of_some, found))
    assert np.abs(offsets - true_offsets).max() < np.abs(alone_offsets - true_offsets).max() / 5
    assert "ece_after" not in found.figures  # which would be that of another calibration
    assert found.figures["images"] == 300
    nothing_to_carry = carried_over(of_some, all_images, all_images)
    for name in ("temperature", "malignant_threshold", "uncertain_below", "unfamiliar_above", "logit_offsets"):
        assert getattr(nothing_to_carry, name) == pytest.approx(getattr(of_some, name))


def test_where_few_are_malignant_more_images_are_looked_at_often() -> None:
    """Of 13 the threshold would be that of one image."""
    rare = np.arange(9000) % 50 == 0
    order, count = averaged_images(rare, seed=3)
    assert sorted(order) == list(range(9000)) and rare[order[:count]].sum() == AVERAGED_MALIGNANT
    order, count = averaged_images(rare[:3000], seed=3)
    assert rare[order[:count]].sum() == 60  # all that there are
    for often in (np.arange(5000) % 3 == 0, np.zeros(5000, bool)):
        assert averaged_images(often, seed=3)[1] == AVERAGED_IMAGES
    assert averaged_images(rare[:60], seed=3)[1] == 60


def test_a_calibration_is_carried_over_where_a_threshold_is_at_its_end() -> None:
    logits, distances, labels = drawn(200)
    fitted = fit_calibration((logits, distances), labels, EVEN, PRIOR)
    at_the_end = dataclasses.replace(fitted, malignant_threshold=0.0, uncertain_below=1.0, unfamiliar_above=0.0)
    for each in (carried_over(fitted, at_the_end, fitted), carried_over(at_the_end, fitted, at_the_end)):
        assert 0 <= each.malignant_threshold <= 1
        assert 0 <= each.uncertain_below <= 1
        assert each.unfamiliar_above is not None and np.isfinite(each.unfamiliar_above)
