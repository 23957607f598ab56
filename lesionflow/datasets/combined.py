"""Several data sets combined: the source of each image, sources that only train, and images or lesions in two sets."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lesionflow.datasets.label_columns import ATTRIBUTES, is_missing
from lesionflow.datasets.label_words import read_label_words
from lesionflow.datasets.labelled import LabelledImages, read_with_words
from lesionflow.datasets.licences import is_published, licences_of
from lesionflow.datasets.split import (
    DEFAULT_FRACTIONS,
    PARTS,
    Split,
    check_every_part,
    check_three_lesions,
    connected,
    lesions_and_patients,
    split_by_lesion,
    split_of_parts,
)
from lesionflow.diagnoses import HAM10000, LabelSet, part_of_set
from lesionflow.errors import DataError, counted, enumerated, first_few
from lesionflow.images.duplicates import NEAR, VIEW, similar_pairs
from lesionflow.images.pixel_cache import decoded_pixels

if TYPE_CHECKING:
    import pandas as pd

LESION_NAMES = "lesion_names"  # the column with the ids that a lesion, and no other, has in several data sets
GROUP = "group"  # the column with what several data sets, also by rows that are left out, tell must not be separated


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
    several data sets, `extra` (bool), a `lesion_id` and a `patient_id` that images share which are copies or of one
    lesion or patient, `LESION_NAMES` and `GROUP`. Raises `DataError` where a data set cannot be read, or copies of an
    image have different diagnoses.
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
        licences = licences_of(images.table)
        tables.append(images.table.assign(extra=index >= len(data), licence=licences, data_set=index))
    table, warnings = _as_one(tables, [images.name for images in sets], cache)
    warnings = [f"{images.name}: {text}" for images in sets for text in images.warnings] + warnings + unmet
    # A data set without remaining images counts as not given: models trained on the same images have the same data.
    # Only what its copies tell is kept.
    left = table["data_set"].unique().tolist()
    if left == [0]:
        columns = ("lesion_id", "lesion_known", LESION_NAMES, GROUP, "patient_id", "licence")
        told = {name: table[name].array for name in columns}
        return dataclasses.replace(alone, table=alone.table.assign(**told), warnings=tuple(warnings))
    return LabelledImages(
        name=enumerated(dict.fromkeys(sets[index].name for index in left)),
        folder=sets[0].folder,
        table=table.assign(source=_sources_apart(table, (*data, *extra))),
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
            images = dataclasses.replace(images, name=os.path.relpath(path, _common_folder(alike)))
        found.append(images)
    return found


def _common_folder(paths: Iterable[str]) -> str:
    return os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in paths])


def _sources_apart(table: pd.DataFrame, paths: Sequence[str]) -> pd.Series:
    """The source of each row, with its data set's folder where others have a source of that name, unless published."""
    sources = table["source"]
    for name, sets in table.groupby("source", sort=False)["data_set"].unique().items():
        if len(sets) > 1 and not is_published(name):
            root = _common_folder(paths[index] for index in sets)
            folders = [Path(os.path.relpath(paths[index], root)).parts for index in sets]
            depth = next(n for n in range(1, 99) if len({folder[:n] for folder in folders}) == len(sets))
            apart = {index: f"{name} ({'/'.join(folder[:depth])})" for index, folder in zip(sets, folders, strict=True)}
            sources = sources.mask(table["source"] == name, table["data_set"].map(apart))
    return sources


def split_data_sets(
    images: LabelledImages,
    fractions: tuple[float, float, float] = DEFAULT_FRACTIONS,
    seed: int = 0,
    digest: str = "",
    fold: tuple[int, int] | None = None,
) -> Split:
    """Split each source on its own, so that a lesion's part does not depend on the other data sets.

    The split is by lesion, and by patient where patients are known. Lesions of different diagnoses that have one id in
    two data sets stay together, too. If `digest` is that of a split by lesion alone, as earlier versions made it, that
    one is returned. fold: as `split_by_lesion` takes it.

    Training-only images are in the training part. So are lesions of a diagnosis of which a source has fewer than
    three, unless there is one source. A lesion or patient of several sources gets its part from the first one.

    Returns
    -------
    Split
        Indices into the table of `images`. For one data set without sources, it is `split_by_lesion`'s.
    """
    import pandas as pd

    table = images.table
    by = "patient" if "patient_id" in table.columns and table["patient_id"].any() else "lesion"
    if GROUP in table.columns:
        groups = table[GROUP]
    else:
        patients = [table["patient_id"]] if by == "patient" else []
        groups = pd.Series(lesions_and_patients(table["lesion_id"], *patients), index=table.index, dtype=str)
    split = _split_sources(images, groups, by, fractions, seed, fold)
    if digest and split.digest != digest:
        before = _split_sources(images, table["lesion_id"], "lesion", fractions, seed)
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
    groups: pd.Series,
    by: str,
    fractions: tuple[float, float, float],
    seed: int,
    fold: tuple[int, int] | None = None,
) -> Split:
    table, labels = images.table, images.labels
    extra = table["extra"].to_numpy() if "extra" in table.columns else np.zeros(len(table), bool)
    columns = [table[name] for name in ("data_set", "source") if name in table.columns]
    rows_of: dict[tuple[Any, ...], list[int]] = {}
    for row, source in enumerate(zip(*columns, strict=True) if columns else [()] * len(table)):
        rows_of.setdefault(source, []).append(row)
    if len(rows_of) == 1:
        if by == "lesion":
            check_three_lesions(groups, labels, images.label_set.names)
        split = dataclasses.replace(split_by_lesion(table["image_id"], groups, labels, fractions, seed, fold), by=by)
        if by == "patient" and not fold:
            check_every_part(split, labels, images.label_set.names)
        return split
    part_of: dict[str, str] = {}
    group_of = groups.tolist()
    for rows in rows_of.values():
        members = np.array([row for row in rows if not extra[row] and group_of[row] not in part_of], np.int64)
        few = [dx for dx, group in groups.iloc[members].groupby(labels[members]) if group.nunique() < 3]
        members = members[~np.isin(labels[members], few)]
        if len(members):
            ids, own = table["image_id"].iloc[members], groups.iloc[members]
            found = split_by_lesion(ids, own, labels[members], fractions, seed, fold)
            for part in PARTS:
                part_of |= dict.fromkeys(own.iloc[found.part(part)], part)
    parts = np.array([part_of.get(group, "train") for group in group_of])
    if not (parts == "validation").any() or not (parts == "test").any():
        raise DataError(
            "no diagnosis has three lesions in one source of --data; a split needs at least three: name a larger data "
            "set with --data, and small ones with --extra, which only train"
        )
    return split_of_parts(table["image_id"], parts, seed, fractions, by)


def describe_sources(images: LabelledImages, split: Split) -> list[dict[str, Any]]:
    """The card's entry for each source: name, licences, training only or not, images by part and diagnosis, and of how
    many images what is not known.
    """
    table = images.table
    parts = split.part_of_each(len(table))
    extra = table["extra"].to_numpy() if "extra" in table.columns else np.zeros(len(table), bool)
    found = []
    for (source, only_training), rows in table.assign(part=parts, extra=extra, licence=licences_of(table)).groupby(
        ["source", "extra"], sort=False
    ):
        counts = rows["dx"].value_counts()
        found.append({
            "name": str(source),
            "licence": ", ".join(sorted({text for text in rows["licence"] if text})),
            "training_only": bool(only_training),
            "images": {part: int((rows["part"] == part).sum()) for part in PARTS},
            "diagnoses": {dx: int(counts.get(dx, 0)) for dx in images.label_set.names},
            "not_known": _not_known(rows),
        })  # fmt: skip
    return found


def _not_known(rows: pd.DataFrame) -> dict[str, int]:
    """By what tables can tell of an image, the number of images of which they do not."""
    unknown = {
        "lesion_id": ~rows["lesion_known"],
        "patient_id": rows["patient_id"] == "",
        "licence": rows["licence"] == "",
    }
    unknown |= {name: is_missing(rows[name]) for name in ATTRIBUTES}
    return {name: count for name, each in unknown.items() if (count := int(each.sum()))}


def _as_one(tables: Sequence[pd.DataFrame], names: Sequence[str], cache: Path | None) -> tuple[pd.DataFrame, list[str]]:
    """The rows of all data sets but copies and those that must not be trained on, and warnings about these."""
    import pandas as pd

    every = pd.concat(tables, ignore_index=True)
    number, picture, lesions = every["data_set"].to_numpy(), _pictures(every, names, cache), _lesions(every)
    joined = _with_one_id(every, picture, lesions, names)
    is_copy, extra = picture != np.arange(len(every)), every["extra"].to_numpy()
    names_alone = ["" if of_file >= 0 else lesion for lesion, _, of_file in lesions]  # whatever the diagnosis
    joined[GROUP] = lesions_and_patients(joined["lesion_id"], joined["patient_id"], names_alone)
    # A group is called like its first lesion in the first set that has it, so that its part does not depend on others.
    first = joined.sort_values(["data_set", "lesion_id"]).drop_duplicates(GROUP).set_index(GROUP)["lesion_id"]
    groups = joined[GROUP] = joined[GROUP].map(first)
    measured = extra & groups.isin(groups[~extra]).to_numpy() & ~is_copy
    left, has_patient, warnings = ~is_copy & ~measured, (joined["patient_id"] != "").to_numpy(), []
    for index, name in enumerate(names[1:], start=1):
        here, before = number == index, number < index
        warnings += _shared_lesions(lesions, here, before, is_copy, measured, name)
        warnings += _shared_patients(every["patient_id"], here, before, is_copy, name)
        if is_copy[here].all():
            warnings.append(
                f"{name}: adds no image: all of its {counted(int(here.sum()), 'image')} are left out as copies of "
                "images in the data sets before it; do not give the same images twice"
            )
        elif copies := every["image_id"][here & is_copy].tolist():
            warnings.append(
                f"{name}: copies of images in the data sets before it are left out, {counted(len(copies), 'image')}: "
                f"{first_few(copies)}"
            )
        if count := int((here & measured).sum()):
            whose = "lesions or patients" if has_patient.any() else "lesions"
            warnings.append(f"{name}: left out of training: {counted(count, 'image')} of {whose} that are in --data")
    if has_patient.any():
        warnings += [
            f"{names[index]}: no image has a patient_id, so one patient's may stand on two sides of a split"
            for index in np.unique(number[left]).tolist()
            if not has_patient[left & (number == index)].any()
        ]
    joined = joined[left].reset_index(drop=True)
    apart = [f"{names[index]}/{image}" for index, image in zip(joined["data_set"], joined["image_id"], strict=True)]
    return joined.assign(image_id=joined["image_id"].where(~joined["image_id"].duplicated(), apart)), warnings


def _pictures(every: pd.DataFrame, names: Sequence[str], cache: Path | None) -> np.ndarray:
    """For each row the first one that shows the same picture in an earlier data set, else itself: (rows,) int64.

    Copies of a picture that is left out count, too: what they show is where that is a copy of.
    """
    picture, seen = np.arange(len(every)), np.zeros((0, VIEW, VIEW, 3), np.uint8)
    for index in range(len(names)):
        start, table = len(seen), every[every["data_set"] == index]
        own = _views(table, cache)
        if start:
            original = _originals(every.iloc[:start], seen, table, own)
            copies = np.flatnonzero(original >= 0)
            picture[start + copies] = picture[original[copies]]
        seen = np.concatenate([seen, own])
    _check_diagnoses(every, picture, names)
    return picture


_Key = tuple[str, str, int]  # an id, the diagnosis of a lesion, and the data set where elsewhere the id says nothing


def _lesions(every: pd.DataFrame) -> list[_Key]:
    """What lesion each row is of: ids of one diagnosis are of one lesion in all data sets."""
    of_files, columns = _names_of_files(every), (every[name] for name in ("lesion_id", "dx", "data_set"))
    return [(lesion, dx, index if lesion in of_files else -1) for lesion, dx, index in zip(*columns, strict=True)]


def _with_one_id(
    every: pd.DataFrame, picture: np.ndarray, lesions: Sequence[_Key], names: Sequence[str]
) -> pd.DataFrame:
    """The rows with one id for each lesion and patient, which all rows of a picture have, and the same licence."""
    sets = every["data_set"].tolist()
    lesion_ids = _one_id(lesions, sets, enumerate(picture.tolist()), names)
    with_patient, with_licence = (_first_known(every[name], picture) for name in ("patient_id", "licence"))
    patients = [(patient, "", -1) for patient in every["patient_id"]]
    same = [(with_patient[shown], row) for row, shown in enumerate(picture.tolist()) if patients[row][0]]
    patient_ids = [*_one_id(patients, sets, same, names), ""]
    licences = [*every["licence"], ""]
    known_as: dict[str, set[str]] = {}
    for (lesion, _, _), lesion_id in zip(lesions, lesion_ids, strict=True):
        known_as.setdefault(lesion, set()).add(lesion_id)
    names_of: dict[str, set[str]] = {lesion_id: set() for lesion_id in lesion_ids}
    for lesion, ids in known_as.items():
        if len(ids) == 1:
            names_of[ids.pop()].add(lesion)
    return every.assign(
        lesion_id=lesion_ids,
        lesion_known=every["lesion_known"].groupby(np.array(lesion_ids, dtype=object)).transform("any"),
        patient_id=[patient_ids[with_patient.get(shown, -1)] for shown in picture],
        licence=[licences[with_licence.get(shown, -1)] for shown in picture],
        **{LESION_NAMES: [tuple(sorted(names_of[lesion_id])) for lesion_id in lesion_ids]},
    )


def _first_known(values: Iterable[str], picture: np.ndarray) -> dict[int, int]:
    """The first row of each picture that has a value."""
    found: dict[int, int] = {}
    for row, (value, shown) in enumerate(zip(values, picture.tolist(), strict=True)):
        if value:
            found.setdefault(shown, row)
    return found


def _one_id(
    keys: Sequence[_Key], sets: Sequence[int], same: Iterable[tuple[int, int]], names: Sequence[str]
) -> list[str]:
    """An id for each row's lesion or patient: of all that are the same, the one that the first data set has for it.

    Behind the data set's name where another one in an earlier set has that id. same: pairs of rows.
    """
    first: dict[_Key, tuple[int, str]] = {}
    taken: set[str] = set()
    for key, index in zip(keys, sets, strict=True):
        if key not in first:
            first[key] = index, f"{names[index]}/{key[0]}" if key[0] in taken else key[0]
            taken.add(key[0])
    one = connected((first[keys[row]], first[keys[other]]) for row, other in same)
    return [one.get(first[key], first[key])[1] for key in keys]


def _names_of_files(table: pd.DataFrame) -> set[str]:
    """The ids of lesions that are only called like their images, which anybody may call so, except the archive's."""
    own = table["lesion_id"][table["lesion_id"] == table["image_id"]]
    return {*own[~own.str.fullmatch(r"ISIC_\d{7}(_downsampled)?")]}


def _shared_lesions(
    lesions: Sequence[_Key],
    here: np.ndarray,
    before: np.ndarray,
    is_copy: np.ndarray,
    measured: np.ndarray,
    name: str,
) -> list[str]:
    """A warning about lesions that share nothing but an id with one of an earlier data set."""
    own, earlier, copied, untrained = (
        {lesions[row] for row in np.flatnonzero(rows).tolist()}
        for rows in (here, before, here & is_copy, here & measured)
    )
    same = {lesion for lesion, _, _ in own & earlier - copied}
    diagnoses: dict[str, list[str]] = {}  # before, of ids that may have another here
    for lesion, dx, _ in sorted(earlier):
        diagnoses.setdefault(lesion, []).append(dx)
    others, left_out = (
        [
            f"{lesion} ({dx}, before {enumerated(diagnoses[lesion])})"
            for lesion, dx, alone in sorted(of)
            if alone < 0 and lesion in diagnoses
        ]
        for of in (own - earlier - untrained, untrained - earlier)
    )
    told = (
        (sorted(same), "counts as the same lesion", "count as the same lesions"),
        (others, "has another diagnosis and counts as another, on the same side of the split",
         "have another diagnosis and count as others, on the same side of the split"),
        (left_out, "has another diagnosis and is left out of training",
         "have another diagnosis and are left out of training"),
    )  # fmt: skip
    known = [f"{len(ids)} {one if len(ids) == 1 else many}: {first_few(ids)}" for ids, one, many in told if ids]
    shared = counted(len(same) + len(others) + len(left_out), "lesion id", "is", "are")
    advice = "if each data set counts its own, write its name before each lesion_id"
    return [f"{name}: {shared} in a data set before it, too; {', '.join(known)}; {advice}"] if known else []


def _shared_patients(
    patients: pd.Series, here: np.ndarray, before: np.ndarray, is_copy: np.ndarray, name: str
) -> list[str]:
    """A warning about patients that share nothing but an id with one of an earlier data set."""
    shared = {*patients[here]} & {*patients[before]} - {*patients[here & is_copy], ""}
    if not shared:
        return []
    ids = counted(len(shared), "patient id", "is", "are")
    counts = "counts as the same patient" if len(shared) == 1 else "count as the same patients"
    return [
        f"{name}: {ids} in a data set before it, too, and {counts}: {first_few(sorted(shared))}; if each data set "
        "counts its own, write its name before each patient_id"
    ]


def _check_diagnoses(every: pd.DataFrame, picture: np.ndarray, names: Sequence[str]) -> None:
    """Raise `DataError` for copies of other diagnoses than that of the image that they are copies of."""
    dx = every["dx"].to_numpy()
    rows = zip(every["image_id"], dx, every["data_set"], strict=True)
    told = [f"{image} is {name} in {names[index]}" for image, name, index in rows]
    if differing := np.flatnonzero(dx != dx[picture]).tolist():
        raise DataError(
            f"{counted(len(differing), 'image', 'has', 'have')} another diagnosis than a copy in another data set; "
            f"correct one of each: {first_few([f'{told[row]}, {told[picture[row]]}' for row in differing], 12, '; ')}"
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
