"""Rows that depend on several images: one row per lesion, and an image's rank among those of its patient."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from lesionflow.datasets.ids import rounded_and_lost
from lesionflow.datasets.label_columns import is_missing_word
from lesionflow.diagnoses import LabelSet
from lesionflow.errors import DataError, UsageError, did_you_mean, first_few
from lesionflow.model.card import Calibration
from lesionflow.model.columns import GROUP_COLUMNS, RANK
from lesionflow.model.decision import pool_predictions
from lesionflow.model.prediction import Predictions, Row

Rows = Callable[[], Iterable[Row]]


def with_group_columns(carried: tuple[str, ...], group_by: str | None, rank_by: str | None) -> tuple[str, ...]:
    """Return the report's carried-through and added columns. Raises `UsageError` if they conflict."""
    for name, column, added in (("--group-by", group_by, GROUP_COLUMNS), ("--rank-by", rank_by, (RANK,))):
        if column is None:
            continue
        if column not in carried:
            if not carried:
                and_it = "another column" if column == "path" else column
                raise UsageError(
                    f"{name} {column}: what is scored has no columns besides path; give a .csv with path and {and_it}"
                )
            there = f"it has {', '.join(carried)}{did_you_mean(column, carried)}"
            raise UsageError(f"{name} {column}: no column of the list of images besides path; {there}")
        if taken := [own for own in added if own in carried]:
            raise UsageError(
                f"{name} adds a column {taken[0]!r}, which the list of images has already; rename it there"
            )
    return (*carried, *(GROUP_COLUMNS if group_by else ()), *((RANK,) if rank_by else ()))


def check_groups(values: Iterable[str], column: str) -> None:
    """Raise `DataError` for ids that a program has rounded or lost: images of different ones would be one group."""
    if changed := sorted(set().union(*rounded_and_lost(values))):
        raise DataError(
            f"--group-by {column}: {first_few(changed)}: rounded numbers or errors of a spreadsheet, so that different "
            "groups may be one; save that column as text in the list of images"
        )


@dataclass(frozen=True)
class Groups:
    """The rows of a job grouped by a carried-through column.

    A row has the path and the carried values of the group's first image that was scored, and in `GROUP_COLUMNS` how
    many were, how many could not be read, and the column's name.
    Where the value is empty or a word for nothing, such as `unknown`, an image is a group of its own; where no image
    could be read, the first one's error stays.
    """

    rows: Rows
    column: int  # index among the carried values
    name: str  # of that column
    pool: str
    deciding: Sequence[tuple[Calibration, tuple[float, ...]]]  # and prior: of the model, and of a second one
    labels: LabelSet

    def __call__(self) -> Iterator[Row]:
        """The rows, in the order of the groups' first images."""
        return iter(self._pooled_and_failed[0])

    @property
    def failed(self) -> list[Row]:
        """The rows of unreadable images, which a group's row hides if other images could be read."""
        return self._pooled_and_failed[1]

    @cached_property
    def _pooled_and_failed(self) -> tuple[list[Row], list[Row]]:
        number_of: dict[str, int] = {}
        failed: list[Row] = []
        shown: list[Row] = []  # of each group, with its first image's own predictions
        unread, group_of = array("q"), array("q")
        images = [_Images(array("d"), []) for _ in self.deciding]
        for index, row in enumerate(self.rows()):
            value = row.carried[self.column]
            key = f"image {index}" if is_missing_word(value) else f"={value}"
            group = number_of.setdefault(key, len(number_of))
            if group == len(shown):
                shown.append(row)
                unread.append(0)
            if row.prediction is None:
                failed.append(row)
                unread[group] += 1
                continue
            if shown[group].prediction is None:
                shown[group] = row
            group_of.append(group)
            for own, said in zip(images, (row.prediction, row.also), strict=False):
                assert said is not None
                own.probabilities.extend(said.probabilities)
                own.refer.append(said.refer)
        return self._decided(shown, unread, np.array(group_of, np.int64), images), failed

    def _decided(
        self, shown: list[Row], unread: Sequence[int], group_of: np.ndarray, images: Sequence[_Images]
    ) -> list[Row]:
        scored, compact = np.unique(group_of, return_inverse=True)  # groups with a scored image
        counts = np.bincount(group_of, minlength=len(shown))
        nothing = np.zeros(len(group_of), np.int64)
        pooled = []
        for own, (calibration, prior) in zip(images, self.deciding, strict=True):
            said = Predictions(
                np.array(own.probabilities).reshape(-1, len(self.labels)), nothing, nothing.astype(bool),
                np.array(own.refer, "<U10"), label_set=self.labels,
            )  # fmt: skip
            pooled.append(pool_predictions(said, compact, len(scored), self.pool, calibration, prior).one_by_one())
        rows = [
            row._replace(carried=(*row.carried, str(count), str(failed), self.name))
            for row, count, failed in zip(shown, counts.tolist(), unread, strict=True)
        ]
        for group, first, *second in zip(scored.tolist(), *pooled, strict=True):
            rows[group] = rows[group]._replace(prediction=first, also=second[0] if second else None)
        return rows


class _Images(NamedTuple):
    """A model's predictions for images, one after the other."""

    probabilities: array[float]
    refer: list[str]


@dataclass(frozen=True)
class Ranks:
    """The rows of a job, each with its rank by malignant probability among those with the same value of a column.

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
            value = row.carried[self.column]
            if row.prediction and not is_missing_word(value):
                of_value[value].append(index)
        for members in of_value.values():
            own = np.array([chances[index] for index in members])
            above = np.searchsorted(np.sort(-own), -own, side="left")  # how many are greater
            for index, rank in zip(members, (above + 1).tolist(), strict=True):
                ranks[index] = rank
        return ranks
