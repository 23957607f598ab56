"""Several data sets combined: the source of each image, sources that only train, and images or lesions in two sets."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lesionflow.datasets.label_columns import is_missing
from lesionflow.datasets.label_words import read_label_words
from lesionflow.datasets.labelled import LabelledImages, read_with_words
from lesionflow.datasets.split import (
    DEFAULT_FRACTIONS,
    PARTS,
    Split,
    digest_of_parts,
    lesions_and_patients,
    split_by_lesion,
)
from lesionflow.diagnoses import HAM10000, LabelSet, part_of_set
from lesionflow.errors import DataError, counted, enumerated, first_few
from lesionflow.images.duplicates import NEAR, VIEW, similar_pairs
from lesionflow.images.pixel_cache import decoded_pixels

if TYPE_CHECKING:
    import pandas as pd


def read_data_sets(
    data: Sequence[str],
    extra: Sequence[str] = (),
    cache: Path | None = None,
    labels: str | None = None,
    label_set: LabelSet = HAM10000,
) -> LabelledImages:
    """Read several data sets as one, those of `extra` last and marked as training only.

    cache: for the small pixels by which copies are found; labels: a YAML file that says what words of the data sets
    mean. The table has a column `source` (the row's own where its table has one, else the data set's name) and, of
    several data sets, `extra` (bool) and a `lesion_id` that images share which are copies or of one lesion. Raises
    `DataError` where a data set cannot be read, or copies of an image have different diagnoses.
    """
    words = read_label_words(labels, label_set)
    sets = [read_with_words(path, cache, words) for path in (*data, *extra)]
    unmet = words.unmet()
    alone = _with_sources(sets[0])
    if len(sets) == 1:
        return dataclasses.replace(alone, warnings=(*alone.warnings, *unmet))
    sets = [_with_sources(images) for images in _named_apart(sets, (*data, *extra))]
    tables = []
    for index, images in enumerate(sets):
        licence = images.table["licence"] if "licence" in images.table.columns else images.licence
        tables.append(images.table.assign(extra=index >= len(data), licence=licence, data_set=index))
    table, warnings = _without_copies(tables, [images.name for images in sets], cache)
    warnings = [f"{images.name}: {text}" for images in sets for text in images.warnings] + warnings + unmet
    # A data set without remaining images counts as not given: models trained on the same images have the same data.
    # Only that its copies make several lesions one is kept.
    left = table["data_set"].unique().tolist()
    if left == [0]:
        joined = alone.table.assign(lesion_id=table["lesion_id"].array)
        return dataclasses.replace(alone, table=joined, warnings=tuple(warnings))
    return LabelledImages(
        name=enumerated(dict.fromkeys(sets[index].name for index in left)),
        folder=sets[0].folder,
        table=table,
        digest=_digest([sets[index] for index in left], sum(index < len(data) for index in left)),
        demo=any(sets[index].demo for index in left if index < len(data)),
        warnings=tuple(warnings),
        label_set=label_set,
    )


def _with_sources(images: LabelledImages) -> LabelledImages:
    """Add the data set's name as the source of each row that has none."""
    own = images.table.get("source")
    sources = images.name if own is None else own.where(~is_missing(own), images.name)
    return dataclasses.replace(images, table=images.table.assign(source=sources))


def _named_apart(sets: Sequence[LabelledImages], paths: Sequence[str]) -> list[LabelledImages]:
    """Distinguish data sets of the same name, such as two tables `labels.csv`, by their folders below a common one."""
    names, found = [images.name for images in sets], []
    for images, path in zip(sets, paths, strict=True):
        alike = {os.path.abspath(other) for other, name in zip(paths, names, strict=True) if name == images.name}
        if len(alike) > 1:
            root = os.path.commonpath([os.path.dirname(other) for other in alike])
            images = dataclasses.replace(images, name=os.path.relpath(path, root))
        found.append(images)
    return found


def split_data_sets(
    images: LabelledImages,
    fractions: tuple[float, float, float] = DEFAULT_FRACTIONS,
    seed: int = 0,
    digest: str = "",
    fold: tuple[int, int] | None = None,
) -> Split:
    """Split each source on its own, so that a lesion's part does not depend on the other data sets.

    The split is by lesion, and by patient where patients are known. If `digest` is that of a split by lesion alone,
    as earlier versions made it, that one is returned. fold: as `split_by_lesion` takes it.

    Training-only images are in the training part. So are lesions of a diagnosis of which a source has fewer than
    three, unless there is one source. A lesion that is in several sources gets its part from the first one.

    Returns
    -------
    Split
        Indices into the table of `images`. For one data set without sources, it is `split_by_lesion`'s.
    """
    patients = images.table["patient_id"].tolist() if "patient_id" in images.table.columns else []
    if not any(patients):
        return _split_sources(images, fractions, seed, None, fold)
    split = _split_sources(images, fractions, seed, patients, fold)
    if digest and split.digest != digest:
        before = _split_sources(images, fractions, seed, None)
        return before if before.digest == digest else split
    return split


def check_every_diagnosis_trains(images: LabelledImages, split: Split) -> None:
    """Raise `DataError` where the training part lacks a diagnosis: the model would call it without having seen one."""
    seen = set(images.table["dx"].iloc[split.train])
    if unseen := [name for name in images.label_set.names if name not in seen]:
        present = [name for name in images.label_set.names if name in seen]
        fits = part_of_set(present) or "(a built-in set, or a YAML file)"
        raise DataError(
            f"no image of {first_few(unseen, 8)} to train on, only of {first_few(present, 8)}; name the diagnoses that "
            f"there are with --diagnoses {fits}, or add images of the others with --data or --extra"
        )


def _split_sources(
    images: LabelledImages,
    fractions: tuple[float, float, float],
    seed: int,
    patients: list[str] | None,
    fold: tuple[int, int] | None = None,
) -> Split:
    table, labels = images.table, images.labels
    extra = table["extra"].to_numpy() if "extra" in table.columns else np.zeros(len(table), bool)
    columns = [table[name] for name in ("data_set", "source") if name in table.columns]
    keys = list(zip(*columns, strict=True)) if columns else [()] * len(table)
    sources = list(dict.fromkeys(keys))
    if len(sources) == 1:
        ids, names = table["image_id"], images.label_set.names
        return split_by_lesion(ids, table["lesion_id"], labels, fractions, seed, patients, names=names, fold=fold)
    groups = table["lesion_id"] if patients is None else _groups(table, patients)
    part_of: dict[str, str] = {}
    for source in sources:
        free = ~groups.isin(part_of).to_numpy() & ~extra
        members = np.array([i for i, key in enumerate(keys) if key == source and free[i]], np.int64)
        few = [dx for dx, group in groups.iloc[members].groupby(labels[members]) if group.nunique() < 3]
        members = members[~np.isin(labels[members], few)]
        if len(members):
            ids, members_groups = table["image_id"].iloc[members], groups.iloc[members]
            known = None if patients is None else members_groups.tolist()
            found = split_by_lesion(
                ids, members_groups, labels[members], fractions, seed, known, strict=False, fold=fold
            )
            for part in PARTS:
                part_of |= dict.fromkeys(members_groups.iloc[found.part(part)], part)
    parts = np.array([part_of.get(group, "train") for group in groups])
    if not (parts == "validation").any() or not (parts == "test").any():
        raise DataError(
            "no diagnosis has three lesions in one source of --data; a split needs at least three: name a larger data "
            "set with --data, and small ones with --extra, which only train"
        )
    train, validation, test = (np.flatnonzero(parts == part) for part in PARTS)
    by = "lesion" if patients is None else "patient"
    return Split(train, validation, test, seed, fractions, digest_of_parts(table["image_id"], parts), by)


def _groups(table: pd.DataFrame, patients: list[str]) -> pd.Series:
    """The group from which each image must not be separated; patient ids are per data set."""
    import pandas as pd

    sets = table["data_set"] if "data_set" in table.columns else [0] * len(table)
    named = [patient and f"{number}/{patient}" for number, patient in zip(sets, patients, strict=True)]
    return pd.Series(lesions_and_patients(table["lesion_id"], named), index=table.index, dtype=str)


def describe_sources(images: LabelledImages, split: Split) -> list[dict[str, Any]]:
    """The card's entry for each source: name, licence, training only or not, and images by part and diagnosis."""
    table = images.table
    parts = split.part_of_each(len(table))
    extra = table["extra"].to_numpy() if "extra" in table.columns else np.zeros(len(table), bool)
    licences = table["licence"] if "licence" in table.columns else np.full(len(table), images.licence)
    found = []
    for (source, only_training), rows in table.assign(part=parts, extra=extra, licence=licences).groupby(
        ["source", "extra"], sort=False
    ):
        counts = rows["dx"].value_counts()
        found.append({
            "name": str(source),
            "licence": ", ".join(sorted({text for text in rows["licence"] if text})),
            "training_only": bool(only_training),
            "images": {part: int((rows["part"] == part).sum()) for part in PARTS},
            "diagnoses": {dx: int(counts.get(dx, 0)) for dx in images.label_set.names},
        })  # fmt: skip
    return found


def _without_copies(tables: list[pd.DataFrame], names: list[str], cache: Path | None) -> tuple[pd.DataFrame, list[str]]:
    """Drop rows that show a picture of an earlier data set, and merge the lesions of both."""
    import pandas as pd

    warnings: list[str] = []
    kept, seen = tables[0], _views(tables[0], cache)
    for table, name in zip(tables[1:], names[1:], strict=True):
        own = _views(table, cache)
        original = _originals(kept, seen, table, own)  # (rows,) index into kept, -1 where there is none
        copies = np.flatnonzero(original >= 0)
        _check_diagnoses(kept, table, original, copies, name)
        # A different lesion with the same id is renamed. Lesions with the same id and diagnosis are one, and so are
        # those with copies of an image: earlier ones, too, that are linked by a lesion here.
        known = dict(zip(kept["lesion_id"], kept["dx"], strict=True))
        lesions = set(zip(table["lesion_id"], table["dx"], strict=True))
        chance = _names_of_files(kept) | _names_of_files(table)
        others = {lesion for lesion, dx in lesions if known.get(lesion, dx) != dx}
        renamed = {lesion: f"{name}/{lesion}" for lesion in others | chance & known.keys()}
        same = [lesion for lesion, dx in lesions if known.get(lesion) == dx and lesion not in renamed]
        warnings += _shared_ids({*same} - {*table["lesion_id"].iloc[copies]}, others - chance, name)
        before = [*kept["lesion_id"].iloc[original[copies]], *same]
        here = [*table["lesion_id"].iloc[copies], *same]
        one = [group.removeprefix("lesion\t") for group in lesions_and_patients(before, here)]
        merged, joined = dict(zip(before, one, strict=True)), renamed | dict(zip(here, one, strict=True))
        kept = kept.assign(lesion_id=[merged.get(lesion, lesion) for lesion in kept["lesion_id"]])
        table = table.assign(lesion_id=[joined.get(lesion, lesion) for lesion in table["lesion_id"]])
        if len(copies):
            warnings.append(
                f"{name}: copies of images in the data sets before it are left out, {counted(len(copies), 'image')}: "
                f"{first_few(table['image_id'].iloc[copies].tolist())}"
            )
        new = original < 0
        if table["extra"].all():
            known_lesion = table["lesion_id"].isin(set(kept["lesion_id"][~kept["extra"]])).to_numpy()
            if count := int((known_lesion & new).sum()):
                warnings.append(
                    f"{name}: left out of training: {counted(count, 'image')} of lesions that are in --data"
                )
            new &= ~known_lesion
        table, own = table[new], own[new]
        same_name = table["image_id"].isin(set(kept["image_id"]))
        table = table.assign(image_id=table["image_id"].where(~same_name, name + "/" + table["image_id"]))
        kept = pd.concat([kept, table], ignore_index=True)
        seen = np.concatenate([seen, own])
    several = kept.groupby("lesion_id")["dx"].nunique()
    if contradicting := sorted(several.index[several > 1]):
        raise DataError(
            f"{counted(len(contradicting), 'lesion of several data sets', 'differs', 'differ')} in diagnosis: "
            f"{first_few(contradicting)}; correct the diagnoses, or the lesion_id of different lesions"
        )
    return kept, warnings


def _names_of_files(table: pd.DataFrame) -> set[str]:
    """The ids of lesions that are only called like their images, which anybody may call so, except the archive's."""
    own = table["lesion_id"][table["lesion_id"] == table["image_id"]]
    return {*own[~own.str.fullmatch(r"ISIC_\d{7}(_downsampled)?")]}


def _shared_ids(same: Collection[str], others: Collection[str], name: str) -> list[str]:
    """A warning about lesions that share nothing but an id with one of an earlier data set.

    same: those of the same diagnosis, which count as one lesion; others: those of another diagnosis.
    """
    told = (
        (same, "counts as the same lesion", "count as the same lesions"),
        (others, "has another diagnosis and counts as another", "have another diagnosis and count as others"),
    )
    known = [f"{len(ids)} {one if len(ids) == 1 else many}: {first_few(sorted(ids))}" for ids, one, many in told if ids]
    ids = counted(len(same) + len(others), "lesion id", "is", "are")
    advice = "if each data set counts its own, write its name before each lesion_id"
    return [f"{name}: {ids} in a data set before it, too; {', '.join(known)}; {advice}"] if known else []


def _check_diagnoses(
    kept: pd.DataFrame, table: pd.DataFrame, original: np.ndarray, copies: np.ndarray, name: str
) -> None:
    differing = [i for i in copies if kept["dx"].iloc[original[i]] != table["dx"].iloc[i]]
    if differing:
        first = differing[0]
        raise DataError(
            f"{name}: {counted(len(differing), 'image', 'has', 'have')} another diagnosis than a copy in a data set "
            f"before it: {table['image_id'].iloc[first]} is {table['dx'].iloc[first]} here and "
            f"{kept['dx'].iloc[original[first]]} there; correct one of them"
        )


def _originals(kept: pd.DataFrame, seen: np.ndarray, table: pd.DataFrame, own: np.ndarray) -> np.ndarray:
    """For each row of a table, the row of `kept` with the same picture, -1 for none: (rows,) int64.

    seen, own: the views of both, (rows, VIEW, VIEW, 3) uint8.
    """
    by_content = {content: i for i, content in reversed(list(enumerate(kept["content"])))}
    same_bytes = np.array([by_content.get(content, -1) for content in table["content"]], np.int64)
    found, nearest = same_bytes.copy(), np.zeros(len(table))
    for pair in similar_pairs(np.concatenate([seen, own]), NEAR, before=len(seen)):
        row = pair.second - len(seen)
        if same_bytes[row] < 0 and pair.correlation > nearest[row]:
            found[row], nearest[row] = pair.first, pair.correlation
    return found


def _views(table: pd.DataFrame, cache: Path | None) -> np.ndarray:
    """The middle squares by which copies are found: (rows, VIEW, VIEW, 3) uint8."""
    files = table["path"].tolist(), table["content"].tolist()
    return np.asarray(decoded_pixels(*files, VIEW, VIEW, cache))


def _digest(sets: Sequence[LabelledImages], data: int) -> str:
    """Digest of all data sets' digests, in order, and of which ones only train."""
    told = "".join(f"{images.digest}\t{'data' if i < data else 'extra'}\n" for i, images in enumerate(sets))
    return hashlib.sha256(told.encode()).hexdigest()
