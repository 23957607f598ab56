"""The report's contract: one row for every image found, in order, written whole or not at all."""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import numpy as np

from lesionflow.diagnoses import DIAGNOSES
from lesionflow.errors import ImageError, ReportError
from lesionflow.scoring.predictor import malignant_probability

COLUMNS = (
    "path",
    "status",
    "error",
    "diagnosis",
    "probability",
    *(f"p_{diagnosis}" for diagnosis in DIAGNOSES),
    "p_malignant",
    "model",
)

# A cell that begins with one of these is a formula to a spreadsheet, and file names are other people's text.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


class ReportWriter:
    """Writes rows to a CSV file; made by `open_report`."""

    def __init__(self, file: TextIO, model: str):
        self.csv = csv.writer(file, lineterminator="\n")
        self.model = model
        self.csv.writerow(COLUMNS)

    def scored(self, path: str, probabilities: np.ndarray) -> None:
        """A row for an image that was scored: probabilities (7,)."""
        best = int(probabilities.argmax())
        numbers = [probabilities[best], *probabilities, malignant_probability(probabilities[None])[0]]
        self.csv.writerow(
            [
                _text(path),
                "ok",
                "",
                DIAGNOSES[best],
                *(f"{number:.6f}" for number in numbers),
                _text(self.model),
            ]
        )

    def failed(self, path: str, error: ImageError) -> None:
        """A row for an image that could not be decoded."""
        self.csv.writerow(
            [_text(path), "error", _text(str(error)), "", "", *[""] * (len(DIAGNOSES) + 1), _text(self.model)]
        )


def _text(value: str) -> str:
    """A cell that a spreadsheet takes as text and any program as UTF-8: an apostrophe before what would be a formula,
    `\\udc..` escapes for bytes of a file name that are no UTF-8.
    """
    value = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return "'" + value if value.startswith(_FORMULA_STARTS) else value


@contextlib.contextmanager
def open_report(out: Path, model: str, overwrite: bool) -> Iterator[ReportWriter]:
    """A writer whose file gets its name when the block ends without an exception, and vanishes otherwise.

    Raises `ReportError` where the file exists and may not be overwritten, or cannot be written.
    """
    if out.is_dir():
        raise ReportError(f"{out}: a folder; --out names the CSV file to write")
    if out.exists() and not overwrite:
        raise ReportError(f"{out}: exists already; add --overwrite or choose another name")
    partial = out.with_name(f".{out.name}.partial-{os.getpid()}")
    try:
        with open(partial, "x", encoding="utf-8", newline="") as file:
            yield ReportWriter(file, model)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            os.replace(partial, out)
        else:
            os.link(partial, out)  # unlike a rename, this cannot hit a file that came into being meanwhile
    except FileExistsError as error:
        raise ReportError(f"{out}: came into being during the run; nothing was overwritten") from error
    except OSError as error:
        raise ReportError(f"{out}: cannot be written ({error.strerror}); nothing was left behind") from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
