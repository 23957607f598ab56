"""Measures the metrics of `metrics.TABLE` on some images, with intervals, and compares two models on the same ones."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence

import numpy as np

from lesionflow.defaults import one_thread_a_product
from lesionflow.errors import DataError, UsageError, counted, first_few
from lesionflow.evaluation.bootstrap import (
    Kinds,
    bounded,
    calibration_gaps,
    calibration_interval,
    confidence_bins,
    interval,
    kinds_of,
    middle,
    ratio,
    resampled_tallies,
    tallies,
)
from lesionflow.evaluation.metrics import FEWEST_LESIONS, Better, Difference, Metric, Place, metrics_of
from lesionflow.model.card import Estimate
from lesionflow.model.prediction import LabelledPredictions


@one_thread_a_product()
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
        How much each image counts, which every resample keeps; all the same unless given. Where they are the inverse of
        the chance to be sampled, intervals are those of a sample drawn with replacement: a little too wide where a
        large share of the images was drawn.
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
    images, found = kinds_of(predictions), {}
    for (name, value), ends in zip(values.items(), middle(np.stack(list(resampled.values()), axis=1)), strict=True):
        estimate = _estimate(known[name], images, lesion_of, value, ends, weights)
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
    without images, the PPV of one that is never called, PPV, NPV, AUC and average precision where all images or none
    have it.
    Raises `DataError` where there are no images.
    """
    if not len(predictions):
        raise DataError("there are no images to measure a model on")
    once = weighted_metrics(predictions, np.ones((1, len(predictions))))
    return {name: float(values[0]) for name, values in once.items() if not np.isnan(values[0])}


@one_thread_a_product()
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


def _estimate(
    metric: Metric,
    images: Kinds,
    lesion_of: np.ndarray,
    value: float,
    ends: np.ndarray,
    weights: np.ndarray | None,
) -> Estimate | None:
    """A metric's value with its interval; ends: `middle` of its resamples; lesion_of: each image's lesion, from 0.

    A ranking of fewer than `FEWEST_LESIONS` against the rest has none, but for an AUC of 0 or 1. weights: of the
    images, (images,). Exact intervals are then of the effective number of lesions (Korn and Graubard 1998, Survey
    Methodology 24, 193-201): a hundred of which one stands for a thousand others are no better than one or two.
    """
    rests_on = functools.partial(_rests_on, metric, images, lesion_of)
    if metric.cases is None:
        return bounded(value, ends, None if metric.share is None else rests_on(weights))
    if rests_on() < FEWEST_LESIONS and not (metric.of_pairs and value in (0.0, 1.0)):
        return Estimate(value, np.nan, np.nan)
    return bounded(value, ends, rests_on(weights) if metric.of_pairs else None)


def _rests_on(metric: Metric, images: Kinds, lesion_of: np.ndarray, weights: np.ndarray | None = None) -> float:
    """The number of lesions behind a metric, the effective one of weighted images; for a ranking, of the smaller side.

    A lesion counts as much as its images do on average, however many it has.
    """

    def lesions(chosen: np.ndarray) -> float:
        counts = np.bincount(lesion_of[chosen])
        if weights is None:
            return int(np.count_nonzero(counts))
        return effective_size(ratio(np.bincount(lesion_of[chosen], weights[chosen]), counts)[counts > 0])

    if metric.cases is not None:
        cases = metric.cases(images)
        return min(lesions(cases), lesions(~cases))
    return lesions(np.ones(len(images), bool) if metric.share is None else metric.share(images)[1])


def effective_size(weights: np.ndarray) -> float:
    """How many equally weighted units say as much as units of these weights (Kish 1965); 0 of none."""
    if not len(weights):
        return 0.0
    relative = weights / weights.max()  # the square of a very large one would be infinite
    return float(relative.sum() ** 2 / np.square(relative).sum())


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


@one_thread_a_product()
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
        raise UsageError(f"no metric {first_few(unknown)}; choose from {', '.join(known)}")
    first, second = _in_order(first), _in_order(second)
    _check_same(first, second)
    once = np.ones((1, len(first)))
    values = [weighted_metrics(each, once, names) for each in (first, second)]
    ours, theirs = (_resampled(each, names, resamples, seed)[0] for each in (first, second))
    images, found = kinds_of(first), {}
    _, lesion_of = np.unique(first.lesion_ids, return_inverse=True)
    for name in names:
        metric, resampled = known[name], ours[name] - theirs[name]
        estimate = interval(float(values[0][name][0] - values[1][name][0]), resampled)
        if estimate is None or np.isnan(estimate.value):
            continue
        few = _rests_on(metric, images, lesion_of) < FEWEST_LESIONS
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
            told = counted(len(twice), "image", "is", "are")
            raise DataError(f"{told} there more than once: {first_few(twice)}; keep one of each")
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
