"""Distances and p-values against SciPy's own functions, and against counting."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from lesionflow.monitoring.comparison import (
    Sample,
    category_distance,
    distances,
    holm,
    ks_distance,
    ks_p_values,
    pooled,
    share_p_values,
)


@pytest.mark.parametrize(("images", "reference", "digits"), [(300, 900, 9), (900, 300, 1), (40, 5000, 2), (1, 10, 3)])
def test_the_gap_of_distributions_is_scipys(images: int, reference: int, digits: int) -> None:
    generator = np.random.default_rng(images)
    here = np.sort(generator.normal(0.1, 1, images).round(digits))
    there = np.sort(generator.normal(0, 1.2, reference).round(digits))
    expected = stats.ks_2samp(here, there, method="asymp")
    size = ks_distance(here, there)
    assert size == pytest.approx(expected.statistic, abs=1e-12)
    (p_value,) = ks_p_values(np.array([size]), np.array([(images, reference)]))
    assert p_value == pytest.approx(expected.pvalue, rel=0.05, abs=0.005 if images > 1 else 0.2)


def test_the_p_value_of_a_share_is_fishers() -> None:
    cases = np.array(
        [
            (12, 50, 30, 400),
            (0, 30, 40, 200),
            (30, 30, 100, 300),
            (5, 100, 50, 1000),
            (0, 10, 0, 90),
            (900, 5000, 9000, 70000),
        ]
    )
    for case, p_value in zip(cases, share_p_values(cases), strict=True):
        count, images, of_reference, reference = case
        table = [[count, images - count], [of_reference, reference - of_reference]]
        tails = [stats.fisher_exact(table, alternative=side).pvalue for side in ("greater", "less")]
        assert p_value == pytest.approx(min(1.0, 2 * min(tails)), rel=1e-6)


def test_categories_are_compared_by_chi_squared_and_new_ones_count_together() -> None:
    night, reference = Counter(JPEG=80, PNG=10, HEIC=5, BMP=5), Counter(JPEG=900, PNG=100)
    found = category_distance(night, reference)
    expected = stats.chi2_contingency([[80, 10, 10], [900, 100, 0]], correction=False)
    assert found.size == pytest.approx(0.1) and found.p_value == pytest.approx(expected.pvalue)
    assert category_distance(Counter(JPEG=5), Counter(JPEG=7)).p_value == 1.0


@pytest.mark.parametrize(("night", "reference"), [([8, 1, 1], [95, 0, 1]), ([9, 1, 0, 0, 1], [60, 0, 1, 1, 0])])
def test_rare_categories_are_compared_by_counting_tables(night: list[int], reference: list[int]) -> None:
    """One image of a rare camera in a short night is no alarm, though its chi-squared statistic is large."""
    totals, images = np.add(night, reference), sum(night)

    def statistic(counts: tuple[int, ...]) -> float:
        return float(stats.chi2_contingency([counts, totals - counts], correction=False).statistic)

    observed, share = statistic(tuple(night)), 0.0
    for counts in itertools.product(*(range(min(images, total) + 1) for total in totals)):
        if sum(counts) == images and statistic(counts) >= observed - 1e-9:
            share += stats.multivariate_hypergeom(totals, images).pmf(counts)
    words = [dict(zip("abcde", counts, strict=False)) for counts in (night, reference)]
    found = category_distance(*(Counter(each) for each in words)).p_value
    assert found == pytest.approx(share, rel=0.1)
    assert found > 3 * stats.chi2_contingency([night, reference], correction=False).pvalue


def test_holm_is_the_closed_test_of_bonferroni() -> None:
    """By definition: the largest p-value of Bonferroni tests of all sets that hold a hypothesis."""
    values = dict(zip("abcd", (0.001, 0.04, 0.03, 0.5), strict=True))
    sets = [some for size in range(1, 5) for some in itertools.combinations(values, size)]
    for name, corrected in holm(values).items():
        of_sets = [min(1.0, len(some) * min(values[each] for each in some)) for some in sets if name in some]
        assert corrected == pytest.approx(max(of_sets))


def test_a_night_like_the_reference_is_rarely_called_different() -> None:
    """Of 400 nights drawn like the reference, about 5 in 100 have a corrected p-value below 0.05, or fewer."""
    generator, called = np.random.default_rng(1), 0
    for _ in range(400):
        draws = generator.normal(size=(3, 2000))
        reference = Sample({str(i): np.sort(draws[i]) for i in range(3)}, {"share": (300, 2000)})
        night = Sample(
            {str(i): np.sort(generator.normal(size=300)) for i in range(3)},
            {"share": (generator.binomial(300, 0.15), 300)},
        )
        corrected = holm({name: each.p_value for name, each in distances(night, reference).items()})
        called += min(corrected.values()) < 0.05
    assert called <= 32  # of a binomial with 0.05 that is the 99.5th percentile


def test_a_pool_holds_what_all_of_its_nights_have() -> None:
    first = Sample({"a": np.array([1.0, 3.0]), "b": np.array([1.0])}, {"share": (1, 2)}, {"format": Counter(JPEG=2)})
    second = Sample({"a": np.array([2.0])}, {"share": (2, 3)}, {"format": Counter(PNG=1)})
    found = pooled([first, second])
    assert list(found.numbers) == ["a"] and found.numbers["a"].tolist() == [1, 2, 3]
    assert (found.flags, found.categories) == ({"share": (3, 5)}, {"format": Counter(JPEG=2, PNG=1)})
