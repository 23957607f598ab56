"""How far images differ from a model's validation part, which may explain different metrics.

The measure is what the model says of its own validation part, which its bundle keeps: images of the same origin as
those of training that it has not learned from.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lesionflow.evaluation.bootstrap import SECTION_RESAMPLES, interval, ratio, resampled_sums
from lesionflow.evaluation.metrics import FEWEST_LESIONS, with_interval
from lesionflow.model.card import Estimate
from lesionflow.model.prediction import UNFAMILIAR, LabelledPredictions

MUCH_UNFAMILIAR = 0.05  # of the images: a page warns from there on


@dataclass(frozen=True)
class ScoreShift:
    """The distribution of one score on these images and on the validation part."""

    name: str
    display_name: str
    here: float  # mean
    validation: float  # mean
    difference: Estimate  # of the means, here minus validation
    # The same where every diagnosis has the share that it has in validation, among those of which both have some
    # lesions: what is left does not come of another mix of diagnoses.
    same_mix: Estimate | None
    distance: float  # greatest gap of the two distribution functions (Kolmogorov and Smirnov): 0 the same, 1 apart


@dataclass(frozen=True)
class Shift:
    """How far images are from the training images."""

    unfamiliar: Estimate | None  # share of images unlike the training images; None where the model cannot tell
    unfamiliar_in_validation: float | None
    validation_images: int  # or lesions, if these are measured; 0 if the bundle has no predictions for them
    scores: tuple[ScoreShift, ...] = ()

    def metrics(self) -> dict[str, float]:
        """By name, for MLflow."""
        found = {} if self.unfamiliar is None else {"unfamiliar": self.unfamiliar.value}
        for score in self.scores:
            found |= {f"{score.name}_difference": score.difference.value, f"{score.name}_distance": score.distance}
            if score.same_mix is not None:
                found[f"{score.name}_difference_same_mix"] = score.same_mix.value
        return found


def shift_told(shift: Shift, unit: str) -> str:
    """In one sentence without its end; unit: images or lesions."""
    told = []
    if shift.unfamiliar is not None:
        there = shift.unfamiliar_in_validation
        beside = "" if there is None else f", in validation {there:.3f}"
        told.append(f"{with_interval(shift.unfamiliar)} of the {unit} are unlike the training images{beside}")
    told += [
        f"mean {score.display_name} {score.here:.3f}, in validation {score.validation:.3f}" for score in shift.scores
    ]
    return "; ".join(told) or "the model tells nothing of its training images that these could be compared with"


def measure_shift(
    predictions: LabelledPredictions, validation: LabelledPredictions | None, *, tells_unfamiliar: bool
) -> Shift:
    """Compare a model's predictions for images from elsewhere with those for its own validation part.

    validation: None where its bundle came without; tells_unfamiliar: whether the model has a limit beyond which an
    image counts as unlike the training images.
    """
    unfamiliar = None
    if tells_unfamiliar:
        is_unfamiliar = predictions.refer == UNFAMILIAR
        value, resampled = _means(predictions, is_unfamiliar.astype(np.float64))[:2]
        unfamiliar = interval(value, resampled, len(np.unique(predictions.lesion_ids)))
    if validation is None:
        return Shift(unfamiliar, None, 0)
    of_validation = float((validation.refer == UNFAMILIAR).mean()) if tells_unfamiliar else None
    scores = (
        _score_shift("malignant_probability", "malignant probability", predictions.malignant_probability,
                     validation.malignant_probability, predictions, validation),
        _score_shift("confidence", "probability of the most probable diagnosis", predictions.probabilities.max(axis=1),
                     validation.probabilities.max(axis=1), predictions, validation),
    )  # fmt: skip
    return Shift(unfamiliar, of_validation, len(validation), scores)


def _score_shift(
    name: str, label: str, here: np.ndarray, there: np.ndarray, ours: LabelledPredictions, theirs: LabelledPredictions
) -> ScoreShift:
    mean, resampled, by_diagnosis = _means(ours, here)
    of_validation, of_resamples, validation_by_diagnosis = _means(theirs, there, seed=1)
    lesions, lesions_there = _lesions(ours), _lesions(theirs)
    difference = interval(mean - of_validation, resampled - of_resamples)
    if min(lesions.sum(), lesions_there.sum()) < FEWEST_LESIONS:  # the resamples of few lesions hardly differ
        difference = Estimate(mean - of_validation, np.nan, np.nan)
    assert difference is not None  # means of some images are always defined
    common = np.flatnonzero(np.minimum(lesions, lesions_there) >= FEWEST_LESIONS)
    same_mix = None
    if len(common):
        mix = np.bincount(theirs.labels, minlength=len(theirs.label_set))[common]
        gaps = [
            [here[ours.labels == index].mean() - there[theirs.labels == index].mean() for index in common]
        ]  # (1, diagnoses)
        gaps_resampled = by_diagnosis[:, common] - validation_by_diagnosis[:, common]
        weighted = [np.asarray(each) @ mix / mix.sum() for each in (gaps, gaps_resampled)]
        same_mix = interval(float(weighted[0][0]), weighted[1])
    both = np.sort(np.concatenate([here, there]))
    functions = [np.searchsorted(np.sort(each), both, side="right") / len(each) for each in (here, there)]
    distance = float(np.abs(functions[0] - functions[1]).max())
    return ScoreShift(name, label, mean, of_validation, difference, same_mix, distance)


def _lesions(predictions: LabelledPredictions) -> np.ndarray:
    """The number of lesions of each diagnosis: (diagnoses,)."""
    different = {*zip(predictions.labels.tolist(), predictions.lesion_ids.tolist(), strict=True)}
    return np.bincount([label for label, _ in different], minlength=len(predictions.label_set))


def _means(predictions: LabelledPredictions, score: np.ndarray, seed: int = 0) -> tuple[float, np.ndarray, np.ndarray]:
    """The mean of a score, that of each resample of lesions, and the same by diagnosis: (resamples, diagnoses)."""
    images = np.eye(len(predictions.label_set))[predictions.labels]  # (images, diagnoses)
    columns = np.hstack([images * score[:, None], images])
    total, count = np.split(resampled_sums(predictions.lesion_ids, columns, SECTION_RESAMPLES, seed), 2, axis=1)
    return float(score.mean()), ratio(total.sum(axis=1), count.sum(axis=1)), ratio(total, count)
