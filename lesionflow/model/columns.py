"""Names and contents of a report's columns, whatever the format it is written in."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from operator import itemgetter

from lesionflow.diagnoses import HAM10000, LabelSet
from lesionflow.errors import UsageError, did_you_mean, first_few
from lesionflow.images.read_bytes import file_and_frame
from lesionflow.model.prediction import TRUSTED, UNCERTAIN, UNFAMILIAR, IndexedPrediction, Row, probability_columns

FRAME, FORMAT, NOTE = "frame", "format", "note"
ON_REQUEST = (FRAME, FORMAT, NOTE)  # only where `--columns` asks for them
GROUP_COLUMNS = ("images", "images_failed", "grouped_by")  # that come with `--group-by`
IMAGES, IMAGES_FAILED, GROUPED_BY = GROUP_COLUMNS
RANK = "rank"  # that comes with `--rank-by`
LESION = "lesion_id"  # the column of a table of images that says which lesion an image is of
ALSO = "also_"  # begins the names of a second model's columns
SCORED, FAILED = "ok", "error"  # the values of `status`
YES, NO = "yes", "no"  # the values of `malignant`
REFER = (TRUSTED, UNCERTAIN, UNFAMILIAR)  # the values of `refer`

Value = str | float | int | None


def report_columns(labels: LabelSet = HAM10000) -> tuple[str, ...]:
    """The columns that a report has by default, in order."""
    return (
        "path", "status", "error", "diagnosis", "probability", *probability_columns(labels.names), "malignant",
        "refer", "model",
    )  # fmt: skip


def chosen_columns(
    columns: Sequence[str] | None,
    top_k: int | None = None,
    carried: Sequence[str] = (),
    labels: LabelSet = HAM10000,
    also: bool = False,
) -> tuple[str, ...]:
    """The columns of a report, in order: the selected or the default ones.

    By default the carried columns follow the path, then come the model's and those of a second one, if there is one
    (also), and those of `--top-k` last. Raises `UsageError` for a column that is unknown or named twice, a `top_k`
    beyond the number of diagnoses or without a column of it, and carried columns named like the report's own.
    """
    if top_k is not None and not 1 <= top_k <= len(labels):
        raise UsageError(f"--top-k {top_k}: there are {len(labels)} diagnoses; give 1 to {len(labels)}")
    every = report_columns(labels)
    every += tuple(f"{ALSO}{name}" for name in every[3:]) if also else ()  # what a second model says
    tops = tuple(f"top{rank}_{what}" for rank in range(1, (top_k or 0) + 1) for what in ("diagnosis", "probability"))
    own = (*every, *ON_REQUEST, *tops)
    # `format` and `note` are names that tables of images have: a carried column goes before those on request.
    if taken := [name for name in carried if name in (*every, FRAME, *tops)]:
        labelled = taken[0] == "diagnosis"  # a table of labels, which another command reads as such
        such = ", such as true_diagnosis" if labelled else ""
        measure = "; to measure the model by these diagnoses: lesionflow evaluate MODEL TABLE" if labelled else ""
        others = f", and so {'are' if taken[2:] else 'is'} {first_few(taken[1:])}" if taken[1:] else ""
        raise UsageError(
            f"column {taken[0]!r} of the list of images is also a column of the report{others}; "
            f"rename {'them' if others else 'it'} in the list{such}, or leave {'them' if others else 'it'} out{measure}"
        )
    _refuse_twice(carried, "the list of images")
    default = (every[0], *carried, *every[1:], *tops)
    if columns is None:
        return default
    more_columns = [name for name in ON_REQUEST if name not in carried]
    if not columns:
        raise UsageError(f"--columns is empty; choose from {', '.join((*default, *more_columns))}")
    if unknown := [name for name in columns if name not in own and name not in carried]:
        hint = " (that needs --top-k)" if unknown[0].startswith("top") else ""
        nearest = did_you_mean(unknown[0], (*default, *more_columns))
        raise UsageError(
            f"--columns: no column {unknown[0]!r}{hint}{nearest}; choose from {', '.join((*default, *more_columns))}"
        )
    if tops and not set(tops) & set(columns):
        raise UsageError(f"--top-k {top_k}: --columns has none of its columns; add {tops[0]}, or leave out --top-k")
    _refuse_twice(columns, "--columns")
    return tuple(columns)


def _refuse_twice(names: Sequence[str], where: str) -> None:
    if twice := [name for index, name in enumerate(names) if name in names[:index]]:
        raise UsageError(f"{where} names column {twice[0]!r} twice; once is enough")


def utf8(value: str) -> str:
    """Text that any program takes as UTF-8: `\\udc..` escapes for bytes of a file name that are no UTF-8."""
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode("utf-8")


def row_values(
    columns: Sequence[str],
    model: str,
    carried: Sequence[str] = (),
    labels: LabelSet = HAM10000,
    also: str = "",
    in_csv: bool = False,
) -> Callable[[Row], tuple[Value, ...]]:
    """Return the function that takes the values of the columns from a row; numbers are as computed.

    also: the name of a second model, where one was asked; in_csv: whether text other than words of ours is made safe
    for a CSV file, and what an image has no value of is empty there.
    """
    text, lacking = (csv_text, "") if in_csv else (utf8, None)
    names = labels.names
    # Two for each rank; the last requested rank determines their number.
    tops = [f"top{rank}_{what}" for rank in range(1, len(names) + 1) for what in ("diagnosis", "probability")]
    ranks = max((1 + index // 2 for index, name in enumerate(tops) if name in columns), default=0)
    tops = tops[: 2 * ranks]
    # If a diagnosis itself is named malignant, its column is the sum over the malignant ones, which comes last.
    said = (*(f"p_{name}" for name in names), "diagnosis", "probability", "p_malignant", "malignant", "refer")
    # One tuple holds everything; a function for each column would take twice as long.
    order = (*said, *tops, "path", FRAME, "status", "error", "model")
    order += ("also_model", *(f"{ALSO}{name}" for name in said)) if also else ()
    order += (FORMAT, NOTE, *carried)
    where = {name: index for index, name in enumerate(order)}
    indices = [where[column] for column in columns]
    # For a single column it does not return a tuple.
    pick = itemgetter(*indices) if len(indices) > 1 else lambda everything: tuple(everything[i] for i in indices)
    unsaid, unranked = (lacking,) * len(said), (lacking,) * len(tops)
    model, also_model = text(model), (text(also),)
    about_file, frame_apart = not {FORMAT, NOTE}.isdisjoint(columns), FRAME in columns

    def values(row: Row) -> tuple[Value, ...]:
        name, prediction, reason, detail, frame, own, form, note, also_prediction = row
        path = text(name if frame_apart or not frame else _with_frame(name, frame))
        everything: tuple[Value, ...]  # in one piece after the other: `*` in a tuple takes longer
        if prediction is None:
            error = text(f"{reason}: {detail}")
            everything = unsaid + unranked + (path, frame + 1, FAILED, error, model)
        else:
            everything = _said(prediction)
            if ranks:
                everything += _ranked_values(names, prediction.probabilities, ranks)
            everything += (path, frame + 1, SCORED, lacking, model)
        if also:
            everything += also_model + (_said(also_prediction) if also_prediction else unsaid)
        if about_file or own:
            everything += (text(form) or lacking, text(note) or lacking, *map(text, own))
        return pick(everything)

    return values


def _said(prediction: IndexedPrediction) -> tuple[Value, ...]:
    """The values of a prediction."""
    probabilities, called, malignant, refer, labels = prediction
    chance = prediction.malignant_probability
    return probabilities + (labels.names[called], probabilities[called], chance, YES if malignant else NO, refer)


def _ranked_values(names: Sequence[str], probabilities: Sequence[float], ranks: int) -> tuple[Value, ...]:
    """Name and probability of the most probable diagnoses; ties stay in order."""
    order = sorted(range(len(probabilities)), key=lambda index: -probabilities[index])[:ranks]
    return tuple(value for index in order for value in (names[index], probabilities[index]))


def is_number(column: str, carried: Sequence[str] = ()) -> bool:
    """Whether a column of the report holds fractions."""
    return column not in carried and (column.startswith(("p_", f"{ALSO}p_")) or column.endswith("probability"))


def path_with_frame(row: Row) -> str:
    """The path; for the second frame of a file, counted as DICOM does, `path#2`, and so on."""
    return utf8(row.path if row.frame == 0 else _with_frame(row.path, row.frame))


def _with_frame(path: str, frame: int) -> str:
    return f"{path}#{frame + 1}"


def path_in_text(text: str) -> tuple[str, int]:
    """The path and the frame, from 0, that `path_with_frame` wrote as this text, where there is such a file."""
    return file_and_frame(text if os.path.exists(text) else without_escapes(text))


def without_escapes(text: str) -> str:
    """The name of a file whose bytes are no UTF-8, of which `utf8` made this text."""
    return re.sub(r"\\udc[89a-f][0-9a-f]", lambda found: chr(int(found[0][2:], 16)), text)


# A spreadsheet takes a cell that begins with one of these for a formula, and file names are untrusted text.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: str) -> str:
    """UTF-8 text for a spreadsheet: an apostrophe precedes what would be taken for a formula."""
    return "'" + value if value.startswith(_FORMULA_STARTS) else value


_NEEDS_QUOTES = re.compile(r'[,"\r\n]').search


def csv_text(value: str) -> str:
    """A cell of a CSV that a spreadsheet does not take for a formula; the file's lines end in a line feed."""
    text = cell(value if value.isascii() else utf8(value))
    return '"' + text.replace('"', '""') + '"' if _NEEDS_QUOTES(text) else text


def as_written(value: str) -> str:
    """The text of a cell that `cell` made safe; one that began with an apostrophe and such a sign loses the former."""
    return value[1:] if value[:1] == "'" and value[1:].startswith(_FORMULA_STARTS) else value
