import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import beta

from lesionflow.diagnoses import HAM10000
from lesionflow.errors import DataError, UsageError
from lesionflow.evaluation.bootstrap import interval
from lesionflow.evaluation.measure import compare, measure, metric_values
from lesionflow.evaluation.metrics import Place, ends, metrics_of, shown_at, with_interval
from lesionflow.model.card import Estimate, read_card, write_card
from lesionflow.model.prediction import LabelledPredictions
from tests.contenders import write_bundle
from tests.evaluation.made_up import made_up
from tests.evaluation.resamples import lesion_weights

LESIONS = np.array(["b", "a", "c", "a", "a", "d"])


def test_a_resample_draws_whole_lesions_as_many_as_there_are() -> None:
    weights = lesion_weights(LESIONS, 500, seed=0)
    assert weights.shape == (500, 6)
    assert (weights[:, 1] == weights[:, 3]).all() and (weights[:, 1] == weights[:, 4]).all()
    of_each = weights[:, [1, 0, 2, 5]]  # a, b, c, d
    assert (of_each.sum(axis=1) == 4).all()
    np.testing.assert_allclose(of_each.mean(axis=0), 1, atol=4 * np.sqrt(0.75 / 500))
    assert (of_each == 0).mean() == pytest.approx(0.75**4, abs=0.05)


def test_resamples_depend_on_lesions_and_seed_alone() -> None:
    order = np.array([3, 5, 0, 1, 2, 4])
    weights = lesion_weights(LESIONS, 20, seed=1)
    assert (lesion_weights(LESIONS[order], 20, seed=1) == weights[:, order]).all()
    assert (lesion_weights(LESIONS, 20, seed=2) != weights).any()
    assert (lesion_weights(LESIONS, 5, seed=1) == weights[:5]).all()
    assert (lesion_weights(LESIONS, 250, seed=1)[:20] == weights).all()


def test_an_interval_holds_the_middle_95_percent_of_what_is_defined() -> None:
    resampled = np.append(np.arange(1001.0), [np.nan] * 50)
    assert interval(400.0, resampled) == (400, 25, 975)
    assert interval(400.0, np.full(3, np.nan)) is None


def test_a_few_lesions_of_a_diagnosis_leave_its_ranking_without_an_interval_but_not_the_average() -> None:
    """What `INTERVAL_RULE` says."""
    said = made_up(300)
    mel = np.flatnonzero(said.labels == HAM10000.index_of("mel"))
    few = said.take(np.setdiff1d(np.arange(len(said)), mel[4:]))
    found = measure(few, resamples=200)
    for name in ("auc_mel", "average_precision_mel"):
        assert found[name].value not in (0.0, 1.0) and np.isnan(found[name].low), name
    for name in ("macro_auc", "macro_average_precision", "macro_f1", "balanced_accuracy", "sensitivity_mel"):
        assert found[name].low < found[name].high, name


@pytest.mark.parametrize("lesions", [1, 3, 40])
def test_none_and_all_of_some_lesions_get_the_exact_interval(lesions: int) -> None:
    same = np.ones(10)
    assert interval(1.0, same, lesions) == pytest.approx((1, beta.ppf(0.025, lesions, 1), 1))
    assert interval(0.0, same - 1, lesions) == pytest.approx((0, 0, beta.ppf(0.975, 1, lesions)))
    found = interval(1.0, same)  # no share: how far it can be off cannot be told
    assert found is not None and np.isnan(found[1:]).all()


def test_a_difference_is_that_of_the_metrics_and_the_order_of_images_does_not_matter() -> None:
    first, second = made_up(60, skill=2), made_up(60)
    shuffled = second.take(np.random.default_rng(0).permutation(len(second)))
    found = compare(first, shuffled, tuple(metrics_of()), resamples=150)
    again = compare(first, second, tuple(metrics_of()), resamples=150)
    assert list(map(str, found.items())) == list(map(str, again.items()))  # NaN is unlike itself
    ours, theirs = metric_values(first), metric_values(second)
    assert {*found} == {*ours} & {*theirs}
    for name, difference in found.items():
        assert difference.value == pytest.approx(ours[name] - theirs[name], abs=1e-9), name
        assert not difference.low > difference.high and 0 <= difference.probability_better <= 1
    assert list(compare(first, second, resamples=20)) == [metric.name for metric in shown_at(Place.COMPARISON)]


def test_the_one_is_as_much_worse_as_the_other_is_better() -> None:
    first, second = made_up(60, skill=2), made_up(60)
    there, back = compare(first, second, resamples=150), compare(second, first, resamples=150)
    for name, difference in there.items():
        other = back[name]
        expected = (-difference.value, -difference.high, -difference.low, 1 - difference.probability_better)
        assert dataclasses.astuple(other) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_more_skill_is_better_in_every_metric_also_where_that_is_lower() -> None:
    names = ("balanced_accuracy", "macro_auc", "malignant_auc", "log_loss", "brier")
    found = compare(made_up(200, skill=3), made_up(200, skill=0.5), names, resamples=200)
    for name in names:
        assert found[name].probability_better == 1, name
        assert (found[name].high < 0) == (name in ("log_loss", "brier")), name


def test_a_model_is_neither_better_nor_worse_than_itself() -> None:
    made = made_up(40)
    found = compare(made, made, resamples=50).values()
    assert {(each.value, each.probability_better, ends(each)) for each in found} == {(0.0, 0.5, "no interval")}


def test_what_one_model_leaves_undefined_is_not_compared() -> None:
    first, second = made_up(40), made_up(40)
    never = dataclasses.replace(second, malignant=np.zeros(len(second), dtype=bool))
    found = compare(first, never, ("malignant_ppv", "malignant_sensitivity"), resamples=50)
    assert list(found) == ["malignant_sensitivity"]


def replaced(predictions: LabelledPredictions, name: str, place: int, value: object) -> LabelledPredictions:
    array = getattr(predictions, name).copy()
    array[place] = value
    return dataclasses.replace(predictions, **{name: array})


def test_only_the_same_images_lesions_and_diagnoses_are_compared() -> None:
    made = made_up(30)
    other_label = (made.labels[4] + 1) % 7
    for other, word in (
        (made.take(np.arange(1, len(made))), f"1 image is with one of them alone: {made.image_ids[0]}"),
        (replaced(made, "image_ids", 0, "X1"), "2 images are with one of them alone"),
        (replaced(made, "image_ids", 0, made.image_ids[1]), "1 image is there more than once"),
        (replaced(made, "labels", 4, other_label), f"diagnosis of 1 image differs: {made.image_ids[4]}"),
        (replaced(made, "lesion_ids", 4, "X"), f"lesion of 1 image differs: {made.image_ids[4]}"),
        (made.take(np.array([], dtype=int)), "no images"),
    ):
        for pair in ((made, other), (other, made)):
            with pytest.raises(DataError, match=word):
                compare(*pair, resamples=5)


def test_an_unknown_metric_is_refused_with_those_there_are() -> None:
    made = made_up(20)
    with pytest.raises(UsageError, match="no metric acuracy; choose from balanced_accuracy, "):
        compare(made, made, ("acuracy",))


def few_vascular(lesions: int) -> LabelledPredictions:
    """A model that ranks the images of some lesions above all others, among sixty lesions of nevi."""
    labels = np.array([HAM10000.index_of("vasc")] * lesions + [HAM10000.index_of("nv")] * 60)
    rest = np.full((len(labels), len(HAM10000)), 0.01)
    rest[np.arange(len(labels)), labels] = np.linspace(0.3, 0.9, len(labels))
    ids = np.array([f"lesion{number:03}" for number in range(len(labels))])
    return LabelledPredictions(
        image_ids=ids, lesion_ids=ids, labels=labels, probabilities=rest / rest.sum(axis=1, keepdims=True),
        called=labels, malignant=np.zeros(len(labels), bool), refer=np.full(len(labels), "no", dtype="<U10"),
    )  # fmt: skip


def test_a_ranking_of_few_lesions_is_never_certain() -> None:
    """One lesion ranked above all others is no more than one sensitivity of 1; of other rankings nothing is known."""
    for lesions in (1, 3, 8):
        found = measure(few_vascular(lesions), resamples=100)
        assert found["auc_vasc"][1:] == (pytest.approx(0.025 ** (1 / lesions)), 1.0)
        assert found["auc_vasc"] == found["sensitivity_vasc"]
        for name in ("average_precision_vasc", "macro_auc", "balanced_accuracy"):
            assert found[name].value == 1.0 and np.isnan(found[name][1:]).all(), name
        assert with_interval(found["macro_auc"]) == "1.000 (no interval)"


def test_an_auc_between_has_an_interval_from_five_lesions_on() -> None:
    for lesions, known in ((1, False), (4, False), (5, True)):
        said = few_vascular(lesions)
        said.probabilities[0] = said.probabilities[-1]  # one that is ranked as a nevus
        found = measure(said, resamples=100)
        assert 0 < found["auc_vasc"].value < 1 and np.isfinite(found["auc_vasc"].low) == known


def test_a_difference_that_rests_on_a_lesion_is_no_evidence() -> None:
    good = few_vascular(1)
    bad = dataclasses.replace(good, called=np.full(len(good), HAM10000.index_of("nv")))
    found = compare(good, bad, ["sensitivity_vasc", "sensitivity_nv", "auc_vasc"], resamples=100)
    assert found["sensitivity_vasc"].value == 1.0 and np.isnan(found["sensitivity_vasc"].low)
    assert found["sensitivity_vasc"].probability_better == found["auc_vasc"].probability_better == 0.5
    assert ends(found["sensitivity_nv"], "+.4f") == "no interval"  # the same calls in every resample


def test_a_card_keeps_that_a_metric_has_no_interval(tmp_path: Path) -> None:
    metrics = {"validation": {"macro_auc": Estimate(1.0, np.nan, np.nan), "ece": Estimate(0.1, 0.0, 0.2)}}
    card = write_bundle(tmp_path / "bundle", few_vascular(1))
    write_card(tmp_path / "bundle", dataclasses.replace(card, metrics=metrics))
    text = (tmp_path / "bundle" / "card.json").read_text()
    assert "NaN" not in text and json.loads(text)["metrics"]["validation"]["macro_auc"] == [1.0, None, None]
    found = read_card(tmp_path / "bundle").metrics["validation"]
    assert np.isnan(found["macro_auc"].low) and found["ece"] == (0.1, 0.0, 0.2)
