"""Reports read back row by row, and every cell checked: what tests hold reports against.

lesionflow itself reads them as tables (`model.report_table`).
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from lesionflow.diagnoses import BUILT_IN, LabelSet
from lesionflow.errors import IMAGE_FAILURES, ReportError
from lesionflow.model.columns import FAILED, NO, REFER, SCORED, YES, as_written
from lesionflow.model.prediction import IndexedPrediction, Row
from lesionflow.scoring.report import REPORT_ENDINGS

NEEDED = ("path", "status", "error", "diagnosis", "malignant", "refer")  # and the probabilities of a label set
MAXIMUM_LINE = 2**20  # characters: ten times what the longest path can make of a row
ROWS_AT_ONCE = 4096  # of a Parquet file


def read_report(file: Path, labels: LabelSet | None = None) -> Iterator[Row]:
    """The rows of a report, one at a time, however many there are.

    A path is as the report has it: with its `#2` for a second frame, and escapes for bytes that are no UTF-8. labels:
    the diagnoses of the model; unless given, the built-in label set whose columns the report has. Raises `ReportError`
    where the file cannot be read, is cut off, lacks a column or has a row that no report has.
    """
    kind = REPORT_ENDINGS.get(file.suffix.lower())
    if kind is None:
        raise ReportError(f"{file}: not a report; its name has to end in {', '.join(REPORT_ENDINGS)}")
    try:
        for index, (record, found) in enumerate(_READERS[kind](file, labels), 1):
            yield _row(record, found, f"{file}, row {index}")
    except ReportError:
        raise
    except OSError as error:
        raise ReportError(f"{file}: cannot be read ({error.strerror or error})") from error
    except (ValueError, csv.Error, KeyError, TypeError, RecursionError, NotImplementedError) as error:
        first = (str(error).splitlines() or [""])[0]  # pyarrow's own exceptions are kinds of these
        raise ReportError(f"{file}: not a report ({type(error).__name__}: {first[:200]})") from error


Records = Iterator[tuple[dict[str, Any], LabelSet]]


def _read_csv(file: Path, labels: LabelSet | None) -> Records:
    with open(file, encoding="utf-8-sig", newline="\n") as text:  # spreadsheets begin what they save with a mark
        lines = csv.reader(_lines(text, file), strict=True)
        header = [as_written(name) for name in next(lines, [])]
        found = _labels_of(header, labels, file)
        for cells in lines:
            if len(cells) != len(header):
                raise ReportError(f"{file}, line {lines.line_num}: {len(cells)} cells, the header has {len(header)}")
            yield {name: as_written(text) for name, text in zip(header, cells, strict=True)}, found


def _read_jsonl(file: Path, labels: LabelSet | None) -> Records:
    with open(file, encoding="utf-8", newline="\n") as text:
        for line in _lines(text, file):
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ReportError(f"{file}: a line that is no JSON object: {line[:50]!r}")
            labels = _labels_of(record, labels, file)
            yield record, labels


def _read_parquet(file: Path, labels: LabelSet | None) -> Records:
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise ReportError(f"{file}: Parquet needs pyarrow (pip install pyarrow)") from error
    with parquet.ParquetFile(file) as opened:
        found = _labels_of(opened.schema_arrow.names, labels, file)
        for batch in opened.iter_batches(ROWS_AT_ONCE, columns=_needed(found)):
            for record in batch.to_pylist():
                yield record, found


_READERS = {"csv": _read_csv, "jsonl": _read_jsonl, "parquet": _read_parquet}


def _lines(text: TextIO, file: Path) -> Iterator[str]:
    """The lines, each of bounded length: a file of one endless line must not fill the memory."""
    while line := text.readline(MAXIMUM_LINE):
        if len(line) == MAXIMUM_LINE:
            raise ReportError(f"{file}: not a report, it has a line of more than {MAXIMUM_LINE:,} characters")
        if not line.endswith("\n"):
            raise ReportError(f"{file}: breaks off in the middle of a line; take the whole file")
        yield line


def _needed(labels: LabelSet) -> list[str]:
    return list(dict.fromkeys((*NEEDED, *(f"p_{name}" for name in labels.names))))


def _labels_of(names: Any, labels: LabelSet | None, file: Path) -> LabelSet:
    """The label set of a report with such columns: the one that is named, or the built-in one that has them."""
    if labels is None:
        lacking = {each.name: sum(name not in names for name in _needed(each)) for each in BUILT_IN.values()}
        labels = BUILT_IN[min(lacking, key=lacking.__getitem__)]
    if missing := [name for name in _needed(labels) if name not in names]:
        raise ReportError(
            f"{file}: no column {', '.join(missing)}; was it written with --columns or --format isic, or by a model of "
            f"other diagnoses than {labels.name}?"
        )
    return labels


def _row(record: Mapping[str, Any], labels: LabelSet, where: str) -> Row:
    path, status, error = record["path"], record["status"], record["error"] or ""
    if not isinstance(path, str) or not isinstance(error, str):
        raise ReportError(f"{where}: path and error have to be text")
    if status == FAILED:
        reason, _, detail = error.partition(": ")
        if reason not in IMAGE_FAILURES:
            raise ReportError(f"{where}: {reason[:50]!r} is not one of the documented failures")
        return Row(path, None, reason, detail)
    if status != SCORED:
        raise ReportError(f"{where}: status {status!r} is neither {SCORED} nor {FAILED}")
    probabilities = tuple(_probability(record[f"p_{name}"], where) for name in labels.names)
    if abs(sum(probabilities) - 1) > 0.001:
        raise ReportError(f"{where}: the probabilities add up to {sum(probabilities):.6f}, not to 1")
    called = labels.names.index(_word(record["diagnosis"], labels.names, where))
    malignant = _word(record["malignant"], (YES, NO), where) == YES
    refer = _word(record["refer"], REFER, where)
    return Row(path, IndexedPrediction(probabilities, called, malignant, refer, labels))


def _word(value: Any, words: tuple[str, ...], where: str) -> str:
    if not isinstance(value, str) or value not in words:
        raise ReportError(f"{where}: {str(value)[:50]!r} is none of {', '.join(words)}")
    return value


def _probability(value: Any, where: str) -> float:
    number = float(value) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else math.nan
    if not 0 <= number <= 1:  # so written, a NaN fails too
        raise ReportError(f"{where}: {value!r} is not a probability")
    return number
