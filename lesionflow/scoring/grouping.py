"""Rows that depend on more than their own image: one for each lesion, and an image's rank among its patient's."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lesionflow.diagnoses import LabelSet
from lesionflow.errors import UsageError, did_you_mean
from lesionflow.model.card import Calibration
from lesionflow.model.columns import IMAGES, RANK
from lesionflow.model.pooling import pool_predictions
from lesionflow.model.prediction import Predictions, Row

Rows = Callable[[], Iterable[Row]]


def with_group_columns(carried: tuple[str, ...], group_by: str | None, rank_by: str | None) -> tuple[str, ...]:
    """Return the carried columns of the report, and those that are added. Raises `UsageError` where they do not fit."""
    for name, column, added in (("--group-by", group_by, IMAGES), ("--rank-by", rank_by, RANK)):
        if column is None:
            continue
        if column not in carried:
            there = f"it has {', '.join(carried)}{did_you_mean(column, carried)}" if carried else "it has none"
            raise UsageError(f"{name} {column}: no column of the list of images besides path; {there}")
        if added in carried:
            raise UsageError(f"{name} adds a column {added!r}, which the list of images has already; rename it there")
    return (*carried, *([IMAGES] if group_by else []), *([RANK] if rank_by else []))


@dataclass(frozen=True)
class Groups:
    """The rows of a job, one for all images that have the same value in a carried column.

    A row has the path and the carried values of the group's first image that was scored, and in `IMAGES` how many were.
    Where the value is empty, an image is a group of its own; where no image could be read, the first one's error stays.
    """

    rows: Rows
    column: int  # index among the carried values
    pool: str
    calibration: Calibration
    prior: tuple[float, ...]
    labels: LabelSet

    def __call__(self) -> Iterator[Row]:
        """The rows, in the order of the groups' first images."""
        return iter(self.pooled)

    @cached_property
    def pooled(self) -> list[Row]:
        """A row for each group, in the order of their first images."""
        number_of: dict[str, int] = {}
        shown: list[Row] = []  # of each group, with its first image's own prediction
        members, group_of, refer = array("d"), array("q"), list[str]()
        for index, row in enumerate(self.rows()):
            value = row.carried[self.column]
            group = number_of.setdefault(f"={value}" if value else f"image {index}", len(number_of))
            if group == len(shown):
                shown.append(row)
            if row.prediction is None:
                continue
            if shown[group].prediction is None:
                shown[group] = row
            members.extend(row.prediction.probabilities)
            group_of.append(group)
            refer.append(row.prediction.refer)
        return self._decided(shown, np.array(members), np.array(group_of, np.int64), np.array(refer, "<U10"))

    def _decided(self, shown: list[Row], members: np.ndarray, group_of: np.ndarray, refer: np.ndarray) -> list[Row]:
        scored, compact = np.unique(group_of, return_inverse=True)  # groups with a scored image
        counts = np.bincount(group_of, minlength=len(shown))
        nothing = np.zeros(len(group_of), np.int64)
        said = Predictions(
            members.reshape(-1, len(self.labels)), nothing, nothing.astype(bool), refer, label_set=self.labels
        )
        pooled = pool_predictions(said, compact, len(scored), self.pool, self.calibration, self.prior).one_by_one()
        predictions = dict(zip(scored.tolist(), pooled, strict=True))
        return [
            row._replace(prediction=predictions.get(group), carried=(*row.carried, str(counts[group])))
            for group, row in enumerate(shown)
        ]


@dataclass(frozen=True)
class Ranks:
    """The rows of a job with each one's rank by malignant probability among those of the same value in a column.

    The greatest has rank 1, equal ones the same; a failed image, and one without a value, has none.
    """

    rows: Rows
    column: int  # index among the carried values

    def __call__(self) -> Iterator[Row]:
        """The rows, in their order."""
        for row, rank in zip(self.rows(), self.ranks, strict=True):
            yield row._replace(carried=(*row.carried, str(rank) if rank else ""))

    @cached_property
    def ranks(self) -> Sequence[int]:
        """The rank of each row, 0 for none."""
        chances, ranks, of_value = array("d"), array("q"), defaultdict[str, list[int]](list)
        for index, row in enumerate(self.rows()):
            chances.append(row.prediction.malignant_probability if row.prediction else 0.0)
            ranks.append(0)
            if row.prediction and row.carried[self.column]:
                of_value[row.carried[self.column]].append(index)
        for members in of_value.values():
            own = np.array([chances[index] for index in members])
            above = np.searchsorted(np.sort(-own), -own, side="left")  # how many are greater
            for index, rank in zip(members, (above + 1).tolist(), strict=True):
                ranks[index] = rank
        return ranks
