"""All metrics: names, definitions and where they are shown. A new metric is one entry of `TABLE`."""

from __future__ import annotations

import enum
import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lesionflow.diagnoses import HAM10000, LabelSet
from lesionflow.errors import DataError, UsageError, counted, first_few
from lesionflow.evaluation.bootstrap import (
    MALIGNANT,
    Tally,
    calibration_gaps,
    calibration_interval,
    confidence_bins,
    interval,
    ratio,
    resampled_tallies,
    tallies,
)
from lesionflow.evaluation.plots import FEW
from lesionflow.model.card import Estimate
from lesionflow.model.prediction import TRUSTED, LabelledPredictions

FEWEST_LESIONS = 5  # of a diagnosis: what ranks fewer of them against the rest has no interval
INTERVAL_RULE = (
    "AUC and average precision of a diagnosis against the rest, or of malignant against benign, have no interval where "
    f"fewer than {counted(FEWEST_LESIONS, 'lesion')} are on one side. Nor has a metric that is the same in all "
    "resamples. Shares and AUC of exactly 0 or 1 have an exact interval, from the number of lesions behind them. "
    "Averages over diagnoses (balanced accuracy, macro AUC, macro F1, macro average precision) have one also where a "
    "diagnosis has few lesions: in each resample, they are over the diagnoses that are in it."
)
HIGH_SENSITIVITY = 0.8  # the ISIC challenges look at the ROC curve from here on

Masks = tuple[np.ndarray, np.ndarray]  # which images count, among which; (images,) bool each


class Better(enum.Enum):
    """Which values of a metric are good."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Place(enum.Enum):
    """Where a metric can be shown, besides the tables that have all of them."""

    HEADLINE = enum.auto()  # large, at the top of an evaluation's page
    MODEL_CARD = enum.auto()  # the table of the model card
    TERMS = enum.auto()  # the one line that scoring prints with the shipped bundle
    COMPARISON = enum.auto()  # `lesionflow compare`
    RUNS = enum.auto()  # MLflow, where runs are compared: with more of them, the deciding ones would be lost
    # MLflow compares runs by a list in the order of names, of which it shows a handful: what promotion is decided by
    # stands there once more under `deciding/`, before every other group.
    DECIDING = enum.auto()
    FIT_GAP = enum.auto()  # training minus validation, in MLflow
    GROUPS = enum.auto()  # the table of groups of images
    GROUPS_PLOT = enum.auto()  # the picture of groups of images
    GROUP_GAPS = enum.auto()  # which group differs most from which


@dataclass(frozen=True)
class Metric:
    """A metric of a model on some images."""

    name: str  # in cards, in JSON and in MLflow
    words: str  # for people
    short: str = ""  # the same where there is little room: at most 20 characters
    better: Better = Better.HIGHER
    headline: str = ""  # above its value at the top of a page, where that is not `short`
    shown: frozenset[Place] = frozenset()
    # One of these two. A share is of images among others, and has an exact interval where it is 0 or 1.
    share: Callable[[LabelledPredictions], Masks] | None = field(default=None, repr=False)
    compute: Callable[[Tally], np.ndarray] | None = field(default=None, repr=False)
    # Which images a ranking is of, against the rest, and whether it is a mean over pairs of these and those.
    cases: Callable[[LabelledPredictions], np.ndarray] | None = field(default=None, repr=False)
    of_pairs: bool = False
    diagnosis: str = ""  # that it is of, against the rest; empty where it is of all
    applies: Callable[[LabelSet], bool] = field(default=lambda labels: True, repr=False)  # which label sets have it

    def under(self, tally: Tally) -> np.ndarray:
        """Its values under the weightings of a tally: (weightings,), NaN where it is not defined."""
        if self.share is not None:
            return tally.share(*self.share(tally.kinds))
        assert self.compute is not None
        return self.compute(tally)


@dataclass(frozen=True)
class OfDiagnosis:
    """A one-against-rest metric of each diagnosis: `name_mel`, and so on."""

    name: str
    words: str
    shown: frozenset[Place] = frozenset()
    shown_not_to_miss: frozenset[Place] = frozenset()  # only that of the diagnosis that must not be missed
    share: Callable[[LabelledPredictions, int], Masks] | None = field(default=None, repr=False)
    compute: Callable[[Tally, int], np.ndarray] | None = field(default=None, repr=False)
    of_pairs: bool = False

    def of(self, labels: LabelSet, index: int) -> Metric:
        """The metric of one diagnosis of a label set."""
        diagnosis, share, compute = labels.names[index], self.share, self.compute
        return Metric(
            f"{self.name}_{diagnosis}",
            f"{self.words} of {diagnosis}",
            f"{short_full_name(labels, diagnosis)} {self.words}",
            shown=self.shown | (self.shown_not_to_miss if diagnosis == labels.not_to_miss else frozenset()),
            share=None if share is None else lambda images: share(images, index),
            compute=None if compute is None else lambda tally: compute(tally, index),
            cases=None if compute is None else lambda images: images.labels == index,
            of_pairs=self.of_pairs,
            diagnosis=diagnosis,
        )


def short_full_name(labels: LabelSet, diagnosis: str) -> str:
    """The full name of a diagnosis, up to what stands behind a slash or in brackets."""
    return labels.full_names[diagnosis].partition(" / ")[0].partition(" (")[0]


def _all(images: LabelledPredictions) -> np.ndarray:
    return np.ones(len(images), dtype=bool)


def _mean(values: np.ndarray) -> np.ndarray:
    """(weightings, diagnoses) to (weightings,): the mean of the defined ones, NaN if there are none."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(defined, values, 0.0).sum(axis=1) / defined.sum(axis=1))


def _mean_sensitivity(tally: Tally, called: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        return _mean(tally.by_diagnosis(called) / tally.of_diagnosis)


def _macro_f1(tally: Tally) -> np.ndarray:
    calls = np.stack([tally.count(tally.called == i) for i in range(len(tally.label_set))], axis=1)
    images = tally.of_diagnosis
    with np.errstate(invalid="ignore"):
        f1 = 2 * tally.by_diagnosis(tally.called) / (images + calls)
    return _mean(np.where(images > 0, f1, np.nan))


def _macro(of_curve: Callable[[Tally, int], np.ndarray]) -> Callable[[Tally], np.ndarray]:
    return lambda tally: _mean(np.stack([of_curve(tally, i) for i in range(len(tally.label_set))], axis=1))


def _auc(tally: Tally, index: int) -> np.ndarray:
    return tally.curve(index).auc


def _average_precision(tally: Tally, index: int) -> np.ndarray:
    return tally.curve(index).average_precision


def _places(*places: Place) -> frozenset[Place]:
    return frozenset(places)


_P = Place
# In the order in which they are shown everywhere.
TABLE: tuple[Metric | OfDiagnosis, ...] = (
    Metric(
        "balanced_accuracy", "balanced accuracy of the calls", "balanced accuracy",
        shown=_places(*Place),
        compute=lambda tally: _mean_sensitivity(tally, tally.called),
    ),
    Metric(
        "macro_auc", "macro AUC, each diagnosis against the rest", "macro AUC",
        shown=_places(
            _P.HEADLINE, _P.MODEL_CARD, _P.TERMS, _P.COMPARISON, _P.RUNS, _P.DECIDING, _P.FIT_GAP, _P.GROUPS
        ),
        compute=_macro(_auc),
    ),
    Metric(
        "accuracy", "accuracy of the calls", "accuracy",
        shown=_places(_P.HEADLINE, _P.MODEL_CARD, _P.RUNS, _P.FIT_GAP),
        share=lambda images: (images.called == images.labels, _all(images)),
    ),
    Metric(
        "accuracy_of_always_nv", "accuracy of always answering nv", better=Better.NEITHER,
        shown=_places(_P.MODEL_CARD, _P.RUNS),
        share=lambda images: (images.labels == images.label_set.index_of("nv"), _all(images)),
        applies=lambda labels: "nv" in labels.names,
    ),
    Metric(
        "accuracy_of_always_commonest", "accuracy of always answering the most frequent diagnosis",
        better=Better.NEITHER,
        shown=_places(_P.MODEL_CARD, _P.RUNS),
        compute=lambda tally: tally.of_commonest / tally.total,
        applies=lambda labels: "nv" not in labels.names,
    ),
    Metric(
        "accuracy_of_most_probable", "accuracy of the most probable diagnosis",
        share=lambda images: (images.probabilities.argmax(axis=1) == images.labels, _all(images)),
    ),
    Metric(
        "balanced_accuracy_of_most_probable", "balanced accuracy of the most probable diagnosis",
        compute=lambda tally: _mean_sensitivity(tally, tally.most_probable),
    ),
    Metric("macro_f1", "macro F1", shown=_places(_P.RUNS), compute=_macro_f1),
    Metric("macro_average_precision", "macro average precision", compute=_macro(_average_precision)),
    Metric(
        "malignant_sensitivity", "malignant sensitivity at the operating point", "malignant sensitivity",
        shown=_places(_P.HEADLINE, _P.MODEL_CARD, _P.RUNS, _P.GROUPS, _P.GROUPS_PLOT, _P.GROUP_GAPS),
        share=lambda images: (images.malignant, images.is_malignant),
    ),
    Metric(
        "malignant_specificity", "malignant specificity at the operating point", "malignant specificity",
        shown=_places(_P.HEADLINE, _P.MODEL_CARD, _P.RUNS, _P.GROUPS, _P.GROUPS_PLOT, _P.GROUP_GAPS),
        share=lambda images: (~images.malignant, ~images.is_malignant),
    ),
    Metric(
        "malignant_ppv", "malignant positive predictive value (PPV)",
        share=lambda images: (images.is_malignant, images.malignant),
    ),
    Metric(
        "malignant_npv", "malignant negative predictive value (NPV)",
        share=lambda images: (~images.is_malignant, ~images.malignant),
    ),
    Metric(
        "malignant_auc", "AUC of malignant against benign", "malignant AUC",
        shown=_places(_P.MODEL_CARD, _P.COMPARISON, _P.RUNS, _P.GROUPS, _P.GROUP_GAPS),
        compute=lambda tally: _auc(tally, MALIGNANT), cases=lambda images: images.is_malignant, of_pairs=True,
    ),
    Metric(
        "malignant_auc_above_80", "the same above 80% sensitivity",
        compute=lambda tally: tally.curve(MALIGNANT).area_above(HIGH_SENSITIVITY),
        cases=lambda images: images.is_malignant,
    ),
    Metric(
        "malignant_partial_auc", "partial AUC above 80% sensitivity (0 to 0.2, as in ISIC 2024)",
        compute=lambda tally: tally.curve(MALIGNANT).area_above(HIGH_SENSITIVITY, down_to=HIGH_SENSITIVITY),
        cases=lambda images: images.is_malignant,
    ),
    Metric(
        "malignant_average_precision", "average precision of malignant against benign",
        compute=lambda tally: _average_precision(tally, MALIGNANT), cases=lambda images: images.is_malignant,
    ),
    Metric(
        "ece", "expected calibration error (ECE)", "ECE", Better.LOWER, headline="calibration error (ECE)",
        shown=_places(_P.HEADLINE, _P.MODEL_CARD, _P.COMPARISON, _P.RUNS, _P.DECIDING, _P.GROUP_GAPS),
        compute=lambda tally: np.abs(tally.calibration_gaps).sum(axis=1),
    ),
    Metric(
        "log_loss", "log loss", "log loss", Better.LOWER,
        shown=_places(_P.COMPARISON, _P.RUNS),
        compute=lambda tally: tally.log_loss,
    ),
    Metric("brier", "Brier score", better=Better.LOWER, compute=lambda tally: tally.brier),
    Metric(
        "referred", "share of images referred", better=Better.NEITHER,
        shown=_places(_P.RUNS),
        share=lambda images: (images.refer != TRUSTED, _all(images)),
    ),
    Metric(
        "accuracy_of_trusted", "accuracy of the calls that are not referred",
        shown=_places(_P.RUNS),
        share=lambda images: (images.called == images.labels, images.refer == TRUSTED),
    ),
    OfDiagnosis(
        "sensitivity", "sensitivity",
        shown=_places(_P.MODEL_CARD, _P.RUNS), shown_not_to_miss=_places(_P.COMPARISON, _P.DECIDING, _P.TERMS),
        share=lambda images, i: (images.called == i, images.labels == i),
    ),
    OfDiagnosis(
        "specificity", "specificity", share=lambda images, i: (images.called != i, images.labels != i)
    ),
    OfDiagnosis("ppv", "PPV", share=lambda images, i: (images.labels == i, images.called == i)),
    OfDiagnosis("npv", "NPV", share=lambda images, i: (images.labels != i, images.called != i)),
    OfDiagnosis("auc", "AUC", compute=_auc, of_pairs=True),
    OfDiagnosis("average_precision", "average precision", compute=_average_precision),
)  # fmt: skip


OF_DIAGNOSIS = tuple(entry for entry in TABLE if isinstance(entry, OfDiagnosis))
DECIDING = "balanced_accuracy"  # what promotion is decided by, on the validation part
_EXPANDED: dict[tuple[object, ...], dict[str, Metric]] = {}


def metrics_of(labels: LabelSet = HAM10000) -> dict[str, Metric]:
    """The metrics of a label set by name: those of a diagnosis come last, diagnosis by diagnosis."""
    key = (labels.names, labels.not_to_miss, tuple(labels.full_names[name] for name in labels.names))
    if key not in _EXPANDED:
        overall = [entry for entry in TABLE if isinstance(entry, Metric) and entry.applies(labels)]
        of_diagnoses = [entry.of(labels, index) for index in range(len(labels)) for entry in OF_DIAGNOSIS]
        _EXPANDED[key] = {metric.name: metric for metric in (*overall, *of_diagnoses)}
    return _EXPANDED[key]


def sensitivity_not_to_miss(labels: LabelSet) -> str:
    """The name of the sensitivity to the diagnosis that must not be missed; empty if the set names none."""
    return f"sensitivity_{labels.not_to_miss}" if labels.not_to_miss else ""


def shown_at(place: Place, labels: LabelSet = HAM10000) -> tuple[Metric, ...]:
    """The metrics of a label set that are shown at a place, in order."""
    return tuple(metric for metric in metrics_of(labels).values() if place in metric.shown)


def overall_metrics(labels: LabelSet = HAM10000) -> tuple[Metric, ...]:
    """The metrics of a label set that are not of one diagnosis, in order."""
    return tuple(metric for metric in metrics_of(labels).values() if not metric.diagnosis)


def in_words(name: str) -> str:
    """The display name of a metric; an unknown name is returned without its underscores."""
    for entry in (*metrics_of().values(), *TABLE):
        if isinstance(entry, Metric) and entry.name == name:
            return entry.words
    for each in OF_DIAGNOSIS:
        if name.startswith(f"{each.name}_"):
            return f"{each.words} of {name.removeprefix(f'{each.name}_')}"
    return name.replace("_", " ")


def few_of(predictions: LabelledPredictions, unit: str = "images") -> list[str]:
    """The warning that some diagnoses have few images; unit: what is counted, in the plural."""
    names = predictions.label_set.names
    counts = np.bincount(predictions.labels, minlength=len(names))
    rare = [f"{name} ({count})" for name, count in zip(names, counts, strict=True) if count < FEW]
    return [f"Fewer than {FEW} {unit} of {', '.join(rare)}: their metrics are mostly chance."] if rare else []


def near_chance(metrics: Mapping[str, Estimate], diagnoses: int) -> str:
    """A warning if balanced accuracy is hardly above chance for this number of diagnoses; else empty.

    That is where its interval reaches down to it, or less than a tenth of the way from it to 1 is gone.
    """
    found, chance = metrics.get(DECIDING), 1 / diagnoses
    if found is None or not (found.low <= chance or found.value < chance + 0.1 * (1 - chance)):
        return ""
    told = f"Balanced accuracy {with_interval(found)} is hardly above {chance:.3f}, that of guessing"
    return f"{told}: the model has learnt little or nothing."


def with_interval(estimate: Estimate | None) -> str:
    """A value and its 95% interval as text; a dash if it is undefined."""
    return "–" if estimate is None else f"{estimate.value:.3f} ({ends(estimate)})"


def ends(estimate: Estimate | Difference, number: str = ".3f", to: str = " to ") -> str:
    """The interval of a value as text, or that it has none; number: the format of its bounds."""
    if np.isnan(estimate.low):
        return "no interval"
    return f"{estimate.low:{number}}{to}{estimate.high:{number}}"


def _estimate(
    metric: Metric,
    predictions: LabelledPredictions,
    lesion_of: np.ndarray,
    value: float,
    resampled: np.ndarray,
    weights: np.ndarray | None,
) -> Estimate | None:
    """A metric's value with its interval, (resamples,) to two ends; lesion_of: the lesion of each image, from 0.

    A ranking of fewer than `FEWEST_LESIONS` against the rest has none, but for an AUC of 0 or 1. weights: of the
    images, (images,). Exact intervals are then of the effective number of lesions (Korn and Graubard 1998, Survey
    Methodology 24, 193-201): a hundred of which one stands for a thousand others are no better than one or two.
    """
    rests_on = functools.partial(_rests_on, metric, predictions, lesion_of)
    if metric.cases is None:
        return interval(value, resampled, None if metric.share is None else rests_on(weights))
    if rests_on() < FEWEST_LESIONS and not (metric.of_pairs and value in (0.0, 1.0)):
        return Estimate(value, np.nan, np.nan)
    return interval(value, resampled, rests_on(weights) if metric.of_pairs else None)


def _rests_on(
    metric: Metric, predictions: LabelledPredictions, lesion_of: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """The number of lesions behind a metric, the effective one of weighted images; for a ranking, of the smaller side.

    A lesion counts as much as its images do on average, however many it has.
    """

    def lesions(images: np.ndarray) -> float:
        counts = np.bincount(lesion_of[images])
        if weights is None:
            return int(np.count_nonzero(counts))
        return effective_size(ratio(np.bincount(lesion_of[images], weights[images]), counts)[counts > 0])

    if metric.cases is not None:
        cases = metric.cases(predictions)
        return min(lesions(cases), lesions(~cases))
    return lesions(_all(predictions) if metric.share is None else metric.share(predictions)[1])


def effective_size(weights: np.ndarray) -> float:
    """How many equally weighted units say as much as units of these weights (Kish 1965); 0 of none."""
    if not len(weights):
        return 0.0
    relative = weights / weights.max()  # the square of a very large one would be infinite
    return float(relative.sum() ** 2 / np.square(relative).sum())


def measure(
    predictions: LabelledPredictions, *, weights: np.ndarray | None = None, resamples: int = 2000, seed: int = 0
) -> dict[str, Estimate]:
    """All metrics that are defined on some images, each with its 95 % interval from a bootstrap over lesions.

    The values are those of `metric_values`, the intervals those of `bootstrap.interval`, from resamples that draw
    lesions with all their images. A metric that a resample leaves undefined does without that resample; averages over
    diagnoses are then over those that are in it. Intervals that rest on a dozen lesions or fewer are too narrow, as
    those of any bootstrap; only shares and AUC of 0 and 1 have exact ones, and what `INTERVAL_RULE` and
    `bootstrap.interval` say has none. The ECE has an interval of its own, see `bootstrap.calibration_interval`.

    Parameters
    ----------
    predictions : LabelledPredictions
    weights : (images,) float, optional
        How much each image counts, which every resample keeps; all the same unless given.
    resamples : int
        How often lesions are drawn.
    seed : int
        Of the draws.

    Raises
    ------
    DataError
        Where there are no images.
    """
    values, known, relative = metric_values(predictions), metrics_of(predictions.label_set), None
    gaps_of_all = calibration_gaps(predictions).mean(axis=0)
    if weights is not None:
        relative = weights / weights.max()
        (tally,) = tallies(predictions, relative[None], relative)
        values = {name: float(known[name].under(tally)[0]) for name in values}
        (gaps_of_all,) = tally.calibration_gaps
    resampled, gaps = _resampled(predictions, tuple(values), resamples, seed, relative)
    _, lesion_of = np.unique(predictions.lesion_ids, return_inverse=True)
    found = {}
    for name, value in values.items():
        estimate = _estimate(known[name], predictions, lesion_of, value, resampled[name], weights)
        if estimate is not None:
            found[name] = estimate
    return found | {"ece": calibration_interval(gaps_of_all, gaps)}


def metric_values(predictions: LabelledPredictions) -> dict[str, float]:
    """The values of all metrics that are defined on some images, by name.

    Accuracy, balanced accuracy (the mean of the sensitivities), macro F1 and each diagnosis's sensitivity,
    specificity, PPV and NPV are of the diagnosis that is called; `..._of_most_probable` of the most probable one;
    `accuracy_of_trusted` of images that are not referred, and `referred` is the share that is. AUC and average
    precision set a diagnosis against the rest, by its probability; `macro_...` are means over diagnoses, each counting
    once. `malignant_...` are of malignant against benign: sensitivity, specificity, PPV and NPV at the operating point,
    AUC and average precision by the malignant probability. `malignant_auc_above_80` is the area under the ROC curve
    from 80 % sensitivity on, straight down to the axis, as the ISIC 2018 challenge had it: at best 1, and 0.18 by
    chance. `malignant_partial_auc` is what of that area lies above 80 % sensitivity, as the ISIC 2024 challenge had it:
    at best 0.2, and 0.02 by chance. Log loss is in nats, the Brier score between 0 and 2, ECE that of
    `expected_calibration_error`. All agree with scikit-learn where it has them.

    Averages are over diagnoses that have images. What is not defined is left out: the sensitivity of a diagnosis
    without images, the PPV of one that is never called, AUC and average precision where all images or none have it.
    Raises `DataError` where there are no images.
    """
    if not len(predictions):
        raise DataError("there are no images to measure a model on")
    once = weighted_metrics(predictions, np.ones((1, len(predictions))))
    return {name: float(values[0]) for name, values in once.items() if not np.isnan(values[0])}


def weighted_metrics(
    predictions: LabelledPredictions, weights: np.ndarray, names: Iterable[str] | None = None
) -> dict[str, np.ndarray]:
    """Some metrics by name, (weightings,) float64 each, NaN where a weighting leaves one undefined.

    weights: (weightings, images), how often each image counts: whole numbers, at least one above 0 in a row. Images
    with equal scores share their rank; averages over diagnoses are over those that have images in the weighting. names:
    all of the label set's unless given.
    """
    known = metrics_of(predictions.label_set)
    names = tuple(known if names is None else names)
    found = [[known[name].under(tally) for name in names] for tally in tallies(predictions, weights)]
    return {name: np.concatenate([chunk[index] for chunk in found]) for index, name in enumerate(names)}


def _resampled(
    predictions: LabelledPredictions, names: Sequence[str], resamples: int, seed: int, weights: np.ndarray | None = None
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """The metrics of the resamples, (resamples,) each, and the gaps of the ECE: (resamples, bins)."""
    chunks, gaps, known = [], [], metrics_of(predictions.label_set)
    for tally in resampled_tallies(predictions, resamples, seed, weights):
        chunks.append([known[name].under(tally) for name in names])
        gaps.append(tally.calibration_gaps)
    found = {name: np.concatenate([chunk[index] for chunk in chunks]) for index, name in enumerate(names)}
    return found, np.concatenate(gaps)


def expected_calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """ECE of the most probable diagnosis: the gap between confidence and accuracy, averaged over images by bin.

    15 bins of equal width (Guo et al. 2017, arXiv:1706.04599). labels: (images,); probabilities: (images, diagnoses).
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    gaps = np.bincount(confidence_bins(confidence), weights=confidence - right)  # summed, not averaged
    return float(np.abs(gaps).sum() / len(labels))


def confusion_matrix(predictions: LabelledPredictions) -> np.ndarray:
    """Numbers of images, (diagnoses, diagnoses) int64: row the true diagnosis, column the called one."""
    labels, called, side = predictions.labels, predictions.called, len(predictions.label_set)
    return np.bincount(labels * side + called, minlength=side * side).reshape(side, side)


@dataclass(frozen=True)
class Difference:
    """A metric of one model minus that of another on the same images, with the ends of its 95 % interval or NaN."""

    value: float
    low: float
    high: float
    probability_better: float  # the share of resamples in which the first model is better, equal ones half


def compare(
    first: LabelledPredictions,
    second: LabelledPredictions,
    names: Sequence[str] | None = None,
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> dict[str, Difference]:
    """The differences first minus second of some metrics, by name, from a paired bootstrap over lesions.

    Both models' metrics are taken on the same resamples, so that what is hard about the images cancels out. A metric
    that is not defined on these images is left out; a resample that leaves one undefined does not count for it. Where
    too few lesions are behind a difference for an interval, the probability is that of no evidence, 0.5.

    Parameters
    ----------
    first, second : LabelledPredictions
        Both for the same images, lesions and labels, in any order.
    names : sequence of str, optional
        Those that `lesionflow compare` shows, unless given.
    resamples, seed : int
        How often lesions are drawn, and the seed of the draws.

    Raises
    ------
    DataError
        Unless both are of the same images, lesions and labels.
    UsageError
        For a name that is no metric of their label set.
    """
    known = metrics_of(first.label_set)
    names = [name for name, metric in known.items() if Place.COMPARISON in metric.shown] if names is None else names
    if unknown := [name for name in names if name not in known]:
        raise UsageError(f"no metric {first_few(unknown)}; there are {', '.join(known)}")
    first, second = _in_order(first), _in_order(second)
    _check_same(first, second)
    once = np.ones((1, len(first)))
    values = [weighted_metrics(each, once, names) for each in (first, second)]
    ours, theirs = (_resampled(each, names, resamples, seed)[0] for each in (first, second))
    found = {}
    _, lesion_of = np.unique(first.lesion_ids, return_inverse=True)
    for name in names:
        metric, resampled = known[name], ours[name] - theirs[name]
        estimate = interval(float(values[0][name][0] - values[1][name][0]), resampled)
        if estimate is None or np.isnan(estimate.value):
            continue
        few = _rests_on(metric, first, lesion_of) < FEWEST_LESIONS
        if few and (metric.cases is not None or np.isnan(estimate.low)):
            found[name] = Difference(estimate.value, np.nan, np.nan, 0.5)
        else:
            gain = -resampled if metric.better is Better.LOWER else resampled
            gain = gain[~np.isnan(gain)]
            found[name] = Difference(*estimate, float(((gain > 0).mean() + (gain >= 0).mean()) / 2))
    return found


def _in_order(predictions: LabelledPredictions) -> LabelledPredictions:
    return predictions.take(np.argsort(predictions.image_ids, kind="stable"))


def _check_same(first: LabelledPredictions, second: LabelledPredictions) -> None:
    """Refuse to compare predictions for different images; both are in the order of image ids."""
    if not len(first) or not len(second):
        raise DataError("there are no images to compare two models on")
    for predictions in (first, second):
        ids, counts = np.unique(predictions.image_ids, return_counts=True)
        if twice := ids[counts > 1].tolist():
            raise DataError(f"{counted(len(twice), 'image', 'is', 'are')} there more than once: {first_few(twice)}")
    if alone := sorted({*first.image_ids.tolist()} ^ {*second.image_ids.tolist()}):
        raise DataError(
            f"two models can only be compared on the same images; {counted(len(alone), 'image', 'is', 'are')} "
            f"with one of them alone: {first_few(alone)}"
        )
    for what, ours, theirs in (
        ("diagnosis", first.labels, second.labels),
        ("lesion", first.lesion_ids, second.lesion_ids),
    ):
        if differing := first.image_ids[ours != theirs].tolist():
            raise DataError(
                f"two models can only be compared on the same data; the {what} of {counted(len(differing), 'image')} "
                f"differs: {first_few(differing)}"
            )
