"""What the columns of a report are called and hold, whatever the format it is written in."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lesionflow.diagnoses import DIAGNOSES
from lesionflow.errors import UsageError, did_you_mean
from lesionflow.model.prediction import TRUSTED, UNCERTAIN, UNFAMILIAR, IndexedPrediction, Row

COLUMNS = (
    "path",
    "status",
    "error",
    "diagnosis",
    "probability",
    *(f"p_{diagnosis}" for diagnosis in DIAGNOSES),
    "p_malignant",
    "malignant",
    "refer",
    "model",
)
FRAME = "frame"  # only where `--columns` asks for it
SCORED, FAILED = "ok", "error"  # the values of `status`
YES, NO = "yes", "no"  # the values of `malignant`
REFER = (TRUSTED, UNCERTAIN, UNFAMILIAR)  # the values of `refer`

Value = str | float | int | None
_Extract = Callable[[Row], Value]


def chosen_columns(
    columns: Sequence[str] | None, top_k: int | None = None, carried: Sequence[str] = ()
) -> tuple[str, ...]:
    """The columns of a report, in order: those asked for, or the default ones.

    By default the carried columns follow the path and those of `--top-k` come last. Raises `UsageError` for a column
    that is unknown or named twice, a `top_k` that is not 1 to 7, and carried columns named like the report's own.
    """
    if top_k is not None and not 1 <= top_k <= len(DIAGNOSES):
        raise UsageError(f"--top-k {top_k}: there are {len(DIAGNOSES)} diagnoses; give 1 to {len(DIAGNOSES)}")
    tops = tuple(f"top{rank}_{what}" for rank in range(1, (top_k or 0) + 1) for what in ("diagnosis", "probability"))
    own = (*COLUMNS, FRAME, *tops)
    if taken := [name for name in carried if name in own]:
        raise UsageError(
            f"column {taken[0]!r} of the list of images is also a column of the report; rename it in the list"
        )
    _refuse_twice(carried, "the list of images")
    default = (COLUMNS[0], *carried, *COLUMNS[1:], *tops)
    if columns is None:
        return default
    if not columns:
        raise UsageError(f"--columns is empty; choose from {', '.join((*default, FRAME))}")
    if unknown := [name for name in columns if name not in own and name not in carried]:
        more = " (that needs --top-k)" if unknown[0].startswith("top") else ""
        nearest = did_you_mean(unknown[0], (*default, FRAME))
        raise UsageError(
            f"--columns: no column {unknown[0]!r}{more}{nearest}; choose from {', '.join((*default, FRAME))}"
        )
    _refuse_twice(columns, "--columns")
    return tuple(columns)


def _refuse_twice(names: Sequence[str], where: str) -> None:
    if twice := [name for place, name in enumerate(names) if name in names[:place]]:
        raise UsageError(f"{where} names column {twice[0]!r} twice; once is enough")


def extractors(columns: Sequence[str], model: str, carried: Sequence[str] = ()) -> list[_Extract]:
    """For each column, the function that takes its value from a row; None stands for what a failed image lacks.

    Text is such that any program takes it as UTF-8, numbers are as computed.
    """
    model = utf8(model)
    named: dict[str, _Extract] = {
        "path": (lambda row: utf8(row.path)) if FRAME in columns else path_with_frame,
        FRAME: lambda row: row.frame + 1,
        "status": lambda row: FAILED if row.prediction is None else SCORED,
        "error": lambda row: utf8(f"{row.reason}: {row.detail}") if row.prediction is None else None,
        "diagnosis": _if_scored(lambda said: DIAGNOSES[said.called]),
        "probability": _if_scored(lambda said: said.probabilities[said.called]),
        "p_malignant": _if_scored(lambda said: said.malignant_probability),
        "malignant": _if_scored(lambda said: YES if said.malignant else NO),
        "refer": _if_scored(lambda said: said.refer),
        "model": lambda row: model,
    }
    for place, diagnosis in enumerate(DIAGNOSES):
        named[f"p_{diagnosis}"] = _probability(place)
        named[f"top{place + 1}_diagnosis"] = _top_diagnosis(place)
        named[f"top{place + 1}_probability"] = _top_probability(place)
    for place, name in enumerate(carried):
        named[name] = _carried(place)
    return [named[column] for column in columns]


def _if_scored(take: Callable[[IndexedPrediction], Value]) -> _Extract:
    return lambda row: None if row.prediction is None else take(row.prediction)


def _probability(place: int) -> _Extract:
    return _if_scored(lambda said: said.probabilities[place])


def _top_diagnosis(rank: int) -> _Extract:
    return _if_scored(lambda said: DIAGNOSES[ranked(said.probabilities)[rank]])


def _top_probability(rank: int) -> _Extract:
    return _if_scored(lambda said: said.probabilities[ranked(said.probabilities)[rank]])


def _carried(place: int) -> _Extract:
    return lambda row: utf8(row.carried[place])


def path_with_frame(row: Row) -> str:
    """The path; for the second frame of a file, counted as DICOM does, `path#2`, and so on."""
    return utf8(row.path if row.frame == 0 else f"{row.path}#{row.frame + 1}")


def ranked(probabilities: Sequence[float]) -> list[int]:
    """The places of the diagnoses, the most probable first; equals stay in order."""
    return sorted(range(len(probabilities)), key=lambda place: -probabilities[place])


def utf8(value: str) -> str:
    """Text that any program takes as UTF-8: `\\udc..` escapes for bytes of a file name that are no UTF-8."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8")


# A cell that begins with one of these is a formula to a spreadsheet, and file names are other people's text.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: str) -> str:
    """UTF-8 text that a spreadsheet takes as text: an apostrophe goes before what would be a formula."""
    return "'" + value if value.startswith(_FORMULA_STARTS) else value


def as_written(value: str) -> str:
    """The text of a cell that `cell` made safe; one that began with an apostrophe and such a sign loses the former."""
    return value[1:] if value[:1] == "'" and value[1:].startswith(_FORMULA_STARTS) else value
