"""Turns the words of a table into labelled rows: maps diagnoses, and counts what is left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.datasets.ids import (
    check_once,
    check_unchanged,
    composed,
    spelled_twice,
    without_endings,
    without_folders,
)
from lesionflow.datasets.image_files import find_files, match_images, names_of_images, stem, with_files
from lesionflow.datasets.label_columns import ATTRIBUTES, is_missing, without_fractions
from lesionflow.datasets.label_words import LabelWords, unknown_words
from lesionflow.diagnoses import BINARY, normalized
from lesionflow.errors import DataError, counted, enumerated, first_few

if TYPE_CHECKING:
    import pandas as pd

_OF_ITS_OWN = "each counts as a lesion of its own, so intervals are too narrow"
NO_LESIONS = f"it is unknown which images show the same lesion: {_OF_ITS_OWN} if some do"
_COUNT_THEIR_OWN = {"patient_id": "patient", "source": "source"}  # within which lesions may be numbered
ORIGIN = ("source", "licence")  # of each row, where a table of several sources tells them
# Words for a patient's sex in the languages whose terms for diagnoses are known; `h` is in `_fill_attributes`.
_FEMALE = "f female woman w weiblich frau féminin feminin femme femenino feminino femminile mujer mulher donna"
_MALE = "m male man männlich maennlich mann masculin homme masculino maschile maschio hombre varón varon homem uomo"
_SEXES = dict.fromkeys(_FEMALE.split(), "female") | dict.fromkeys(_MALE.split(), "male")
_DECIMAL_COMMA = r"^(\d+),(\d+)$"  # as spreadsheets write in many countries
# An age such as `45 years`, `45 J.` or DICOM's `045Y`.
_IN_YEARS = r"(?i)^0*(\d+(?:\.\d+)?)\s*(?:y|yrs?|years?(?: old)?|y\.?o|y/o|j|jahre?|años?|anos?|ans?)\.?$"
OLDEST = 110  # years; beyond that a number is a mistake, such as a year of birth
MANY_IMAGES = 100  # of a lesion; HAM10000 has up to 6, and clinics that follow one up some dozens
ROW_COLUMNS = ("lesion_id", "lesion_known", "patient_id", "image_id", "dx", *ATTRIBUTES, "path")


@dataclass(frozen=True)
class RawLabels:
    """The labels of images as their table has them, before they are mapped to diagnoses."""

    file: Path  # the table, or the folder, that messages name
    # A row an image, all of str: `image_id`, and where they are known `other_name` (by which its file may be called as
    # well), `path`, `lesion_id`, `patient_id` and `ATTRIBUTES`.
    table: pd.DataFrame
    words: list[tuple[str, ...]]  # for the diagnosis of each row, from special to general
    images: Path | None = None  # the folder with the images of `image_id`; None where `path` is given
    of_data_set: Mapping[str, str] | None = None  # words of this data set, and the word of everybody's that each means
    # Whether a word that nobody knows and a lesion with several diagnoses are errors, as in a user's own table, or left
    # out, as in a published one that holds much else.
    strict: bool = True
    needs_lesions: bool = False  # whether an image without a lesion is an error
    incomplete: bool = False  # whether images that are not there are left out: everybody fetches them from elsewhere
    takes: Callable[[str], bool] | None = None  # which of the image files in `images` count
    others: str = "without a label"  # what images in the folder are that no `path` names
    warnings: tuple[str, ...] = ()  # what is to be said of rows that are left out already


def complete(raw: RawLabels, words: LabelWords) -> tuple[pd.DataFrame, list[str]]:
    """Decide each row's diagnosis and find its image.

    Returns a row for each image that has one of the diagnoses, with `ROW_COLUMNS`, in the order of image ids; and
    warnings: what is left out, counted and named, and what is not known. Raises `DataError`, which counts what is wrong
    and names the first few.
    """
    warnings = list(raw.warnings)
    table = _with_ids(raw, warnings)
    table["dx"] = _diagnoses(raw, words, warnings)
    all_names = names_of_images(table)
    table = table[table["dx"] != ""].reset_index(drop=True)
    if table.empty:
        raise DataError(
            f"{raw.file}: no image of the {words.count} diagnoses; {'; '.join(warnings)}; name the diagnoses that "
            "there are with --diagnoses, or say with --labels what these words mean"
        )
    _check_filled(table["image_id"], raw.file)
    check_once(table["image_id"], table["dx"], raw.file)
    table["lesion_known"] = table["lesion_id"] != ""
    if raw.needs_lesions:
        _check_filled(table["lesion_id"], raw.file)
    else:
        warnings += fill_lesions(table)
    warnings += without_patients(int((table["patient_id"] == "").sum()), len(table))
    warnings += _of_several(table) + _of_many_images(table)
    table = _without_contradictions(table, raw, words, warnings)
    elsewhere = all_names - names_of_images(table)
    if raw.images is None:
        table = with_files(table, raw.file, raw.incomplete, warnings)
    else:
        files, table = find_files(table, raw.images, raw.file, raw.strict, warnings)
        files = {
            file: name
            for file, name in files.items()
            if (not raw.takes or (raw.takes(file) and raw.takes(name))) and stem(name) not in elsewhere
        }
        table, unmatched = match_images(table, files, raw.images, raw.file, raw.incomplete)
        warnings += unmatched
    warnings += _fill_attributes(table)
    columns = [*ROW_COLUMNS, *(name for name in ORIGIN if name in table.columns)]
    return table[columns].sort_values("image_id", ignore_index=True), warnings


def _with_ids(raw: RawLabels, warnings: list[str]) -> pd.DataFrame:
    """The table with ids of images, lesions and patients that compare as text; empty where one is not known."""
    table = raw.table.copy()
    if raw.images is not None:
        table["image_id"] = table["image_id"].map(composed)
        table["file"] = without_folders(table["image_id"].str.strip())
        table["image_id"] = without_folders(without_endings(table["image_id"]))
    if "other_name" in table.columns:
        table["other_name"] = without_folders(without_endings(table["other_name"].map(composed)))
    for column in ("lesion_id", "patient_id"):
        if column in table.columns:
            known = table[column].map(composed).str.strip()
            table[column] = without_fractions(known.where(~is_missing(known), ""))
        else:
            table[column] = ""
        check_unchanged(table[column], raw.file)
        warnings += spelled_twice(table[column])
    return table


def _diagnoses(raw: RawLabels, words: LabelWords, warnings: list[str]) -> list[str]:
    """The diagnosis of each row; empty where its word means none of them. Raises `DataError` for unknown words."""
    decided = words.decide(raw.words, raw.of_data_set)
    words.seen_words.update(map(normalized, {word for row in raw.words for word in row}))
    warnings += _contradictions(raw.words)
    if raw.strict and any(name is None for _, name in decided):
        raise unknown_words(raw.file, decided, words, "image" if raw.file.is_dir() else "row")
    if others := Counter(word for word, name in decided if not name):
        none = f"none of the {words.count} diagnoses"
        images = counted(others.total(), "image", f"has {none} and is", f"have {none} and are")
        told = first_few([f"{word} ({count})" for word, count in others.most_common()], 7)
        warnings.append(f"{images} left out: {told}")
    return [name or "" for _, name in decided]


def _check_filled(ids: pd.Series, file: Path) -> None:
    """Raise `DataError` for rows without an id."""
    if empty := int((ids == "").sum()):
        raise DataError(
            f"{file}: {counted(empty, 'row')} with an empty {ids.name}; fill them in, or leave the rows out"
        )


def _fill_attributes(table: pd.DataFrame) -> list[str]:
    """Write the attributes of each image in the same words, also what is not known; returns warnings about others."""
    import pandas as pd

    for column in ATTRIBUTES:
        nothing = "" if column == "age" else "unknown"
        values = table[column].str.strip() if column in table.columns else pd.Series("", index=table.index, dtype=str)
        table[column] = values.where(~is_missing(values), nothing)
    words = table["sex"].str.lower().str.normalize("NFC")
    of_others = words.eq("m") & words.eq("h").any()  # hombre and mujer
    table["sex"] = words.map(_SEXES).where(~of_others).fillna(table["sex"])
    strange = sorted(set(table["sex"][~is_missing(table["sex"])]) - {"female", "male"})
    told = f"sex has words besides female and male, each a group of its own: {first_few(strange)}"
    return [*([told] if strange else []), *_read_ages(table)]


def _read_ages(table: pd.DataFrame) -> list[str]:
    """Write ages as numbers of years where they are; returns a warning about others, such as `40-45` and `>85`."""
    import pandas as pd

    ages = table["age"].str.replace(_DECIMAL_COMMA, r"\1.\2", regex=True).str.replace(_IN_YEARS, r"\1", regex=True)
    table["age"] = ages
    others = ages[(ages != "") & ~pd.to_numeric(ages, errors="coerce").between(0, OLDEST)]
    if others.empty:
        return []
    told = first_few([f"{age} ({count})" for age, count in others.value_counts().items()])
    images = counted(len(others), "image", "has", "have")
    return [f"{images} an age that is not a number of years from 0 to {OLDEST}, and are in no metrics by age: {told}"]


def _contradictions(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """A warning about images with both a benign and a malignant word, for example in two columns."""
    kinds, counts = BINARY.words, Counter(rows)
    known = {row: {kinds.get(normalized(word), "") for word in row} for row in counts}
    if differing := [row for row, kind in known.items() if kind >= {"benign", "malignant"}]:
        images = counted(sum(counts[row] for row in differing), "image", "is", "are")
        told = first_few([" and ".join(filter(None, row)) for row in differing])
        return [f"{images} benign by one column and malignant by another; the more specific column counts: {told}"]
    return []


def fill_lesions(table: pd.DataFrame) -> list[str]:
    """Make images without a lesion_id separate lesions; returns a warning about them."""
    unknown = table["lesion_id"] == ""
    table.loc[unknown, "lesion_id"] = table.loc[unknown, "image_id"]
    return without_lesions(int(unknown.sum()), len(table))


def without_lesions(unknown: int, total: int, where: str = "") -> list[str]:
    """A warning about images of unknown lesions; where: in what they are."""
    if unknown == total:
        return [NO_LESIONS] if total else []
    return [f"{_without(unknown, total)} no lesion_id{where}: {_OF_ITS_OWN} if some show the same"] if unknown else []


def without_patients(unknown: int, total: int, where: str = "") -> list[str]:
    """A warning about images of unknown patients, where others are known; where: in what they are."""
    told = f"no patient_id{where}, so one patient's may stand on two sides of a split"
    return [f"{_without(unknown, total)} {told}"] if 0 < unknown < total else []


def _without(unknown: int, total: int) -> str:
    return counted(unknown, "image", "has", "have", of=total)


def _of_several(table: pd.DataFrame) -> list[str]:
    """Warnings about lesions that several patients or sources have, as where they are counted within one."""
    told = []
    for column, thing in _COUNT_THEIR_OWN.items():
        if column not in table.columns:
            continue
        several = table[table[column] != ""].groupby("lesion_id")[column].nunique()
        if shared := sorted(several.index[several > 1]):
            lesions = counted(len(shared), "lesion", "has", "have")
            told.append(f"{lesions} several {thing}s: {first_few(shared)}; {_counted_within(thing)}")
    return told


def _counted_within(thing: str) -> str:
    return f"if they are counted within a {thing}, write the {thing} before each lesion_id"


def _of_many_images(table: pd.DataFrame) -> list[str]:
    """A warning about lesions of so many images that their ids may stand for unknown ones."""
    counts = table["lesion_id"].value_counts()
    if not (many := [f"{lesion} ({count})" for lesion, count in counts[counts > MANY_IMAGES].items()]):
        return []
    lesions = counted(len(many), "lesion", "has", "have")
    return [
        f"{lesions} more than {MANY_IMAGES} images: {first_few(many)}; leave the lesion_id empty where it is not known"
    ]


def _without_contradictions(
    table: pd.DataFrame, raw: RawLabels, words: LabelWords, warnings: list[str]
) -> pd.DataFrame:
    several = table.groupby("lesion_id")["dx"].transform("nunique") > 1
    if not several.any():
        return table
    diagnoses = table[several].groupby("lesion_id")["dx"].unique()
    lesions = [f"{lesion} ({enumerated(sorted(found))})" for lesion, found in diagnoses.items()]
    if raw.strict:
        told = f"{counted(len(lesions), 'lesion', 'has', 'have')} several diagnoses: {first_few(lesions)}"
        advice = [
            f"{_counted_within(thing)}, or "
            for column, thing in _COUNT_THEIR_OWN.items()
            if column in table.columns and table[column][several].nunique() > 1
        ]
        raise DataError(f"{raw.file}: {told}; {''.join(advice[:1])}correct them, or leave these rows out")
    warnings.append(
        f"{counted(len(lesions), 'lesion', 'has', 'have')} several of the {words.count} diagnoses; their "
        f"{counted(several.sum(), 'image', 'is', 'are')} left out: {first_few(lesions)}"
    )
    return table[~several].reset_index(drop=True)
