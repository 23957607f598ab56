"""The report: one row for every input, in order, written as it comes and whole or not at all."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from lesionflow.atomic import atomic_file, check_writable
from lesionflow.diagnoses import DIAGNOSES
from lesionflow.errors import ReportError, UsageError
from lesionflow.images.signatures import SUFFIXES
from lesionflow.model.columns import FRAME, Value, cell, chosen_columns, extractors, utf8
from lesionflow.model.prediction import Row
from lesionflow.scoring.config import ISIC, REPORT_FORMATS
from lesionflow.storage.location import Location

REPORT_ENDINGS = {".csv": "csv", ".parquet": "parquet", ".jsonl": "jsonl"}

# The classes of the ISIC 2018 challenge's task 3, in the order of its files.
ISIC_CLASSES = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")

ROWS_IN_GROUP = 16_384  # of a Parquet file: a few MiB of memory, and groups large enough to read fast


@dataclass(frozen=True)
class ReportOptions:
    """What a report holds and how it is written."""

    model: str  # its name, for the column `model`
    format: str = "csv"  # one of REPORT_FORMATS
    columns: tuple[str, ...] | None = None  # which, in this order; None stands for the default ones
    top_k: int | None = None  # columns for the so many most probable diagnoses
    carried_columns: tuple[str, ...] = ()  # names of the columns of the CSV source that are carried through
    prior: tuple[float, ...] = (1 / len(DIAGNOSES),) * len(DIAGNOSES)  # of the bundle's card; the ISIC format needs it
    provenance: dict[str, str] = field(default_factory=dict)  # goes into the metadata of a Parquet file


def report_format(out: Location, format: str | None) -> str:
    """The format of a report: the one asked for, or the one that its name's ending says. Raises `UsageError`."""
    by_ending = REPORT_ENDINGS.get(out.suffix.lower())
    if format is None:
        if by_ending is None:
            raise UsageError(f"{out}: the ending says no format; use one of {', '.join(REPORT_ENDINGS)}, or --format")
        return by_ending
    if format not in REPORT_FORMATS:
        raise UsageError(f"--format {format}: not a format; choose from {', '.join(REPORT_FORMATS)}")
    if by_ending not in (None, "csv" if format == ISIC else format):
        raise UsageError(f"{out}: the ending contradicts --format {format}; change one of them")
    return format


def check_report(out: Location, options: ReportOptions, overwrite: bool) -> None:
    """Refuse, before the work starts, what `write_report` would refuse after it.

    Raises `UsageError` for options that make no sense, `ReportError` where the file cannot be written.
    """
    if options.format not in REPORT_FORMATS:
        raise UsageError(f"--format {options.format}: not a format; choose from {', '.join(REPORT_FORMATS)}")
    if options.format == ISIC and (options.columns is not None or options.top_k is not None):
        raise UsageError("--format isic has its own columns; leave out --columns and --top-k")
    if options.format == "parquet" and importlib.util.find_spec("pyarrow") is None:
        raise UsageError(f"{out}: Parquet needs pyarrow (pip install pyarrow); or choose .csv or .jsonl")
    if options.format != ISIC:
        chosen_columns(options.columns, options.top_k, options.carried_columns)
    check_writable(out, overwrite)


def write_report(rows: Iterable[Row], out: Location, options: ReportOptions, overwrite: bool) -> None:
    """Write a report, a row at a time: the file is complete, or it is not there.

    The ISIC format has no place for an image that failed: such rows are left out. Raises `ReportError` where
    the file cannot be written, and what `rows` raises.
    """
    check_report(out, options, overwrite)
    with atomic_file(out, overwrite) as file:
        writer = _WRITERS[options.format](file, options)
        for row in rows:
            writer.add(row)
        writer.close()


class _Writer(Protocol):
    def add(self, row: Row) -> None: ...
    def close(self) -> None: ...


class _Csv:
    """Numbers with six decimals, text that a spreadsheet takes as text."""

    def __init__(self, file: BinaryIO, options: ReportOptions):
        columns = chosen_columns(options.columns, options.top_k, options.carried_columns)
        self.values = extractors(columns, options.model, options.carried_columns)
        self.csv = csv.writer(_Encoded(file), lineterminator=_CSV_END)
        self.csv.writerow([cell(utf8(column)) for column in columns])

    def add(self, row: Row) -> None:
        self.csv.writerow([_cell(value(row)) for value in self.values])

    def close(self) -> None:
        pass


_CSV_END = "\r\n"


class _Encoded:
    """The text file that csv writes to, a row at a time.

    The lines end in a line feed; csv is told otherwise, or it would not quote a carriage return in a file's name.
    """

    def __init__(self, file: BinaryIO):
        self.file = file

    def write(self, text: str) -> int:
        return self.file.write(text.removesuffix(_CSV_END).encode() + b"\n")


def _cell(value: Value) -> str:
    if isinstance(value, float):
        return f"{value:.6f}"
    return cell(value) if isinstance(value, str) else "" if value is None else str(value)


class _Jsonl:
    """An object a line; numbers have at most six decimals, as in the CSV, and what is missing is null."""

    def __init__(self, file: BinaryIO, options: ReportOptions):
        columns = chosen_columns(options.columns, options.top_k, options.carried_columns)
        values = extractors(columns, options.model, options.carried_columns)
        self.values = list(zip([utf8(column) for column in columns], values, strict=True))
        self.file = file

    def add(self, row: Row) -> None:
        found = ((name, value(row)) for name, value in self.values)
        line = {name: round(value, 6) if isinstance(value, float) else value for name, value in found}
        self.file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")

    def close(self) -> None:
        pass


class _Parquet:
    """Typed columns with unrounded numbers, a row group at a time; provenance in the metadata, as `lesionflow.*`."""

    def __init__(self, file: BinaryIO, options: ReportOptions):
        import pyarrow
        from pyarrow import parquet

        self.columns = chosen_columns(options.columns, options.top_k, options.carried_columns)
        self.values = extractors(self.columns, options.model, options.carried_columns)
        self.schema = pyarrow.schema(
            [(utf8(column), self._type(column, options.carried_columns)) for column in self.columns],
            {f"lesionflow.{name}": utf8(text) for name, text in options.provenance.items()},
        )
        self.writer = parquet.ParquetWriter(file, self.schema)
        self.rows: list[list[Value]] = []

    @staticmethod
    def _type(column: str, carried: Sequence[str]) -> Any:
        import pyarrow

        if column == FRAME:
            return pyarrow.int32()
        is_number = column.startswith("p_") or column.endswith("probability")
        return pyarrow.float64() if is_number and column not in carried else pyarrow.string()

    def add(self, row: Row) -> None:
        self.rows.append([value(row) for value in self.values])
        if len(self.rows) == ROWS_IN_GROUP:
            self._flush()

    def _flush(self) -> None:
        import pyarrow

        if self.rows:
            columns = zip(*self.rows, strict=True)
            arrays = [pyarrow.array(values, kind.type) for values, kind in zip(columns, self.schema, strict=True)]
            self.writer.write_table(pyarrow.Table.from_arrays(arrays, schema=self.schema), row_group_size=ROWS_IN_GROUP)
            self.rows = []

    def close(self) -> None:
        self._flush()
        self.writer.close()


class _Isic:
    """What the ISIC 2018 challenge's task 3 takes: the image's name without ending, and seven probabilities.

    The challenge takes the greatest of the seven for the answer and measures balanced accuracy. The probabilities are
    therefore those under equal priors, the greatest of which is the diagnosis that is called.
    """

    def __init__(self, file: BinaryIO, options: ReportOptions):
        self.csv = csv.writer(_Encoded(file), lineterminator=_CSV_END)
        self.csv.writerow(["image", *ISIC_CLASSES])
        self.places = [DIAGNOSES.index(name.lower()) for name in ISIC_CLASSES]
        self.prior = options.prior
        self.names: dict[str, str] = {}

    def add(self, row: Row) -> None:
        if row.prediction is None:
            return
        name = isic_name(row.path, row.frame)
        _refuse_same_name(self.names, name, row.path)
        shares = [
            probability / prior for probability, prior in zip(row.prediction.probabilities, self.prior, strict=True)
        ]
        total = sum(shares)
        self.csv.writerow([cell(name), *(f"{shares[place] / total:.6f}" for place in self.places)])

    def close(self) -> None:
        pass


def isic_name(path: str, frame: int = 0) -> str:
    """How the ISIC format names an image: the file's name without its ending."""
    name, ending = os.path.splitext(os.path.basename(path))
    name = name if ending.lower() in SUFFIXES else name + ending
    return utf8(name if frame == 0 else f"{name}#{frame + 1}")


def check_isic_names(paths: Iterable[str]) -> None:
    """Refuse, before the work starts, images of the same name in different folders, which the format cannot hold."""
    names: dict[str, str] = {}
    for path in paths:
        _refuse_same_name(names, isic_name(path), path)


def _refuse_same_name(names: dict[str, str], name: str, path: str) -> None:
    if name in names:
        raise ReportError(
            f"--format isic names images without their folders, and {utf8(names[name])} and {utf8(path)} are both "
            f"{name}; score them apart"
        )
    names[name] = path


_WRITERS: dict[str, Any] = {"csv": _Csv, "parquet": _Parquet, "jsonl": _Jsonl, ISIC: _Isic}
