"""The report: its formats, in which every input has one row, in order."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from lesionflow.datasets.label_columns import is_missing_word
from lesionflow.diagnoses import BINARY, HAM10000, ISIC2019, LabelSet
from lesionflow.errors import MissingError, ReportError, UsageError
from lesionflow.images.signatures import SUFFIXES
from lesionflow.model.columns import ALSO, FRAME, SCORED, Value, chosen_columns, csv_text, is_number, row_values, utf8
from lesionflow.model.decision import prior_of_call
from lesionflow.model.prediction import Row
from lesionflow.scoring.config import AS_PRIOR, CSV, ISIC, JSONL, OF_ENDINGS, PARQUET
from lesionflow.storage.location import Location

REPORT_ENDINGS = {f".{name}": name for name in OF_ENDINGS}

# The columns of the files that the ISIC challenges of 2018 (task 3), 2019 and 2024 take, by their label sets.
_UNKNOWN, _TARGET = "UNK", "target"
ISIC_COLUMNS = (
    (HAM10000, ("image", "MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")),
    (ISIC2019, ("image", "MEL", "NV", "BCC", "AK", "BKL", "DF", "VASC", "SCC", _UNKNOWN)),
    (BINARY, ("isic_id", _TARGET)),
)

ROWS_AT_ONCE = 1024  # that are in memory
ROWS_IN_GROUP = 16_384  # of a Parquet file: a few MiB of memory, and groups large enough to read fast


@dataclass(frozen=True)
class ReportLayout:
    """Contents and format of a report."""

    model: str  # its name, for the column `model`
    format: str = CSV  # one of REPORT_FORMATS
    columns: tuple[str, ...] | None = None  # which, in this order; None stands for the default ones
    top_k: int | None = None  # columns for the so many most probable diagnoses
    carried_columns: tuple[str, ...] = ()  # names of the columns of the CSV source that are carried through
    prior: tuple[float, ...] = ()  # of the bundle's card, equal shares unless given; the ISIC format needs it
    call_strength: float = 1.0  # of the card's call; the same
    also: str = ""  # the name of a second model, for the columns `also_...`
    named_by: int | None = None  # the carried value that names a row of the ISIC format, where its path does not
    failed_as: str | None = None  # in the ISIC format: `AS_PRIOR`, or else left out
    provenance: dict[str, str] = field(default_factory=dict)  # goes into the metadata of a Parquet file
    labels: LabelSet = HAM10000  # of the model


def report_format(out: Location, format: str | None) -> str:
    """The format of a report: the given one, or that of its name's ending. Raises `UsageError`."""
    by_ending = REPORT_ENDINGS.get(out.suffix.lower())
    if format is None:
        if by_ending is None:
            raise UsageError(f"{out}: the ending names no format; use one of {', '.join(REPORT_ENDINGS)}, or --format")
        return by_ending
    if by_ending not in (None, CSV if format == ISIC else format):
        raise UsageError(f"{out}: the ending contradicts --format {format}; change one of them")
    return format


def check_report(out: str, options: ReportLayout) -> None:
    """Check options before work starts; out: the report's name in messages. Raises `UsageError`."""
    if options.format == ISIC and (options.columns is not None or options.top_k is not None):
        raise UsageError("--format isic has its own columns; leave out --columns and --top-k")
    if options.format == ISIC and options.also:
        raise UsageError("--format isic holds one model's answers; leave out --also, or choose another format")
    if options.format == PARQUET and importlib.util.find_spec("pyarrow") is None:
        raise MissingError(f"{out}: Parquet needs pyarrow (pip install pyarrow); or choose .csv or .jsonl")


def check_diagnoses(options: ReportLayout) -> None:
    """Refuse columns, or a format, that a model of these diagnoses does not have. Raises `UsageError`."""
    if options.format == ISIC:
        isic_columns(options.labels)
    else:
        _columns_of(options)


def _columns_of(options: ReportLayout) -> tuple[str, ...]:
    return chosen_columns(
        options.columns, options.top_k, options.carried_columns, options.labels, also=bool(options.also)
    )


class Encoder(Protocol):
    """One format: rows to bytes in any process, and these, in order, into a file."""

    rows_at_once: int

    def encode(self, rows: Sequence[Row]) -> bytes:
        """Turn some rows into bytes."""

    def open(self, file: BinaryIO) -> AbstractContextManager[Callable[[bytes], object]]:
        """Begin a file; yields the function that takes the bytes."""


def report_encoder(options: ReportLayout) -> Encoder:
    """Return the encoder of a report."""
    encoders: dict[str, Any] = {CSV: _Csv, PARQUET: _Parquet, JSONL: _Jsonl, ISIC: _Isic}
    encoder: Encoder = encoders[options.format](options)
    return encoder


class _Text:
    """A format of text lines."""

    rows_at_once = ROWS_AT_ONCE
    header_line = ""

    @contextmanager
    def open(self, file: BinaryIO) -> Iterator[Callable[[bytes], object]]:
        file.write(self.header_line.encode())
        yield file.write


class _Csv(_Text):
    """Numbers with six decimals, text that a spreadsheet takes as text."""

    def __init__(self, options: ReportLayout):
        def values_of(columns: tuple[str, ...]) -> Callable[[Row], tuple[Value, ...]]:
            return row_values(
                columns, options.model, options.carried_columns, options.labels, options.also, in_csv=True
            )

        columns = _columns_of(options)
        self.header_line = ",".join(map(csv_text, columns)) + "\n"
        self.failed = values_of(columns)
        # What is the same for every scored image is text of the template. Python's csv takes twice as long as one
        # template for all numbers of a row.
        same = {"status": SCORED, "error": "", "model": options.model, f"{ALSO}model": options.also}
        cells = [
            "%.6f" if is_number(column, options.carried_columns) else "%s"
            if column not in same else csv_text(same[column]).replace("%", "%%")
            for column in columns
        ]  # fmt: skip
        self.template = ",".join(cells) + "\n"
        self.scored = values_of(tuple(column for column in columns if column not in same))

    def encode(self, rows: Sequence[Row]) -> bytes:
        scored, template = self.scored, self.template
        lines = [
            ",".join(map(str, self.failed(row))) + "\n" if row.prediction is None else template % scored(row)
            for row in rows
        ]
        return "".join(lines).encode()


class _Jsonl(_Text):
    """One object per line; numbers have at most six decimals, as in the CSV, and missing values are null."""

    def __init__(self, options: ReportLayout):
        columns = _columns_of(options)
        self.values = row_values(columns, options.model, options.carried_columns, options.labels, options.also)
        self.names = [utf8(column) for column in columns]

    def encode(self, rows: Sequence[Row]) -> bytes:
        lines = []
        for row in rows:
            rounded = (round(value, 6) if isinstance(value, float) else value for value in self.values(row))
            lines.append(json.dumps(dict(zip(self.names, rounded, strict=True)), ensure_ascii=False) + "\n")
        return "".join(lines).encode()


class _Parquet:
    """Typed columns with unrounded numbers, a row group at a time; provenance in the metadata, as `lesionflow.*`."""

    def __init__(self, options: ReportLayout):
        import pyarrow

        self.rows_at_once = ROWS_IN_GROUP
        carried = options.carried_columns
        columns = _columns_of(options)
        self.values = row_values(columns, options.model, carried, options.labels, options.also)

        def kind(column: str) -> Any:
            if is_number(column, carried):
                return pyarrow.float64()
            return pyarrow.int32() if column == FRAME else pyarrow.string()

        self.schema = pyarrow.schema(
            [(utf8(column), kind(column)) for column in columns],
            {f"lesionflow.{name}": utf8(text) for name, text in options.provenance.items()},
        )

    def encode(self, rows: Sequence[Row]) -> bytes:
        import pyarrow

        columns = zip(*map(self.values, rows), strict=True)
        arrays = [pyarrow.array(values, kind.type) for values, kind in zip(columns, self.schema, strict=True)]
        stream = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(stream, self.schema) as writer:
            writer.write_batch(pyarrow.RecordBatch.from_arrays(arrays, schema=self.schema))
        content: bytes = stream.getvalue().to_pybytes()
        return content

    @contextmanager
    def open(self, file: BinaryIO) -> Iterator[Callable[[bytes], object]]:
        import pyarrow
        from pyarrow import parquet

        writer = parquet.ParquetWriter(file, self.schema)
        yield lambda content: writer.write_table(pyarrow.ipc.open_stream(content).read_all())
        writer.close()


class _Isic(_Text):
    """The format of the ISIC challenges: the image's name without ending, and a probability for each class.

    Those of 2018 (task 3) and 2019 take the greatest one for the answer and measure balanced accuracy. The
    probabilities are therefore those under equal priors, or as near to them as the model's call is, so that the
    greatest is that of the diagnosis called. Nothing here is the class UNK of 2019, so that it gets 0. That of 2024
    takes the probability that a lesion is malignant. A scorer refuses a file that lacks an image: a failed one is left
    out or given the shares of the diagnoses in training, as the user chose.
    """

    def __init__(self, options: ReportLayout):
        labels = options.labels
        header = isic_columns(labels)
        self.header_line, self.has_target = ",".join(header) + "\n", _TARGET in header
        # The diagnosis that each column is, None for the one that no model gives.
        self.order = [
            None if column == _UNKNOWN else labels.names.index("malignant" if column == _TARGET else column.lower())
            for column in header[1:]
        ]
        self.prior, self.failed_as = options.prior or (1 / len(labels),) * len(labels), options.failed_as
        self.prior_of_call = prior_of_call(self.prior, options.call_strength).tolist()
        self.named_by = options.named_by
        self.names: dict[str, str] = {}

    def encode(self, rows: Sequence[Row]) -> bytes:
        lines = []
        for row in rows:
            if row.prediction is None and self.failed_as != AS_PRIOR:
                continue
            own = "" if self.named_by is None else row.carried[self.named_by]
            name = isic_name(row.path, row.frame) if is_missing_word(own) else utf8(own)
            _refuse_same_name(self.names, name, row.path)
            shares = self._shares(row)
            numbers = [0.0 if index is None else shares[index] for index in self.order]
            lines.append(",".join([csv_text(name), *(f"{number:.6f}" for number in numbers)]) + "\n")
        return "".join(lines).encode()

    def _shares(self, row: Row) -> list[float]:
        """A row's probabilities, corrected as the call is; where there are none, the shares in training: (classes,)."""
        if self.has_target:
            return list(self.prior if row.prediction is None else row.prediction.probabilities)
        shares = list(self.prior)
        if row.prediction is not None:
            shares = [
                share / prior for share, prior in zip(row.prediction.probabilities, self.prior_of_call, strict=True)
            ]
        total = sum(shares)
        return [share / total for share in shares]


def isic_columns(labels: LabelSet) -> tuple[str, ...]:
    """The columns of the ISIC format for a label set. Raises `UsageError` if no challenge had its diagnoses."""
    for known, columns in ISIC_COLUMNS:
        if set(known.names) == set(labels.names):
            return columns
    names = ", ".join(known.name for known, _ in ISIC_COLUMNS)
    raise UsageError(
        f"--format isic: no ISIC challenge had the diagnoses of {labels.name} ({', '.join(labels.names)}), only those "
        f"of {names}; choose csv, parquet or jsonl"
    )


def isic_name(path: str, frame: int = 0) -> str:
    """The name of an image in the ISIC format: the file's name without its ending."""
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
            f"--format isic names images without folder and ending, and {utf8(names[name])} and {utf8(path)} are both "
            f"{name}; score them apart, or rename one"
        )
    names[name] = path
