"""Turns the words of a table into labelled rows: maps diagnoses, finds files, counts what is left out."""

from __future__ import annotations

import hashlib
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.datasets.label_table import ATTRIBUTES, is_missing, without_fractions
from lesionflow.datasets.label_words import LabelWords, unknown_words
from lesionflow.diagnoses import BINARY, normalized
from lesionflow.errors import DataError, ImageError, counted, first_few
from lesionflow.images.containers import ZIP_SUFFIX, holder_of, is_archive, is_member, read_member
from lesionflow.images.decode import SEVERAL_FRAMES, count_frames
from lesionflow.images.discovery import LeftOut, no_image_files, walk_images
from lesionflow.images.read_bytes import digest_of_frame, file_and_frame, read_image_bytes
from lesionflow.images.signatures import HEAD, SUFFIXES, sniff

if TYPE_CHECKING:
    import pandas as pd

NO_LESIONS = (
    "it is unknown which images show the same lesion: each counts as a lesion of its own, so intervals are too narrow "
    "if some do"
)
_PER_PATIENT = "if they are counted within a patient, write the patient before each lesion_id"
ORIGIN = ("source", "licence")  # of each row, where a table of several sources tells them
_SEXES = {"f": "female", "female": "female", "m": "male", "male": "male"}
_FOLDERS = r"^.*[/\\]"
_DECIMAL_COMMA = r"^(\d+),(\d+)$"  # as spreadsheets write in many countries
_DIGITS, _EXPONENT = r"[0-9]+([.,][0-9]*)?", r"[eE]\+?[0-9]{1,2}"
_NUMBER = rf"{_DIGITS}({_EXPONENT})?"
# As programs round long numbers: with a fraction, a plus or more digits than they know. 12e4 may be hexadecimal, an id.
_ROUNDED = rf"(?=[0-9]*[.,]|[0-9]*[eE]\+|[0-9]{{16}}){_DIGITS}{_EXPONENT}"
_MONTH = r"(jan|feb|mar|mär|mrz|apr|may|mai|jun|jul|aug|sept?|oct|okt|nov|dec|dez)\.?"
_DAY = r"(0?[1-9]|[12][0-9]|3[01])"
# As spreadsheets show what they take for a day or a month, never in capitals alone, or save in a workbook.
_DAY_OR_MONTH = rf"(?=.*[a-zä])(?i:{_DAY}[-. ]{{1,2}}{_MONTH}|{_MONTH}[- ][0-9]{{2}})"
_DATED = rf"{_DAY_OR_MONTH}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}} 00:00:00"
COLUMNS = ("lesion_id", "patient_id", "image_id", "dx", *ATTRIBUTES, "path")


@dataclass(frozen=True)
class RawLabels:
    """The labels of images as their table has them, before they are mapped to diagnoses.

    Parameters
    ----------
    file : Path
        The table, or the folder, that messages name.
    table : DataFrame
        A row an image, all of str: `image_id`, and where they are known `other_name` (by which its file may be called
        as well), `path`, `lesion_id`, `patient_id` and `ATTRIBUTES`.
    words : list of tuple of str
        The words for the diagnosis of each row, from special to general.
    images : Path, optional
        The folder with the images of `image_id`; None where `path` is given.
    of_data_set : mapping, optional
        Words of this data set, and the word of everybody's that each means.
    strict : bool
        Whether a word that nobody knows and a lesion with several diagnoses are errors, as in a user's own table, or
        left out, as in a published one that holds much else.
    needs_lesions : bool
        Whether an image without a lesion is an error.
    incomplete : bool
        Whether images that are not there are left out, as of data sets whose images everybody fetches from elsewhere.
    takes : callable, optional
        Which of the image files in `images` count.
    others : str
        What images in the folder are that no `path` names.
    warnings : tuple of str
        What is to be said of rows that are left out already.
    """

    file: Path
    table: pd.DataFrame
    words: list[tuple[str, ...]]
    images: Path | None = None
    of_data_set: Mapping[str, str] | None = None
    strict: bool = True
    needs_lesions: bool = False
    incomplete: bool = False
    takes: Callable[[str], bool] | None = None
    others: str = "without a label"
    warnings: tuple[str, ...] = ()


def complete(raw: RawLabels, words: LabelWords) -> tuple[pd.DataFrame, list[str]]:
    """Decide each row's diagnosis and find its image.

    Parameters
    ----------
    raw : RawLabels
        What the table says.
    words : LabelWords
        What its words mean.

    Returns
    -------
    DataFrame
        A row an image that has one of the diagnoses, with `COLUMNS`, in the order of image ids.
    list of str
        Warnings: what is left out, counted and named, and what is not known.

    Raises
    ------
    DataError
        Which counts what is wrong and names the first few.
    """
    import pandas as pd

    warnings = list(raw.warnings)
    table = raw.table.copy()
    if raw.images is not None:
        table["image_id"] = table["image_id"].map(_composed)
        table["file"] = _without_folders(table["image_id"].str.strip())
        table["image_id"] = _without_folders(without_endings(table["image_id"]))
    if "other_name" in table.columns:
        table["other_name"] = _without_folders(without_endings(table["other_name"].map(_composed)))
    for column in ("lesion_id", "patient_id"):
        if column in table.columns:
            known = table[column].map(_composed).str.strip()
            table[column] = without_fractions(known.where(~is_missing(known), ""))
        else:
            table[column] = ""
        _check_unchanged(table[column], raw.file)
        warnings += _spelled_twice(table[column])
    decided = words.decide(raw.words, raw.of_data_set)
    words.seen_words.update(map(normalized, {word for row in raw.words for word in row}))
    warnings += _contradictions(raw.words)
    if raw.strict and any(name is None for _, name in decided):
        raise unknown_words(raw.file, decided, words, "image" if raw.file.is_dir() else "row")
    table["dx"] = [name or "" for _, name in decided]
    other = table["dx"] == ""
    if other.any():
        counts = Counter(word for word, name in decided if not name)
        told = first_few([f"{word} ({count})" for word, count in counts.most_common()], 7)
        none = f"none of the {words.count} diagnoses"
        images = counted(other.sum(), "image", f"has {none} and is", f"have {none} and are")
        warnings.append(f"{images} left out: {told}")
    all_names = _names(table)
    table = table[~other].reset_index(drop=True)
    if table.empty:
        raise DataError(
            f"{raw.file}: no image of the {words.count} diagnoses; {'; '.join(warnings)}; name the diagnoses that "
            "there are with --diagnoses, or say with --labels what these words mean"
        )
    if empty := int((table["image_id"] == "").sum()):
        raise DataError(
            f"{raw.file}: {counted(empty, 'row')} with an empty image_id; fill them in, or leave the rows out"
        )
    _check_once(table["image_id"], table["dx"], raw.file)
    if raw.needs_lesions:
        if empty := int((table["lesion_id"] == "").sum()):
            raise DataError(
                f"{raw.file}: {counted(empty, 'row')} with an empty lesion_id; fill them in, or leave the rows out"
            )
    else:
        warnings += fill_lesions(table)
    warnings += _of_several_patients(table)
    table = _without_contradictions(table, raw, words, warnings)
    elsewhere = all_names - _names(table)
    if raw.images is None:
        table = _with_files(table, raw, warnings)
    else:
        files, table = _find_files(table, raw, warnings)
        files = [file for file in files if _stem(file) not in elsewhere]
        table, unmatched = match_images(table, files, raw.file, raw.incomplete)
        warnings += unmatched
    for column in ATTRIBUTES:
        nothing = "" if column == "age" else "unknown"
        told = table[column].str.strip() if column in table.columns else pd.Series("", index=table.index, dtype=str)
        table[column] = told.where(~is_missing(told), nothing)
    table["sex"] = [_SEXES.get(word.lower(), word) for word in table["sex"]]
    if strange := sorted(set(table["sex"][~is_missing(table["sex"])]) - {"female", "male"}):
        warnings.append(f"sex has words besides female and male, each a group of its own: {first_few(strange)}")
    table["age"] = table["age"].str.replace(_DECIMAL_COMMA, r"\1.\2", regex=True)
    columns = [*COLUMNS, *(name for name in ORIGIN if name in table.columns)]
    return table[columns].sort_values("image_id", ignore_index=True), warnings


def _check_unchanged(ids: pd.Series, file: Path) -> None:
    """Raise `DataError` for ids that a program has rounded or made dates of: different ones may be the same then."""
    values = {*ids}
    rounded = {value for value in values if re.fullmatch(_ROUNDED, value)}
    dates = {value for value in values if re.fullmatch(_DATED, value)}
    forms = {_form(value) for value in values - dates if dates}  # 45-mar is no date, so 03-mar is an id as well
    dates = {value for value in dates if _form(value) not in forms}
    lettered = any(re.search("[a-z]", value) for value in dates)
    in_capitals = "; if they are the ids, write them in capitals" if lettered else ""
    for changed, told, more in (
        (rounded, "rounded numbers", ""),
        (dates, "dates, as spreadsheets make of ids", in_capitals),
    ):
        if changed:
            raise DataError(
                f"{file}: the column {ids.name} has {told}, so that different ones may be the same: "
                f"{first_few(sorted(changed))}; save that column as text{more}"
            )


def _spelled_twice(ids: pd.Series) -> list[str]:
    """A warning about ids that differ in capitals, blanks or dashes alone: a slip of the pen would split a lesion."""
    spellings: dict[str, list[str]] = {}
    for value in sorted({*ids}):
        spellings.setdefault(normalized(value), []).append(value)
    if not (twice := [" and ".join(values) for values in spellings.values() if len(values) > 1]):
        return []
    return [
        f"the column {ids.name} has ids that differ only in capitals, blanks or dashes: {first_few(twice)}; write "
        "them alike if they are the same"
    ]


def _form(value: str) -> str:
    """The form of an id: `0-a` for each of `3-mar` and `45-abc`."""
    return re.sub(r"[0-9]+", "0", re.sub(r"[a-zä]+", "a", re.sub(r"[A-ZÄ]+", "A", value)))


def _names(table: pd.DataFrame) -> set[str]:
    """The names by which the images of a table may lie in a folder."""
    return set().union(*(table[name] for name in ("image_id", "other_name") if name in table.columns))


def _find_files(table: pd.DataFrame, raw: RawLabels, warnings: list[str]) -> tuple[list[str], pd.DataFrame]:
    """The image files of a data set, and its table with the names by which they are found.

    If rows lack one, the zip archives in the folder are looked into: of them count the images that are not unpacked.

    Raises
    ------
    DataError
        For a folder without images, and an archive that cannot be read if rows lack an image after all.
    """
    left_out = LeftOut()
    folder = str(raw.images)
    files = list(walk_images(folder, left_out=left_out))
    names = _names_of(files)
    columns = table[[name for name in ("image_id", "other_name") if name in table.columns]]
    if not columns.isin(names).any(axis=1).all():
        broken: list[str] = []
        for archive in walk_images(folder, pattern="*.[zZ][iI][pP]"):
            files += [file for file in _images_in(archive, broken) if _stem(file) not in names]
        names = _names_of(files)
        missing = table["image_id"][~columns.isin(names).any(axis=1)].tolist()
        if broken and missing:
            told = f"{_without_file(missing, len(table))}: {first_few(missing)}"
            raise DataError(f"{raw.file}: {told}; they may lie in {' and '.join(broken)}")
        warnings += [f"{told}; no image of the table is missing without it" for told in broken]
    if not files:
        raise DataError(
            f"{no_image_files(folder, left_out)}; give the folder that holds both {raw.file.name} and images"
        )
    if "other_name" in table.columns:
        both = columns.isin(names).all(axis=1) & (columns["other_name"] != columns["image_id"])
        if raw.strict:
            check_one_image(columns[both].itertuples(index=False), raw.file)
        is_other = columns["other_name"].isin(names) & ~columns["image_id"].isin(names)
        table = table.assign(image_id=columns["other_name"].where(is_other, columns["image_id"]))
        table["file"] = table["file"].where(~is_other, table["image_id"])
        if raw.strict:
            _check_once(table["image_id"], table["dx"], raw.file)
    return [file for file in files if raw.takes is None or raw.takes(file)], table


def _names_of(files: Sequence[str]) -> set[str]:
    """The names of files, with and without their endings."""
    return {name for file in files for name in (_composed(os.path.basename(file)), _stem(file))}


def _images_in(archive: str | os.PathLike[str], broken: list[str]) -> list[str]:
    """The images in a zip archive. What is wrong with one that cannot be read is added to `broken`."""
    try:
        return list(walk_images(os.fspath(archive)))
    except DataError as error:
        broken.append(str(error))
        return []


def _without_file(image_ids: Sequence[str], of: int) -> str:
    return f"{counted(len(image_ids), 'metadata row', 'has', 'have', of=of)} no image file"


def _contradictions(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """A warning about images with both a benign and a malignant word, for example in two columns."""
    kinds, counts = BINARY.words, Counter(rows)
    known = {row: {kinds.get(normalized(word), "") for word in row} for row in counts}
    if differing := [row for row, kind in known.items() if kind >= {"benign", "malignant"}]:
        images = counted(sum(counts[row] for row in differing), "image", "is", "are")
        told = first_few([" and ".join(filter(None, row)) for row in differing])
        return [f"{images} benign by one column and malignant by another; the more specific column counts: {told}"]
    return []


def check_same_images(image_ids: pd.Series, beside: pd.Series, file: Path) -> None:
    """Raise `DataError` for a table beside the one of labels that names none of its images: its lesions would be lost.

    image_ids: of the labels; beside: of the other table, `file`.
    """
    if not image_ids.isin(beside).any():
        told = f"has none of the images that the labels beside it name ({first_few(image_ids.tolist(), 1)})"
        raise DataError(
            f"{file}: {told}, but {first_few(beside.tolist(), 1)}; write both alike, or remove one of the two files"
        )


def check_one_image(pairs: Iterable[tuple[str, str]], file: Path) -> None:
    """Raise `DataError` for rows of a table that name two images, in two columns."""
    if told := [f"{one} and {other}" for one, other in pairs]:
        raise DataError(
            f"{file}: {counted(len(told), 'row', 'names', 'name')} two images in two columns: {first_few(told)}; keep "
            "the column with the names of the files, and remove the other"
        )


def without_endings(image_ids: pd.Series) -> pd.Series:
    """Ids without the ending of an image file, if they stay unique."""
    bare = image_ids.str.strip()
    ending = bare.str.lower().str.endswith(tuple(SUFFIXES))
    shorter = bare.where(~ending, bare.str.rsplit(".", n=1).str[0])
    return shorter if shorter.nunique() == bare.nunique() else bare


def _without_folders(image_ids: pd.Series) -> pd.Series:
    """Ids without the folders of a path, if they stay unique."""
    names = image_ids.str.replace(_FOLDERS, "", regex=True)
    return names if names.nunique() == image_ids.nunique() else image_ids


def fill_lesions(table: pd.DataFrame) -> list[str]:
    """Make images without a lesion_id separate lesions; returns a warning about them."""
    unknown = table["lesion_id"] == ""
    table.loc[unknown, "lesion_id"] = table.loc[unknown, "image_id"]
    if unknown.all():
        return [NO_LESIONS]
    if not unknown.any():
        return []
    return [
        f"{counted(unknown.sum(), 'image', 'has', 'have', of=len(table))} no lesion_id: each counts as a lesion of its "
        "own, so intervals are too narrow if some show the same"
    ]


def _check_once(names: pd.Series, diagnoses: pd.Series, file: Path) -> None:
    if twice := sorted(names[names.duplicated()].unique()):
        several = diagnoses.groupby(names).nunique()
        differ = [name for name in twice if several[name] > 1]
        told = f", {len(differ)} of them with different diagnoses" if differ else ""
        raise DataError(
            f"{file}: {counted(len(twice), 'image')} in more than one row{told}: {first_few(differ or twice)}; "
            "keep one row of each"
        )


def _of_several_patients(table: pd.DataFrame) -> list[str]:
    """A warning about lesions that several patients have, as where they are counted within a patient."""
    known = table[table["patient_id"] != ""]
    patients = known.groupby("lesion_id")["patient_id"].nunique()
    if not (shared := sorted(patients.index[patients > 1])):
        return []
    return [f"{counted(len(shared), 'lesion', 'has', 'have')} several patients: {first_few(shared)}; {_PER_PATIENT}"]


def _without_contradictions(
    table: pd.DataFrame, raw: RawLabels, words: LabelWords, warnings: list[str]
) -> pd.DataFrame:
    several = table.groupby("lesion_id")["dx"].transform("nunique") > 1
    if not several.any():
        return table
    lesions = sorted(table["lesion_id"][several].unique())
    if raw.strict:
        told = f"{counted(len(lesions), 'lesion', 'has', 'have')} several diagnoses: {first_few(lesions)}"
        one = table["patient_id"][several].nunique() < 2
        raise DataError(
            f"{raw.file}: {told}; {'' if one else f'{_PER_PATIENT}, or '}correct them, or leave these rows out"
        )
    warnings.append(
        f"{counted(len(lesions), 'lesion', 'has', 'have')} several of the {words.count} diagnoses; their "
        f"{counted(several.sum(), 'image', 'is', 'are')} left out: {first_few(lesions)}"
    )
    return table[~several].reset_index(drop=True)


def _with_files(table: pd.DataFrame, raw: RawLabels, warnings: list[str]) -> pd.DataFrame:
    named = table["path"].map(file_and_frame)
    there = named.map(lambda each: os.path.isfile(each[0]) or is_member(each[0]))
    broken: list[str] = []
    if not there.all():
        base = raw.file if raw.file.is_dir() else raw.file.parent
        packed = _packed([file for file, _ in named[~there]], base, broken, warnings)
        places = [
            packed.get(file, file) + path[len(file) :] for path, (file, _) in zip(table["path"], named, strict=True)
        ]
        table["path"], there = places, there | named.map(lambda each: each[0] in packed)
        named = table["path"].map(file_and_frame)
    if missing := table["path"][~there].tolist():
        told = f"{counted(len(missing), 'image', 'is', 'are', of=len(table))} not there"
        if broken:
            raise DataError(f"{raw.file}: {told}: {first_few(missing)}; they may lie in {' and '.join(broken)}")
        if not raw.incomplete or len(missing) == len(table):
            raise DataError(f"{raw.file}: {told}: {first_few(missing)}{_why_not_there(missing[0])}")
        warnings.append(f"{told} and left out: {first_few(missing)}")
    warnings += [f"{told}; no image of the table is missing without it" for told in broken]
    once = ~table["path"].duplicated()  # the first frame has two names
    _check_once(named[once].map(lambda each: f"{each[0]}#{each[1] + 1}"), table["dx"][once], raw.file)
    return table[there].reset_index(drop=True)


def _packed(files: Sequence[str], base: Path, broken: list[str], warnings: list[str]) -> dict[str, str]:
    """Where files lie in zip archives that would be there if these were unpacked, into a folder of their name or not.

    base: the folder from which paths count; archives above it are not looked into. broken: as `_images_in` takes it.

    Raises `DataError` as `_check_same` does.
    """
    wanted = {_composed(os.path.normpath(file)): file for file in files}
    base = Path(os.path.normpath(base))
    folders = {folder for file in wanted for folder in Path(file).parents if folder not in base.parents}
    archives = {Path(f"{folder}{ZIP_SUFFIX}") for folder in folders}
    archives.update(file for folder in folders for file in folder.glob("*.[zZ][iI][pP]"))
    found: dict[str, list[str]] = {}
    for archive in sorted(filter(is_archive, archives)):
        for image in _images_in(archive, broken):
            for folder in (archive.parent, archive.with_suffix("")):
                place = _composed(os.path.normpath(folder / image[len(str(archive)) + 1 :]))
                if place in wanted:
                    found.setdefault(wanted[place], []).append(image)
    warnings += _check_same(found)
    return {file: places[0] for file, places in found.items()}


def _why_not_there(path: str) -> str:
    """The end of a message about a path without an image."""
    if holder_of(path):
        try:
            read_member(path)
        except ImageError as error:
            damaged = "; download it again" if error.reason in ("damaged", "unreadable") else ""
            return f" ({error.detail}{damaged})"
    folder, name = os.path.split(path)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    if found := next((each for each in names if each.lower() == name.lower()), ""):
        return f"; there is {found}: write the paths as the files are called"
    if found := next((each for each in names if os.path.splitext(each)[0] == name), ""):
        return f"; there is {found}: write the paths with the endings of the files"
    return "; paths count from the folder of the table"


def match_images(
    table: pd.DataFrame, files: Sequence[str], source: Path, incomplete: bool = False
) -> tuple[pd.DataFrame, list[str]]:
    """Give each row the one file that is called like its `image_id`, whatever the ending unless the row names it.

    Parameters
    ----------
    table : DataFrame
        With the columns `image_id` and `file`, the same with the ending of a file where the table has it.
    files : sequence of str
        The paths of the image files that there are.
    source : Path
        The table's file, which messages name.
    incomplete : bool
        Whether rows without a file are left out.

    Returns
    -------
    DataFrame
        The rows with the column `path`.
    list of str
        Warnings, about files that no row names among others.

    Raises
    ------
    DataError
        For rows without a file, and several files of one name that differ.
    """
    by_stem: dict[str, list[str]] = {}
    by_name: dict[str, list[str]] = {}
    for file in files:
        by_stem.setdefault(_stem(file), []).append(file)
        by_name.setdefault(_composed(os.path.basename(file)), []).append(file)
    names = zip(table["image_id"], table["file"], strict=True)
    files_of = {image_id: by_name.get(name) or by_stem.get(image_id, []) for image_id, name in names}
    image_ids, warnings = table["image_id"].tolist(), []
    if missing := [image_id for image_id in image_ids if not files_of[image_id]]:
        told = _without_file(missing, len(image_ids))
        if not incomplete or len(missing) == len(image_ids):
            raise DataError(f"{source}: {told}: {first_few(missing)}{_what_to_do(missing, by_stem)}")
        warnings.append(f"{told}, left out: {first_few(missing)}")
        table = table[~table["image_id"].isin(missing)].reset_index(drop=True)
        image_ids = table["image_id"].tolist()
    warnings += _check_same({image_id: files_of[image_id] for image_id in image_ids})
    taken = {file for image_id in image_ids for file in files_of[image_id]}
    left = [(stem, file) for stem, of in by_stem.items() for file in of if file not in taken]
    if extra := sorted({stem if taken.isdisjoint(by_stem[stem]) else os.path.basename(file) for stem, file in left}):
        images = counted(len(extra), "image", "has no metadata row and is", "have no metadata row and are")
        warnings.append(f"{images} left out: {first_few(extra)}")
    return table.assign(path=[files_of[image_id][0] for image_id in image_ids]), warnings


def _check_same(files_of: Mapping[str, list[str]]) -> list[str]:
    """A warning about images of which there are several files. Raises `DataError` where these differ."""
    several = [image for image, files in files_of.items() if len(files) > 1]
    # Some archives unpack each image twice; the same bytes twice do no harm, other bytes under one name do.
    if different := [image for image in several if len(set(digests_of_files(files_of[image]))) > 1]:
        raise DataError(
            f"{counted(len(different), 'image id', 'has', 'have')} several files that differ: "
            f"{first_few(files_of[different[0]])}; keep one file of each, or name it in a column path"
        )
    images = counted(len(several), "image", "lies", "lie")
    return [f"{images} there more than once, the first counts: {first_few(several)}"] if several else []


def _stem(file: str) -> str:
    """The name of a file without its ending, composed."""
    return _composed(os.path.splitext(os.path.basename(file))[0])


def _composed(name: str) -> str:
    """A name with each umlaut as one sign: Macs write two, and people's tables one."""
    return unicodedata.normalize("NFC", name)


def _what_to_do(missing: Sequence[str], files_of: Mapping[str, object]) -> str:
    """Why ids have no file: other capitals, or a spreadsheet that took them for numbers."""
    numbers = {str(int(name)): name for name in files_of if name.isascii() and name.isdigit()}
    for image_id in missing:
        number = str(int(Decimal(image_id.replace(",", ".")))) if re.fullmatch(_NUMBER, image_id) else ""
        if found := numbers.get(number, ""):
            return f"; there is {found}: the ids were saved as numbers, which changed them; save that column as text"
    if dated := next((image_id for image_id in missing if re.fullmatch(_DATED, image_id)), ""):
        return f"; {dated} is a date: a spreadsheet has changed the ids; write them again, in a column of text"
    if any("/" in image_id or "\\" in image_id for image_id in missing):
        return "; to find images by folder and name, call the column path: it counts from the table's folder"
    small = {name.lower(): name for name in files_of}
    if found := next((small[image_id.lower()] for image_id in missing if image_id.lower() in small), ""):
        return f"; there is {found}: write the ids as the files are called"
    return "; put these images into the folder, or leave the rows out"


def digests_of_files(paths: Sequence[str]) -> list[str]:
    """The SHA-256 of each image's bytes. Raises `DataError` for unreadable ones."""
    return contents_of_files(paths)[0]


def contents_of_files(paths: Sequence[str]) -> tuple[list[str], list[int]]:
    """The SHA-256 of each image's bytes, and how many frames each file has, 1 where the path names one.

    Raises `DataError` as `digests_of_files`, and for frames that are not there.
    """
    named = [file_and_frame(path) for path in paths]
    files = list(dict.fromkeys(file for file, _ in named))
    with ThreadPoolExecutor() as threads:
        found = dict(zip(files, threads.map(_content_of_file, files), strict=True))
    refused = []
    for path, (file, frame) in zip(paths, named, strict=True):
        _, kind, frames = found[file]
        if frame and kind != "DICOM":
            refused.append(f"{path} (of {kind or 'it'}, {'page' if kind == 'TIFF' else 'frame'} 1 alone is read)")
        elif frame >= frames > 0:
            refused.append(f"{path} (the file has {counted(frames, 'frame')})")
    if refused:
        told = counted(len(refused), "path", "names", "name")
        raise DataError(
            f"{told} a frame that is not read: {first_few(refused)}; leave the rows out, or save that frame as a file"
        )
    digests = [digest_of_frame(found[file][0], frame) for file, frame in named]
    return digests, [found[path][2] if path in found else 1 for path in paths]


def _content_of_file(path: str) -> tuple[hashlib._Hash, str | None, int]:
    """The SHA-256 of a file, its format, and the number of its frames."""
    try:
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            file.seek(0)
            return digest, *_frames(path, file.read(HEAD))
    except (FileNotFoundError, NotADirectoryError):  # within an archive
        try:
            data = read_image_bytes(path)
        except ImageError as error:
            raise DataError(f"{path}: cannot be read ({error.detail})") from error
        return hashlib.sha256(data), *_frames(data, data[:HEAD])
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error


def _frames(source: str | bytes, head: bytes) -> tuple[str | None, int]:
    """The format of a file and the number of its frames; 0 if unknown, in which case decoding explains the problem."""
    if (kind := sniff(head)) not in SEVERAL_FRAMES:
        return kind, 1
    try:
        return kind, count_frames(source)
    except (ImageError, MemoryError):
        return kind, 0
