"""All metrics: names, definitions and where they are shown. A new metric is one entry of `TABLE`."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from lesionflow.diagnoses import HAM10000, LabelSet
from lesionflow.errors import counted
from lesionflow.evaluation.bootstrap import MALIGNANT, Kinds, Tally
from lesionflow.evaluation.plots import FEW
from lesionflow.model.card import Estimate
from lesionflow.model.prediction import LabelledPredictions

FEWEST_LESIONS = 5  # of a diagnosis: what ranks fewer of them against the rest has no interval
INTERVAL_RULE = (
    "AUC and average precision of a diagnosis against the rest, or of malignant against benign, have no interval where "
    f"fewer than {counted(FEWEST_LESIONS, 'lesion')} are on one side. Nor has a metric that is the same in all "
    "resamples. Shares and AUC of exactly 0 or 1 have an exact interval, from the number of lesions behind them. "
    "Averages over diagnoses (balanced accuracy, macro AUC, macro F1, macro average precision) have one also where a "
    "diagnosis has few lesions: in each resample, they are over the diagnoses that are in it."
)
_NEARLY_NONE = 0.005  # what rounds to 0 %, as the model card has it
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
    HUB = enum.auto()  # what the Hugging Face hub reads of a model card
    PRECISION = enum.auto()  # what an exported file of a lower precision costs


@dataclass(frozen=True)
class Metric:
    """A metric of a model on some images."""

    name: str  # in cards, in JSON and in MLflow
    display_name: str  # for people
    short: str = ""  # the same where there is little room: at most 20 characters
    better: Better = Better.HIGHER
    headline: str = ""  # above its value at the top of a page, where that is not `short`
    column: str = ""  # above its values in the table that a training prints, where it is there
    shown: frozenset[Place] = frozenset()
    # One of these two. A share is of images among others, and has an exact interval where it is 0 or 1.
    share: Callable[[Kinds], Masks] | None = field(default=None, repr=False)
    compute: Callable[[Tally], np.ndarray] | None = field(default=None, repr=False)
    predictive: bool = False  # whether the share is a PPV or NPV: not defined where it is of all images or none
    # Which images a ranking is of, against the rest, and whether it is a mean over pairs of these and those.
    cases: Callable[[Kinds], np.ndarray] | None = field(default=None, repr=False)
    of_pairs: bool = False
    diagnosis: str = ""  # that it is of, against the rest; empty where it is of all
    applies: Callable[[LabelSet], bool] = field(default=lambda labels: True, repr=False)  # which label sets have it

    def under(self, tally: Tally) -> np.ndarray:
        """Its values under the weightings of a tally: (weightings,), NaN where it is not defined."""
        if self.share is not None:
            cases, among = self.share(tally.kinds)
            told = tally.share(cases, among)
            if not self.predictive:
                return told
            return np.where((tally.count(cases) > 0) & (tally.count(~cases) > 0), told, np.nan)
        assert self.compute is not None
        return self.compute(tally)


@dataclass(frozen=True)
class OfDiagnosis:
    """A one-against-rest metric of each diagnosis: `name_mel`, and so on."""

    name: str
    display_name: str
    shown: frozenset[Place] = frozenset()
    shown_not_to_miss: frozenset[Place] = frozenset()  # only that of the diagnosis that must not be missed
    share: Callable[[Kinds, int], Masks] | None = field(default=None, repr=False)
    compute: Callable[[Tally, int], np.ndarray] | None = field(default=None, repr=False)
    predictive: bool = False
    of_pairs: bool = False

    def of(self, labels: LabelSet, index: int) -> Metric:
        """The metric of one diagnosis of a label set."""
        diagnosis, share, compute = labels.names[index], self.share, self.compute
        return Metric(
            f"{self.name}_{diagnosis}",
            f"{self.display_name} of {diagnosis}",
            f"{short_full_name(labels, diagnosis)} {self.display_name}",
            shown=self.shown | (self.shown_not_to_miss if diagnosis == labels.not_to_miss else frozenset()),
            share=None if share is None else lambda images: share(images, index),
            compute=None if compute is None else lambda tally: compute(tally, index),
            predictive=self.predictive,
            cases=None if compute is None else lambda images: images.labels == index,
            of_pairs=self.of_pairs,
            diagnosis=diagnosis,
        )


def short_full_name(labels: LabelSet, diagnosis: str) -> str:
    """The full name of a diagnosis, up to what stands behind a slash or in brackets."""
    return labels.full_names[diagnosis].partition(" / ")[0].partition(" (")[0]


def _all(images: Kinds) -> np.ndarray:
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
        "balanced_accuracy", "balanced accuracy of the calls", "balanced accuracy", column="balanced",
        shown=_places(*Place),
        compute=lambda tally: _mean_sensitivity(tally, tally.called),
    ),
    Metric(
        "macro_auc", "macro AUC, each diagnosis against the rest", "macro AUC", column="AUC",
        shown=_places(
            _P.HEADLINE, _P.MODEL_CARD, _P.TERMS, _P.COMPARISON, _P.RUNS, _P.DECIDING, _P.FIT_GAP, _P.GROUPS, _P.HUB
        ),
        compute=_macro(_auc),
    ),
    Metric(
        "accuracy", "accuracy of the calls", "accuracy", column="accuracy",
        shown=_places(_P.HEADLINE, _P.MODEL_CARD, _P.RUNS, _P.FIT_GAP),
        share=lambda images: (images.called == images.labels, _all(images)),
    ),
    Metric(
        "accuracy_of_always_nv", "accuracy of always answering nv", better=Better.NEITHER, column="always nv",
        shown=_places(_P.MODEL_CARD, _P.RUNS),
        share=lambda images: (images.labels == images.label_set.index_of("nv"), _all(images)),
        applies=lambda labels: "nv" in labels.names,
    ),
    Metric(
        "accuracy_of_always_commonest", "accuracy of always answering the most frequent diagnosis",
        better=Better.NEITHER, column="commonest",
        shown=_places(_P.MODEL_CARD, _P.RUNS),
        compute=lambda tally: tally.of_commonest / tally.total,
        applies=lambda labels: "nv" not in labels.names,
    ),
    Metric(
        "accuracy_of_most_probable", "accuracy of the most probable diagnosis",
        share=lambda images: (images.most_probable == images.labels, _all(images)),
    ),
    Metric(
        "balanced_accuracy_of_most_probable", "balanced accuracy of the most probable diagnosis",
        compute=lambda tally: _mean_sensitivity(tally, tally.most_probable),
    ),
    Metric("macro_f1", "macro F1", shown=_places(_P.RUNS), compute=_macro_f1),
    Metric("macro_average_precision", "macro average precision", compute=_macro(_average_precision)),
    Metric(
        "malignant_sensitivity", "malignant sensitivity at the operating point", "malignant sensitivity",
        column="sens.",
        shown=_places(_P.HEADLINE, _P.MODEL_CARD, _P.RUNS, _P.GROUPS, _P.GROUPS_PLOT, _P.GROUP_GAPS, _P.HUB),
        share=lambda images: (images.malignant, images.is_malignant),
    ),
    Metric(
        "malignant_specificity", "malignant specificity at the operating point", "malignant specificity",
        column="spec.",
        shown=_places(_P.HEADLINE, _P.MODEL_CARD, _P.RUNS, _P.GROUPS, _P.GROUPS_PLOT, _P.GROUP_GAPS, _P.HUB),
        share=lambda images: (~images.malignant, ~images.is_malignant),
    ),
    Metric(
        "malignant_ppv", "malignant positive predictive value (PPV)",
        share=lambda images: (images.is_malignant, images.malignant), predictive=True,
    ),
    Metric(
        "malignant_npv", "malignant negative predictive value (NPV)",
        share=lambda images: (~images.is_malignant, ~images.malignant), predictive=True,
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
        shown=_places(
            _P.HEADLINE, _P.MODEL_CARD, _P.COMPARISON, _P.RUNS, _P.DECIDING, _P.GROUP_GAPS, _P.HUB, _P.PRECISION
        ),
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
        share=lambda images: (~images.trusted, _all(images)),
    ),
    Metric(
        "accuracy_of_trusted", "accuracy of the calls that are not referred",
        shown=_places(_P.RUNS),
        share=lambda images: (images.called == images.labels, images.trusted),
    ),
    OfDiagnosis(
        "sensitivity", "sensitivity",
        shown=_places(_P.MODEL_CARD, _P.RUNS), shown_not_to_miss=_places(_P.COMPARISON, _P.DECIDING, _P.TERMS),
        share=lambda images, i: (images.called == i, images.labels == i),
    ),
    OfDiagnosis(
        "specificity", "specificity", share=lambda images, i: (images.called != i, images.labels != i)
    ),
    OfDiagnosis("ppv", "PPV", share=lambda images, i: (images.labels == i, images.called == i), predictive=True),
    OfDiagnosis("npv", "NPV", share=lambda images, i: (images.labels != i, images.called != i), predictive=True),
    OfDiagnosis("auc", "AUC", compute=_auc, of_pairs=True),
    OfDiagnosis("average_precision", "average precision", compute=_average_precision),
)  # fmt: skip


# Where a diagnosis is called malignant, it has metrics of nearly the same names as those of the flag.
FLAG_AND_CALL = (
    "malignant_sensitivity and malignant_specificity are of the flag at the operating point, sensitivity_malignant and "
    "specificity_malignant of the diagnosis called"
)
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
            return entry.display_name
    for each in OF_DIAGNOSIS:
        if name.startswith(f"{each.name}_"):
            return f"{each.display_name} of {name.removeprefix(f'{each.name}_')}"
    return name.replace("_", " ")


def few_of(predictions: LabelledPredictions, unit: str = "images") -> list[str]:
    """Warnings about diagnoses without images, or with few; unit: what is counted, in the plural."""
    names = predictions.label_set.names
    counts = np.bincount(predictions.labels, minlength=len(names))
    absent = [name for name, count in zip(names, counts, strict=True) if not count]
    rare = [f"{name} ({count})" for name, count in zip(names, counts, strict=True) if 0 < count < FEW]
    told = [f"no {unit} of {', '.join(absent)}: averages are over the other diagnoses"] if absent else []
    return told + ([f"fewer than {FEW} {unit} of {', '.join(rare)}: their metrics are mostly chance"] if rare else [])


def doubts(metrics: Mapping[str, Estimate], diagnoses: int) -> list[str]:
    """Warnings about a model that can hardly be of use; diagnoses: how many its label set has."""
    return [told for told in (near_chance(metrics, diagnoses), *_one_sided(metrics)) if told]


def _one_sided(metrics: Mapping[str, Estimate]) -> Iterator[str]:
    """Warnings that nearly everything is flagged as malignant, or nearly nothing."""
    for name, without_exception, nearly in (
        ("malignant_specificity", "all benign images are", "nearly all benign images are"),
        ("malignant_sensitivity", "no malignant image is", "hardly any malignant image is"),
    ):
        found = metrics.get(name)
        if found is not None and found.value < _NEARLY_NONE:
            told = nearly if found.value else without_exception
            yield f"{name.replace('_', ' ')} {with_interval(found)}: {told} flagged as malignant"


def near_chance(metrics: Mapping[str, Estimate], diagnoses: int) -> str:
    """A warning if balanced accuracy is not clearly above chance for this number of diagnoses; else empty.

    That is where its interval reaches down to it, or less than a tenth of the way from it to 1 is gone.
    """
    found, chance = metrics.get(DECIDING), 1 / diagnoses
    if found is None or not (found.low <= chance or found.value < chance + 0.1 * (1 - chance)):
        return ""
    far = found.value >= chance + 0.1 * (1 - chance)  # with an interval that reaches down to chance all the same
    how = "not clearly above" if far else "hardly above" if found.value > chance else "no better than"
    told = f"balanced accuracy {with_interval(found)} is {how} {chance:.3f}, that of guessing"
    return f"{told}: the model {'may have' if far else 'has'} learnt little or nothing"


def with_interval(estimate: Estimate | None) -> str:
    """A value and its 95% interval as text; a dash if it is undefined."""
    return "–" if estimate is None else f"{estimate.value:.3f} ({ends(estimate)})"


def ends(estimate: Estimate | Difference, number: str = ".3f", to: str = " to ") -> str:
    """The interval of a value as text, or that it has none; number: the format of its bounds."""
    if np.isnan(estimate.low):
        return "no interval"
    return f"{estimate.low:{number}}{to}{estimate.high:{number}}"


@dataclass(frozen=True)
class Difference:
    """A metric of one model minus that of another on the same images, with the ends of its 95 % interval or NaN."""

    value: float
    low: float
    high: float
    probability_better: float  # the share of resamples in which the first model is better, equal ones half
