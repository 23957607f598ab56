"""Leaks: images of lesions that a model was trained on, in the data it is measured on."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.datasets.image_files import digests_of_files
from lesionflow.errors import counted

if TYPE_CHECKING:
    import pandas as pd

# Evidence of a leak: the same lesion, an image with the same name, a file with the same bytes under any name.
COLUMNS = {"lesions": "lesion_id", "images": "image_id", "contents": "content"}


@dataclass(frozen=True)
class Leak:
    """Measured images that the model was trained on."""

    members: np.ndarray  # (images,) bool
    found_by: dict[str, int]  # of `COLUMNS`: how many images each gives away

    @property
    def images(self) -> int:
        """The number of measured images that leaked."""
        return int(self.members.sum())

    def describe(self, model: str) -> str:
        """One sentence for a prominent warning."""
        ways = {"lesions": "by lesion", "images": "by the image's name", "contents": "by the file's bytes"}
        found = ", ".join(f"{count} {ways[name]}" for name, count in self.found_by.items() if count)
        return (
            f"LEAK: {model} was TRAINED on lesions in {self.images} of these {counted(len(self.members), 'image')} "
            f"(found {found}): its metrics are too good"
        )


def trained_on(table: pd.DataFrame, members: np.ndarray) -> dict[str, np.ndarray]:
    """Digests of the training part, for a bundle: by name of `COLUMNS`, (different values,) uint64, ascending.

    Digests, since people who have the model must not see ids of patients' lesions; 64 bits of SHA-256 each, so that
    among a million images a false alarm is less likely than one in ten million.
    """
    table = table.iloc[members]
    known = {name: _digests(name, table[column]) for name, column in COLUMNS.items()}
    known["images"] = np.concatenate([known["images"], _digests("images", archive_ids(table["image_id"]))])
    return {name: np.unique(digests) for name, digests in known.items()}


def find_leak(known: dict[str, np.ndarray], table: pd.DataFrame) -> Leak:
    """Look for images with digests from `trained_on` in a table of `LabelledImages`."""
    by = {name: np.isin(_digests(name, table[column]), known[name]) for name, column in COLUMNS.items()}
    by["images"] |= np.isin(_digests("images", archive_ids(table["image_id"])), known["images"])
    return Leak(np.logical_or.reduce(list(by.values())), {name: int(found.sum()) for name, found in by.items()})


def find_leak_of_files(
    known: dict[str, np.ndarray], paths: Sequence[str], image_ids: Sequence[str], lesion_ids: Sequence[str]
) -> Leak:
    """Look for images of `trained_on` among files by ids and bytes; files that are gone have no bytes to compare."""
    import pandas as pd

    there = [path for path in paths if os.path.isfile(path)]
    contents = dict(zip(there, digests_of_files(there), strict=True))
    columns = (lesion_ids, image_ids, [contents.get(path, "") for path in paths])
    return find_leak(known, pd.DataFrame(dict(zip(COLUMNS.values(), columns, strict=True)), dtype=str))


def archive_ids(image_ids: Iterable[str]) -> list[str]:
    """Image ids reduced to the ISIC Archive's id that they contain, such as `ISIC_0024306`; the others as they are.

    Copies of the archive's images are published resized and under longer names (`ISIC_0000001_downsampled`,
    `mel/ISIC_0024310.png`): their bytes differ, the id does not.
    """
    found = ((image_id, re.search(r"(?<![A-Za-z0-9])ISIC_\d{7}(?!\d)", image_id)) for image_id in image_ids)
    return [match.group() if match else image_id for image_id, match in found]


def _digests(name: str, values: Iterable[str]) -> np.ndarray:
    # The digest includes the column's name: an image called like a lesion is not that lesion.
    whole = b"".join(hashlib.sha256(f"{name}\t{value}".encode()).digest()[:8] for value in values)
    return np.frombuffer(whole, dtype=">u8").astype(np.uint64)
