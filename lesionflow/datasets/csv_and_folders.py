"""Labelled images of one's own: a table of paths and diagnoses, an image folder, or a folder for each diagnosis.

An image folder is Hugging Face's: `metadata.csv`, `.jsonl` or `.parquet` with the column `file_name`, or one such as
`image_file_name`, beside the images or in the folder of each part (https://huggingface.co/docs/datasets/image_dataset#imagefolder);
or Parquet files that hold the images, as data sets of the hub are downloaded.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote

from lesionflow.datasets.class_names import names_in_card, with_class_names
from lesionflow.datasets.ids import FOLDERS, without_endings
from lesionflow.datasets.image_files import MASKS, is_any_there, is_there, lie_in_archives, made_of_others
from lesionflow.datasets.label_columns import (
    COLUMNS_TOLD,
    ID_COLUMNS,
    IMAGE_COLUMNS,
    LABEL_COLUMNS,
    has_labels,
    image_column,
    is_missing,
    is_report,
    lowered,
)
from lesionflow.datasets.label_table import holds_images, images_left_out, read_header, read_table
from lesionflow.datasets.label_words import LabelWords
from lesionflow.datasets.raw_labels import MANY_IMAGES, ORIGIN, RawLabels
from lesionflow.errors import DataError, UsageError, counted, first_few
from lesionflow.images.containers import PARQUET_SUFFIXES
from lesionflow.images.discovery import LeftOut, describe_left_out, is_hidden, walk_images
from lesionflow.images.signatures import SUFFIXES
from lesionflow.storage.location import is_url, path_here

if TYPE_CHECKING:
    import pandas as pd

FURTHER = ("lesion_id", "patient_id", "image_id", "age", "sex", "localization", "dx_type", *ORIGIN)
# Texts of messages about unknown tables.
NAME_YOURS = "to name yours, give --labels FILE with 'columns: {path: YOURS, diagnosis: YOURS}'"
ITS_OWN_COLUMNS = (
    "a table of your own needs path and diagnosis, or image_id, which names files below the table's folder, and "
    f"diagnosis; it may have {', '.join(FURTHER)}; {NAME_YOURS}"
)
# Names of columns that may tell lesions, patients, their age or sex, also in other languages, and are not read as such:
# these words, with those for a key before or behind them.
_KEY = re.compile(
    r"(ident|anonym|pseudonym)[^\W_]*|anon|pseudo|u?uid|(?<!p)ids?|number|nummer|n[uú]mero|num[eé]ro|num|no|nr|n[°º]|code|c[oó]digo|"
    r"codice|key|name|hash|index|idx|[\W_]+"
)
_TELLING = {
    "lesion_id": re.compile(
        "l[eé]si[oó]n(s|e|es|i)?|l(ä|ae)sion(s|en)?|les(ão|ao|ões|oes)|lezyon|moles?|muttermal|lunar|tumou?rs?|spots?|groups?"
    ),
    "patient_id": re.compile(
        "patient(s|e|en|es)?|pacientes?|pazient[ei]|hasta|subjects?|participants?|persons?|proband(en)?|cases?|mrn|pid|"
        "pat|users?|clients?|individuals?|donors?"
    ),
    "age": re.compile(
        "alter|lebensalter|edad|idade|[aâ]ge|et[aà]|ya[sş]|age(in)?months?|agegroup|ageapprox|approxage|patientage"
    ),
    "sex": re.compile("gender|geschlecht|sexo|sexe|sesso|g[eé]nero|cinsiyet|sexatbirth|patientsex"),
}
_AGE_IN_YEARS = re.compile(r"age[\W_]*(in[\W_]*)?(years?|yrs?|y)\W*")
_PARTS_OF_SPLITS = {"train", "training", "val", "valid", "validation", "test", "testing"}
_FILE = r"(path|file|name|filename|url)"
# A column of further images, beside that of the first ones: `path_2`, `image2`, `image_path_2`, `image_2_path`.
_FURTHER_IMAGE = re.compile(rf"(image|img|picture|photo|path|file)[\W_]*{_FILE}?[\W_]*0?[2-9]([\W_]*{_FILE})?\W*")
_PARTS = r"split|subset|partition|(data)?set|part|fold"
_CHOICES = r"((sample|row|image|score)_?)?weights?|(is_?)?(exclude|discard|ignore|include|use)d?|(is_?)?usable|skip"
_SPLIT_ANEW = "training splits anew: to keep a part apart, give it on its own"
IMAGE_FOLDER_FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")


def read_labelled_table(file: Path, words: LabelWords) -> RawLabels:
    """Read a table with the columns `path` and `diagnosis` (or `dx`), under these or user-defined names.

    Further columns that count are those of `FURTHER`; without an image_id, the file's name without its ending is one.
    Paths are relative to the table's folder. Without paths, or where none leads to a file, an image_id is the name of a
    file somewhere below it. Raises `DataError` for a table without these columns: it names those that there are, and
    how to name one's own.
    """
    own = _read_own(file)
    table = _with_columns(own, words, file)
    warnings = unread_columns(table, file)
    if "path" in table.columns and (named := _without_dead_paths(own, table["path"], words, file)) is not None:
        told = f"{file}: no path leads to a file ({first_few(table['path'].tolist())}); images are found by their ids"
        table, warnings = named, (*warnings, told)
    if "path" not in table.columns:
        table["dx"] = one_label(table, file, words)
        return RawLabels(file, table, [(word,) for word in table["dx"]], file.parent, warnings=warnings)
    table["path"] = _joined(table["path"], file)
    return _read_rows(table, file, words, warnings)


def _without_dead_paths(own: pd.DataFrame, paths: pd.Series, words: LabelWords, file: Path) -> pd.DataFrame | None:
    """A table with standard column names that names images by ids; None unless no path leads to a file, and ids do.

    own: the table with its own column names; paths: those that count of it.
    """
    columns = [name for name in own.columns if name in IMAGE_COLUMNS]
    if words.columns.keys() & {"image_id", *IMAGE_COLUMNS} or not columns:
        return None  # as the user says
    if any(path and _leads_somewhere(path, file.parent) for path in paths):
        return None
    rest = own.drop(columns=columns)
    if image_column(with_standard_names(rest).columns) not in ID_COLUMNS:
        return None
    named = _with_columns(rest, words, file)
    if "path" in named.columns:
        return named
    if not is_any_there(named["image_id"], file.parent) or lie_in_archives(filter(None, paths), file.parent):
        return None
    return named


def _leads_somewhere(path: str, base: Path) -> bool:
    """Whether a path of a table, which may name a frame or be a URL, is that of a file; what is wrong is told later."""
    try:
        return is_there(_opened_as(base, path))
    except UsageError:  # a URL of another machine
        return True


def _read_own(file: Path) -> pd.DataFrame:
    """A table with small column names, and names of classes in place of their numbers."""
    card, names = names_in_card(file)
    return lowered(with_class_names(read_table(file), names, card))


def unread_columns(table: pd.DataFrame, file: Path) -> tuple[str, ...]:
    """Warnings about columns that are not read and seem to tell something that matters.

    That is lesions or patients, which a split would tear apart, age or sex, a split, or which rows count.
    """
    found = []
    for columns, advice in (
        (("lesion_id", "patient_id"), "if they say which images are of one lesion or patient"),
        (("age", "sex"), "for metrics by age in years or by sex"),
    ):
        names = [
            name
            for column in columns
            for name in (table.columns if column not in table.columns else ())
            if _TELLING[column].fullmatch(_KEY.sub("", name)) and _may_tell(table[name], column)
        ]
        if names:
            example = f"('columns: {{{columns[-1]}: YOURS}}')"
            found.append(f"{file}: not read: {first_few(names)}; {advice}, name them with --labels FILE {example}")
    if parts := [name for name in table.columns if re.fullmatch(_PARTS, name) and _tells_parts(table[name], name)]:
        found.append(f"{file}: not read: {first_few(parts)}; {_SPLIT_ANEW}")
    if choices := [name for name in table.columns if re.fullmatch(_CHOICES, name) and table[name].nunique() > 1]:
        found.append(f"{file}: not read: {first_few(choices)}; each row counts as one: leave out those that should not")
    if further := [
        name for name in table.columns if _FURTHER_IMAGE.fullmatch(name) and not is_missing(table[name]).all()
    ]:
        found.append(f"{file}: not read: the images in {first_few(further)}; write a row for each, with one lesion_id")
    if images := images_left_out(file):
        found.append(f"{file}: not read: the images in {first_few(images)}; to use others, call their column image")
    return tuple(found)


def _may_tell(values: pd.Series, column: str) -> bool:
    """Whether values may be those of a column by their number: a `group` of few may be cases or controls, no lesion."""
    return column != "lesion_id" or values.nunique() * MANY_IMAGES >= len(values)


def _tells_parts(values: pd.Series, name: str) -> bool:
    """Whether a column tells a split; a `dataset` may be where images come from."""
    return not name.endswith("set") or not _PARTS_OF_SPLITS.isdisjoint(values.str.lower())


def has_named_columns(file: Path, words: LabelWords) -> bool:
    """Whether a table has the columns that the user has named."""
    header = [name.lower() for name in read_header(file)] if words.columns else []
    named = words.named(header)
    return bool(named) and has_labels([*header, *named])


def is_image_folder(folder: Path) -> bool:
    """Whether a folder is a Hugging Face image folder, or has one for each part."""
    return bool(_image_folder_tables(folder))


def read_image_folder(folder: Path, words: LabelWords) -> RawLabels:
    """Read a Hugging Face image folder; without a label column, folder names are the labels.

    Raises `DataError` for tables without labels, and images that are not there.
    """
    import pandas as pd

    tables, warnings = dict[Path, "pd.DataFrame"](), list[str]()
    files = _image_folder_tables(folder)
    are_there = "diagnosis" in words.columns or any(has_labels(read_header(file)) for file in files)
    beside = [] if are_there else _labels_beside(folder)
    if len(beside) == 1 and all(map(holds_images, files)):
        return read_labelled_table(beside[0], words)  # which finds them by their ids or names
    for file in files:
        table = _read_own(file)
        image = words.named(table.columns).get("path") or image_columns(table, file, words)[0]
        folders = [os.path.basename(os.path.dirname(name)) for name in table[image]]
        labels = {*LABEL_COLUMNS, "label", words.columns.get("diagnosis", "").lower()}
        if not labels & set(table.columns) and all(folders) and file.name in IMAGE_FOLDER_FILES:
            table["dx"] = folders
        try:
            table = _with_columns(table, words, file)
        except DataError as error:
            told = f". There are diagnoses in {first_few(beside)}: write them into that table" if beside else ""
            raise DataError(f"{error}{told}") from error
        table["dx"] = one_label(table, file, words)
        table["path"] = _joined(table["path"], file)
        warnings += unread_columns(table, file)
        tables[file] = table[[name for name in ("path", "dx", *FURTHER) if name in table.columns]]
    if len(tables) > 1:
        warnings.append(f"{folder}: {counted(len(tables), 'table')} of parts are read as one; {_SPLIT_ANEW}")
    table = pd.concat(tables.values(), ignore_index=True).fillna("")
    if "image_id" in table.columns and not _have_ids(tables):
        if not table["image_id"].is_unique or is_missing(table["image_id"]).any():
            table = table.drop(columns="image_id")  # of each part's own images, such as `0.jpg`
    elif "image_id" in table.columns:
        _check_parts(tables, folder)
    return _read_rows(table, folder, words, tuple(warnings))


def _have_ids(files: Iterable[Path]) -> bool:
    """Whether any of the tables has a column of ids of images."""
    return any({*ID_COLUMNS} & {*standard_names(map(str.lower, read_header(file)))} for file in files)


def _check_parts(tables: Mapping[Path, pd.DataFrame], folder: Path) -> None:
    """Raise `DataError` for images in more than one of the tables, as of several configurations of a data set."""
    seen: dict[str, Path] = {}
    for file, table in tables.items():
        if again := [name for name in table.get("image_id", ()) if name in seen]:
            raise DataError(
                f"{folder}: {counted(len(again), 'image')} in {seen[again[0]]} and in {file}: {first_few(again)}; give "
                "tables that do not belong together on their own ('train' takes several with --data)"
            )
        seen |= dict.fromkeys(table.get("image_id", ()), file)


def _labels_beside(folder: Path) -> list[Path]:
    """The tables with diagnoses in a folder."""
    return [file for file in sorted(folder.iterdir()) if file.is_file() and has_labels(read_header(file))]


def _image_folder_tables(folder: Path) -> list[Path]:
    """The tables of an image folder, of which Parquet files hold the images, too."""
    folders = [folder, *visible_folders(folder)]
    files = [each / name for each in folders for name in IMAGE_FOLDER_FILES if (each / name).is_file()]
    headers = [(file, [name.lower() for name in read_header(file)]) for file in files]
    tables = [file for file, names in headers if "file_name" in names or image_column(names).endswith("file_name")]
    packed = sorted(file for each in folders for kind in PARQUET_SUFFIXES for file in each.glob(f"*{kind}"))
    if own := [file for file in packed if file not in tables and holds_images(file)]:
        files, tables = packed, [*tables, *own]
    for file in files if tables else ():
        if not read_header(file):
            read_table(file)  # which says what is wrong: a part would be passed over
    return tables


def read_diagnosis_folders(folder: Path, words: LabelWords) -> RawLabels:
    """Read a folder whose folders are named like diagnoses and hold their images.

    So comes MED-NODE (Giotis et al. 2015, Expert Syst. Appl. 42, 6578): folders `melanoma` and `naevus`. Raises
    `DataError` for folders without images.
    """
    import pandas as pd

    left_out = LeftOut()
    names = {entry.name for entry in visible_folders(folder)}
    start = len(os.path.join(folder, ""))
    found = [(path, path[start:].split(os.sep)) for path in walk_images(str(folder), left_out=left_out)]
    inside = {path: parts for path, parts in found if parts[0] in names}
    if not inside:
        there = f"; left out: {describe_left_out(left_out)}" if left_out else ""
        told = f"no image files in the folders {first_few(sorted(names), 7)}{there}"
        raise DataError(f"{folder}: {told}; put the images there, or give another folder")
    warnings = []
    if left_out:
        warnings.append(f"files that are not images are left out: {describe_left_out(left_out)}")
    made = made_of_others(list(inside), folder)
    rows = [(path, parts[0]) for path, parts in inside.items() if path not in made]
    below = {part for parts in inside.values() for part in parts[1:-1]}
    if parts_of_split := sorted(name for name in below if name.lower() in _PARTS_OF_SPLITS):
        warnings.append(f"{folder}: not read: the folders {first_few(parts_of_split)}; {_SPLIT_ANEW}")
    _check_nested(folder, {tuple(parts[:-1]) for parts in inside.values() if len(parts) > 2}, words)
    table = pd.DataFrame(rows, columns=["path", "dx"], dtype=str)
    raw = _read_rows(table, folder, words, tuple(warnings))
    return replace(raw, others=f"without a label, or {MASKS}") if made else raw


def _check_nested(folder: Path, nested: Iterable[tuple[str, ...]], words: LabelWords) -> None:
    """Raise `DataError` where a folder within one of a diagnosis is named like another diagnosis."""
    differing = []
    for parts in sorted(nested):
        meant = {name for _, name in words.decide((part,) for part in parts) if name}
        differing += ["/".join(parts)] if len(meant) > 1 else []
    if differing:
        raise DataError(
            f"{folder}: {counted(len(differing), 'folder')} within one of another diagnosis: {first_few(differing)}; "
            "move them, or say with --labels FILE that one of these words means none"
        )


def visible_folders(folder: Path) -> list[Path]:
    """The folders in a folder, except hidden ones and leftovers."""
    return sorted(
        entry
        for entry in folder.iterdir()
        if entry.is_dir() and not entry.name.startswith("__") and not is_hidden(entry.name)
    )


def has_diagnosis_folders(folder: Path, words: LabelWords) -> bool:
    """Whether a folder holds one that is named like a diagnosis."""
    names = [entry.name for entry in folder.iterdir() if entry.is_dir()]
    return any(meant for _, meant in words.decide([(name,) for name in names]))


def _with_columns(table: pd.DataFrame, words: LabelWords, file: Path) -> pd.DataFrame:
    """The table with standard column names. Raises `DataError`."""
    for column in words.columns:
        if column not in (*IMAGE_COLUMNS, *LABEL_COLUMNS, *FURTHER):
            known = ", ".join(("path", "diagnosis", *FURTHER))
            raise DataError(f"{words.file}: columns: {column!r} is none of {known}")
    there = list(table.columns)
    check_no_report(there, file, words)
    table = words.with_named_columns(table)
    if not set(LABEL_COLUMNS) & set(table.columns):
        table = table.rename(columns={"label": "diagnosis"})
    table = with_standard_names(table)
    image, other = image_columns(table, file, words)
    if not image or not set(LABEL_COLUMNS) & set(table.columns):
        if misnamed := [own for own in words.columns.values() if own.lower() not in there]:
            named = f"no column {first_few(misnamed)}, which {words.file} names"
            raise DataError(f"{file}: {named}; its columns: {first_few(there, COLUMNS_TOLD)}")
        lacking = [] if image else ["path"]
        lacking += [] if set(LABEL_COLUMNS) & set(table.columns) else ["dx or diagnosis"]
        is_data = any(name.startswith("isic_0") or name.endswith(tuple(SUFFIXES)) for name in there)
        hint = ": is that a row of data? Write the names of the columns above it" if is_data else ""
        if sum(name.startswith("pixel") for name in there) > COLUMNS_TOLD:
            hint = ": the pixels of images, which are not read from tables; give the images as files, and their labels"
        told = first_few(there, COLUMNS_TOLD)
        raise DataError(
            f"{file}: no column {' and no column '.join(lacking)}; the columns are {told}{hint}. "
            f"{ITS_OWN_COLUMNS[0].upper()}{ITS_OWN_COLUMNS[1:]}"
        )
    name = "image_id" if image in ID_COLUMNS and not _are_paths(table[image], file) else "path"
    if other:
        table = table.assign(other_name=table[other])
    return table.assign(**{name: table[image]}).drop(columns=[image] if image != name else [])


def check_no_report(columns: Iterable[str], file: Path, words: LabelWords) -> None:
    """Raise `DataError` for a report of scoring in place of labels: a model would be measured by what it called itself.

    Of a report that carries a column with diagnoses, the user may name that one.
    """
    if is_report(columns) and not words.columns.keys() & {*LABEL_COLUMNS}:
        raise DataError(
            f"{file}: a report of scoring, whose column diagnosis is what a model called; give the diagnoses that were "
            "made of the lesions, in a table with the columns path and diagnosis"
        )


def with_standard_names(table: pd.DataFrame) -> pd.DataFrame:
    """The table with standard names of columns such as `Lesion ID`, `lesion.id`, `lesionId` and `age (years)`."""
    return table.set_axis(standard_names(table.columns), axis=1)


def standard_names(columns: Iterable[str]) -> list[str]:
    """The names of columns, in small letters, by which each is known; of those alike, the first one's."""
    names, known = list(columns), (*FURTHER, *IMAGE_COLUMNS, *ID_COLUMNS)
    joined, taken = {name.replace("_", ""): name for name in known}, {*names} & {*known}
    for index, name in enumerate(names):
        bare = "age" if _AGE_IN_YEARS.fullmatch(name) else re.sub(r"[\W_]+", "", name)
        if name not in known and (standard := joined.get(bare, name)) not in taken:
            names[index] = standard
            taken.add(standard)
    return names


def image_columns(table: pd.DataFrame, file: Path, words: LabelWords) -> tuple[str, str]:
    """The column that names the images, and another one by which their files may be called, empty for none.

    Of `path` and `file_name` the one that names more of the files that are there counts, and of columns of names the
    first with endings of files: beside them, `image_id` may be a running number.
    """
    image = image_column(table.columns)
    if words.columns.keys() & {"image_id", *IMAGE_COLUMNS}:
        return image, ""  # as the user says
    paths = [name for name in IMAGE_COLUMNS if name in table.columns]
    if len(paths) > 1 and not table[paths[0]].equals(table[paths[1]]):
        there = {name: sum(_is_there(file.parent, path) for path in table[name]) for name in paths}
        return max(paths, key=lambda name: there[name]), ""
    if image not in ID_COLUMNS:
        return image, ""
    names = [name for name in ID_COLUMNS if name in table.columns]
    names.sort(key=lambda name: not table[name].str.lower().str.endswith(tuple(SUFFIXES)).all())
    stems = [without_endings(table[name]) for name in names]
    return names[0], next((name for name, of in zip(names, stems, strict=True) if not of.equals(stems[0])), "")


def _read_rows(table: pd.DataFrame, source: Path, words: LabelWords, warnings: tuple[str, ...] = ()) -> RawLabels:
    """Rows with `path`, as it can be opened, and `dx` or `diagnosis`."""
    base = source if source.is_dir() else source.parent
    table["dx"] = one_label(table, source, words)
    if "image_id" not in table.columns:
        table["image_id"] = [Path(path).stem for path in table["path"]]
        if table["image_id"].duplicated().any():  # 1.jpg in several folders
            table["image_id"] = [os.path.relpath(path, base) for path in table["path"]]
    else:
        table["image_id"] = without_endings(table["image_id"])
    return RawLabels(source, table, [(word,) for word in table["dx"]], warnings=warnings)


def _joined(paths: pd.Series, file: Path) -> list[str]:
    """The paths of a table as they can be opened. Raises `DataError` if some are empty."""
    if empty := [number for number, path in enumerate(paths, start=2) if not path]:
        told = f"{counted(len(empty), 'row')} with an empty path: row {first_few(empty)}, where the header is row 1"
        raise DataError(f"{file}: {told}; fill them in, or leave the rows out")
    try:
        return [_opened_as(file.parent, path) for path in paths]
    except UsageError as error:  # of a URL
        raise DataError(f"{file}: {error}") from error


def _are_paths(names: pd.Series, file: Path) -> bool:
    """Whether names of images are paths from the table's folder: all, or some where names are not unique without."""
    if not names.str.contains(r"[/\\]", regex=True).any():
        return False
    there = [_is_there(file.parent, name) for name in names]
    return all(there) or (any(there) and not names.str.replace(FOLDERS, "", regex=True).is_unique)


def _is_there(base: Path, path: str) -> bool:
    """Whether a path of a table is that of a file."""
    return not is_url(path) and is_there(_opened_as(base, path))


def _opened_as(base: Path, path: str) -> str:
    """A path of a table, also `file:///1.jpg`, of Windows, with another system's umlauts, or escaped as in a URL."""
    if is_url(path):
        return str(path_here(path, "path"))
    if path.isascii() and "\\" not in path and "%" not in path:
        return os.path.join(base, path)
    here = path.replace("\\", "/")
    plain = (unicodedata.normalize(form, each) for each in (here, unquote(here)) for form in ("NFC", "NFD"))
    candidates = [os.path.join(base, form) for form in dict.fromkeys((path, here, *plain))]
    return next((path for path in candidates if is_there(path)), os.path.join(base, here))


def one_label(table: pd.DataFrame, source: Path, words: LabelWords, may_be_empty: bool = False) -> pd.Series:
    """The label of each row, from either of two columns; may_be_empty: whether some may be missing.

    Raises `DataError` where the columns disagree, or neither says anything.
    """
    columns = [name for name in LABEL_COLUMNS if name in table.columns]
    label = table[columns[0]]
    for other in columns[1:]:
        label = label.where(~is_missing(label), table[other])
        _check_alike(label, table[other], source, words)
    if "label" in table.columns and not words.columns.keys() & {*LABEL_COLUMNS}:
        _check_alike(label, table["label"], source, words, if_known=True)  # it may have numbers, or coarser kinds
    if (label == "").any() and not may_be_empty:
        names = next((table[name] for name in ("image_id", *IMAGE_COLUMNS) if name in table.columns), label)
        empty = [name or f"row {number}" for number, name in enumerate(names, start=2) if not label.iloc[number - 2]]
        told = f"{counted(len(empty), 'row')} without a diagnosis: {first_few(empty)}"
        raise DataError(f"{source}: {told}; fill them in, or leave the rows out")
    return label


def _check_alike(label: pd.Series, other: pd.Series, source: Path, words: LabelWords, if_known: bool = False) -> None:
    """Raise `DataError` where two columns mean different diagnoses; if_known: only of words that mean one."""
    rows = zip(label, other, is_missing(other), strict=True)
    pairs = Counter((one, another) for one, another, missing in rows if not missing)
    meant = [[name for _, name in words.decide((word,) for word in of)] for of in zip(*pairs, strict=True)]
    differ = [
        pair
        for pair, one, another in zip(pairs, *meant, strict=True)
        if (one and another and one != another if if_known else (one or pair[0]) != (another or pair[1]))
    ]
    if differ:
        told = [f"{one} and {another}" for one, another in differ]
        raise DataError(
            f"{source}: the columns {label.name} and {other.name} differ in "
            f"{counted(sum(pairs[pair] for pair in differ), 'row')}: {first_few(told)}; keep one of them"
        )
