"""Intervals against the truth: models whose metrics are known, measured on many sets of lesions drawn anew.

Lesions are melanomas or nevi. An image's score is normal around 0 for nevi and around `apart` for melanomas, and a
lesion's images have most of their deviation in common. All metrics follow from the two normal distributions.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom, kstest, norm

from lesionflow.diagnoses import HAM10000
from lesionflow.evaluation.bootstrap import calibration_gaps, calibration_interval, interval
from lesionflow.evaluation.measure import compare, measure, weighted_metrics
from lesionflow.model.prediction import TRUSTED, UNCERTAIN, LabelledPredictions
from tests.evaluation.resamples import lesion_weights

MEL, NV = HAM10000.names.index("mel"), HAM10000.names.index("nv")
APART, SHARE_OF_MEL, IN_COMMON = 1.5, 0.4, 0.8
OPERATING_POINT, TRUSTED_FROM = 0.3, 0.6  # of the score; of the probability of the call
IMAGES_OF_A_LESION = np.arange(1, 6)
DRAWS, RESAMPLES = 200, 250


def draw(
    generator: np.random.Generator, lesions: int = 120, models: int = 1, apart: float = APART
) -> list[LabelledPredictions]:
    """What some models that are equally good say of the same images."""
    images = generator.choice(IMAGES_OF_A_LESION, lesions)
    lesion_of = np.repeat(np.arange(lesions), images)
    malignant = (generator.random(lesions) < SHARE_OF_MEL)[lesion_of]
    labels = np.where(malignant, MEL, NV)
    ids = np.array([f"I{number:04}" for number in range(len(labels))])
    made = []
    for _ in range(models):
        deviation = np.sqrt(IN_COMMON) * generator.normal(size=lesions)[lesion_of]
        score = apart * malignant + deviation + np.sqrt(1 - IN_COMMON) * generator.normal(size=len(labels))
        of_mel = posterior(score, apart)
        probabilities = np.zeros((len(labels), 7))
        probabilities[:, MEL], probabilities[:, NV] = of_mel, 1 - of_mel
        refer = np.where(np.maximum(of_mel, 1 - of_mel) < TRUSTED_FROM, UNCERTAIN, TRUSTED)
        called = np.where(of_mel > 0.5, MEL, NV)
        lesion_ids = lesion_of.astype(str)
        made.append(
            LabelledPredictions(probabilities, called, score >= OPERATING_POINT, refer, ids, lesion_ids, labels)
        )
    return made


def posterior(score: Any, apart: float = APART) -> Any:
    """The probability of a melanoma, given its score."""
    return 1 / (1 + np.exp(-apart * score + apart**2 / 2) * (1 - SHARE_OF_MEL) / SHARE_OF_MEL)


def score_of(probability: float) -> float:
    """The score at which a melanoma is so probable."""
    odds = np.log(probability / (1 - probability)) - np.log(SHARE_OF_MEL / (1 - SHARE_OF_MEL))
    return float(odds / APART + APART / 2)


def truth() -> dict[str, float]:
    """The metrics of such a model on all lesions of the world."""
    mel, nv = norm(APART), norm(0)

    def rates(threshold: float) -> tuple[float, float, float, float]:
        sensitivity, specificity = mel.sf(threshold), nv.cdf(threshold)
        true, false = SHARE_OF_MEL * sensitivity, (1 - SHARE_OF_MEL) * (1 - specificity)
        missed, cleared = SHARE_OF_MEL - true, 1 - SHARE_OF_MEL - false
        return sensitivity, specificity, true / (true + false), cleared / (cleared + missed)

    def expected(of_mel: Callable[[float], float], of_nv: Callable[[float], float]) -> float:
        def part(score: float) -> float:
            weight = SHARE_OF_MEL * mel.pdf(score), (1 - SHARE_OF_MEL) * nv.pdf(score)
            return float(weight[0] * of_mel(posterior(score)) + weight[1] * of_nv(posterior(score)))

        return float(quad(part, -9, 9 + APART)[0])

    sensitivity, specificity, ppv, npv = rates(score_of(0.5))
    at_point = rates(OPERATING_POINT)
    low, high = score_of(1 - TRUSTED_FROM), score_of(TRUSTED_FROM)  # between them a call is referred
    referred = SHARE_OF_MEL * (mel.cdf(high) - mel.cdf(low)) + (1 - SHARE_OF_MEL) * (nv.cdf(high) - nv.cdf(low))
    right_and_trusted = SHARE_OF_MEL * mel.sf(high) + (1 - SHARE_OF_MEL) * nv.cdf(low)
    auc = norm.cdf(APART / np.sqrt(2))
    eighty = mel.isf(0.8)
    f1 = [2 * s * p / (s + p) for s, p in ((sensitivity, ppv), (specificity, npv))]
    return {
        "accuracy": SHARE_OF_MEL * sensitivity + (1 - SHARE_OF_MEL) * specificity,
        "accuracy_of_always_nv": 1 - SHARE_OF_MEL,
        "balanced_accuracy": (sensitivity + specificity) / 2,
        "macro_f1": float(np.mean(f1)),
        "malignant_auc": auc,
        "malignant_auc_above_80": quad(lambda score: mel.sf(score) * nv.pdf(score), -9, eighty)[0],
        "log_loss": expected(lambda p: -np.log(p), lambda p: -np.log(1 - p)),
        "brier": expected(lambda p: 2 * (1 - p) ** 2, lambda p: 2 * p**2),
        "referred": referred,
        "accuracy_of_trusted": right_and_trusted / (1 - referred),
        "malignant_sensitivity": at_point[0],
        "malignant_specificity": at_point[1],
        "malignant_ppv": at_point[2],
        "malignant_npv": at_point[3],
        "sensitivity_mel": sensitivity,
        "specificity_mel": specificity,
        "ppv_mel": ppv,
        "npv_mel": npv,
    }


def covered(predictions: LabelledPredictions, of: dict[str, float], seed: int) -> dict[str, bool]:
    """Whether the interval of each metric has the truth in it."""
    resampled = weighted_metrics(predictions, lesion_weights(predictions.lesion_ids, RESAMPLES, seed), tuple(of))
    found = {name: interval(np.nan, resampled[name]) for name in of}
    return {name: each is not None and each.low <= of[name] <= each.high for name, each in found.items()}


@pytest.fixture(scope="module")
def coverage() -> dict[str, dict[str, float]]:
    """How often the interval covers the truth, by metric, from a bootstrap over lesions and from one over images."""
    generator, known = np.random.default_rng(1), truth()
    hits: dict[str, list[dict[str, bool]]] = {"lesions": [], "images": []}
    for seed in range(DRAWS):
        made = draw(generator)[0]
        hits["lesions"].append(covered(made, known, seed))
        if seed % 4 == 0:
            of_images = dataclasses.replace(made, lesion_ids=made.image_ids)
            hits["images"].append(covered(of_images, known, seed))
    return {over: {name: float(np.mean([hit[name] for hit in each])) for name in known} for over, each in hits.items()}


@pytest.mark.parametrize("name", list(truth()))
def test_intervals_cover_the_truth_95_times_in_100(coverage: dict[str, dict[str, float]], name: str) -> None:
    # Intervals that cover 93 to 96 % of the time stay within in all but one of a thousand such sets of draws.
    least, most = binom.ppf(0.0005, DRAWS, 0.93) / DRAWS, binom.ppf(0.9995, DRAWS, 0.96) / DRAWS
    assert least <= coverage["lesions"][name] <= most


def test_all_metrics_together_are_covered_about_95_times_in_100(coverage: dict[str, dict[str, float]]) -> None:
    assert 0.91 < np.mean(list(coverage["lesions"].values())) < 0.98


def test_a_bootstrap_over_images_promises_too_much(coverage: dict[str, dict[str, float]]) -> None:
    lesions, images = coverage["lesions"], coverage["images"]
    assert all(images[name] < lesions[name] for name in lesions)
    assert np.mean(list(images.values())) < 0.85
    for name in ("accuracy", "malignant_auc", "malignant_sensitivity", "malignant_specificity"):
        assert images[name] < 0.88
    assert images["accuracy_of_always_nv"] < 0.8  # a lesion's images have their diagnosis in common altogether


def test_measure_gives_these_intervals() -> None:
    made = draw(np.random.default_rng(5))[0]
    found = measure(made, resamples=RESAMPLES, seed=2)
    resampled = weighted_metrics(made, lesion_weights(made.lesion_ids, RESAMPLES, 2))
    for name in truth():
        assert found[name][1:] == pytest.approx(np.quantile(resampled[name], [0.025, 0.975]), rel=1e-12), name


def test_values_come_to_the_truth_as_images_grow_many() -> None:
    made = draw(np.random.default_rng(0), 30_000)[0]
    found = weighted_metrics(made, np.ones((1, len(made))))
    assert found["macro_auc"] == pytest.approx(found["malignant_auc"])
    assert {name: found[name][0] for name in truth()} == pytest.approx(truth(), abs=0.02)


@pytest.mark.parametrize("sharpened", [1.0, 1.3])
def test_the_interval_of_the_ece_covers_it_also_where_it_is_none(sharpened: float) -> None:
    """Sharpened, the odds of the truth are raised to a power; the posterior itself is calibrated."""
    known = true_ece(sharpened)
    assert (known == 0) == (sharpened == 1)
    generator, hits, percentiles = np.random.default_rng(6), [], []
    for seed in range(60):
        made = draw(generator)[0]
        powers = made.probabilities[:, [MEL, NV]] ** sharpened
        probabilities = np.zeros_like(made.probabilities)
        probabilities[:, [MEL, NV]] = powers / powers.sum(axis=1, keepdims=True)
        made = dataclasses.replace(made, probabilities=probabilities)
        weights = lesion_weights(made.lesion_ids, RESAMPLES, seed)
        gaps = calibration_gaps(made)
        of_resamples = weights @ gaps / weights.sum(axis=1, keepdims=True)
        low, high = calibration_interval(gaps.mean(axis=0), of_resamples)[1:]
        hits.append(low <= known <= high)
        ordinary = interval(np.nan, weighted_metrics(made, weights, ("ece",))["ece"])
        percentiles.append(ordinary is not None and ordinary.low <= known <= ordinary.high)
    assert np.mean(hits) >= binom.ppf(0.0005, 60, 0.95) / 60
    assert np.mean(percentiles) < 0.8  # what it is there for


def true_ece(sharpened: float) -> float:
    """The ECE on all lesions of the world, by counting over a fine grid of scores."""
    score = np.linspace(-8, 8 + APART, 400_001)
    of_mel = SHARE_OF_MEL * norm(APART).pdf(score), (1 - SHARE_OF_MEL) * norm(0).pdf(score)
    powers = posterior(score) ** sharpened, (1 - posterior(score)) ** sharpened
    said = powers[0] / (powers[0] + powers[1])
    confidence = np.maximum(said, 1 - said)
    gaps = confidence * (of_mel[0] + of_mel[1]) - np.where(said > 0.5, *of_mel)
    if sharpened == 1:
        np.testing.assert_allclose(gaps, 0, atol=1e-12)  # whatever the bins
        return 0.0
    bins = np.minimum((confidence * 15).astype(int), 14)
    return float(np.abs(np.bincount(bins, gaps)).sum() * (score[1] - score[0]))


def test_seven_diagnoses_called_with_known_chances() -> None:
    generator = np.random.default_rng(2)
    chances = np.full((7, 7), 0.05) + 0.65 * np.eye(7)  # (true, called); rows add up to 1
    shares = np.array([0.1, 0.1, 0.15, 0.1, 0.15, 0.3, 0.1])
    joint = shares[:, None] * chances
    sensitivities, ppvs = np.diag(chances), np.diag(joint) / joint.sum(axis=0)
    known = {
        "accuracy": np.trace(joint),
        "balanced_accuracy": sensitivities.mean(),
        "macro_f1": (2 * sensitivities * ppvs / (sensitivities + ppvs)).mean(),
        "sensitivity_nv": sensitivities[NV],
        "specificity_bkl": 1 - (joint.sum(axis=0)[2] - joint[2, 2]) / (1 - shares[2]),
        "ppv_nv": ppvs[NV],
        "npv_mel": 1 - (shares[MEL] - joint[MEL, MEL]) / (1 - joint.sum(axis=0)[MEL]),
    }
    hits = []
    for seed in range(150):
        images = generator.integers(1, 4, 150)
        label = generator.choice(7, len(images), p=shares)
        labels, lesion_of = np.repeat(label, images), np.repeat(np.arange(len(images)), images)
        # Half of the images are called what one draw for the lesion says, the others what a draw of their own does.
        luck = np.where(generator.random(len(labels)) < 0.5, generator.random(len(images))[lesion_of], 2)
        luck = np.where(luck == 2, generator.random(len(labels)), luck)
        called = (luck[:, None] > np.cumsum(chances[labels], axis=1)).sum(axis=1)
        names = np.array([f"I{number:04}" for number in range(len(labels))])
        lesions = lesion_of.astype(str)
        none = np.zeros(len(labels), dtype=bool)
        flat = np.full((len(labels), 7), 1 / 7)
        made = LabelledPredictions(flat, called, none, np.where(none, UNCERTAIN, TRUSTED), names, lesions, labels)
        hits.append(covered(made, known, seed))
    for name in known:
        assert 0.86 < np.mean([hit[name] for hit in hits]) < 0.997, name
    assert 0.92 < np.mean([list(hit.values()) for hit in hits]) < 0.975


def test_of_equal_models_each_is_called_better_by_chance_alone() -> None:
    generator = np.random.default_rng(3)
    better: dict[str, list[float]] = {"balanced_accuracy": [], "malignant_auc": [], "log_loss": []}
    none_found = []
    for seed in range(100):
        first, second = draw(generator, models=2)
        for name, difference in compare(first, second, tuple(better), resamples=200, seed=seed).items():
            better[name].append(difference.probability_better)
            none_found.append(difference.low <= 0 <= difference.high)
    for name, chances in better.items():
        assert kstest(chances, "uniform").pvalue > 0.01, name
        assert np.mean(np.array(chances) >= 0.95) < 0.12, name  # a promotion that rests on it is wrong that often
    assert 0.9 < np.mean(none_found) < 0.99


def test_a_better_model_is_found() -> None:
    generator = np.random.default_rng(4)
    chances, covers = [], []
    gain = norm.cdf(2.3 / np.sqrt(2)) - norm.cdf(1.3 / np.sqrt(2))
    for seed in range(50):
        state = generator.bit_generator.state
        worse = draw(generator, apart=1.3)[0]
        generator.bit_generator.state = state  # the same lesions
        better = draw(generator, apart=2.3)[0]
        found = compare(better, worse, ("balanced_accuracy", "malignant_auc", "log_loss"), resamples=200, seed=seed)
        chances.append([difference.probability_better for difference in found.values()])
        covers.append(found["malignant_auc"].low <= gain <= found["malignant_auc"].high)
        assert found["log_loss"].value < 0 < found["malignant_auc"].value
    assert np.mean(np.array(chances) >= 0.95) > 0.9
    assert np.mean(covers) > 0.85
