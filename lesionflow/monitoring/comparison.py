"""Distances between a night and a reference, and their p-values.

Every test takes one image of each lesion, since several images of a lesion are no independent evidence; the p-values
of a night are corrected for their number (Holm 1979, Scand. J. Stat. 6, 65-70).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

MOST_CATEGORIES = 20  # of a reference that are told apart; the others count together
# With fewer expected images of a category (Cochran 1954, Biometrics 10, 417-451), the chi-squared distribution calls a
# night different ten times as often as it should: what may be one is compared with tables drawn by chance.
FEWEST_EXPECTED, DRAWN_BELOW, DRAWS = 5, 0.05, 20_000


@dataclass(frozen=True)
class Sample:
    """The images of a night, or of a reference, one of each lesion: values by name."""

    numbers: Mapping[str, np.ndarray] = field(default_factory=dict)  # (images,) float64 without NaN, ascending
    flags: Mapping[str, tuple[int, int]] = field(default_factory=dict)  # how many of how many
    categories: Mapping[str, Counter[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Distance:
    """The distance of a night's value from the reference."""

    size: float  # 0 the same, 1 apart; of a share the difference, which has a sign
    p_value: float  # that chance alone does as much


def pooled(samples: list[Sample]) -> Sample:
    """Concatenate samples, with the values that all of them have."""

    def names(kind: str) -> list[str]:
        return [name for name in getattr(samples[0], kind) if all(name in getattr(one, kind) for one in samples)]

    return Sample(
        {name: np.sort(np.concatenate([one.numbers[name] for one in samples])) for name in names("numbers")},
        {
            name: (sum(one.flags[name][0] for one in samples), sum(one.flags[name][1] for one in samples))
            for name in names("flags")
        },
        {name: sum((one.categories[name] for one in samples), Counter()) for name in names("categories")},
    )


def distances(night: Sample, reference: Sample) -> dict[str, Distance]:
    """Measure the distance of a night from a reference for every value that both have.

    Numbers are compared by `ks_distance`, flags by the difference of their shares, categories by `category_distance`.
    """
    found: dict[str, Distance] = {}
    numbers = [name for name, values in night.numbers.items() if len(values) and len(reference.numbers.get(name, ()))]
    if numbers:
        sizes = [ks_distance(night.numbers[name], reference.numbers[name]) for name in numbers]
        images = [(len(night.numbers[name]), len(reference.numbers[name])) for name in numbers]
        found |= _paired(numbers, np.array(sizes), ks_p_values(np.array(sizes), np.array(images)))
    flags = [name for name, (_, images) in night.flags.items() if images and reference.flags.get(name, (0, 0))[1]]
    if flags:
        counts = np.array([(*night.flags[name], *reference.flags[name]) for name in flags])
        found |= _paired(flags, counts[:, 0] / counts[:, 1] - counts[:, 2] / counts[:, 3], share_p_values(counts))
    for name, counted in night.categories.items():
        if counted and reference.categories.get(name):
            found[name] = category_distance(counted, reference.categories[name])
    return found


def _paired(names: list[str], sizes: np.ndarray, p_values: np.ndarray) -> dict[str, Distance]:
    pairs = zip(sizes.tolist(), p_values.tolist(), strict=True)
    return {name: Distance(size, p_value) for name, (size, p_value) in zip(names, pairs, strict=True)}


def ks_distance(values: np.ndarray, reference: np.ndarray) -> float:
    """Return the largest gap of two distribution functions (Kolmogorov and Smirnov).

    `scipy.stats.ks_2samp` computes the same, but sorts the reference again for every night.

    Parameters
    ----------
    values : (images,) float64
        The night's values, ascending.
    reference : (reference images,) float64
        Ascending.

    Returns
    -------
    float
        From 0, the same, to 1, apart.
    """
    last = np.append(np.flatnonzero(np.diff(values)), len(values) - 1)  # of each run of equal values
    different, upto = values[last], (last + 1) / len(values)
    before = np.append(0.0, upto[:-1])
    # Between two values of the night only the reference's function rises: its gaps are largest at the night's values.
    reference_before = np.searchsorted(reference, different, side="left") / len(reference)
    reference_upto = np.searchsorted(reference, different, side="right") / len(reference)
    return float(max(np.abs(reference_upto - upto).max(), np.abs(reference_before - before).max()))


def ks_p_values(sizes: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Return the p-values of `ks_distance` by Kolmogorov's limit distribution.

    Stephens' correction (1970, J. R. Stat. Soc. B 32, 115-122) makes it hold from a few images on. With tied values
    the p-values are too large rather than too small.

    Parameters
    ----------
    sizes : (values,) float64
        The distances.
    images : (values, 2) int64
        How many images of the night and of the reference each was measured on.

    Returns
    -------
    (values,) float64
    """
    from scipy.special import kolmogorov  # scipy.stats takes a second to import

    night, reference = images.T.astype(np.float64)
    root = np.sqrt(night * reference / (night + reference))
    return np.asarray(kolmogorov((root + 0.12 + 0.11 / root) * sizes))


def share_p_values(counts: np.ndarray) -> np.ndarray:
    """Return p-values of differences between shares: twice the smaller tail of Fisher's exact test.

    Parameters
    ----------
    counts : (values, 4) int64
        For the night, the count and the total of its images; then the same for the reference.

    Returns
    -------
    (values,) float64
    """
    from scipy.special import gammaln

    count, images, of_reference, reference_images = counts.T.astype(np.float64)
    total, found = images + reference_images, count + of_reference
    outward = np.where(count * reference_images > of_reference * images, 1.0, -1.0)
    deviation = np.sqrt(images * (found / total) * (1 - found / total))
    # The hypergeometric tail from the count outward, as far as it is not negligible.
    steps = np.arange(int(10 * deviation.max()) + 60)
    at = count[:, None] + outward[:, None] * steps  # (values, steps)
    possible = (at >= np.maximum(0, images + found - total)[:, None]) & (at <= np.minimum(images, found)[:, None])
    at = np.where(possible, at, count[:, None])

    def log_choose(n: np.ndarray, k: np.ndarray) -> np.ndarray:
        return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))

    chances = log_choose(found[:, None], at) + log_choose((total - found)[:, None], images[:, None] - at)
    tail = np.where(possible, np.exp(chances - log_choose(total, images)[:, None]), 0.0).sum(axis=1)
    return np.asarray(np.minimum(1.0, 2 * tail))


def category_distance(night: Counter[str], reference: Counter[str]) -> Distance:
    """Return the total variation of two sets of categories, with the p-value of the chi-squared test.

    Where few images of a category are expected, a p-value below `DRAWN_BELOW` is the share of `DRAWS` tables with the
    same totals whose statistic is as large, if any is. The total variation is the share of the images that would have
    to change their category, 0 to 1. Categories beyond the `MOST_CATEGORIES` commonest of the reference count as one.
    """
    from scipy.special import chdtrc

    common = [name for name, _ in reference.most_common(MOST_CATEGORIES)]
    rows = np.array([_counts(night, common), _counts(reference, common)], dtype=np.float64)
    rows = rows[:, rows.sum(axis=0) > 0]
    shares = rows / rows.sum(axis=1, keepdims=True)
    size = float(np.abs(shares[0] - shares[1]).sum() / 2)
    expected = rows.sum(axis=1, keepdims=True) * rows.sum(axis=0) / rows.sum()
    statistic = float((np.square(rows - expected) / expected).sum())
    p_value = float(chdtrc(rows.shape[1] - 1, statistic)) if rows.shape[1] > 1 else 1.0
    if p_value < DRAWN_BELOW and expected.min() < FEWEST_EXPECTED:
        p_value = _share_as_large(night, reference) or p_value
    return Distance(size, p_value)


def _share_as_large(night: Counter[str], reference: Counter[str]) -> float:
    """The share of tables with the same totals whose chi-squared statistic is at least as large; 0 if none is.

    Told apart are the commonest of both together: who has few of a category must not decide that it counts apart.
    """
    common = [name for name, _ in (night + reference).most_common(MOST_CATEGORIES)]
    rows = np.array([_counts(night, common), _counts(reference, common)])
    rows = rows[:, rows.sum(axis=0) > 0]
    totals, images = rows.sum(axis=0), rows.sum(axis=1)
    drawn = np.random.default_rng(0).multivariate_hypergeometric(totals, images[0], DRAWS)  # (draws, categories)
    expected = images[0] * totals / totals.sum()  # in a night; the reference deviates from its own by as much
    statistics = (np.square(np.vstack([rows[:1], drawn]) - expected) / expected).sum(axis=1)
    reached = int((statistics[1:] >= statistics[0] * (1 - 1e-9)).sum())
    return (reached + 1) / (DRAWS + 1) if reached else 0.0


def _counts(counts: Counter[str], common: list[str]) -> list[int]:
    """Counts of the common categories, and of all others together."""
    return [*(counts[name] for name in common), sum(counts.values()) - sum(counts[name] for name in common)]


def holm(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values corrected for their number by Holm's method, under the same names."""
    order = sorted(p_values, key=lambda name: p_values[name])
    corrected, highest = {}, 0.0
    for rank, name in enumerate(order):
        highest = max(highest, min(1.0, p_values[name] * (len(order) - rank)))
        corrected[name] = highest
    return {name: corrected[name] for name in p_values}
