"""Tables of labels: read as text, checked row by row, and refused with a count and the first few of what is wrong."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.diagnoses import DIAGNOSES, nearest_diagnosis
from lesionflow.errors import DataError, first_few

if TYPE_CHECKING:
    import pandas as pd

ATTRIBUTES = ("sex", "age", "localization", "dx_type")  # the patient, the body site, how it was confirmed


def read_table(file: Path) -> pd.DataFrame:
    """Read a CSV, or a table with another separator, all of it as text. Raises `DataError`."""
    import pandas as pd

    try:
        # Everything as text: `age` can be empty, and ids that look like numbers must keep their zeros.
        table = pd.read_csv(file, dtype=str, keep_default_na=False, sep=None, engine="python")
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise DataError(f"{file}: cannot be read as CSV ({str(error).splitlines()[0]})") from error
    if table.empty:
        raise DataError(f"{file}: no rows below the header")
    return table


def require_columns(table: pd.DataFrame, columns: Sequence[str], file: Path) -> None:
    """Raise `DataError` for a table without one of the columns."""
    if missing := [column for column in columns if column not in table.columns]:
        raise DataError(f"{file}: no column {', '.join(missing)}; the columns are {first_few(list(table.columns), 7)}")


def add_attributes(table: pd.DataFrame) -> None:
    """Add those of `ATTRIBUTES` that the table does not have, as not known."""
    for column in ATTRIBUTES:
        if column not in table.columns:
            table[column] = "" if column == "age" else "unknown"


def check_rows(table: pd.DataFrame, file: Path) -> None:
    """Raise `DataError` for unknown diagnoses, empty or repeated ids, and lesions with several diagnoses."""
    unknown = table[~table["dx"].isin(DIAGNOSES)]
    if len(unknown):
        words = sorted(set(unknown["dx"]))
        raise DataError(
            f"{file}: {len(unknown)} rows with an unknown diagnosis: {first_few(words)}{nearest_diagnosis(words[0])}; "
            f"known are {', '.join(DIAGNOSES)}"
        )
    for column in ("lesion_id", "image_id"):
        if empty := int((table[column].str.strip() == "").sum()):
            raise DataError(f"{file}: {empty} rows with an empty {column}")
    if twice := sorted(table["image_id"][table["image_id"].duplicated()].unique()):
        raise DataError(f"{file}: {len(twice)} image_id stand more than once: {first_few(twice)}")
    diagnoses_of = table.groupby("lesion_id")["dx"].nunique()
    if contradicting := sorted(diagnoses_of.index[diagnoses_of > 1]):
        raise DataError(f"{file}: {len(contradicting)} lesions have several diagnoses: {first_few(contradicting)}")


def digests_of_files(paths: Sequence[str]) -> list[str]:
    """The SHA-256 of each file's bytes. Raises `DataError` for a file that cannot be read."""
    with ThreadPoolExecutor() as threads:
        return list(threads.map(_digest_of_file, paths))


def _digest_of_file(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
