"""Every metric under many weightings of the same images at once: what a bootstrap is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lesionflow.diagnoses import DIAGNOSES, MALIGNANT_INDICES
from lesionflow.model.prediction import TRUSTED, LabelledPredictions

NV = DIAGNOSES.index("nv")
CALIBRATION_BINS = 15
HIGH_SENSITIVITY = 0.8  # the ISIC 2018 challenge looks at the ROC curve from here on
OVERALL_METRICS = (
    "accuracy", "accuracy_of_always_nv", "accuracy_of_most_probable", "balanced_accuracy",
    "balanced_accuracy_of_most_probable", "macro_f1", "macro_auc", "macro_average_precision", "log_loss", "brier",
    "ece", "referred", "accuracy_of_trusted", "malignant_auc", "malignant_auc_above_80", "malignant_sensitivity",
    "malignant_specificity", "malignant_ppv", "malignant_npv",
)  # fmt: skip
DIAGNOSIS_METRICS = ("sensitivity", "specificity", "ppv", "npv", "auc", "average_precision")
METRICS = (*OVERALL_METRICS, *(f"{metric}_{dx}" for dx in DIAGNOSES for metric in DIAGNOSIS_METRICS))
LOWER_IS_BETTER = ("log_loss", "brier", "ece")
_OF_CURVES = tuple(name for name in METRICS if "auc" in name or "average_precision" in name)
_OF_MALIGNANT_CURVE = ("malignant_auc", "malignant_auc_above_80")
_CHUNK = 2**19  # numbers in one array of a chunk of weightings: they stay in the processor's cache


def weighted_metrics(
    predictions: LabelledPredictions, weights: np.ndarray, names: Sequence[str] = METRICS
) -> dict[str, np.ndarray]:
    """Some of `METRICS` by name, (weightings,) float64 each, NaN where a weighting leaves one undefined.

    weights: (weightings, images), how often each image counts: whole numbers, at least one above 0 in a row. The
    definitions are those of `metrics.figures`. Images with equal scores share their rank; averages over diagnoses are
    over those that have images in the weighting.
    """
    rows = max(1, _CHUNK // len(predictions))
    measured = _Measured(predictions, names)
    chunks = [measured.under(weights[start : start + rows]) for start in range(0, len(weights), rows)]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in names}


def shares(predictions: LabelledPredictions) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The metrics that are a share of images: by name, which images count, among which; both (images,) bool."""
    labels, called, said = predictions.labels, predictions.called, predictions.malignant
    malignant, trusted = np.isin(labels, MALIGNANT_INDICES), predictions.refer == TRUSTED
    every = np.ones(len(predictions), dtype=bool)
    found = {
        "accuracy": (called == labels, every),
        "accuracy_of_always_nv": (labels == NV, every),
        "accuracy_of_most_probable": (predictions.probabilities.argmax(axis=1) == labels, every),
        "referred": (~trusted, every),
        "accuracy_of_trusted": (called == labels, trusted),
        "malignant_sensitivity": (said, malignant),
        "malignant_specificity": (~said, ~malignant),
        "malignant_ppv": (malignant, said),
        "malignant_npv": (~malignant, ~said),
    }
    for place, diagnosis in enumerate(DIAGNOSES):
        true, positive = labels == place, called == place
        found |= {
            f"sensitivity_{diagnosis}": (positive, true),
            f"specificity_{diagnosis}": (~positive, ~true),
            f"ppv_{diagnosis}": (true, positive),
            f"npv_{diagnosis}": (~true, ~positive),
        }
    return {name: (counted & among, among) for name, (counted, among) in found.items()}


def losses(predictions: LabelledPredictions) -> dict[str, np.ndarray]:
    """The metrics that are a mean over images: each image's part in them, (images,) float64, by name.

    Log loss in nats, with probabilities kept from 0 as scikit-learn does; Brier: the sum over the seven diagnoses of
    squared differences (0 at best, 2 at worst; Brier 1950, Monthly Weather Review 78, 1-3).
    """
    probabilities, labels = predictions.probabilities, predictions.labels
    true = np.eye(len(DIAGNOSES))[labels]  # (images, 7)
    least = np.finfo(np.float64).eps
    of_truth = np.clip(probabilities[np.arange(len(labels)), labels], least, 1 - least)
    return {"log_loss": -np.log(of_truth), "brier": np.square(probabilities - true).sum(axis=1)}


def confidence_bins(confidence: np.ndarray, bins: int = CALIBRATION_BINS) -> np.ndarray:
    """Which of some bins of equal width each confidence lies in: (images,) to (images,) int64; 1 is in the last."""
    return np.asarray(np.minimum((confidence * bins).astype(np.int64), bins - 1))


def calibration_gaps(predictions: LabelledPredictions) -> np.ndarray:
    """How far the probability of the most probable diagnosis is above whether that is right: (images, bins).

    An image has its gap in its bin and zeros beside it. The ECE adds up the absolute sums of the bins.
    """
    confidence = predictions.probabilities.max(axis=1)
    gaps = confidence - (predictions.probabilities.argmax(axis=1) == predictions.labels)
    return np.asarray(np.eye(CALIBRATION_BINS)[confidence_bins(confidence)] * gaps[:, None])


@dataclass(frozen=True)
class _Ranking:
    """Images from the highest score to the lowest."""

    order: np.ndarray  # (images,) int64
    ends: np.ndarray  # (scores,) int64: where in that order the last image of each score is
    cases: np.ndarray  # (images,) bool, in that order


class _Measured:
    """What the metrics need of images, worked out once for all weightings."""

    def __init__(self, predictions: LabelledPredictions, names: Sequence[str]) -> None:
        labels, probabilities = predictions.labels, predictions.probabilities
        pairs, each_loss = shares(predictions), losses(predictions)
        counted, among = (np.stack(masks, axis=1) for masks in zip(*pairs.values(), strict=True))
        right = (probabilities.argmax(axis=1) == labels)[:, None] * np.eye(len(DIAGNOSES))[labels]  # (images, 7)
        parts = (counted, among, right, np.stack(list(each_loss.values()), axis=1), calibration_gaps(predictions))
        self.shares, self.losses = list(pairs), list(each_loss)
        self.summed = np.concatenate(parts, axis=1, dtype=np.float64)  # all that has to be added up, in one product
        self.cuts = np.cumsum([part.shape[1] for part in parts])[:-1]
        # Curves are most of the work: those that nothing asks for or that have no cases are not drawn.
        malignant, each = np.isin(labels, MALIGNANT_INDICES), set(names) & set(_OF_CURVES) - set(_OF_MALIGNANT_CURVE)
        self.rankings = {
            diagnosis: _ranking(probabilities[:, place], labels == place)
            for place, diagnosis in enumerate(DIAGNOSES)
            if each and (labels == place).any()
        }
        if malignant.any() and set(names) & set(_OF_MALIGNANT_CURVE):
            self.rankings["malignant"] = _ranking(predictions.malignant_probability, malignant)

    def under(self, weights: np.ndarray) -> dict[str, np.ndarray]:
        sums = weights.astype(np.float64) @ self.summed
        counted, among, also_right, of_losses, gaps = np.split(sums, self.cuts, axis=1)
        total = among[:, [self.shares.index("accuracy")]]
        true, called = ([self.shares.index(f"{metric}_{dx}") for dx in DIAGNOSES] for metric in ("sensitivity", "ppv"))
        right, images, calls = counted[:, true], among[:, true], among[:, called]  # (weightings, 7)
        with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 is how the undefined becomes NaN
            found = dict(zip(self.shares, (counted / among).T, strict=True))
            found |= dict(zip(self.losses, (of_losses / total).T, strict=True))
            found["ece"] = (np.abs(gaps) / total).sum(axis=1)
            found["balanced_accuracy"] = _mean(right / images)
            found["balanced_accuracy_of_most_probable"] = _mean(also_right / images)
            found["macro_f1"] = _mean(np.where(images > 0, 2 * right / (images + calls), np.nan))
            found |= self._of_curves(weights.astype(np.int32))  # whole numbers add up several times as fast
        return found

    def _of_curves(self, counts: np.ndarray) -> dict[str, np.ndarray]:
        found = dict.fromkeys(_OF_CURVES, np.full(len(counts), np.nan))
        for name, ranking in self.rankings.items():
            curve = _Curve(counts, ranking)
            if name == "malignant":
                found |= {"malignant_auc": curve.auc(), "malignant_auc_above_80": curve.auc_above(HIGH_SENSITIVITY)}
            else:
                found |= {f"auc_{name}": curve.auc(), f"average_precision_{name}": curve.average_precision()}
        for metric in ("auc", "average_precision"):
            found[f"macro_{metric}"] = _mean(np.stack([found[f"{metric}_{dx}"] for dx in DIAGNOSES], axis=1))
        return found


class _Curve:
    """Cases and controls found so far at each score, from the highest on: (weightings, scores) each."""

    def __init__(self, counts: np.ndarray, ranking: _Ranking) -> None:
        ordered = counts[:, ranking.order]
        self.found = _cumulated(ordered, ranking.ends)
        self.cases = _cumulated(ordered * ranking.cases, ranking.ends)
        self.controls = self.found - self.cases

    def auc(self) -> np.ndarray:
        """The area under the ROC curve; equal scores count half."""
        area = (_steps(self.controls) * (self.cases + _before(self.cases))).sum(axis=1) / 2
        return np.asarray(area / self.cases[:, -1] / self.controls[:, -1])

    def auc_above(self, sensitivity: float) -> np.ndarray:
        """The area under that part of the ROC curve where sensitivity is at least so high, as a share of all area."""
        rate = self.cases / self.cases[:, -1:]
        before = _before(rate)
        # On the segment that crosses the line, only the part beyond counts.
        part = np.where(before < sensitivity, (rate - sensitivity) / np.maximum(rate - before, 1e-300), 1.0)
        width = _steps(self.controls) * np.clip(part, 0, 1)
        area = np.where(rate >= sensitivity, width * (rate + np.maximum(before, sensitivity)) / 2, 0.0).sum(axis=1)
        return np.asarray(area / self.controls[:, -1] + 0 * self.cases[:, -1] / self.cases[:, -1])

    def average_precision(self) -> np.ndarray:
        """Precision, averaged over the steps of sensitivity; without controls it would say nothing."""
        precision = self.cases / np.maximum(self.found, 1)
        mean = (_steps(self.cases) * precision).sum(axis=1) / self.cases[:, -1]
        return np.where(self.controls[:, -1] > 0, mean, np.nan)


def _ranking(scores: np.ndarray, cases: np.ndarray) -> _Ranking:
    order = np.argsort(-scores, kind="stable")
    last_of_its_score = np.append(np.diff(scores[order]) != 0, True)
    return _Ranking(order, np.flatnonzero(last_of_its_score), cases[order])


def _cumulated(counts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    return np.cumsum(counts, axis=1, dtype=np.int32)[:, ends].astype(np.float64)


def _before(cumulated: np.ndarray) -> np.ndarray:
    return np.concatenate([np.zeros((len(cumulated), 1)), cumulated[:, :-1]], axis=1)


def _steps(cumulated: np.ndarray) -> np.ndarray:
    return np.diff(cumulated, axis=1, prepend=0.0)


def _mean(figures: np.ndarray) -> np.ndarray:
    """(weightings, diagnoses) to (weightings,): the mean of those that are defined, NaN where none is."""
    defined = ~np.isnan(figures)
    return np.asarray(np.where(defined, figures, 0.0).sum(axis=1) / defined.sum(axis=1))
