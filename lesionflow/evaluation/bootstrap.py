"""What metrics are made of, under many weightings of the same images at once, and the intervals that come of it.

Images of one lesion are no independent evidence, so lesions are drawn, with all their images (the cluster bootstrap;
Davison and Hinkley 1997, Bootstrap Methods and their Application, section 3.8).

A resample is a number for each lesion: how often it was drawn. What is counted, summed or ranked of the images is added
up by lesion first, so that a resample costs one product with a sparse matrix, however many metrics are asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.defaults import one_thread_a_product
from lesionflow.diagnoses import LabelSet
from lesionflow.model.card import Estimate
from lesionflow.model.prediction import TRUSTED, LabelledPredictions

if TYPE_CHECKING:
    from scipy import sparse

CALIBRATION_BINS = 15
SECTION_RESAMPLES = 1000  # behind intervals that are not of the metrics of all images, however many are behind those
OUTSIDE = 0.025  # of the resamples on either side of a 95 % interval
MOST_STEPS = 10_000  # that resamples tell apart in a curve; of more, neighbouring scores count as equal
# For this many images fewer steps suffice: bounds of intervals of AUC move by 1e-6, of average precision by 1e-4.
MANY_IMAGES, STEPS_OF_MANY = 12_000, 2_500
MALIGNANT = -1  # the curve of malignant against benign, beside those of the diagnoses by their indices
_AT_ONCE = 64  # weightings of one chunk
_DRAWN_AT_ONCE = 2**21  # lesions
_AT_ONCE_OF_FEW, _DRAWN_OF_FEW = 512, 2**16  # groups of images have few lesions: calls took longer than numbers
_NO_WIDTH = 1e-9  # of an interval: what differs by less is rounding
_EXACT_IN_FLOAT32 = 2**23  # whole numbers up to its double have no gap


def draw_lesions(lesions: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """How often each lesion is in each resample, a few resamples at a time: (rows, lesions) float64.

    A resample draws as many lesions as there are, with replacement.
    """
    generator = np.random.default_rng(seed)
    most = np.clip(_DRAWN_OF_FEW // lesions, _AT_ONCE, _AT_ONCE_OF_FEW)
    most = max(1, min(int(most), _DRAWN_AT_ONCE // lesions))
    for start in range(0, resamples, most):
        rows = min(most, resamples - start)
        drawn, counts = generator.integers(0, lesions, (rows, lesions)), np.empty((rows, lesions))
        for index, row in enumerate(drawn):  # a row is counted into what stays in the processor's cache
            counts[index] = np.bincount(row, minlength=lesions)
        yield counts


@one_thread_a_product()
def resampled_sums(lesion_ids: np.ndarray, columns: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Columns added up over the images of each resample of lesions: (images, columns) to (resamples, columns)."""
    lesions, lesion_of = np.unique(lesion_ids, return_inverse=True)
    by_lesion = np.stack([np.bincount(lesion_of, column, len(lesions)) for column in columns.T], axis=1)
    return np.concatenate([counts @ by_lesion for counts in draw_lesions(len(lesions), resamples, seed)])


@dataclass(frozen=True)
class Kinds:
    """All that metrics may count images by. Those that agree in it are of one kind, and are counted together.

    Of images, or of one image of each kind: (images,) or (kinds,) each.
    """

    labels: np.ndarray  # int64, the true diagnosis
    called: np.ndarray  # int64
    most_probable: np.ndarray  # int64
    malignant: np.ndarray  # bool, at the operating point
    trusted: np.ndarray  # bool, whether the call is not referred
    is_malignant: np.ndarray  # bool, whether the true diagnosis is
    label_set: LabelSet

    def __len__(self) -> int:
        return len(self.labels)


def kinds_of(predictions: LabelledPredictions) -> Kinds:
    """What images can be counted by."""
    return Kinds(
        predictions.labels, predictions.called, predictions.probabilities.argmax(axis=1), predictions.malignant,
        predictions.refer == TRUSTED, predictions.is_malignant, predictions.label_set,
    )  # fmt: skip


class Tally:
    """Counts, sums and curves of images under several weightings, from which every metric is computed.

    `labels`, `called` and `most_probable` are of one image of each of its `Kinds`, as are the masks that `count` and
    `share` take.
    """

    def __init__(self, source: _Source, weights: np.ndarray) -> None:
        """weights: (weightings, units), how often each unit counts."""
        self.kinds = source.kinds
        self.labels, self.called, self.label_set = self.kinds.labels, self.kinds.called, self.kinds.label_set
        self.most_probable = self.kinds.most_probable
        sums = weights @ source.sums
        self._log_loss, self._brier, self._gaps = sums[:, 0], sums[:, 1], sums[:, 2:]
        self._source, self._weights = source, np.ascontiguousarray(weights.T, dtype=source.product)
        self.counts = self._product(source.kind_of, np.float64)  # (weightings, kinds)
        self.total = self.counts.sum(axis=1)  # (weightings,) images
        self._curves: dict[int, Curve] = {}

    def count(self, which: np.ndarray) -> np.ndarray:
        """The number of images of the kinds in a mask, (kinds,): (weightings,)."""
        return np.asarray(self.counts @ which.astype(np.float64))

    def share(self, counted: np.ndarray, among: np.ndarray) -> np.ndarray:
        """The share of some images among others; NaN if there are none: (weightings,)."""
        return ratio(self.count(counted & among), self.count(among))

    def by_diagnosis(self, called: np.ndarray) -> np.ndarray:
        """The number of correctly called images of each diagnosis, by (kinds,) calls: (weightings, diagnoses)."""
        return np.stack([self.count((self.labels == i) & (called == i)) for i in range(len(self.label_set))], axis=1)

    @property
    def of_diagnosis(self) -> np.ndarray:
        """The number of images of each diagnosis: (weightings, diagnoses)."""
        return np.stack([self.count(self.labels == i) for i in range(len(self.label_set))], axis=1)

    @property
    def of_commonest(self) -> np.ndarray:
        """The number of images of the diagnosis that is the most frequent one in the source: (weightings,)."""
        return self.count(self.labels == self._source.commonest)

    @property
    def log_loss(self) -> np.ndarray:
        """Log loss in nats, with probabilities clipped as in scikit-learn: (weightings,)."""
        return ratio(self._log_loss, self.total)

    @property
    def brier(self) -> np.ndarray:
        """The sum over diagnoses of squared differences, 0 to 2 (Brier 1950, Monthly Weather Review 78, 1-3)."""
        return ratio(self._brier, self.total)

    @property
    def calibration_gaps(self) -> np.ndarray:
        """Confidence minus accuracy by bin, in shares of images; their sizes add up to the ECE: (weightings, bins)."""
        return self._gaps / self.total[:, None]

    def curve(self, index: int) -> Curve:
        """The ranking of a diagnosis against the rest, or of `MALIGNANT` against benign."""
        if index not in self._curves:
            ranking = self._source.ranking(index)
            if ranking is None:
                nothing = np.zeros((len(self.total), 1))
                self._curves[index] = Curve(nothing, nothing)
            else:
                self._curves[index] = Curve(*(self._product(part, self._source.counts) for part in ranking))
        return self._curves[index]

    def _product(self, columns: sparse.csr_matrix, dtype: type[np.generic]) -> np.ndarray:
        """The weights added up by column: (weightings, columns) from (columns, units)."""
        return np.ascontiguousarray((columns @ self._weights).T, dtype=dtype)


class Curve:
    """Cases and controls at each score, from the highest on: (weightings, steps) each."""

    def __init__(self, cases: np.ndarray, controls: np.ndarray) -> None:
        self.cases, self.controls = cases, controls
        self._found = _running(cases)  # so far
        self._all = self._found[:, -1].astype(np.float64)
        self._others = controls.sum(axis=1, dtype=np.float64)

    @functools.cached_property  # macro averages take it, too
    def auc(self) -> np.ndarray:
        """The area under the ROC curve; ties count half: (weightings,)."""
        area = np.vecdot(self.controls.astype(np.float64), 2 * self._found - self.cases) / 2
        return ratio(area, self._all * self._others)

    def area_above(self, sensitivity: float, down_to: float = 0.0) -> np.ndarray:
        """The area under the part of the ROC curve above a sensitivity: (weightings,).

        down_to: the sensitivity at which the area ends below, the axis unless given. Where it is the same, the area is
        at most 1 - sensitivity, as the ISIC 2024 challenge scored with 0.8
        (https://www.kaggle.com/competitions/isic-2024-challenge/overview/evaluation).
        """
        least, floor = sensitivity * self._all, down_to * self._all  # in cases, as heights are here
        # On the segment that crosses the line, only the part beyond counts; behind it, all do.
        crossing = (ratio(self._found, self._all[:, None]) >= sensitivity).argmax(axis=1)
        found, cases, controls = (
            counts[np.arange(len(counts)), crossing] for counts in (self._found, self.cases, self.controls)
        )
        part = ratio(found - least, cases) * controls * ((found + least) / 2 - floor)
        behind = np.where(np.arange(self.cases.shape[1]) > crossing[:, None], self.controls, 0.0)
        rest = np.vecdot(behind, 2 * self._found - self.cases) / 2 - floor * behind.sum(axis=1)
        return ratio(part + rest, self._all * self._others)

    @functools.cached_property
    def average_precision(self) -> np.ndarray:
        """Precision, averaged over the steps of sensitivity; without controls it would say nothing: (weightings,)."""
        precision = self._found / np.maximum(self._found + _running(self.controls), 1)
        mean = ratio(np.vecdot(self.cases, precision), self._all)
        return np.where(self._others > 0, mean, np.nan)


def _running(counts: np.ndarray) -> np.ndarray:
    """Cumulative sums of the same type: for integers they take a tenth of the time of floats."""
    return np.cumsum(counts, axis=1, dtype=counts.dtype)


class _Source:
    """The parts of a tally that do not depend on weights, by unit; each unit is weighted as a whole.

    unit_of: (images,), the unit of each image, from 0. exact: whether every score is a step of its curve, and units may
    be weighted with fractions. Else a unit counts so and so many times, and all counts are whole numbers that float32
    and int32 hold as exactly as float64 does, in half the time. stands_for: (images,), how many images each stands for,
    which decides what diagnosis is the most frequent one; None for one each.
    """

    def __init__(
        self,
        predictions: LabelledPredictions,
        unit_of: np.ndarray,
        *,
        exact: bool,
        stands_for: np.ndarray | None = None,
    ) -> None:
        self.predictions, self.unit_of, self.exact = predictions, unit_of, exact
        self.commonest = int(np.bincount(predictions.labels, stands_for).argmax())
        self.units = int(unit_of.max()) + 1
        whole = not exact and np.bincount(unit_of).max() * self.units < _EXACT_IN_FLOAT32
        self.product: type[np.generic] = np.float32 if whole else np.float64
        self.counts: type[np.generic] = np.int32 if whole else np.float64
        images, diagnoses = kinds_of(predictions), len(predictions.label_set)
        seen = (images.labels, images.called, images.most_probable, images.malignant, images.trusted)
        width = np.array([diagnoses, diagnoses, diagnoses, 2, 2])
        keys = np.stack(seen, axis=1) @ np.append(np.cumprod(width[:0:-1])[::-1], 1)
        _, first, kind = np.unique(keys, return_index=True, return_inverse=True)
        self.kinds = kinds_of(predictions.take(first))
        self.kind_of = self._by_unit(kind, len(first))
        parts = np.concatenate([image_losses(predictions), calibration_gaps(predictions)], axis=1)
        self.sums = np.stack([np.bincount(unit_of, part, self.units) for part in parts.T], axis=1)
        self._rankings: dict[int, tuple[sparse.csr_matrix, sparse.csr_matrix] | None] = {}

    def ranking(self, index: int) -> tuple[sparse.csr_matrix, sparse.csr_matrix] | None:
        """At which steps of a curve each unit has cases, and controls, (steps, units) each; None without cases."""
        if index not in self._rankings:
            malignant = index == MALIGNANT
            cases = self.predictions.is_malignant if malignant else self.predictions.labels == index
            probabilities = self.predictions.probabilities
            scores = self.predictions.malignant_probability if malignant else probabilities[:, index]
            self._rankings[index] = None
            if cases.any():
                most = STEPS_OF_MANY if len(cases) > MANY_IMAGES else MOST_STEPS
                step, steps = _steps(scores, cases, None if self.exact else most)
                self._rankings[index] = (
                    self._by_unit(step, steps, cases.astype(float)), self._by_unit(step, steps, (~cases).astype(float))
                )  # fmt: skip
        return self._rankings[index]

    def _by_unit(self, column: np.ndarray, columns: int, images: np.ndarray | None = None) -> sparse.csr_matrix:
        from scipy import sparse

        counted = np.ones(len(column)) if images is None else images
        which = counted > 0
        ones = counted[which].astype(self.product)
        return sparse.csr_matrix((ones, (column[which], self.unit_of[which])), shape=(columns, self.units))


def _steps(scores: np.ndarray, cases: np.ndarray, most: int | None) -> tuple[np.ndarray, int]:
    """The step of each image in the curve of its score, highest first, and the number of steps.

    Scores that only controls have need no step of their own beside each other: the curve is straight there.
    """
    _, rank = np.unique(-scores, return_inverse=True)
    has_cases = np.bincount(rank, cases) > 0
    begins = np.ones(len(has_cases), dtype=bool)
    begins[1:] = has_cases[1:] | has_cases[:-1]
    step = (np.cumsum(begins) - 1)[rank]
    steps = int(begins.sum())
    if most is not None and steps > most:
        return step * most // steps, most
    return step, steps


def tallies(
    predictions: LabelledPredictions, weights: np.ndarray, stands_for: np.ndarray | None = None
) -> Iterator[Tally]:
    """Tallies of some weightings, (weightings, images), computed in chunks; exact. stands_for: as of `_Source`."""
    source = _Source(predictions, np.arange(len(predictions)), exact=True, stands_for=stands_for)
    for start in range(0, len(weights), _AT_ONCE):
        chunk = weights[start : start + _AT_ONCE]
        yield Tally(source, np.asarray(chunk, dtype=np.float64))


def resampled_tallies(
    predictions: LabelledPredictions, resamples: int, seed: int, weights: np.ndarray | None = None
) -> Iterator[Tally]:
    """Tallies of the resamples that `draw_lesions` draws; weights: (images,) fractions, which every resample keeps.

    Without them no resample has a weight for each image in memory.
    """
    lesions, lesion_of = np.unique(predictions.lesion_ids, return_inverse=True)
    source = _Source(predictions, lesion_of, exact=False) if weights is None else None
    for counts in draw_lesions(len(lesions), resamples, seed):
        if source is None:
            yield from tallies(predictions, counts[:, lesion_of] * weights, weights)
        else:
            yield Tally(source, counts)


def image_losses(predictions: LabelledPredictions) -> np.ndarray:
    """Each image's contribution to log loss and Brier score: (images, 2)."""
    probabilities, labels = predictions.probabilities, predictions.labels
    least = np.finfo(np.float64).eps
    of_truth = probabilities[np.arange(len(labels)), labels]
    squares = np.square(probabilities).sum(axis=1) - np.square(of_truth) + np.square(1 - of_truth)
    return np.stack([-np.log(np.clip(of_truth, least, 1 - least)), squares], axis=1)


def confidence_bins(confidence: np.ndarray, bins: int = CALIBRATION_BINS) -> np.ndarray:
    """The bin of each confidence, among bins of equal width: (images,) to (images,) int64; 1 is in the last."""
    return np.asarray(np.minimum((confidence * bins).astype(np.int64), bins - 1))


def calibration_gaps(predictions: LabelledPredictions) -> np.ndarray:
    """Confidence in the most probable diagnosis minus its correctness, by bin: (images, bins).

    An image has its gap in its bin and zeros beside it. The ECE adds up the absolute sums of the bins.
    """
    confidence = predictions.probabilities.max(axis=1)
    gaps = confidence - (predictions.probabilities.argmax(axis=1) == predictions.labels)
    return np.asarray(np.eye(CALIBRATION_BINS)[confidence_bins(confidence)] * gaps[:, None])


def interval(value: float, resampled: np.ndarray, lesions: float | None = None) -> Estimate | None:
    """The 95 % percentile interval of a value; None if it is undefined in all resamples.

    An interval without width would call a value certain that all resamples agree on because one or two lesions are
    behind it: its ends are NaN.

    Parameters
    ----------
    value : float
    resampled : (resamples,) float
        NaN in a resample that leaves the metric undefined, which then does not count.
    lesions : float, optional
        For a share, the number of lesions it is based on, of weighted ones the effective number: a share of 0 or 1 is
        the same in every resample, as if it were certain, and gets the exact interval (Clopper and Pearson 1934,
        Biometrika 26, 404-413) of none or all out of that number. For an AUC, the number of disjoint pairs of a case's
        and a control's lesion: all pairs are ranked correctly no more often than so many independent ones (Hoeffding
        1963, J. Am. Stat. Assoc. 58, 13-30, 5).
    """
    return bounded(value, middle(resampled[:, None])[0], lesions)


def middle(resampled: np.ndarray) -> np.ndarray:
    """The ends of the middle 95 % of each column without its NaN, NaN where it has nothing else: (columns, 2)."""
    ends, undefined = np.full((resampled.shape[1], 2), np.nan), np.isnan(resampled)
    whole = ~undefined.any(axis=0)  # computed together: of a single column, the call takes five times the work
    ends[whole] = np.quantile(resampled[:, whole], (OUTSIDE, 1 - OUTSIDE), axis=0).T
    for column in np.flatnonzero(~whole & ~undefined.all(axis=0)):
        ends[column] = np.quantile(resampled[~undefined[:, column], column], (OUTSIDE, 1 - OUTSIDE))
    return ends


def bounded(value: float, ends: np.ndarray, lesions: float | None = None) -> Estimate | None:
    """The result of `interval`, from the ends that `middle` gives for the resamples."""
    low, high = ends.tolist()
    if np.isnan(low):
        return None
    if lesions and value in (0.0, 1.0):
        bound = OUTSIDE ** (1 / lesions)
        low, high = (bound, 1.0) if value else (0.0, 1 - bound)
    return Estimate(value, low, high) if high - low > _NO_WIDTH else Estimate(value, np.nan, np.nan)


def calibration_interval(of_all: np.ndarray, resampled: np.ndarray) -> Estimate:
    """The ECE with a 95 % interval that is also valid for small values.

    Chance only ever adds to an ECE, in the images as in every resample of them, so that the percentile interval of a
    calibrated model lies above the truth. But an ECE cannot be farther from the truth than the gaps of its bins, added
    up, are from theirs, and of that the resamples show the distribution: it gives the lower end.

    Parameters
    ----------
    of_all : (bins,) float
        `Tally.calibration_gaps` of all images.
    resampled : (resamples, bins) float
        The same of each resample.
    """
    value, highest = np.abs(of_all).sum(), np.quantile(np.abs(resampled).sum(axis=1), 1 - OUTSIDE)
    farthest = np.quantile(np.abs(resampled - of_all).sum(axis=1), 1 - OUTSIDE)
    low, high = max(0.0, float(value - farthest)), float(max(value, highest))
    return Estimate(float(value), low, high) if high - low > _NO_WIDTH else Estimate(float(value), np.nan, np.nan)


def ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    """The quotient, NaN for 0 / 0, so that undefined metrics are NaN."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(above / below)
