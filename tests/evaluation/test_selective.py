import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest

from lesionflow.evaluation.calibration import coverage_curve, reliability
from lesionflow.evaluation.measure import expected_calibration_error, metric_values
from lesionflow.model.prediction import LabelledPredictions
from tests.evaluation.made_up import by_hand, made_up
from tests.evaluation.resamples import lesion_weights


def with_confidences(right: Sequence[bool], confidences: Sequence[float] | np.ndarray) -> LabelledPredictions:
    """Images of nv, called nv where they are right and bkl elsewhere, with such a probability."""
    made = by_hand(["nv"] * len(right), ["nv" if each else "bkl" for each in right])
    probabilities = np.repeat((1 - np.array(confidences))[:, None] / 6, 7, axis=1)
    probabilities[np.arange(len(right)), made.called] = confidences
    return dataclasses.replace(made, probabilities=probabilities)


def test_a_curve_worked_out_by_hand() -> None:
    curve = coverage_curve(with_confidences([False, True, True, False], [0.7, 0.9, 0.8, 0.6]))
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1] and curve.confidence.tolist() == [0.9, 0.8, 0.7, 0.6]
    np.testing.assert_allclose(curve.accuracy, [1, 1, 2 / 3, 2 / 4])
    np.testing.assert_allclose(curve.balanced_accuracy, curve.accuracy)  # of nv alone
    assert curve.aurc == pytest.approx((0 + 0 + 1 / 3 + 2 / 4) / 4)


def test_equal_confidences_are_kept_or_left_out_together() -> None:
    right, confidences = [True, False, True, True], [0.9, 0.8, 0.8, 0.6]
    curve = coverage_curve(with_confidences(right, confidences))
    assert curve.coverage.tolist() == [0.25, 0.75, 1]
    np.testing.assert_allclose(curve.accuracy, [1, 2 / 3, 3 / 4])
    # The mean of both orders of the two: wrong at the second place, or at the third.
    assert curve.aurc == pytest.approx((0 + (1 / 2 + 0) / 2 + 1 / 3 + 1 / 4) / 4)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        other = with_confidences([right[place] for place in order], [confidences[place] for place in order])
        assert coverage_curve(other).aurc == pytest.approx(curve.aurc)


def test_the_curve_ends_at_the_metrics_of_all_images() -> None:
    made = made_up(digits=1)
    curve, found = coverage_curve(made), metric_values(made)
    assert curve.coverage[-1] == 1 and (np.diff(curve.coverage) > 0).all() and (np.diff(curve.confidence) < 0).all()
    assert curve.accuracy[-1] == pytest.approx(found["accuracy"])
    assert curve.balanced_accuracy[-1] == pytest.approx(found["balanced_accuracy"])
    for place in (0, len(curve.coverage) // 2, -2):
        kept = made.take(made.confidence >= curve.confidence[place])
        assert curve.coverage[place] == pytest.approx(len(kept) / len(made))
        assert curve.accuracy[place] == pytest.approx((kept.called == kept.labels).mean())
        if len(set(kept.labels.tolist())) == 7:
            assert curve.balanced_accuracy[place] == pytest.approx(metric_values(kept)["balanced_accuracy"])
        else:
            assert np.isnan(curve.balanced_accuracy[place])


def test_confidence_that_tells_right_from_wrong_is_worth_more() -> None:
    generator = np.random.default_rng(0)
    right = (generator.random(400) < 0.7).tolist()
    noise = generator.uniform(0.5, 0.9, 400)
    knowing = coverage_curve(with_confidences(right, np.where(right, 0.05, 0) + noise))
    blind = coverage_curve(with_confidences(right, noise.tolist()))
    perfect = coverage_curve(with_confidences(right, np.where(right, 0.9, 0.5)))
    assert perfect.aurc < knowing.aurc < blind.aurc
    risk = 1 - np.mean(right)
    assert blind.aurc == pytest.approx(risk, abs=0.08)
    # Known for the best order (Geifman, Uziel and El-Yaniv 2019), up to the steps of 400 images.
    assert perfect.aurc == pytest.approx(risk + (1 - risk) * np.log(1 - risk), abs=0.005)


def test_reliability_adds_up_to_the_ece() -> None:
    made = made_up(seed=1)
    bins = reliability(made, resamples=50)
    assert sum(each.images for each in bins) == len(made)
    gaps = [each.images * abs(each.confidence - each.accuracy.value) for each in bins]
    assert sum(gaps) / len(made) == pytest.approx(expected_calibration_error(made.labels, made.probabilities))
    for each in bins:
        assert each.high - each.low == pytest.approx(1 / 15)
        assert each.low <= each.confidence < each.high or each.high == 1
        assert each.accuracy.low <= each.accuracy.value <= each.accuracy.high


def test_reliability_intervals_are_those_of_lesions() -> None:
    made = made_up(seed=1)
    bins = reliability(made, bins=4, resamples=200, seed=6)
    assert [each.low for each in bins] in ([0, 0.25, 0.5, 0.75], [0.25, 0.5, 0.75])  # one in seven is the least
    right = made.probabilities.argmax(axis=1) == made.labels
    weights = lesion_weights(made.lesion_ids, 200, seed=6)
    inside = (made.probabilities.max(axis=1) >= 0.5) & (made.probabilities.max(axis=1) < 0.75)
    shares = [np.repeat(right[inside], counts[inside]).mean() for counts in weights]
    found = next(each for each in bins if each.low == 0.5)
    assert found.accuracy[1:] == pytest.approx(tuple(np.quantile(shares, [0.025, 0.975])))


def test_a_bin_that_is_all_right_is_not_called_certain() -> None:
    found = reliability(with_confidences([True] * 5, [1.0] * 5), resamples=20)
    assert len(found) == 1 and found[0].low == pytest.approx(14 / 15) and found[0].high == 1
    assert found[0].accuracy == pytest.approx((1, 0.025 ** (1 / 5), 1))
