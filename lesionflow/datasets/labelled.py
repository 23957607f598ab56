"""Loads labelled images in any supported layout, for training and evaluation."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.datasets.archive_folder import archive_of, as_folder, path_within
from lesionflow.datasets.csv_and_folders import (
    ITS_OWN_COLUMNS,
    has_diagnosis_folders,
    has_named_columns,
    is_image_folder,
    read_diagnosis_folders,
    read_image_folder,
    read_labelled_table,
    standard_names,
    visible_folders,
    with_standard_names,
)
from lesionflow.datasets.demo.demo_set import draw_demo_set
from lesionflow.datasets.ham10000 import METADATA_NAMES, find_metadata, has_ham10000_columns, read_ham10000
from lesionflow.datasets.ids import without_endings, without_folders
from lesionflow.datasets.image_files import contents_of_files
from lesionflow.datasets.isic import (
    METADATA,
    find_milk10k,
    is_isic_challenge,
    is_isic_download,
    read_isic_challenge,
    read_isic_download,
)
from lesionflow.datasets.label_columns import has_labels, image_column, is_missing, is_report, lowered
from lesionflow.datasets.label_table import (
    ARRAYS,
    OTHER_TABLES,
    TABLE_SUFFIXES,
    holds_images,
    read_header,
    read_table,
    workbook_notes,
)
from lesionflow.datasets.label_words import LabelWords, read_label_words
from lesionflow.datasets.licences import is_drawn
from lesionflow.datasets.published import find_published, read_published
from lesionflow.datasets.raw_labels import RawLabels, complete
from lesionflow.diagnoses import HAM10000, LabelSet
from lesionflow.errors import DataError, counted, enumerated, first_few, os_errors_as
from lesionflow.images.containers import HDF5_SUFFIXES, PARQUET_SUFFIXES, holder_of, is_archive
from lesionflow.images.discovery import cache_folder, is_hidden, walk_images
from lesionflow.images.read_bytes import file_and_frame
from lesionflow.storage.location import location_text, path_here

if TYPE_CHECKING:
    import pandas as pd

DEMO = "demo"
DEMO_IMAGES, DEMO_SEED, DEMO_VERSION = 900, 0, 1  # raise the version whenever the same seed draws other images


@dataclass(frozen=True)
class LabelledImages:
    """Labelled images, one row each, in the order of their ids."""

    name: str
    folder: Path
    # `raw_labels.ROW_COLUMNS` and content (digest of the bytes); patient_id is empty where not known
    table: pd.DataFrame = field(repr=False)
    digest: str  # of ids, diagnoses and the images' bytes
    demo: bool  # whether drawn images are among those that metrics are of, which are then of no medical value
    warnings: tuple[str, ...] = ()
    label_set: LabelSet = field(default=HAM10000, repr=False)  # the diagnoses that there are

    @property
    def labels(self) -> np.ndarray:
        """The diagnoses as indices into the label set: (images,) int64."""
        index_of = {name: index for index, name in enumerate(self.label_set.names)}
        return np.array([index_of[dx] for dx in self.table["dx"]], dtype=np.int64)

    @property
    def files(self) -> tuple[list[str], list[str]]:
        """The paths of the images, and the digests of their bytes."""
        return self.table["path"].tolist(), self.table["content"].tolist()

    @property
    def missing_diagnoses(self) -> tuple[str, ...]:
        """The diagnoses of the label set without images."""
        return tuple(name for name in self.label_set.names if name not in set(self.table["dx"]))

    @property
    def has_sources(self) -> bool:
        """Whether the images are of several sources."""
        return "source" in self.table.columns and self.table["source"].nunique() > 1

    @property
    def description(self) -> str:
        """The display name, with demo data marked."""
        return f"{self.name} (synthetic demo data, of no medical value)" if self.demo else self.name

    def describe(self, members: np.ndarray) -> str:
        """The same of some images: of several data sets, the sources that these are from.

        Parameters
        ----------
        members : (images,) int64
            Their rows.
        """
        if "data_set" not in self.table.columns:
            return self.description
        return replace(self, name=enumerated(dict.fromkeys(self.table["source"].iloc[members]))).description


def read_labelled_images(
    source: str | os.PathLike[str],
    cache: Path | None = None,
    labels: str | os.PathLike[str] | None = None,
    label_set: LabelSet = HAM10000,
    also: Sequence[LabelSet] = (),
) -> LabelledImages:
    """Read labelled images of any layout that lesionflow knows.

    Parameters
    ----------
    source : path
        A HAM10000 folder; a table of paths and diagnoses; a folder with one for each diagnosis; a Hugging Face image
        folder; what isic-cli downloads; the ground truth of ISIC 2018 Task 3 or ISIC 2019; a data set of
        `published.PUBLISHED_TABLES`; a zip archive of any of these; or `demo`, the built-in synthetic set.
    cache : Path, optional
        Folder in which the demo set is kept.
    labels : path, optional
        A YAML file with the meanings of words and names of columns (`label_words.read_label_words`).
    label_set : LabelSet
        The diagnoses that there are; images of others are left out, or an error.
    also : sequence of LabelSet
        Sets of other models on the same data: images of diagnoses that only these have are left out.

    Returns
    -------
    LabelledImages
        One row for each image that has one of the diagnoses; its warnings name what is left out.

    Raises
    ------
    DataError
        Which counts what is wrong and names the first few.
    UsageError
        For a file of labels that says nothing.
    """
    words = read_label_words(labels, label_set, also)
    images = read_with_words(source, cache, words)
    return replace(images, warnings=(*images.warnings, *words.unmet()))


def read_with_words(source: str | os.PathLike[str], cache: Path | None, words: LabelWords) -> LabelledImages:
    """What `read_labelled_images` does with words that are read; which of them are unmet is the caller's to ask."""
    source = location_text(source, "data")
    path = path_here(source, "data")
    if source == DEMO:
        path = _demo_folder(cache, words.labels)
    table, warnings = read_rows(path, words)
    if source == DEMO and Path(DEMO).exists():
        warnings = [f"{DEMO!r} is the set that lesionflow draws; {DEMO} in this folder is read as ./{DEMO}", *warnings]
    table["content"], frames = contents_of_files(table["path"].tolist())
    if several := [os.path.basename(file) for file, count in zip(table["path"], frames, strict=True) if count > 1]:
        told = f"{counted(len(several), 'file')} {'has' if len(several) == 1 else 'have'} several frames"
        warnings.append(f"{told}; only the first is used: {first_few(several)}")
    drawn = is_drawn(table)
    name = DEMO if drawn.all() else path.resolve().name
    folder = path.parent if path.is_file() else path
    return LabelledImages(name, folder, table, _digest(table), bool(drawn.any()), tuple(warnings), words.labels)


def same_bytes(table: pd.DataFrame) -> list[str]:
    """A warning about images with the same bytes that differ in diagnosis or lesion; training describes all copies."""
    for column, told in (
        ("dx", "different diagnoses: correct one of each"),
        ("lesion_id", "different lesions, so intervals are too narrow: give them one lesion_id, or keep one"),
    ):
        several = table.groupby("content")[column].transform("nunique") > 1
        if several.any():
            names = table[several].sort_values(["content", "image_id"])["image_id"].tolist()
            return [f"{counted(len(names), 'image')} with the same bytes as others have {told}: {first_few(names)}"]
    return []


def read_rows(path: Path, words: LabelWords | None = None) -> tuple[pd.DataFrame, list[str]]:
    """The rows of labelled images in any layout, and warnings, without reading the images.

    Raises `DataError`.
    """
    words = words or LabelWords()
    if archive := archive_of(path):
        with as_folder(archive) as folder:
            table, warnings = read_rows(folder / path.relative_to(archive), words)
            if holder := next(filter(None, map(holder_of, table["path"])), ""):
                raise DataError(f"{holder}: the images in it are read where the archive is unpacked; unpack it")
        table["path"] = [path_within(archive, name) for name in table["path"]]
        return table, [warning.replace(str(folder), str(archive)) for warning in warnings]
    raw = read_raw_labels(path, words)
    table, warnings = complete(raw, words)
    unread = [*_other_labels(path, raw.file), *_other_lesions(raw), *_without_label(path, raw)]
    return table, [*workbook_notes(raw.file), *warnings, *unread]


def _other_labels(folder: Path, read: Path) -> list[str]:
    """A warning about tables of labels beside the one of a folder that is read, unless they say the same."""
    if not folder.is_dir() or read.is_dir():
        return []
    others = [file for file in _tables(read.parent) if file != read and has_labels(read_header(file))]
    own = read_table(read) if others else None
    if differing := [file for file in others if not _is_alike(file, own)]:
        told = counted(len(differing), "further table")
        return [f"{told} of labels beside {read} not read: {first_few([file.name for file in differing])}"]
    return []


def _is_alike(file: Path, table: pd.DataFrame | None) -> bool:
    """Whether a table has the same values as another, such as a workbook and a CSV that was made of it."""
    try:
        return read_table(file).equals(table)
    except DataError:
        return False


def _other_lesions(raw: RawLabels) -> list[str]:
    """Warnings about tables that tell the lesions or patients of its images where the one that is read does not."""
    table, columns = raw.table, ("lesion_id", "patient_id")
    lacking = [name for name in columns if name not in table.columns or is_missing(table[name]).all()]
    if not lacking:
        return []
    folder, found = raw.file if raw.file.is_dir() else raw.file.parent, dict[str, list[str]]()
    for file in (file for each in (folder, *visible_folders(folder)) for file in _tables(each) if file != raw.file):
        names = standard_names(name.lower() for name in read_header(file))
        told = [name for name in lacking if name in names]
        if told and (image := image_column(names)) and _names_any(file, image, table["image_id"]):
            for name in told:
                found.setdefault(name, []).append(str(file))
    return [
        f"{raw.file}: has no {name}, and that of {first_few(files)} is not read: put it into the same table"
        for name, files in sorted(found.items())
    ]


def _names_any(file: Path, column: str, image_ids: pd.Series) -> bool:
    """Whether a column of a table names any of some images."""
    try:
        names = with_standard_names(lowered(read_table(file)))[column]
    except DataError:
        return False
    bare = (without_folders(without_endings(of)) for of in (names, image_ids))
    return not set.isdisjoint(*map(set, bare))


def _without_label(folder: Path, raw: RawLabels) -> list[str]:
    """A warning about images in a folder that its table does not name."""
    if raw.images is not None or not folder.is_dir():
        return []
    holder = (holder_of(raw.table["path"].iloc[0]) or "").lower()
    if holder.endswith(HDF5_SUFFIXES):
        return []  # of ISIC 2024, the same images lie beside their HDF5 file
    if holder.endswith(PARQUET_SUFFIXES):
        read = {holder_of(path) for path in raw.table["path"]}
        packed = sorted(file for kind in PARQUET_SUFFIXES for file in folder.rglob(f"*{kind}") if str(file) not in read)
        told = [str(file) for file in packed if holds_images(file)]
        return [f"{counted(len(told), 'table')} with images not read: {first_few(told)}"] if told else []
    named = {os.path.normpath(path) for path in raw.table["path"]}
    if others := [path for path in walk_images(str(folder)) if os.path.normpath(path) not in named]:
        files = {os.path.realpath(file_and_frame(path)[0]) for path in named}  # few data sets have links or frames
        others = [path for path in others if os.path.realpath(path) not in files]
    return [f"{counted(len(others), 'image')} {raw.others}, left out: {first_few(others)}"] if others else []


def decided_words(
    source: str | os.PathLike[str],
    cache: Path | None = None,
    labels: str | os.PathLike[str] | None = None,
    label_set: LabelSet = HAM10000,
) -> Sequence[tuple[str, str | None]]:
    """The deciding word of each image in a data set, and the diagnosis it means, as `LabelWords.decide` gives them.

    Raises `DataError` for what is no data set, and `UsageError` for a file of labels that says nothing.
    """
    source = location_text(source, "data")
    words = read_label_words(labels, label_set)
    path = _demo_folder(cache, label_set) if source == DEMO else path_here(source, "data")
    archive = archive_of(path)
    with as_folder(archive) if archive else contextlib.nullcontext(path) as folder:
        raw = read_raw_labels(folder / path.relative_to(archive or path), words)
    words.unmet()
    return words.decide(raw.words, raw.of_data_set)


def read_raw_labels(path: Path, words: LabelWords) -> RawLabels:
    """The raw labels of a data set in any layout.

    Raises `DataError` for what is no data set, or cannot be read.
    """
    try:
        return _read_raw_labels(path, words)
    except OSError as error:  # of a folder in it, whose tables or images would be lost
        raise DataError(
            f"{error.filename or path}: cannot be read ({error.strerror}); make it readable or leave it out"
        ) from error


def check_is_there(source: str | os.PathLike[str]) -> None:
    """Refuse a data set that is not there, before anything is begun with it. Raises `DataError`."""
    path = path_here(source, "data")
    with os_errors_as(DataError, f"{path}: cannot be read", "make it readable or leave it out"):
        if os.fspath(source) == DEMO or archive_of(path) or path.is_dir() or path.is_file():
            return
    raise DataError(
        f"{path}: no such folder or table; give a table of labelled images, the folder of a data set, or 'demo'"
    )


def _read_raw_labels(path: Path, words: LabelWords) -> RawLabels:
    check_is_there(path)
    if path.suffix.lower() in PARQUET_SUFFIXES and holds_images(path):
        return read_labelled_table(path, words)
    metadata = find_metadata(path)
    if (table := path if path.is_file() else metadata) is not None and has_named_columns(table, words):
        return read_labelled_table(table, words)
    if metadata is not None and metadata.name in METADATA_NAMES:
        return read_ham10000(metadata, words)
    if is_isic_challenge(path):
        return read_isic_challenge(path)
    for file in (find_milk10k(path), path / METADATA, table):
        if file is not None and is_isic_download(file):
            return read_isic_download(file)
    if found := find_published(path):
        return read_published(*found, root=path.parent if path.is_file() else path)
    if path.is_file():
        return read_labelled_table(path, words)
    if is_image_folder(path):
        return read_image_folder(path, words)
    if metadata is not None and has_ham10000_columns(read_header(metadata)):
        return read_ham10000(metadata, words)
    named = has_diagnosis_folders(path, words)
    if metadata is not None and not (named and not has_labels(read_header(metadata))):
        return read_labelled_table(metadata, words)
    inner = _only_folder(path)  # as an archive is unpacked
    if inner and (not named or _tables(inner) or has_diagnosis_folders(inner, words)):
        return _read_raw_labels(inner, words)
    if named:
        raw = read_diagnosis_folders(path, words)
        beside = [f"{file.name} ({first_few(read_header(file), 7)})" for file in _tables(path)]
        told = f"{path}: the folders tell the diagnoses, and tables beside them are not read: {first_few(beside)}"
        return replace(raw, warnings=(*raw.warnings, told)) if beside else raw
    tables = _tables(path)
    if len(tables) == 1 and is_isic_download(tables[0]):
        return read_isic_download(tables[0])
    if len(tables) == 1 and (has_labels(read_header(tables[0])) or has_named_columns(tables[0], words)):
        return read_labelled_table(tables[0], words)  # a workbook, say, or JSON lines
    within = _data_sets_in(path, words)
    if len(within) == 1 and not tables and find_metadata(within[0]):  # such as tables/ beside images/
        raw = _read_raw_labels(within[0], words)
        return replace(raw, images=path) if raw.images == within[0] else raw
    raise _unknown_layout(path, words)


def _only_folder(folder: Path) -> Path | None:
    """The folder that is all that a folder holds, beside texts and what is hidden."""
    visible = [entry for entry in folder.iterdir() if not is_hidden(entry.name) and not _is_text(entry)]
    return visible[0] if len(visible) == 1 and visible[0].is_dir() else None


def _is_text(entry: Path) -> bool:
    """Whether an entry of a folder is a text about the data, such as a licence or Hugging Face's card."""
    is_kind = entry.suffix.lower() in (".md", ".txt", ".rst", ".pdf") or entry.name in ("LICENSE", "README")
    return is_kind and entry.is_file() and len(read_header(entry)) < 2


def _tables(folder: Path) -> list[Path]:
    """The tables in a folder that may hold labels; reports of scoring are among them where there are no others."""
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in TABLE_SUFFIXES)
    tables = {file: header for file in files if len(header := read_header(file)) > 1}  # notes have one column
    return [file for file, header in tables.items() if not is_report(map(str.lower, header))] or list(tables)


def _data_sets_in(folder: Path, words: LabelWords) -> list[Path]:
    """The folders in a folder that look like data sets."""
    return [
        entry
        for entry in visible_folders(folder)
        if has_diagnosis_folders(entry, words) or find_metadata(entry) or is_image_folder(entry)
    ]


def _unknown_layout(folder: Path, words: LabelWords) -> DataError:
    """What a folder that is not a data set contains, and what in it might be one."""
    tables = _tables(folder)
    usual = {*TABLE_SUFFIXES} - {".txt"}  # a text may be anything
    broken = _unreadable(file for file in folder.iterdir() if file.suffix.lower() in usual and file not in tables)
    kinds = (*OTHER_TABLES, *ARRAYS, ".gz", ".tgz", ".tar", *PARQUET_SUFFIXES)
    others = [file for file in (*folder.glob("*"), *folder.glob("*/*")) if file.suffix.lower() in kinds]
    archives = sorted(file for file in folder.iterdir() if is_archive(file))
    images = next(iter(walk_images(str(folder))), None)
    below = _data_sets_in(folder, words)
    labelled = [file for file in tables if has_labels(read_header(file))]
    several = " ('train' takes several with --data)"
    if broken:
        advice = _first_of(broken)
    elif below and not labelled:
        advice = f"give what lies in it: {first_few([str(entry) for entry in below])}{several if below[1:] else ''}"
    elif labelled:
        advice = f"give the table itself: {first_few(list(map(str, labelled)))}{several if labelled[1:] else ''}"
    elif archives and not images:
        advice = f"give the archive itself: {first_few(list(map(str, archives)))} (unpacked, if it lies in another)"
    elif tables and (broken := _unreadable(tables)):
        advice = _first_of(broken)
    elif tables:
        told = first_few([f"{file.name} ({first_few(read_header(file), 7)})" for file in tables])
        advice = f"its tables: {told}; give the one with the labels itself: {ITS_OWN_COLUMNS}"
    elif broken := _unreadable(others):
        advice = _first_of(broken)
    else:
        folders = first_few([entry.name for entry in visible_folders(folder)])
        named = f" (for names such as {folders}, say which with --labels FILE or --diagnoses)" if folders else ""
        advice = (
            f"there is no table of labels; give one with path and diagnosis, the folder with {METADATA_NAMES[0]}, one "
            f"with a folder for each diagnosis{named}, or a published data set as it comes"
            + (f"; if it lies in {first_few(list(map(str, archives)))}, unpack that" if archives else "")
        )
    return DataError(f"{folder}: no data set of a layout that is read; {advice}")


def _first_of(broken: list[str]) -> str:
    """The first of what is wrong with tables, which ends with advice, and how many others there are."""
    others = f"{counted(len(broken) - 1, 'other table', 'is', 'are')} unreadable, too; " if broken[1:] else ""
    return others + broken[0]


def _unreadable(tables: Iterable[Path]) -> list[str]:
    """What is wrong with tables, in the order of their names."""
    told = []
    for file in sorted(tables):
        try:
            read_table(file)
        except DataError as error:
            told.append(str(error))
    return told


def _demo_folder(cache: Path | None, label_set: LabelSet) -> Path:
    kept = f"demo-{DEMO_VERSION}-{DEMO_IMAGES}-{DEMO_SEED}"
    if label_set.names != HAM10000.names:
        kept += "-" + hashlib.sha256(repr(label_set).encode()).hexdigest()[:12]
    folder = cache_folder(cache) / kept
    try:
        if not folder.exists():
            draw_demo_set(folder, images=DEMO_IMAGES, seed=DEMO_SEED, label_set=label_set)
    except OSError as error:
        if not folder.exists():  # which another process may have drawn meanwhile
            raise DataError(
                f"{folder.parent}: the demo set cannot be kept there ({error.strerror or error}); choose another "
                "folder with --cache"
            ) from error
    return folder


def _digest(table: pd.DataFrame) -> str:
    digest = hashlib.sha256()
    for row in zip(table["image_id"], table["lesion_id"], table["dx"], table["content"], strict=True):
        digest.update("\t".join(row).encode() + b"\n")
    return digest.hexdigest()
