"""Reads HAM10000 as it is downloaded: a metadata table, and images in folders of any name."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lesionflow.datasets.csv_and_folders import (
    ITS_OWN_COLUMNS,
    one_label,
    standard_names,
    unread_columns,
    with_standard_names,
)
from lesionflow.datasets.label_columns import ID_COLUMNS, IMAGE_COLUMNS, lowered
from lesionflow.datasets.label_table import read_table
from lesionflow.datasets.label_words import LabelWords
from lesionflow.datasets.raw_labels import RawLabels
from lesionflow.errors import DataError, first_few

METADATA_NAMES = ("HAM10000_metadata.csv", "HAM10000_metadata", "HAM10000_metadata.tab")
REQUIRED_COLUMNS = ("lesion_id", "image_id", "dx")


def read_ham10000(file: Path, words: LabelWords) -> RawLabels:
    """Read a HAM10000 folder: the metadata CSV and, in folders of any name or beside it, `<image_id>.<ending>`.

    Raises `DataError` for a table without the columns that it needs, or whose columns `dx`, `diagnosis` and `label`
    differ.
    """
    table = with_standard_names(lowered(read_table(file)))
    if not set(REQUIRED_COLUMNS) <= set(table.columns):
        missing = ", ".join(column for column in REQUIRED_COLUMNS if column not in table.columns)
        raise DataError(
            f"{file}: no column {missing}; the columns are {first_few(list(table.columns), 7)}. A folder's table needs "
            f"{', '.join(REQUIRED_COLUMNS)}; give another one itself: {ITS_OWN_COLUMNS}"
        )
    table["dx"] = one_label(table, file, words, may_be_empty=True)
    warnings = unread_columns(table, file)
    return RawLabels(file, table, [(word,) for word in table["dx"]], file.parent, needs_lesions=True, warnings=warnings)


def has_ham10000_columns(header: Iterable[str]) -> bool:
    """Whether a table has the columns of HAM10000, and names images by no other one."""
    names = {*standard_names(name.lower() for name in header)}
    return names.issuperset(REQUIRED_COLUMNS) and names.isdisjoint({*IMAGE_COLUMNS, *ID_COLUMNS} - {"image_id"})


def find_metadata(folder: Path) -> Path | None:
    """The table of a folder that looks like HAM10000: a metadata file or the only CSV file; or the given file."""
    if folder.name in METADATA_NAMES and folder.is_file():
        return folder
    for name in METADATA_NAMES:
        if (folder / name).is_file():
            return folder / name
    others = sorted(folder.glob("*.csv"))
    return others[0] if len(others) == 1 else None
