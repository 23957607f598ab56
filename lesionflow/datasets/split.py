"""The split by lesion, or by patient if known: neither ever appears in two parts."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from lesionflow.errors import DataError, UsageError, counted, first_few

PARTS = ("train", "validation", "test")
HELD_OUT = PARTS[1:]  # of whose images nothing is trained
DEFAULT_FRACTIONS = (0.70, 0.15, 0.15)


@dataclass(frozen=True)
class Split:
    """The split: indices of the images in each part."""

    train: np.ndarray = field(repr=False)  # (images in training,) int64, ascending
    validation: np.ndarray = field(repr=False)
    test: np.ndarray = field(repr=False)
    seed: int
    fractions: tuple[float, float, float]
    digest: str
    by: str = "lesion"  # or patient

    def part(self, name: str) -> np.ndarray:
        """The indices of one of `PARTS`."""
        indices: np.ndarray = getattr(self, name)
        return indices

    def part_of_each(self, images: int) -> np.ndarray:
        """The part of each image of the table, (images,) of str; empty if it is in none."""
        parts = np.full(images, "", dtype=object)
        for name in PARTS:
            parts[self.part(name)] = name
        return parts


def split_by_lesion(
    image_ids: Sequence[str],
    lesion_ids: Sequence[str],
    labels: np.ndarray,
    fractions: tuple[float, float, float] = DEFAULT_FRACTIONS,
    seed: int = 0,
    fold: tuple[int, int] | None = None,
) -> Split:
    """Split images into train, validation and test so that each lesion is in one part.

    Lesions of a diagnosis are ordered by the SHA-256 of seed and lesion id and cut by number, so the result depends on
    nothing but the data and the seed: no random generator whose stream another version or machine could change, no
    order of rows. So are larger groups, each as the diagnosis of its images that the fewest groups have.

    Parameters
    ----------
    image_ids : sequence of str
        Of each image.
    lesion_ids : sequence of str
        Of each image, or what `lesions_and_patients` gives for them.
    labels : (images,) int64
        The diagnoses, as numbers.
    fractions : (float, float, float)
        Shares of lesions in `PARTS`.
    seed : int
        Another seed, another split.
    fold : (int, int), optional
        The index of a fold and how many there are: its lesions are the test part, whatever the share of that. Over all
        folds each lesion is in the test part once.

    Returns
    -------
    Split
        With the digest of which image is in which part.

    Raises
    ------
    UsageError
        For fractions that do not add up to 1.
    """
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise UsageError(f"split fractions {fractions} have to be above 0 and add up to 1; change them")
    label_of = _rarest_labels(lesion_ids, labels)
    part_of: dict[str, str] = {}
    for label in sorted(set(label_of.values())):
        members = sorted(
            (lesion for lesion, of in label_of.items() if of == label),
            key=lambda lesion: hashlib.sha256(f"{seed}\t{lesion}".encode()).digest(),
        )
        validation, test = (max(1, round(fraction * len(members))) for fraction in fractions[1:])
        if fold:
            first, end = (round(edge * len(members) / fold[1]) for edge in (fold[0], fold[0] + 1))
            members, test = members[first:] + members[:first], end - first
            validation = max(1, min(validation, len(members) - test - 1))
        elif validation + test >= len(members):  # few: one each, and training takes the rest
            validation = test = 1
        part_of |= dict.fromkeys(members[:test], "test")
        part_of |= dict.fromkeys(members[test : test + validation], "validation")
        part_of |= dict.fromkeys(members[test + validation :], "train")

    return split_of_parts(image_ids, np.array([part_of[lesion] for lesion in lesion_ids]), seed, fractions)


def split_of_parts(
    image_ids: Sequence[str], parts: np.ndarray, seed: int, fractions: tuple[float, float, float], by: str = "lesion"
) -> Split:
    """The split with each image in the given part, (images,) of `PARTS`."""
    train, validation, test = (np.flatnonzero(parts == part) for part in PARTS)
    return Split(train, validation, test, seed, fractions, _digest(image_ids, parts), by)


def _digest(image_ids: Sequence[str], parts: np.ndarray) -> str:
    """Digest of the split, independent of the order of rows."""
    digest = hashlib.sha256()
    for image_id, part in sorted(zip(image_ids, parts.tolist(), strict=True)):
        digest.update(f"{image_id}\t{part}\n".encode())
    return digest.hexdigest()


def lesions_and_patients(lesion_ids: Sequence[str], *others: Sequence[str]) -> list[str]:
    """The group from which each image must not be separated, called like the first of its lesions.

    others: the patient of each image, or another id that lesions of one group share; empty where it is not known.
    """
    one = connected(
        ((0, lesion), (kind, other))
        for kind, ids in enumerate(others, start=1)
        for lesion, other in zip(lesion_ids, ids, strict=True)
        if other
    )
    return [one.get((0, lesion), (0, lesion))[1] for lesion in lesion_ids]


_Node = TypeVar("_Node", bound=tuple[int | str, str])


def connected(pairs: Iterable[tuple[_Node, _Node]]) -> dict[_Node, _Node]:
    """For each node of some pairs, the smallest one that pairs lead to; the order of pairs does not matter."""
    parent: dict[_Node, _Node] = {}

    def root(node: _Node) -> _Node:
        while (above := parent.setdefault(node, node)) != node:
            parent[node] = parent[above]
            node = above
        return node

    for pair in pairs:
        smaller, larger = sorted(map(root, pair))
        parent[larger] = smaller
    return {node: root(node) for node in [*parent]}


def _rarest_labels(groups: Sequence[str], labels: np.ndarray) -> dict[str, int]:
    """The label of each group; if it has several, the rarest one."""
    pairs = set(zip(groups, labels.tolist(), strict=True))
    having = Counter(label for _, label in pairs)
    label_of: dict[str, int] = {}
    for group, label in pairs:
        other = label_of.get(group, label)
        label_of[group] = min(label, other, key=lambda one: (having[one], one))
    return {group: label_of[group] for group in sorted(label_of)}


def check_three_lesions(lesion_ids: Sequence[str], labels: np.ndarray, names: Sequence[str]) -> None:
    """Raise `DataError` for a diagnosis, whose index into `names` is its label, with too few lesions for a split."""
    counts = Counter(label for _, label in set(zip(lesion_ids, labels.tolist(), strict=True)))
    for label, lesions in sorted(counts.items()):
        if lesions < 3:
            raise DataError(
                f"{names[label]} has {counted(lesions, 'lesion')}; a split needs at least three of each diagnosis: add "
                f"images of more lesions, give those of {names[label]} with --extra, which only train, or choose a "
                "label set without it (--diagnoses)"
            )


def check_every_part(split: Split, labels: np.ndarray, names: Sequence[str]) -> None:
    """Raise `DataError` where a part of a split by patient lacks a diagnosis."""
    missing = [
        f"{names[label]} in {part}"
        for label in np.unique(labels).tolist()
        for part in PARTS
        if label not in labels[split.part(part)]
    ]
    if missing:
        raise DataError(
            f"split by patient: no {first_few(missing)}; a split needs at least three patients of each diagnosis: add "
            "images of more patients, try another --seed, or choose a label set without it (--diagnoses)"
        )
