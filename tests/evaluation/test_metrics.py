import csv
import dataclasses
import io

import numpy as np
import pytest

from lesionflow.diagnoses import HAM10000
from lesionflow.errors import DataError
from lesionflow.evaluation.bootstrap import kinds_of
from lesionflow.evaluation.measure import (
    confusion_matrix,
    expected_calibration_error,
    measure,
    metric_values,
    weighted_metrics,
)
from lesionflow.evaluation.metrics import doubts, few_of, metrics_of, near_chance
from lesionflow.model.card import Estimate
from lesionflow.model.prediction import LabelledPredictions
from tests.evaluation.made_up import by_hand, made_up
from tests.evaluation.resamples import lesion_weights

TRUE = ["nv"] * 6 + ["mel"] * 2 + ["bcc", "df"]
CALLED = ["nv"] * 5 + ["mel"] + ["mel", "nv"] + ["akiec", "nv"]


def test_values_worked_out_by_hand() -> None:
    found = metric_values(by_hand(TRUE, CALLED))
    assert found["accuracy"] == found["accuracy_of_most_probable"] == pytest.approx(6 / 10)
    assert found["accuracy_of_always_nv"] == pytest.approx(6 / 10)
    assert found["balanced_accuracy"] == pytest.approx((5 / 6 + 1 / 2 + 0 + 0) / 4)
    assert found["macro_f1"] == pytest.approx((2 * 5 / (6 + 7) + 2 * 1 / (2 + 2) + 0 + 0) / 4)  # of nv, mel, bcc, df
    assert found["malignant_sensitivity"] == pytest.approx(2 / 3)  # bcc called akiec is called malignant
    assert found["malignant_specificity"] == pytest.approx(6 / 7)
    assert found["malignant_ppv"] == pytest.approx(2 / 3) and found["malignant_npv"] == pytest.approx(6 / 7)
    assert found["sensitivity_nv"] == pytest.approx(5 / 6) and "sensitivity_vasc" not in found
    assert found["specificity_nv"] == pytest.approx(2 / 4) and found["ppv_nv"] == pytest.approx(5 / 7)
    assert found["npv_nv"] == pytest.approx(2 / 3)
    assert found["log_loss"] == pytest.approx(-(6 * np.log(0.94) + 4 * np.log(0.01)) / 10)
    right, wrong = 0.06**2 + 6 * 0.01**2, 0.94**2 + 0.99**2 + 5 * 0.01**2
    assert found["brier"] == pytest.approx((6 * right + 4 * wrong) / 10)
    assert found["ece"] == pytest.approx(0.94 - 0.6)  # all in the last bin
    assert found["referred"] == pytest.approx(1 / 10) and found["accuracy_of_trusted"] == pytest.approx(6 / 9)


def malignant_scores(scores: list[float], malignant: list[bool]) -> LabelledPredictions:
    """Images of mel or nv with such a probability of mel."""
    probabilities = np.zeros((len(scores), 7))
    probabilities[:, HAM10000.names.index("mel")] = scores
    probabilities[:, HAM10000.names.index("nv")] = 1 - np.array(scores)
    made = by_hand(["mel" if case else "nv" for case in malignant], ["nv"] * len(scores))
    return dataclasses.replace(made, probabilities=probabilities, malignant=np.array(scores) >= 0.5)


def test_areas_under_a_roc_curve_drawn_on_paper() -> None:
    # From the highest score on: case, control, case, control, control, of two cases and three controls.
    found = metric_values(malignant_scores([0.9, 0.8, 0.7, 0.6, 0.5], [True, False, True, False, False]))
    assert found["malignant_auc"] == found["auc_mel"] == pytest.approx(5 / 6)
    assert found["malignant_auc_above_80"] == pytest.approx(2 / 3)  # all of height 1, from a third of the controls on
    assert found["average_precision_mel"] == pytest.approx((1 + 2 / 3) / 2)
    # A score that a case and a control share is a slope: from (0, 1/2) to (1/3, 1), of which the part above 0.8 counts.
    found = metric_values(malignant_scores([0.9, 0.8, 0.8, 0.6, 0.5], [True, False, True, False, False]))
    assert found["malignant_auc"] == pytest.approx(1 - 1 / 12)
    assert found["malignant_auc_above_80"] == pytest.approx(2 / 3 + (1 / 3 - 0.2) * 0.9)
    assert found["average_precision_mel"] == pytest.approx((1 + 2 / 3) / 2)
    # All scores the same: the diagonal, of which the part above 0.8 is 0.2 wide and 0.9 high on average.
    found = metric_values(malignant_scores([0.5] * 5, [True, False, True, False, False]))
    assert found["malignant_auc"] == pytest.approx(0.5) and found["malignant_auc_above_80"] == pytest.approx(0.18)
    assert found["average_precision_mel"] == pytest.approx(2 / 5)
    # Exactly 80 % at a score: what lies beside it counts from there on.
    found = metric_values(malignant_scores([0.9] * 4 + [0.8] + [0.7], [True] * 4 + [False] + [True]))
    assert found["malignant_auc_above_80"] == pytest.approx(0.8)


def independent(predictions: LabelledPredictions) -> dict[str, float]:
    """The metrics from scikit-learn, and from their definitions where it has none."""
    from sklearn import metrics

    labels, called, probabilities = predictions.labels, predictions.called, predictions.probabilities
    best = probabilities.argmax(axis=1)
    present = sorted(set(labels.tolist()))
    malignant, trusted = np.isin(labels, HAM10000.malignant_indices), predictions.refer == "no"
    risk = probabilities[:, list(HAM10000.malignant_indices)].sum(axis=1)
    # McClish's partial AUC with cases and controls exchanged, then the standardisation taken back.
    reversed_area = (metrics.roc_auc_score(~malignant, -risk, max_fpr=0.2) * 2 - 1) * (0.2 - 0.02) + 0.02
    beyond, start = metrics.roc_curve(malignant, risk, drop_intermediate=False)[:2], 0.0
    for index in range(1, len(beyond[0])):
        low, high = beyond[1][index - 1], beyond[1][index]
        if low < 0.8 <= high:
            part = (0.8 - low) / (high - low)
            start = beyond[0][index - 1] * (1 - part) + beyond[0][index] * part
    found = {
        "accuracy": metrics.accuracy_score(labels, called),
        "accuracy_of_always_nv": metrics.accuracy_score(labels, np.full(len(labels), HAM10000.names.index("nv"))),
        "accuracy_of_most_probable": metrics.accuracy_score(labels, best),
        "balanced_accuracy": metrics.balanced_accuracy_score(labels, called),
        "balanced_accuracy_of_most_probable": metrics.balanced_accuracy_score(labels, best),
        "macro_f1": metrics.f1_score(labels, called, average="macro", labels=present),
        "macro_auc": metrics.roc_auc_score(labels, probabilities, multi_class="ovr"),
        "macro_average_precision": metrics.average_precision_score(np.eye(7)[labels], probabilities),
        "log_loss": metrics.log_loss(labels, probabilities, labels=range(7)),
        "brier": metrics.brier_score_loss(labels, probabilities, labels=range(7), scale_by_half=False),
        "ece": expected_calibration_error(labels, probabilities),
        "referred": 1 - trusted.mean(),
        "accuracy_of_trusted": metrics.accuracy_score(labels[trusted], called[trusted]),
        "malignant_auc": metrics.roc_auc_score(malignant, risk),
        "malignant_average_precision": metrics.average_precision_score(malignant, risk),
        "malignant_auc_above_80": reversed_area + 0.8 * (1 - start),
        "malignant_partial_auc": reversed_area,
        "malignant_sensitivity": metrics.recall_score(malignant, predictions.malignant),
        "malignant_specificity": metrics.recall_score(~malignant, ~predictions.malignant),
        "malignant_ppv": metrics.precision_score(malignant, predictions.malignant),
        "malignant_npv": metrics.precision_score(~malignant, ~predictions.malignant),
    }
    for index, diagnosis in enumerate(HAM10000.names):
        cases, positive = labels == index, called == index
        found |= {
            f"sensitivity_{diagnosis}": metrics.recall_score(cases, positive),
            f"specificity_{diagnosis}": metrics.recall_score(~cases, ~positive),
            f"ppv_{diagnosis}": metrics.precision_score(cases, positive),
            f"npv_{diagnosis}": metrics.precision_score(~cases, ~positive),
            f"auc_{diagnosis}": metrics.roc_auc_score(cases, probabilities[:, index]),
            f"average_precision_{diagnosis}": metrics.average_precision_score(cases, probabilities[:, index]),
        }
    return found


@pytest.mark.parametrize("digits", [None, 1, 0])  # rounded, most images share their probabilities with others
@pytest.mark.parametrize("seed", range(4))
def test_every_metric_is_that_of_scikit_learn(seed: int, digits: int | None) -> None:
    made = made_up(seed=seed, digits=digits)
    expected = independent(made)
    assert set(expected) == set(metrics_of()), "give each metric its value in `independent`"
    assert metric_values(made) == pytest.approx(expected, abs=1e-9)
    once = weighted_metrics(made, np.ones((1, len(made)), dtype=np.uint8))
    assert {name: values[0] for name, values in once.items()} == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("digits", [None, 1, 0])
def test_weights_are_rows_repeated(digits: int | None) -> None:
    made = made_up(digits=digits)
    weights = lesion_weights(made.lesion_ids, 12, seed=5)
    for index, lacking in enumerate((["df"], ["vasc", "bcc"], ["mel", "bcc", "akiec"])):  # some are called all the same
        weights[index, np.isin(made.labels, [HAM10000.names.index(diagnosis) for diagnosis in lacking])] = 0
    found = weighted_metrics(made, weights)
    for index, counts in enumerate(weights):
        repeated = made.take(np.repeat(np.arange(len(made)), counts))
        expected = metric_values(repeated)
        assert len(expected) > 40
        for name in metrics_of():
            if name in expected:
                assert found[name][index] == pytest.approx(expected[name], abs=1e-9), name
            else:
                assert np.isnan(found[name][index]), name


def test_many_weightings_are_cut_into_chunks_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    made = made_up(40)
    weights = lesion_weights(made.lesion_ids, 25, seed=0)
    whole = weighted_metrics(made, weights)
    monkeypatch.setattr("lesionflow.evaluation.bootstrap._AT_ONCE", 7)
    for name, values in weighted_metrics(made, weights).items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-12)


def test_auc_is_the_chance_that_a_case_ranks_above_a_control() -> None:
    made = made_up(digits=0)
    found = metric_values(made)
    for index, diagnosis in enumerate(HAM10000.names):
        score = made.probabilities[:, index]
        cases, controls = score[made.labels == index][:, None], score[made.labels != index][None]
        chance = (cases > controls).mean() + (cases == controls).mean() / 2
        assert found[f"auc_{diagnosis}"] == pytest.approx(chance, abs=1e-12)


def test_always_answering_nv_looks_accurate_and_is_not() -> None:
    found = metric_values(by_hand(TRUE, ["nv"] * 10))
    assert found["accuracy"] == found["accuracy_of_always_nv"] == 0.6
    assert found["balanced_accuracy"] == pytest.approx(1 / 4)
    assert found["malignant_sensitivity"] == 0 and found["malignant_specificity"] == 1
    assert "malignant_ppv" not in found  # nothing was called malignant


def test_one_diagnosis_alone_leaves_out_what_is_undefined() -> None:
    found = measure(by_hand(["nv", "nv"], ["nv", "mel"]), resamples=50)
    assert found["balanced_accuracy"].value == found["sensitivity_nv"].value == 0.5
    for name in ("macro_auc", "macro_average_precision", "malignant_auc", "malignant_auc_above_80", "auc_nv",
                 "malignant_sensitivity", "sensitivity_mel", "specificity_nv", "ppv_df", "ppv_mel", "npv_mel",
                 "ppv_nv", "npv_nv", "malignant_ppv", "malignant_npv"):  # fmt: skip
        assert name not in found
    assert found["specificity_mel"].value == found["malignant_specificity"].value == 0.5


def test_diagnoses_without_images_are_told_apart_from_those_with_few() -> None:
    absent, few = few_of(by_hand(["nv"] * 10 + ["mel", "df"], ["nv"] * 12))
    assert absent == "no images of akiec, bcc, bkl, vasc: averages are over the other diagnoses"
    assert few == "fewer than 10 images of df (1), mel (1): their metrics are mostly chance"
    known = list(HAM10000.names) * 10
    assert few_of(by_hand(known, known)) == []


def test_no_images_are_refused() -> None:
    with pytest.raises(DataError, match="no images"):
        measure(made_up(20).take(np.array([], dtype=int)))


def test_measure_gives_every_metric_a_finite_interval_around_it() -> None:
    found = measure(made_up(), resamples=400)
    assert list(found) == list(metrics_of())
    for name, estimate in found.items():
        assert np.isfinite(estimate).all() and all(type(number) is float for number in estimate), name
        assert estimate.low <= estimate.value <= estimate.high, name
    assert 0.02 < found["accuracy"].high - found["accuracy"].low < 0.2


def test_intervals_repeat_with_the_seed_and_do_not_depend_on_the_order_of_images() -> None:
    made = made_up(60)
    found = measure(made, resamples=100, seed=3)
    other = made.take(np.random.default_rng(1).permutation(len(made)))
    for name, estimate in measure(other, resamples=100, seed=3).items():
        assert [*estimate] == pytest.approx([*found[name]], abs=1e-12, nan_ok=True)
    assert measure(made, resamples=100, seed=4)["accuracy"] != found["accuracy"]


def test_a_diagnosis_that_some_resamples_lack_is_measured_on_the_others() -> None:
    made = by_hand(["nv"] * 8 + ["mel"] * 2, ["nv"] * 7 + ["mel"] * 2 + ["nv"], [*"abcdefgh", "m", "m"])
    found = measure(made, resamples=300)
    # One lesion, half of whose images are found, in two of three resamples: how far that is off cannot be told.
    assert found["sensitivity_mel"].value == 0.5 and np.isnan(found["sensitivity_mel"].low)
    assert np.isnan(found["malignant_auc"].low)


def test_shares_that_never_vary_are_not_called_certain() -> None:
    from scipy.stats import beta

    made = by_hand(["nv"] * 6 + ["df"] * 4, ["nv"] * 6 + ["df"] * 4, [*"abcdef", "x", "x", "y", "z"])
    found = measure(made, resamples=200)
    assert found["sensitivity_df"] == pytest.approx((1, beta.ppf(0.025, 3, 1), 1))  # 3 of 3 lesions
    assert found["sensitivity_nv"] == pytest.approx((1, beta.ppf(0.025, 6, 1), 1))
    assert found["referred"] == pytest.approx((0, 0, beta.ppf(0.975, 1, 9)))  # none of 9 lesions


def test_ece_is_what_the_definition_says() -> None:
    made = made_up(seed=2)
    confidence, right = made.probabilities.max(axis=1), made.probabilities.argmax(axis=1) == made.labels
    expected = 0.0
    for index in range(15):
        inside = (confidence >= index / 15) & ((confidence < (index + 1) / 15) | (index == 14))
        if inside.any():
            expected += inside.mean() * abs(confidence[inside].mean() - right[inside].mean())
    assert expected_calibration_error(made.labels, made.probabilities) == pytest.approx(expected)
    sure = np.eye(7)[made.labels]
    assert expected_calibration_error(made.labels, sure) == 0  # certain and right, in the last bin


def test_every_share_counts_images_among_images() -> None:
    made = made_up(50)
    for name, metric in metrics_of().items():
        if metric.share is not None:
            counted, among = metric.share(kinds_of(made))
            assert counted.shape == among.shape == (len(made),) and counted.dtype == among.dtype == bool, name


def test_confusion_matrix_counts_rows_by_truth() -> None:
    made = by_hand(TRUE, CALLED)
    matrix = confusion_matrix(made)
    assert matrix.shape == (7, 7) and matrix.dtype == np.int64 and matrix.sum() == 10
    assert matrix[HAM10000.names.index("bcc"), HAM10000.names.index("akiec")] == 1
    assert matrix[HAM10000.names.index("nv")].sum() == 6


@pytest.mark.parametrize("seed", range(3))
def test_the_challenges_own_scorer_finds_the_same(seed: int) -> None:
    scoring = pytest.importorskip("isic_challenge_scoring.classification")
    if not hasattr(pytest.importorskip("pandas").DataFrame, "applymap"):
        pytest.skip("isic-challenge-scoring 5.6 needs pandas < 3")
    import pandas as pd
    from isic_challenge_scoring.metrics import auc_above_sensitivity

    # A call of at least one half, so that the challenge, whose line is one half for each diagnosis, calls the same.
    made = made_up(seed=seed, skill=2)
    probabilities = (made.probabilities + np.eye(7)[made.probabilities.argmax(axis=1)]) / 2
    made = dataclasses.replace(made, probabilities=probabilities, called=probabilities.argmax(axis=1))
    score = scoring.ClassificationScore.from_stream(
        challenge_csv(made.image_ids, np.eye(7)[made.labels]),
        challenge_csv(made.image_ids, made.probabilities),
        scoring.ClassificationMetric.BALANCED_ACCURACY,
    )
    found = metric_values(made)
    assert found["balanced_accuracy"] == found["balanced_accuracy_of_most_probable"]
    assert found["balanced_accuracy"] == pytest.approx(score.overall, abs=1e-9)
    for ours, theirs in (("macro_auc", "auc"), ("macro_average_precision", "ap")):
        assert found[ours] == pytest.approx(score.macro_average[theirs], abs=1e-9)
    for diagnosis in HAM10000.names:
        row = score.per_category.loc[diagnosis.upper()]
        for ours, theirs in (("auc", "auc"), ("average_precision", "ap"), ("sensitivity", "sensitivity"),
                             ("specificity", "specificity"), ("ppv", "ppv"), ("npv", "npv")):  # fmt: skip
            assert found[f"{ours}_{diagnosis}"] == pytest.approx(row[theirs], abs=1e-9)
    malignant = pd.Series(np.isin(made.labels, HAM10000.malignant_indices).astype(float))
    above = auc_above_sensitivity(
        malignant, pd.Series(made.malignant_probability), pd.Series(1.0, malignant.index), 0.8
    )
    assert found["malignant_auc_above_80"] == pytest.approx(above, abs=1e-9)


def challenge_csv(image_ids: np.ndarray, columns: np.ndarray) -> io.StringIO:
    """A table as the ISIC 2018 challenge has them: columns is (images, 7)."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["image", *(diagnosis.upper() for diagnosis in HAM10000.names)])
    for name, row in zip(image_ids, columns.tolist(), strict=True):
        writer.writerow([name.replace("I", "ISIC_"), *row])
    file.seek(0)
    return file


@pytest.mark.parametrize(
    ("value", "low", "told"),
    [
        (0.0, float("nan"), "is no better than 0.143, that of guessing: the model has learnt"),
        (0.15, 0.1, "is hardly above 0.143, that of guessing: the model has learnt"),
        (0.6, 0.1, "is not clearly above 0.143, that of guessing: the model may have learnt"),
    ],
)
def test_what_is_said_of_a_balanced_accuracy_near_chance_is_true_of_its_value(
    value: float, low: float, told: str
) -> None:
    assert told in near_chance({"balanced_accuracy": Estimate(value, low, 0.9)}, 7)


def test_nothing_is_said_of_a_balanced_accuracy_clearly_above_chance() -> None:
    assert near_chance({"balanced_accuracy": Estimate(0.6, 0.5, 0.7)}, 7) == ""


@pytest.mark.parametrize(
    ("specificity", "sensitivity", "told"),
    [
        (0.0, 1.0, ["malignant specificity 0.000 (0.000 to 1.000): all benign images are flagged as malignant"]),
        (
            0.004,
            1.0,
            ["malignant specificity 0.004 (0.000 to 1.000): nearly all benign images are flagged as malignant"],
        ),
        (1.0, 0.0, ["malignant sensitivity 0.000 (0.000 to 1.000): no malignant image is flagged as malignant"]),
        (0.3, 0.9, []),
    ],
)
def test_a_model_that_flags_everything_or_nothing_gets_a_warning(
    specificity: float, sensitivity: float, told: list[str]
) -> None:
    values = {"malignant_specificity": specificity, "malignant_sensitivity": sensitivity}
    assert doubts({name: Estimate(value, 0.0, 1.0) for name, value in values.items()}, 7) == told
