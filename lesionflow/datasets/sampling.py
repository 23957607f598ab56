"""Oversampling of rare diagnoses, as a choice of indices: no image is ever copied."""

from __future__ import annotations

import numpy as np

# The power of a diagnosis's number of images that its share in an epoch is proportional to.
BALANCES = {"oversample": 0.0, "sqrt": 0.5, "none": 1.0}
# Most times that an image is shown per epoch: HAM10000's rarest diagnosis needs 13 to be as frequent as others,
# and one malignant image in a thousand would be shown 500 times.
MOST_SHOWN = 25


def shares(labels: np.ndarray, balance: str, classes: int) -> np.ndarray:
    """Each diagnosis's share of an epoch: (classes,) float64 that add up to 1; 0 for a diagnosis without images.

    No share is so large that the images of a diagnosis would each be shown more than `MOST_SHOWN` times.
    """
    counts = np.bincount(labels, minlength=classes).astype(np.float64)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** BALANCES[balance], 0.0)
    found = weights / weights.sum()
    most = MOST_SHOWN * counts / len(labels)
    capped = np.zeros(classes, dtype=bool)
    while (more := found > most).any():
        capped |= more
        rest = 1 - most[capped].sum()
        found = np.where(capped, most, weights * rest / np.where(capped, 0, weights).sum())
    return np.asarray(found)


def positive_shares(labels: np.ndarray, balance: str, classes: int) -> np.ndarray:
    """Like `shares`, but positive, for logarithms: a diagnosis without images counts as half an image."""
    return np.maximum(shares(labels, balance, classes), 0.5 / len(labels))


def epoch_indices(labels: np.ndarray, balance: str, generator: np.random.Generator) -> np.ndarray:
    """The order in which one epoch shows the images: as many indices into labels as there are images, shuffled.

    labels: (images,) int64. Each diagnosis gets its share of the epoch; within a diagnosis, no image is shown once more
    before each has been shown as often.
    """
    classes = int(labels.max()) + 1
    wanted = shares(labels, balance, classes) * len(labels)
    # Whole numbers that add up: the fractional parts are given out at random, so that shares are right on average.
    counts = np.floor(wanted).astype(np.int64)
    missing = len(labels) - int(counts.sum())
    if missing:
        remainder = wanted - counts
        counts[generator.choice(classes, missing, replace=False, p=remainder / remainder.sum())] += 1
    chosen = []
    for label in range(classes):
        members = np.flatnonzero(labels == label)
        if not len(members):
            continue
        rounds, rest = divmod(int(counts[label]), len(members))
        chosen += [np.tile(members, rounds), generator.permutation(members)[:rest]]
    return generator.permutation(np.concatenate(chosen))
