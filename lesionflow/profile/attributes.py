"""Summarises a metadata table: values by diagnosis, missing values, and contradictions."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.datasets.label_columns import is_missing
from lesionflow.datasets.raw_labels import OLDEST

if TYPE_CHECKING:
    import pandas as pd

COLUMN_TITLES = {"dx_type": "confirmation", "age": "age", "sex": "sex", "localization": "body site"}
UNKNOWN = "unknown"
# Bands for metrics of patients by age, wide enough to have lesions of each kind: the band -> the age it ends before.
AGE_BANDS = {"0-29": 30, "30-44": 45, "45-59": 60, "60-74": 75, "75+": OLDEST + 1}

Crosstab = dict[str, dict[str, int]]  # value -> diagnosis -> images


@dataclass(frozen=True)
class Contradiction:
    """A lesion whose images disagree about an attribute of the lesion."""

    lesion_id: str
    column: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Ages:
    """The ages in a table, and the impossible ones."""

    quartiles: dict[str, tuple[float, ...]]  # by diagnosis: minimum, quartiles and maximum, in years
    not_numbers: tuple[str, ...]  # ids of images
    impossible: tuple[str, ...]  # below 0 or above `OLDEST`
    zero: tuple[str, ...]  # an infant's age, or a missing value filled in


def values_of(table: pd.DataFrame, column: str) -> np.ndarray:
    """The values of a column, `UNKNOWN` if missing: (images,) of str."""
    if column not in table.columns:
        return np.full(len(table), UNKNOWN, dtype=object)
    values = table[column].fillna("").astype(str).str.strip()
    return np.asarray(values.where(~is_missing(values), UNKNOWN), dtype=object)


def crosstab(values: np.ndarray, diagnoses: np.ndarray, names: Sequence[str]) -> Crosstab:
    """How many images have which value and diagnosis of some names, the commonest value first, `UNKNOWN` last."""
    pairs = Counter(zip(values.tolist(), diagnoses.tolist(), strict=True))
    totals = Counter(values.tolist())
    order = sorted(totals, key=lambda value: (value == UNKNOWN, -totals[value], value))
    return {value: {dx: pairs[value, dx] for dx in names} for value in order}


def age_band(age: object) -> str:
    """The band of `AGE_BANDS` of an age in years, given as text or number; anything else is unknown."""
    try:
        years = float(str(age))
    except ValueError:
        return UNKNOWN
    if math.isnan(years) or years < 0:
        return UNKNOWN
    return next((band for band, end in AGE_BANDS.items() if years < end), UNKNOWN)


def age_decades(values: np.ndarray) -> np.ndarray:
    """Ages as decades, such as `40-49`; `UNKNOWN` where they are no ages: (images,) of str."""
    ages = _numbers(values)
    known = (ages >= 0) & (ages <= OLDEST)
    decades = (np.where(known, ages, 0) // 10 * 10).astype(int)
    bands = [f"{decade}-{decade + 9}" if has else UNKNOWN for decade, has in zip(decades, known, strict=True)]
    return np.array(bands, dtype=object)


def crosstab_of_ages(values: np.ndarray, diagnoses: np.ndarray, names: Sequence[str]) -> Crosstab:
    """How many images have which age band and diagnosis, the youngest first."""
    cells = crosstab(age_decades(values), diagnoses, names)
    order = sorted(cells, key=lambda band: (band == UNKNOWN, int(band.split("-")[0]) if band != UNKNOWN else 0))
    return {band: cells[band] for band in order}


def describe_ages(values: np.ndarray, diagnoses: np.ndarray, image_ids: np.ndarray) -> Ages:
    """Summarise the ages; impossible ones are only counted."""
    ages = _numbers(values)
    plausible = (ages >= 0) & (ages <= OLDEST)
    quartiles = {}
    for dx in dict.fromkeys(sorted(diagnoses.tolist())):
        of_diagnosis = ages[plausible & (diagnoses == dx)]
        if len(of_diagnosis):
            quartiles[dx] = tuple(np.quantile(of_diagnosis, (0, 0.25, 0.5, 0.75, 1)).tolist())
    given = values != UNKNOWN
    return Ages(
        quartiles,
        tuple(image_ids[given & np.isnan(ages)].tolist()),
        tuple(image_ids[~np.isnan(ages) & ~plausible].tolist()),
        tuple(image_ids[ages == 0].tolist()),
    )


def contradictions(table: pd.DataFrame, column: str) -> list[Contradiction]:
    """The lesions with several known values in a column."""
    values = values_of(table, column)
    by_lesion: dict[str, set[str]] = {}
    for lesion_id, value in zip(table["lesion_id"], values, strict=True):
        if value != UNKNOWN:
            by_lesion.setdefault(lesion_id, set()).add(value)
    return [
        Contradiction(lesion_id, column, tuple(sorted(several)))
        for lesion_id, several in sorted(by_lesion.items())
        if len(several) > 1
    ]


def shares(cells: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, float]]:
    """The share of each value among a diagnosis's images with a known one; diagnoses without any are left out."""
    known = {value: counts for value, counts in cells.items() if value != UNKNOWN}
    names = next(iter(known.values()), {})
    totals = {dx: sum(counts[dx] for counts in known.values()) for dx in names}
    return {value: {dx: counts[dx] / totals[dx] for dx in names if totals[dx]} for value, counts in known.items()}


def widest_gap(cells: Mapping[str, Mapping[str, int]]) -> tuple[str, str, float, str, float] | None:
    """The value whose share differs most between diagnoses: value, diagnosis and share at most, and at least.

    None where fewer than two diagnoses have known values.
    """
    gaps = []
    for value, by_diagnosis in shares(cells).items():
        high, low = max(by_diagnosis, key=by_diagnosis.__getitem__), min(by_diagnosis, key=by_diagnosis.__getitem__)
        if high != low:
            gaps.append((value, high, by_diagnosis[high], low, by_diagnosis[low]))
    return max(gaps, key=lambda gap: gap[2] - gap[4], default=None)


def _numbers(values: np.ndarray) -> np.ndarray:
    """Texts as numbers, NaN where they are not: (images,) float64."""
    import pandas as pd

    return np.asarray(pd.to_numeric(pd.Series(values, dtype=object), errors="coerce"), dtype=np.float64)
