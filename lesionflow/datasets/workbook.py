"""Finds the table in an Excel workbook: its sheet, the header in it, merged cells and formulas without values."""

from __future__ import annotations

import contextlib
import functools
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lesionflow.datasets.label_columns import TEXT_FORMULA, as_text, has_labels
from lesionflow.errors import DataError

if TYPE_CHECKING:
    import pandas as pd

_ROWS_ABOVE = 50  # of a sheet, in which a header is looked for
_HIDDEN_ROW = re.compile(rb'<row\b[^>]*\bhidden="(1|true)"')
_FORMULA, _UNCALCULATED = re.compile(rb"<f[ />]"), re.compile(rb'\bfullCalcOnLoad="(1|true)"')


class Sheet(NamedTuple):
    """The sheet of a workbook that is read."""

    name: str
    table: pd.DataFrame
    others: list[str]  # names of the other sheets with tables
    hidden_rows: int


def read_sheet(file: Path) -> Sheet:
    """The sheet of a workbook with columns of images and diagnoses, or else the first with two columns or more.

    Raises `DataError`.
    """
    status = file.stat()
    return _parsed_workbook(file, (status.st_ino, status.st_size, status.st_mtime_ns))


@functools.lru_cache(maxsize=1)
def _parsed_workbook(file: Path, state: tuple[int, int, int]) -> Sheet:
    """The same of a file in some state: what it is, is asked several times before it is read, and parsing is slow."""
    import pandas as pd

    try:
        with pd.ExcelFile(file, engine="openpyxl") as book:
            cells = book.parse(None, dtype=object, header=None, keep_default_na=False, na_filter=False)
            visible = {name for name in cells if book.book[name].sheet_state == "visible"}
    except ImportError as error:
        raise DataError(f"{file}: Excel needs the extra tables (openpyxl); or save the table as CSV") from error
    except Exception as error:  # of damaged ones, whatever the parsers of their parts raise
        told = " ".join(str(error).split()) or type(error).__name__
        raise DataError(
            f"{file}: a zip archive, and no Excel workbook that can be read ({told}); restore it from a "
            "copy, or save the table as CSV"
        ) from error
    sheets = {name: of.map(_cell_text).astype(str) for name, of in cells.items()}
    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.startswith(("xl/worksheets/", "xl/workbook.xml"))]
        parts = [archive.read(name) for name in names]
    # Looking for these in all cells takes as long as parsing them.
    special = any(b"mergeCell " in part or _HIDDEN_ROW.search(part) for part in parts)
    hidden = _fill_merged(file, sheets) if special else {}
    if any(map(_UNCALCULATED.search, parts)) and any(map(_FORMULA.search, parts)):
        _fill_uncalculated(file, sheets)
    tables = {name: table for name, of in sheets.items() if (table := _below_header(of)) is not None}
    if not tables:
        raise DataError(f"{file}: no sheet has two columns with a header; write the labels into one")
    # What people see, and of that the labels, come first.
    name = min(tables, key=lambda name: (not has_labels(tables[name].columns), name not in visible))
    return Sheet(name, tables[name], [other for other in tables if other != name], hidden.get(name, 0))


def _cell_text(value: object) -> str:
    """A value of a cell as text. Numbers of more digits than a cell holds have an exponent."""
    is_long = isinstance(value, int | float) and abs(value) > 2**53
    return f"{value:.15g}" if is_long else as_text(value)


def _fill_merged(file: Path, sheets: Mapping[str, pd.DataFrame]) -> dict[str, int]:
    """Give the value of merged cells, such as a lesion's, to each row that they span: only the first one has it.

    Returns the number of hidden rows, such as a filter leaves, of sheets that have some.
    """
    import openpyxl

    book, hidden = openpyxl.load_workbook(file, data_only=True), {}
    for name, cells in sheets.items():
        filled = (cells != "").any(axis=1)
        hidden[name] = sum(filled.get(row - 1, False) for row, told in book[name].row_dimensions.items() if told.hidden)
        for area in book[name].merged_cells.ranges:
            if area.min_row <= len(cells) and area.min_col <= cells.shape[1]:
                first = cells.iat[area.min_row - 1, area.min_col - 1]
                cells.iloc[area.min_row - 1 : area.max_row, area.min_col - 1] = first
    return hidden


def _fill_uncalculated(file: Path, sheets: Mapping[str, pd.DataFrame]) -> None:
    """Put formulas without values, as programs write that leave calculating to spreadsheets, in place of nothing."""
    import openpyxl

    with contextlib.closing(openpyxl.load_workbook(file, read_only=True)) as book:
        for name, cells in sheets.items():
            found = [each for row in book[name].rows for each in row if each.data_type == "f"]
            formulas = {(each.row - 1, each.column - 1): str(each.value) for each in found if each.row <= len(cells)}
            if all(cells.iat[position] in ("", "0") for position in formulas):
                for position, formula in formulas.items():
                    cells.iat[position] = TEXT_FORMULA.sub(r"\1", formula)


def _below_header(cells: pd.DataFrame) -> pd.DataFrame | None:
    """The table in a sheet; None where it has fewer than two columns."""
    # The header is the first row with known names, or that is filled as far as any: titles and groups stand above some.
    filled = (cells != "").sum(axis=1)
    if not len(filled) or filled.max() < 2:
        return None
    labelled = [has_labels(row) for row in cells.head(_ROWS_ABOVE).itertuples(index=False)]
    start = (
        int((filled >= max(2, filled.max() // 2)).to_numpy().argmax()) if True not in labelled else labelled.index(True)
    )
    body = cells.iloc[start + 1 :].reset_index(drop=True)
    body.columns = cells.iloc[start].tolist()
    body = body.apply(lambda column: column.str.strip())
    is_row = (body != "").any(axis=1) & (body != list(body.columns)).any(axis=1)  # not the header again
    return body[is_row.tolist()].reset_index(drop=True)
