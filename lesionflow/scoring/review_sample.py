"""Draws images of a report to review, each with a known chance to be drawn.

A metric of labelled images that were chosen because they look suspicious is that of suspicious images. With each
image's chance known, weights of its inverse make it one of all images again (Horvitz and Thompson 1952, J. Am. Stat.
Assoc. 47, 663-685).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from lesionflow.model.columns import csv_text, path_with_frame
from lesionflow.model.prediction import Row

BY_UNCERTAINTY, BY_RANDOM, BY_BOTH = "uncertain", "random", "both"
CHOSEN_BY = (BY_UNCERTAINTY, BY_RANDOM, BY_BOTH)
SAMPLE_COLUMNS = ("path", "chance")
# A confident image keeps this share of the mean chance: nothing is known of images that can never be drawn.
LEAST_SHARE = 0.1


@dataclass(frozen=True)
class ReviewSample:
    """Images to review, in the order of the report."""

    paths: tuple[str, ...]  # as the report has them
    chances: tuple[float, ...]  # that each had to be drawn
    of: int  # scored images that they were drawn from


def draw_sample(rows: Callable[[], Iterable[Row]], count: int, by: str, seed: int) -> ReviewSample:
    """Draw images of a report without replacement.

    rows: gives the report's rows; called twice. Images that failed are never drawn. count: how many to draw; all, where
    there are no more; by: `BY_RANDOM`: each image with the same chance; `BY_UNCERTAINTY`: in proportion to the entropy
    of the probabilities; `BY_BOTH`: with the mean of both chances. The same seed draws the same images of the same
    report.
    """
    scored = (row for row in rows() if row.prediction is not None)
    entropies = np.fromiter((_entropy(row.prediction.probabilities) for row in scored if row.prediction), np.float64)
    chances = sampling_chances(entropies, count, by)
    drawn = systematic_sample(chances, seed)
    members, wanted = set(drawn.tolist()), []
    for index, row in enumerate(row for row in rows() if row.prediction is not None):
        if index in members:
            wanted.append(path_with_frame(row))
    return ReviewSample(tuple(wanted), tuple(chances[drawn].tolist()), len(entropies))


def sampling_chances(entropies: np.ndarray, count: int, by: str) -> np.ndarray:
    """Return each image's chance to be among `count` drawn ones, (images,).

    Chances in proportion to size exceed 1 for the largest images of a small report; these are then drawn for sure, and
    the others share what is left (Saerndal, Swensson and Wretman 1992, Model Assisted Survey Sampling, 3.6.2).

    Parameters
    ----------
    entropies : (images,) float64
        The entropy of each image's probabilities, in nats.
    count, by
        As `draw_sample` takes them.
    """
    images = len(entropies)
    if count >= images:
        return np.ones(images)
    even = np.full(images, count / images)
    if by == BY_RANDOM or entropies.max() <= 0:
        return even
    by_size = _proportional(entropies + LEAST_SHARE * entropies.mean(), count)
    return by_size if by == BY_UNCERTAINTY else (even + by_size) / 2


def systematic_sample(chances: np.ndarray, seed: int) -> np.ndarray:
    """Draw indices, ascending, each with exactly its chance, and as many as the chances add up to.

    Systematic sampling in random order (Madow 1949, Ann. Math. Stat. 20, 333-354): the chances are laid end to end on a
    line in random order, and points one apart, from a random start, each draw what they lie on.
    """
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(chances))
    ends = np.cumsum(chances[order])
    count = round(float(chances.sum()))
    ends[-1:] = count  # which rounding may have missed by a hair
    points = generator.random() + np.arange(count)  # (count,)
    return np.sort(order[np.searchsorted(ends, points, side="right")])


def sample_csv(sample: ReviewSample) -> bytes:
    """The columns `SAMPLE_COLUMNS` as CSV."""
    lines = [",".join(SAMPLE_COLUMNS)]
    for path, chance in zip(sample.paths, sample.chances, strict=True):
        lines.append(f"{csv_text(path)},{chance:.9g}")
    return ("\n".join(lines) + "\n").encode()


def _proportional(sizes: np.ndarray, count: int) -> np.ndarray:
    """Chances of at most 1 in proportion to positive sizes that add up to `count`, less than the number of images."""
    chances = np.zeros(len(sizes))
    certain = np.zeros(len(sizes), bool)
    while True:
        chances = np.where(certain, 1.0, sizes * (count - certain.sum()) / sizes[~certain].sum())
        if (chances <= 1).all():
            return chances
        certain |= chances > 1


def _entropy(probabilities: Iterable[float]) -> float:
    """Entropy in nats."""
    return -math.fsum(each * math.log(each) for each in probabilities if each > 0)
