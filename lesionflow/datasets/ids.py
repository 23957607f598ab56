"""Ids of images, lesions and patients as tables write them, and what programs have made of them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.diagnoses import normalized
from lesionflow.errors import DataError, counted, first_few
from lesionflow.images.signatures import SUFFIXES

if TYPE_CHECKING:
    import pandas as pd

DEMO_PREFIX = "DEMO_"  # of lesions that lesionflow drew
FOLDERS = r"^.*[/\\]"
_DIGITS, _EXPONENT = r"[0-9]+([.,][0-9]*)?", r"[eE]\+?[0-9]{1,2}"
_WHOLE_NUMBER = re.compile(r"0*([0-9]+?)(?:[.,]0+)?")
NUMBER = rf"{_DIGITS}({_EXPONENT})?"
# As programs round long numbers: with a fraction, a plus or more digits than they know. 12e4 may be hexadecimal, an id.
_ROUNDED = rf"(?=[0-9]*[.,]|[0-9]*[eE]\+|[0-9]{{16}}){_DIGITS}{_EXPONENT}|-?inf"
_SPREADSHEET_ERROR = r"#[¡¿]?[A-ZÖ0-9/]+[!?]|#(NV|N/D|N/B|YOK)"  # also as other languages write #N/A
# Capital and small letters of Greek and Cyrillic that look like Latin ones, and these.
_LOOKALIKES = str.maketrans(
    "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf"
    "\u0410\u0412\u0421\u0415\u041d\u0406\u0408\u041a\u041c\u041e\u0420\u0405\u0422\u0425"
    "\u0430\u0435\u0456\u0458\u043e\u0440\u0441\u0443\u0445",
    "ABEZHIKMNOPTYXoABCEHIJKMOPSTXaeijopcyx",
)
_MONTH = r"(jan|feb|mar|mär|mrz|apr|may|mai|jun|jul|aug|sept?|oct|okt|nov|dec|dez)\.?"
_DAY = r"(0?[1-9]|[12][0-9]|3[01])"
# As spreadsheets show what they take for a day or a month, never in capitals alone, or save in a workbook.
_DAY_OR_MONTH = rf"(?=.*[a-zä])(?i:{_DAY}[-. ]{{1,2}}{_MONTH}|{_MONTH}[- ][0-9]{{2}})"
DATED = rf"{_DAY_OR_MONTH}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}} 00:00:00"


def check_unchanged(ids: pd.Series, file: Path) -> None:
    """Raise `DataError` for ids that a program has rounded or changed: different ones may be the same then."""
    values = {*ids}
    rounded, errors = rounded_and_lost(values)
    dates = {value for value in values if re.fullmatch(DATED, value)}
    forms = {_form(value) for value in values - dates if dates}  # 45-mar is no date, so 03-mar is an id as well
    dates = {value for value in dates if _form(value) not in forms}
    lettered = any(re.search("[a-z]", value) for value in dates)
    in_capitals = "; if they are the ids, write them in capitals" if lettered else ""
    for changed, told, more in (
        (rounded, "rounded numbers", ""),
        (dates, "dates, as spreadsheets make of ids", in_capitals),
        (errors, "errors of a spreadsheet or formulas without values", " once these are corrected or calculated"),
    ):
        if changed:
            raise DataError(
                f"{file}: the column {ids.name} has {told}, so that different ones may be the same: "
                f"{first_few(sorted(changed))}; save that column as text{more}"
            )


def rounded_and_lost(values: Iterable[str]) -> tuple[set[str], set[str]]:
    """The ids that a program has rounded, and errors or formulas of spreadsheets in the place of ids."""
    values = {*values}
    rounded = {value for value in values if re.fullmatch(_ROUNDED, value)} or _of_fifteen_digits(values)
    errors = {value for value in values if value.startswith("#") and re.fullmatch(_SPREADSHEET_ERROR, value)}
    return rounded, errors | {value for value in values if value.startswith("=")}


def _of_fifteen_digits(values: Iterable[str]) -> set[str]:
    """Long numbers, if all have zeros where spreadsheets keep no digits, from the sixteenth on, and some only there."""
    long = {value for value in values if len(value) > 15 and value.isascii() and value.isdigit()}
    lost = "".join(value[15:] for value in long)
    return long if len(lost) > 2 and not lost.strip("0") and any(value[14] != "0" for value in long) else set()


def spelled_twice(ids: pd.Series) -> list[str]:
    """Warnings about ids that differ in their spelling alone: a slip of the pen would split a lesion."""
    values = sorted({*ids})
    numbers = {value: match[1] for value in values if (match := _WHOLE_NUMBER.fullmatch(value))}
    return [
        f"the column {ids.name} has ids that {told}: {first_few(twice)}; write them alike if they are the same"
        for told, forms in (
            (
                "differ only in capitals, blanks, dashes or letters that look alike",
                {value: _spelling(value) for value in values},
            ),
            ("are the same number", numbers),
        )
        if (twice := _alike(forms))
    ]


def _alike(forms: Mapping[str, str]) -> list[str]:
    """The values that have the same form, each lot as one text."""
    lots: dict[str, list[str]] = {}
    for value, form in forms.items():
        lots.setdefault(form, []).append(value)
    return [" and ".join(lot) for lot in lots.values() if len(lot) > 1]


def _spelling(value: str) -> str:
    """An id without what is easily written in another way, nor seen."""
    if not value.isascii():
        kinds = [(sign, unicodedata.category(sign)) for sign in unicodedata.normalize("NFKC", value)]
        seen = "".join("-" if kind == "Pd" else sign for sign, kind in kinds if kind != "Cf")
        value = seen.translate(_LOOKALIKES).casefold()
    return normalized(value.removeprefix("'"))  # which spreadsheets put before text


def _form(value: str) -> str:
    """The form of an id: `0-a` for each of `3-mar` and `45-abc`."""
    return re.sub(r"[0-9]+", "0", re.sub(r"[a-zä]+", "a", re.sub(r"[A-ZÄ]+", "A", value)))


def check_same_images(image_ids: pd.Series, beside: pd.Series, file: Path) -> None:
    """Raise `DataError` for a table beside the one of labels that names none of its images: its lesions would be lost.

    image_ids: of the labels; beside: of the other table, `file`.
    """
    if not image_ids.isin(beside).any():
        told = f"has none of the images that the labels beside it name ({first_few(image_ids.tolist(), 1)})"
        raise DataError(
            f"{file}: {told}, but {first_few(beside.tolist(), 1)}; write both alike, or remove one of the two files"
        )


def check_one_image(pairs: Iterable[tuple[str, str]], file: Path) -> None:
    """Raise `DataError` for rows of a table that name two images, in two columns."""
    if told := [f"{one} and {other}" for one, other in pairs]:
        raise DataError(
            f"{file}: {counted(len(told), 'row', 'names', 'name')} two images in two columns: {first_few(told)}; keep "
            "the column with the names of the files, and remove the other"
        )


def check_once(names: pd.Series, diagnoses: pd.Series, file: Path) -> None:
    """Raise `DataError` for images in more than one row."""
    if twice := sorted(names[names.duplicated()].unique()):
        several = diagnoses.groupby(names).nunique()
        differ = [name for name in twice if several[name] > 1]
        told = f", {len(differ)} of them with different diagnoses" if differ else ""
        raise DataError(
            f"{file}: {counted(len(twice), 'image')} in more than one row{told}: {first_few(differ or twice)}; "
            "keep one row of each"
        )


def without_endings(image_ids: pd.Series) -> pd.Series:
    """Ids without the ending of an image file, if they stay unique."""
    bare = image_ids.str.strip()
    ending = bare.str.lower().str.endswith(tuple(SUFFIXES))
    shorter = bare.where(~ending, bare.str.rsplit(".", n=1).str[0])
    return shorter if shorter.nunique() == bare.nunique() else bare


def without_folders(image_ids: pd.Series) -> pd.Series:
    """Ids without the folders of a path, if they stay unique."""
    names = image_ids.str.replace(FOLDERS, "", regex=True)
    return names if names.nunique() == image_ids.nunique() else image_ids


def composed(name: str) -> str:
    """A name with each umlaut as one sign: Macs write two, and people's tables one."""
    return unicodedata.normalize("NFC", name)
