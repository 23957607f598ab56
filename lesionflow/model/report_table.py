"""Reports read as tables, for evaluation and monitoring.

Columns are checked as a whole, since thousands of rows a night are only to be counted. The diagnoses are those of the
report's own columns.
"""

from __future__ import annotations

import contextlib
import csv
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.datasets.label_columns import is_missing_word
from lesionflow.diagnoses import BINARY, LabelSet, built_in_set
from lesionflow.errors import ReportError, UsageError, first_few
from lesionflow.model.columns import (
    ALSO,
    FAILED,
    GROUP_COLUMNS,
    GROUPED_BY,
    IMAGES,
    LESION,
    NO,
    REFER,
    SCORED,
    YES,
    as_written,
)  # fmt: skip

if TYPE_CHECKING:
    import pandas as pd

NEEDED = ("status", "diagnosis", "p_malignant", "malignant", "refer", "model")
OF_COLUMNS = "report"  # the name of a label set that a report's columns alone tell
_LONGEST_HEADER = 2**16  # bytes
_AS_WRITTEN = "give the report as score wrote it"
_SUM_TOLERANCE = 0.001  # of probabilities with six decimals


@dataclass(frozen=True)
class ReportTable:
    """A report as a table: the scored images, and the number of failed ones."""

    file: Path
    model: str  # its label; empty where no image has a row
    grouped_by: str  # the column whose values each have a row, for all of their images; empty where an image has one
    diagnoses: tuple[str, ...]  # in the order of the columns
    malignant_diagnoses: tuple[str, ...]  # those whose probabilities add up to `p_malignant`; empty where unknown
    rows: pd.DataFrame  # all, as text but for the numbers
    scored: np.ndarray  # (rows,) bool
    probabilities: np.ndarray  # (scored, diagnoses) float64
    malignant_probability: np.ndarray  # (scored,) float64
    called: np.ndarray  # (scored,) int64, indices into `diagnoses`
    malignant: np.ndarray  # (scored,) bool, at the operating point
    refer: np.ndarray  # (scored,) text

    def texts(self, name: str) -> np.ndarray | None:
        """A further column of the scored images, (scored,) text; None where the report has none."""
        if name not in self.rows.columns:
            return None
        codes, words = _factorized(self.rows[name][self.scored])
        return np.array(words or [""], dtype=object)[codes]

    def numbers(self, name: str) -> np.ndarray | None:
        """A further column of the scored images, (scored,) float64, NaN for missing values; None if there is none."""
        import pandas as pd

        if name not in self.rows.columns:
            return None
        return pd.to_numeric(self.rows[name][self.scored], errors="coerce").to_numpy(np.float64)


def read_report_table(file: Path, further: tuple[str, ...] = ()) -> ReportTable:
    """Read a report of `lesionflow score`: CSV, Parquet or JSON lines.

    file: the report, with at least the columns `NEEDED` and a `p_<name>` for each diagnosis; further: further columns
    to keep, if the report has them. Raises `ReportError` if the file cannot be read, lacks a column, has invalid
    values, or is truncated.
    """
    return _checked_table(file, _read(file, further))


def read_both_tables(file: Path, further: tuple[str, ...] = ()) -> tuple[ReportTable, ReportTable]:
    """Read the predictions of both models from a report that was scored with `--also`.

    Takes what `read_report_table` takes and raises what it raises, also where the report has one model alone.
    """
    rows = _read(file, further, also=True)
    seconds = {name: name.removeprefix(ALSO) for name in rows.columns if name.startswith(ALSO)}
    if not seconds:
        raise ReportError(f"{file}: has answers of one model; 'lesionflow score --also' adds those of a second one")
    second = rows.drop(columns=[name for name in seconds.values() if name in rows.columns]).rename(columns=seconds)
    return _checked_table(file, rows.drop(columns=list(seconds))), _checked_table(file, second)


def _checked_table(file: Path, rows: pd.DataFrame) -> ReportTable:
    if missing := [name for name in NEEDED if name not in rows.columns]:
        if _saved_by_spreadsheet(file):
            raise ReportError(f"{file}: a spreadsheet saved it with another separator; give it as score wrote it")
        raise ReportError(
            f"{file}: no column {', '.join(missing)}; give a report as 'lesionflow score' writes it without --columns "
            "and --format isic"
        )
    try:
        return _table(file, rows)
    except ReportError as error:
        if _ends_within_a_line(file):
            raise ReportError(
                f"{file}: its last line is cut off, the file is not whole; copy it again, or score again"
            ) from error
        raise


def _table(file: Path, rows: pd.DataFrame) -> ReportTable:
    diagnoses = _diagnoses(list(rows.columns))
    codes, words = _factorized(rows["status"])
    if strange := sorted(set(words) - {SCORED, FAILED}):
        raise ReportError(f"{file}: status {strange[0]!r} is neither {SCORED} nor {FAILED}; {_AS_WRITTEN}")
    scored = np.array([word == SCORED for word in words] or [False])[codes]
    of_scored = rows if scored.all() else rows[scored]
    columns = [f"p_{name}" for name in diagnoses]
    probabilities = _numbers(of_scored, columns, file)
    totals = probabilities.sum(axis=1)
    if len(totals) and np.abs(totals - 1).max() > _SUM_TOLERANCE:
        worst = int(np.abs(totals - 1).argmax())
        raise ReportError(
            f"{file}: the probabilities of an image add up to {totals[worst]:.6f}, not to 1; {_AS_WRITTEN}"
        )
    models = sorted(_factorized(rows["model"])[1])
    if len(models) > 1:
        raise ReportError(f"{file}: rows of several models: {first_few(models)}; give a report of one run")
    malignant_probability = _numbers(of_scored, ["p_malignant"], file)[:, 0]
    return ReportTable(
        file=file,
        model=models[0] if models else "",
        grouped_by=_grouped_by(rows, file),
        diagnoses=diagnoses,
        malignant_diagnoses=_malignant(diagnoses, probabilities, malignant_probability),
        rows=rows,
        scored=scored,
        probabilities=probabilities,
        malignant_probability=malignant_probability,
        called=_indices(of_scored, "diagnosis", diagnoses, file),
        malignant=_indices(of_scored, "malignant", (NO, YES), file).astype(bool),
        refer=np.asarray(REFER)[_indices(of_scored, "refer", REFER, file)],
    )


def _grouped_by(rows: pd.DataFrame, file: Path) -> str:
    if GROUPED_BY in rows.columns:
        columns = sorted(_factorized(rows[GROUPED_BY])[1])
        if len(columns) > 1:
            raise ReportError(
                f"{file}: rows grouped by several columns: {first_few(columns)}; give a report of one run"
            )
        return columns[0] if columns else ""
    if not {IMAGES, LESION} <= set(rows.columns):
        return ""
    # Early reports did not say it; --group-by was only for lesions then.
    lesions = rows[LESION][[not is_missing_word(str(value)) for value in rows[LESION]]]
    return LESION if lesions.is_unique else ""


def label_set_of(report: ReportTable) -> LabelSet:
    """Return the diagnoses of a report: a built-in set or a part of one, else one of the names that its columns have.

    Raises `ReportError` if the report has too few rows to tell which of its diagnoses are malignant.
    """
    labels = _known_set(report.diagnoses)
    if labels and labels.malignant == report.malignant_diagnoses:
        return labels
    if not report.malignant_diagnoses:
        raise ReportError(f"{report.file}: too few rows to tell which diagnoses are malignant; give a longer report")
    names = {name: name for name in report.diagnoses}
    return LabelSet(OF_COLUMNS, report.diagnoses, names, report.malignant_diagnoses)


def _known_set(diagnoses: tuple[str, ...]) -> LabelSet | None:
    """The built-in set, or part of one, with these diagnoses in this order."""
    with contextlib.suppress(UsageError):  # a part without a benign or a malignant one
        found = built_in_set(",".join(diagnoses))
        if found and found.names == diagnoses:
            return found
    return None


def _saved_by_spreadsheet(file: Path) -> bool:
    """Whether the columns of a CSV are separated by semicolons or tabs; the numbers may then have decimal commas."""
    if file.suffix.lower() != ".csv":
        return False
    with open(file, "rb") as content:
        header = content.readline(_LONGEST_HEADER)
    return header.startswith(b"sep=") or header.count(b",") < max(header.count(b";"), header.count(b"\t"))


def _ends_within_a_line(file: Path) -> bool:
    """Whether the last line of a CSV has no end, which a report always has; an edited one may not."""
    if file.suffix.lower() != ".csv":  # half a line of JSON and half a Parquet file cannot be read at all
        return False
    try:
        with open(file, "rb") as content:
            size = content.seek(0, os.SEEK_END)
            content.seek(max(size - 1, 0))
            return content.read(1) not in (b"", b"\n", b"\r")
    except OSError:
        return False


def _read(file: Path, further: tuple[str, ...], also: bool = False) -> pd.DataFrame:
    """The columns that are needed; also: those of a second model as well."""

    def wanted(name: str) -> bool:
        own = name.removeprefix(ALSO) if also else name
        return name in further or name in GROUP_COLUMNS or own in NEEDED or own.startswith("p_")

    try:
        return _read_columns(file, wanted, ids="path" in further)
    except ImportError as error:
        raise ReportError(f"{file}: Parquet needs pyarrow (pip install pyarrow)") from error
    except OSError as error:
        raise ReportError(f"{file}: cannot be read ({error.strerror or error}); give another report") from error
    except ValueError as error:  # of which the errors of pandas and pyarrow are kinds
        first = (str(error).splitlines() or [""])[0]
        raise ReportError(f"{file}: not a report ({first[:200]}); give what 'lesionflow score' wrote") from error


def _read_columns(file: Path, wanted: Callable[[str], bool], ids: bool) -> pd.DataFrame:
    """The wanted columns of a file; ids: and the one that its rows are grouped by, this and paths as text."""
    import pandas as pd

    kind, group = file.suffix.lower(), ""
    if kind == ".jsonl":
        rows = pd.read_json(file, lines=True, dtype=False, convert_dates=False)
    elif kind == ".parquet":
        rows = pd.read_parquet(file)
    elif kind != ".csv" and file.is_dir():
        raise ReportError(f"{file}: a folder, where a report belongs; give the reports in it, as in {file / '*.csv'}")
    elif kind != ".csv":
        raise ReportError(f"{file}: not a report; its name has to end in .csv, .parquet or .jsonl")
    else:
        with open(file, encoding="utf-8-sig", newline="") as text:
            lines = csv.reader(text)
            header = next(lines, [])
            group = dict(zip(header, next(lines, []), strict=False)).get(GROUPED_BY, "")
        rows = pd.read_csv(
            file,
            encoding="utf-8-sig",
            keep_default_na=False,
            # Only an empty number is missing; a name may be NA.
            na_values={name: [""] for name in header if name.startswith(("p_", f"{ALSO}p_"))},
            usecols=lambda name: wanted(name) or (ids and name == group),
            low_memory=False,
            # Reading ids as text takes as long as everything else, so it is only done to join a table with another.
            dtype=dict.fromkeys(("path", LESION, group), str) if ids else None,
        )
    if kind != ".csv" and GROUPED_BY in rows.columns and len(rows):
        group = str(rows[GROUPED_BY].iloc[0])
    return rows[[name for name in rows.columns if wanted(name) or (ids and name == group)]]


def _factorized(column: pd.Series) -> tuple[np.ndarray, list[str]]:
    """Index of each row into the distinct words of a column, of which the empty text is one."""
    import pandas as pd

    codes, words = pd.factorize(column, use_na_sentinel=False)
    return codes, [as_written(str(word)) if word == word and word is not None else "" for word in words]


def _diagnoses(columns: list[str]) -> tuple[str, ...]:
    """The names of the columns `p_<name>` before `p_malignant`; carried columns may begin with `p_` too."""
    end = columns.index("p_malignant")
    start = end
    while start and columns[start - 1].startswith("p_"):
        start -= 1
    found = tuple(name[2:] for name in columns[start:end])
    if not found:  # chosen with --columns in another order
        found = tuple(name[2:] for name in columns if name.startswith("p_") and name != "p_malignant")
    # With the diagnoses benign and malignant, the latter's column is the sum.
    return BINARY.names if found == BINARY.benign else found


def _numbers(rows: pd.DataFrame, columns: list[str], file: Path) -> np.ndarray:
    try:
        values = rows[columns].to_numpy(np.float64)
    except (ValueError, TypeError) as error:
        raise ReportError(f"{file}: {', '.join(columns)}: a value is not a number ({error}); {_AS_WRITTEN}") from error
    if len(values) and not ((values >= 0) & (values <= 1)).all():  # so written, a NaN fails too
        wrong = columns[int((~((values >= 0) & (values <= 1))).any(axis=0).argmax())]
        raise ReportError(f"{file}: column {wrong} has values that are not probabilities; {_AS_WRITTEN}")
    return values


def _indices(rows: pd.DataFrame, column: str, words: tuple[str, ...], file: Path) -> np.ndarray:
    """Which of the words each row has: (rows,) int64."""
    codes, known = _factorized(rows[column])
    meant = np.array([words.index(word) if word in words else -1 for word in known] or [-1], dtype=np.int64)
    indices = meant[codes]
    if (indices < 0).any():
        strange = known[codes[indices < 0][0]]
        raise ReportError(f"{file}: {column} {strange[:50]!r} is none of {', '.join(words)}; {_AS_WRITTEN}")
    return indices


def _malignant(diagnoses: tuple[str, ...], probabilities: np.ndarray, malignant: np.ndarray) -> tuple[str, ...]:
    """The diagnoses whose probabilities add up to the malignant one in every row.

    Those of a built-in set with these names, if they do; few rows may fit several sets, which leaves it undecided.
    """
    tolerance = 1e-6 * (len(diagnoses) + 1)  # each has six decimals

    def fits(members: np.ndarray) -> bool:
        return bool(np.abs(probabilities @ members - malignant).max(initial=0.0) <= tolerance)

    labels = _known_set(diagnoses)
    if labels and fits(np.isin(diagnoses, labels.malignant).astype(float)):
        return labels.malignant
    if len(probabilities) >= len(diagnoses):
        solved, _, rank, _ = np.linalg.lstsq(probabilities, malignant, rcond=1e-5)
        members = np.round(np.asarray(solved))
        if rank == len(diagnoses) and fits(members) and set(members.tolist()) <= {0.0, 1.0}:
            return tuple(name for name, member in zip(diagnoses, members.tolist(), strict=True) if member)
    return ()
