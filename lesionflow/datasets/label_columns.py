"""What columns of tables of labels are called, and what their values mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.diagnoses import MISSING_WORDS
from lesionflow.errors import DataError, first_few

if TYPE_CHECKING:
    import pandas as pd

# Names of columns by content; the first one that a table has is used.
IMAGE_COLUMNS, LABEL_COLUMNS = ("path", "file_name"), ("dx", "diagnosis")
ID_COLUMNS = ("image_id", "isic_id", "image", "image_name", "filename")  # files by their names, wherever they lie
ATTRIBUTES = ("sex", "age", "localization", "dx_type")  # the patient, the body site, how it was confirmed
# Names that a table may have only once; others are told apart by their numbers.
ONCE = {*IMAGE_COLUMNS, *ID_COLUMNS, *LABEL_COLUMNS, "label", "lesion_id", "patient_id", *ATTRIBUTES}
COLUMNS_TOLD = 30  # in messages; some tables have a column for each pixel
TEXT_FORMULA = re.compile(r'^="([^"]*)"$')  # `="0012"` keeps its zeros in spreadsheets


def has_labels(columns: Iterable[object]) -> bool:
    """Whether the columns include image names and labels, which those of a report of scoring are not."""
    header = {str(name).strip().lower() for name in columns}
    return bool(image_column(header) and header & {*LABEL_COLUMNS, "label"}) and not is_report(header)


def is_report(columns: Iterable[str]) -> bool:
    """Whether a table with these columns is a report of scoring, whose diagnoses are what a model called."""
    return {"p_malignant", "malignant", "refer"} <= {*columns}


def image_column(header: Iterable[str]) -> str:
    """The column that names the images, given those of a table in small letters; empty if there is none.

    Hugging Face's image folders may call it `image_file_name`, or so; of several such columns none is meant.
    """
    names = list(header)
    own = [name for name in names if name.endswith("_file_name")]
    known = (*IMAGE_COLUMNS, *(own if len(own) == 1 else ()), *ID_COLUMNS)
    return next((name for name in known if name in names), "")


def lowered(table: pd.DataFrame) -> pd.DataFrame:
    """The table with lower-case column names."""
    return table.set_axis([name.lower() for name in table.columns], axis=1)


def require_columns(table: pd.DataFrame, columns: Sequence[str], file: Path) -> None:
    """Raise `DataError` if a table lacks a column."""
    if missing := [column for column in columns if column not in table.columns]:
        raise DataError(f"{file}: no column {', '.join(missing)}; the columns are {first_few(list(table.columns), 7)}")


def is_missing(values: pd.Series) -> pd.Series:
    """Which values, (rows,) of str, are empty or mean missing, such as `NA` and `nan`: (rows,) bool."""
    return values.str.strip().str.lower().isin(MISSING_WORDS)


def without_fractions(ids: pd.Series) -> pd.Series:
    """Ids that were saved as numbers with a fraction, as pandas does where one is missing: `1.0` or `1,0` is `1`."""
    known = ids[~is_missing(ids)]
    whole = len(known) and known.str.fullmatch(r"\d+[.,]0").all()
    return ids.str.removesuffix(".0").str.removesuffix(",0") if whole else ids


def is_missing_word(value: str) -> bool:
    """Whether one value is empty or means missing."""
    return value.strip().lower() in MISSING_WORDS


def as_numbers(marks: pd.Series) -> pd.Series:
    """A column of marks as numbers, NaN for anything else: `1`, `1.0`, `1,0` and `True` are 1."""
    import pandas as pd

    words = {"true": "1", "false": "0"}
    return pd.to_numeric(marks.str.lower().replace(words).str.replace(",", "."), errors="coerce")


def first_known(table: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """The first known value of each row among some columns; `unknown` if there is none."""
    import pandas as pd

    found = pd.Series("", index=table.index, dtype=str)
    for column in columns:
        if column in table.columns:
            found = found.where(found != "", table[column].str.strip())
    return found.where(found != "", "unknown")


def confirmation(words: pd.Series, known: Mapping[str, str]) -> list[str]:
    """How diagnoses were confirmed, in HAM10000's words if possible."""
    return [known.get(word.lower(), word or "unknown") for word in words]


def as_text(value: object) -> str:
    """A value of JSON or Parquet: numbers without a fraction are the same id however they are written.

    Those of more digits than a float has keep an exponent, which tells that they are rounded.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return str(int(value))
    return "" if value is None else str(value).strip()
