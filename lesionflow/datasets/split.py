"""The split by lesion: no lesion ever stands on two sides."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lesionflow.errors import DataError, UsageError

PARTS = ("train", "validation", "test")


@dataclass(frozen=True)
class Split:
    """Which image stands in which part, as indices into the table that was split."""

    train: np.ndarray  # (images in training,) int64, ascending
    validation: np.ndarray
    test: np.ndarray
    seed: int
    fractions: tuple[float, float, float]
    digest: str

    def part(self, name: str) -> np.ndarray:
        """The indices of one of `PARTS`."""
        indices: np.ndarray = getattr(self, name)
        return indices


def split_by_lesion(
    image_ids: Sequence[str],
    lesion_ids: Sequence[str],
    labels: np.ndarray,
    fractions: tuple[float, float, float] = (0.70, 0.15, 0.15),
    seed: int = 0,
) -> Split:
    """Split images into train, validation and test so that each lesion stands in one part, diagnoses in proportion.

    Lesions of a diagnosis are ordered by the SHA-256 of seed and lesion id and cut by number, so the result depends on
    nothing but the data and the seed: no random generator whose stream another version or machine could change, no
    order of rows. labels: (images,) indices into `DIAGNOSES`, one diagnosis a lesion. Raises `UsageError` for fractions
    that do not add up to 1 and `DataError` where a diagnosis has fewer than three lesions.
    """
    if min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise UsageError(f"split fractions {fractions} must each be above 0 and add up to 1")
    label_of = dict(zip(lesion_ids, labels.tolist(), strict=True))
    part_of: dict[str, str] = {}
    for label in sorted(set(label_of.values())):
        lesions = sorted(
            (lesion for lesion, of in label_of.items() if of == label),
            key=lambda lesion: hashlib.sha256(f"{seed}\t{lesion}".encode()).digest(),
        )
        if len(lesions) < 3:
            raise DataError(f"diagnosis number {label} has {len(lesions)} lesions; a split needs at least three")
        validation, test = (max(1, round(fraction * len(lesions))) for fraction in fractions[1:])
        if validation + test >= len(lesions):  # few lesions: one each, and training takes the rest
            validation = test = 1
        part_of |= dict.fromkeys(lesions[:test], "test")
        part_of |= dict.fromkeys(lesions[test : test + validation], "validation")
        part_of |= dict.fromkeys(lesions[test + validation :], "train")

    parts = np.array([part_of[lesion] for lesion in lesion_ids])  # (images,)
    digest = hashlib.sha256()
    for image_id, part in sorted(zip(image_ids, parts.tolist(), strict=True)):
        digest.update(f"{image_id}\t{part}\n".encode())
    train, validation_images, test_images = (np.flatnonzero(parts == part) for part in PARTS)
    return Split(train, validation_images, test_images, seed, fractions, digest.hexdigest())
