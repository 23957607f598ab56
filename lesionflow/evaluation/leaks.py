"""Leaks: images of lesions that a model was trained on, in the data it is measured on."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.datasets.combined import LESION_NAMES, describe_sources, split_data_sets
from lesionflow.datasets.image_files import contents_of_files, is_there
from lesionflow.datasets.labelled import LabelledImages
from lesionflow.datasets.split import HELD_OUT, PARTS, Split
from lesionflow.errors import DataError, counted
from lesionflow.images.duplicates import VIEW, known_by_hash, perceptual_hashes
from lesionflow.images.pixel_cache import decoded_pixels
from lesionflow.model.card import LEAK, Card
from lesionflow.profile.copies import inspect_images

if TYPE_CHECKING:
    import pandas as pd

# Evidence of a leak: the same lesion, an image with the same name, a file with the same bytes under any name; and where
# a bundle has hashes, an image that looks the same.
DIGESTED_COLUMNS = {"lesions": "lesion_id", "images": "image_id", "contents": "content"}
PATIENTS = "patients"  # where a data set has them; other lesions of a patient are no leak of lesions, but told as well
_FILES_OF = {part: f"{part}_contents" for part in PARTS}
HASHES = "hashes"
_WAYS = {
    "lesions": "by lesion", "images": "by the image's name", "contents": "by the file's bytes", HASHES: "by sight",
}  # fmt: skip


@dataclass(frozen=True)
class Leak:
    """Measured images that the model was trained on."""

    by: dict[str, np.ndarray]  # of `DIGESTED_COLUMNS` and `HASHES`: which images each gives away, (images,) bool
    of_patients: np.ndarray  # which images are of a patient that the model was trained on, (images,) bool

    @property
    def members(self) -> np.ndarray:
        """Which images have leaked: (images,) bool."""
        return np.logical_or.reduce(list(self.by.values()))

    @property
    def other_lesions(self) -> int:
        """The number of further images that show other lesions of patients that the model was trained on."""
        return int((self.of_patients & ~self.members).sum())

    @property
    def found_by(self) -> dict[str, int]:
        """The number of images that each kind of evidence gives away."""
        return {name: int(found.sum()) for name, found in self.by.items()}

    def among(self, rows: np.ndarray) -> Leak:
        """The same for some of the images."""
        return Leak({name: found[rows] for name, found in self.by.items()}, self.of_patients[rows])

    @property
    def images(self) -> int:
        """The number of measured images that leaked."""
        return int(self.members.sum())

    def describe(self, model: str, measured: str = "these {}") -> str:
        """One sentence for a prominent warning, or none (""); measured: what the images are, `{}` for their number."""
        images = measured.format(counted(len(self.members), "image"))
        told = []
        if self.images:
            found = ", ".join(f"{count} {_WAYS[name]}" for name, count in self.found_by.items() if count)
            told.append(f"on lesions in {self.images} of {images} (found {found})")
        if self.other_lesions:
            where = f"{self.other_lesions} more" if told else f"{self.other_lesions} of {images}"
            told.append(f"on other lesions of the patients in {where} (by patient_id)")
        return f"{LEAK}: {model} was TRAINED {' and '.join(told)}: metrics on them are too good" if told else ""


def trained_on(table: pd.DataFrame, members: np.ndarray) -> dict[str, np.ndarray]:
    """Digests of the training part, for a bundle: by name of `DIGESTED_COLUMNS`, (different values,) uint64, ascending.

    And of `PATIENTS` where some are known. Digests, since people who have the model must not see ids of patients'
    lesions; 64 bits of SHA-256 each, so that among a million images a false alarm is less likely than one in ten
    million.
    """
    table = table.iloc[members]
    known = {name: _digests(name, table[column]) for name, column in DIGESTED_COLUMNS.items()}
    if LESION_NAMES in table.columns:
        known["lesions"] = np.append(known["lesions"], _digests("lesions", {*chain(*table[LESION_NAMES])}))
    known["images"] = np.concatenate([known["images"], _digests("images", archive_ids(table["image_id"]))])
    if patients := {*_patients(table)} - {""}:
        known[PATIENTS] = _digests(PATIENTS, patients)
    return {name: np.unique(digests) for name, digests in known.items()}


def digests_of_model(
    table: pd.DataFrame, split: Split, before: Sequence[dict[str, np.ndarray]]
) -> dict[str, np.ndarray]:
    """Digests for a bundle: as `trained_on` gives them, and those of the files of each part.

    before: what models that training built on tell of their training images, which trained this one, too.
    """
    seen = trained_on(table, split.train)
    files = {_FILES_OF[part]: trained_on(table, split.part(part))["contents"] for part in HELD_OUT}
    if before:  # else those of the training part are the same ones
        files[_FILES_OF["train"]] = seen["contents"]
    told = {name: [each[name] for each in (seen, *before) if name in each] for name in (*DIGESTED_COLUMNS, PATIENTS)}
    return {name: np.unique(np.concatenate(digests)) for name, digests in told.items() if digests} | files


def members_of_part(known: dict[str, np.ndarray], table: pd.DataFrame, part: str) -> np.ndarray:
    """The rows whose files were in a part of the split, among whatever others: (images of the part,) int64.

    known: what `digests_of_model` gave for the model; early bundles have no more than the training part, with that of
    the models that it was built on.
    """
    of_training = known.get("contents") if part == "train" else None
    files = known.get(_FILES_OF[part], np.empty(0, np.uint64) if of_training is None else of_training)
    return np.flatnonzero(np.isin(_digests("contents", table["content"]), files))


def find_leak(known: dict[str, np.ndarray], table: pd.DataFrame, hashes: np.ndarray | None = None) -> Leak:
    """Look for images with digests from `trained_on` in a table of `LabelledImages`.

    hashes: of `duplicates.perceptual_hashes`, one for each row, where images that look the same are to be found, too,
    and the model has hashes.
    """
    by = {name: np.isin(_digests(name, table[column]), known[name]) for name, column in DIGESTED_COLUMNS.items()}
    by["images"] |= np.isin(_digests("images", archive_ids(table["image_id"])), known["images"])
    if LESION_NAMES in table.columns:
        rows = np.repeat(np.arange(len(table)), table[LESION_NAMES].map(len))
        named = _digests("lesions", chain(*table[LESION_NAMES]))
        by["lesions"][rows[np.isin(named, known["lesions"])]] = True
    if hashes is not None and HASHES in known:
        by[HASHES] = known_by_hash(hashes, known[HASHES])
    patients = _patients(table)
    of_patients = (patients != "") & np.isin(_digests(PATIENTS, patients), known.get(PATIENTS, np.empty(0, np.uint64)))
    return Leak(by, of_patients)


def split_of_training(card: Card, images: LabelledImages, known: dict[str, np.ndarray] | None) -> Split | None:
    """The split that a model was trained on, for images that it was trained on; None for any others.

    A lesion's part depends on its own source alone, so that the split can be drawn again of data given without the
    others that it was combined with, and of files that were saved in another size. It counts as the same if the model
    knows exactly the images of the training part, and each part has as many images as the card says. The files have to
    be those of the training or all others: a few that differ are a change of the data.

    known: what `digests_of_model` gave for the model.
    """
    try:
        split = split_data_sets(images, card.split_fractions, card.split_seed, card.split_digest)
    except DataError:  # too few lesions for any split
        return None
    if images.digest == card.data_digest:
        return split if split.digest == card.split_digest else _split_of_files(split, images, known or {})
    if known is None or not (split.digest == card.split_digest or _has_sizes_of(card, images, split)):
        return None
    leak = find_leak(known, images.table)
    same_files = leak.found_by["contents"]
    alone = len(card.training.get("sources", ())) < 2
    if same_files and (alone or same_files < len(split.train)):
        return None
    return split if np.array_equal(np.flatnonzero(leak.members), split.train) else None


def _split_of_files(split: Split, images: LabelledImages, known: dict[str, np.ndarray]) -> Split:
    """The split with the files that the model knows in each part, if these are all images; else the split as it is.

    Another data set of the training, all of it copies, can have told that several lesions of these are one.
    """
    train, validation, test = parts = [members_of_part(known, images.table, part) for part in PARTS]
    if not np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(images.table))):
        return split
    return dataclasses.replace(split, train=train, validation=validation, test=test)


def _has_sizes_of(card: Card, images: LabelledImages, split: Split) -> bool:
    """Whether each source has as many images in each part as one of the card's has."""
    table = images.table if "source" in images.table.columns else images.table.assign(source=images.name)
    then = [source["images"] for source in card.training.get("sources", ())]
    found = describe_sources(dataclasses.replace(images, table=table), split)
    return all(source["images"] in then for source in found)


def find_leak_of_images(known: dict[str, np.ndarray], table: pd.DataFrame, cache: Path | None = None) -> Leak:
    """What `find_leak` finds, by sight as well if the model has hashes; the views of the images are kept in a cache."""
    hashes = None
    if HASHES in known:
        hashes = perceptual_hashes(decoded_pixels(table["path"].tolist(), table["content"].tolist(), VIEW, VIEW, cache))
    return find_leak(known, table, hashes)


def find_leaks_of_files(
    known: Sequence[dict[str, np.ndarray]], paths: Sequence[str], image_ids: Sequence[str], lesion_ids: Sequence[str]
) -> list[Leak]:
    """Look for images of each model's `trained_on` among a report's files, which are read for all of them together.

    By ids, bytes and, if a model has hashes, by sight; what is gone has neither bytes nor looks to compare.
    """
    import pandas as pd

    there = [path for path in paths if known and is_there(path)]
    contents = dict(zip(there, contents_of_files(there)[0], strict=True))
    columns = (lesion_ids, image_ids, [contents.get(path, "") for path in paths])
    table = pd.DataFrame(dict(zip(DIGESTED_COLUMNS.values(), columns, strict=True)), dtype=str)
    hashes = None
    if any(HASHES in each for each in known):
        views = np.zeros((len(paths), VIEW, VIEW, 3), np.uint8)
        views[np.isin(paths, there)] = inspect_images(there)[1]
        hashes = perceptual_hashes(views)
    return [find_leak(each, table, hashes) for each in known]


def archive_ids(image_ids: Iterable[str]) -> list[str]:
    """Image ids reduced to the ISIC Archive's id that they contain, such as `ISIC_0024306`; the others as they are.

    Copies of the archive's images are published resized and under longer names (`ISIC_0000001_downsampled`,
    `mel/ISIC_0024310.png`): their bytes differ, the id does not.
    """
    found = ((image_id, re.search(r"(?<![A-Za-z0-9])ISIC_\d{7}(?!\d)", image_id)) for image_id in image_ids)
    return [match.group() if match else image_id for image_id, match in found]


def _patients(table: pd.DataFrame) -> np.ndarray:
    """The patient of each row, empty where not known: (images,) text."""
    if "patient_id" not in table.columns:
        return np.full(len(table), "")
    return np.asarray(table["patient_id"], dtype=str)


def _digests(name: str, values: Iterable[str]) -> np.ndarray:
    # The digest includes the column's name: an image called like a lesion is not that lesion.
    whole = b"".join(hashlib.sha256(f"{name}\t{value}".encode()).digest()[:8] for value in values)
    return np.frombuffer(whole, dtype=">u8").astype(np.uint64)
