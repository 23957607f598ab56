"""A report of rows that a test makes up, written as `lesionflow score` writes one."""

from __future__ import annotations

from collections.abc import Iterable

from lesionflow.atomic import atomic_file, check_writable
from lesionflow.model.prediction import Row
from lesionflow.scoring.encoding import encode_rows, write_pieces
from lesionflow.scoring.report import ReportLayout, check_diagnoses, check_report
from lesionflow.storage.location import Location


def write_report(rows: Iterable[Row], out: Location, options: ReportLayout, overwrite: bool) -> None:
    """Write a report as its rows come: the file is complete, or it is not there.

    Raises
    ------
    UsageError
        The options make no sense.
    ReportError
        The file cannot be written, or the format cannot hold these rows.
    """
    check_report(str(out), options)
    check_diagnoses(options)
    check_writable(out, overwrite)
    with atomic_file(out, overwrite) as file:
        write_pieces(encode_rows(rows, options), file, options)
