"""Options as fields of configuration objects, from which the command line, its help and the validation are made."""

from __future__ import annotations

import dataclasses
import math
import numbers
import os
from collections.abc import Iterable, Mapping
from typing import Any

from lesionflow.errors import UsageError, did_you_mean

# Among what a shell is to complete: what is on the disk, and the addresses of registered models.
FOLDERS, FILES, MODELS, DIAGNOSES = "<folders>", "<files>", "<models>", "<diagnoses>"
SEPARATOR = "\n"  # of the values of an option that is given several times: a path can hold any other character
_KINDS = {bool: "True or False", int: "a whole number", float: "a number", str: "a text"}
_YES, _NO = ("true", "t", "yes", "y", "on", "1"), ("false", "f", "no", "n", "off", "0")


def option(
    default: Any,
    description: str,
    *,
    kind: Any = None,
    choices: tuple[str, ...] = (),
    low: float = -math.inf,
    high: float = math.inf,
    zero: bool = False,
    unset: str = "",
    group: str = "",
    metavar: str = "",
    variable: str = "",
    completes: tuple[str, ...] = (),
    several: bool = False,
    repeated: bool = False,
    needs: str = "",
) -> Any:
    """A field with its meaning and its choices or inclusive range.

    kind: the type of its values, where the default, None, does not tell; zero: whether 0 counts beside the range;
    unset: what None stands for; group: the heading that help lists it under; metavar: what help writes for a value;
    variable: an environment variable that gives it, besides the one made from its name; completes: words that a shell
    offers, `FOLDERS`, `FILES`, `MODELS` or `DIAGNOSES`; several: whether those are separated by commas, and the option
    can be given again for more; repeated: whether the command line takes the option several times, its values then
    standing in the field with `SEPARATOR` between; needs: another option without which it means nothing, such as
    `--sample N`.
    """
    kind = kind or type(default)
    told = {"kind": kind, "help": description, "choices": choices, "low": low, "high": high, "zero": zero}
    told |= {"group": group, "metavar": metavar, "variable": variable, "completes": completes, "several": several}
    told |= {"unset": unset, "repeated": repeated, "needs": needs}
    return dataclasses.field(default=default, metadata=told)


def option_name(field: str) -> str:
    """The name of a field on the command line."""
    return "--" + field.replace("_", "-")


def read_option(field: dataclasses.Field[Any], text: str) -> Any:
    """Parse the text of an option. Raises `UsageError` if it is not of the option's kind, choices or range."""
    kind, value = field.metadata["kind"], text
    if kind is bool:
        if text.lower() not in (*_YES, *_NO):
            raise UsageError(f"{text!r} is neither true nor false")
        return text.lower() in _YES
    try:
        value = kind(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a {'whole number' if kind is int else 'number'}") from None
    for choice in field.metadata["choices"]:
        if choice.replace("_", "-") == text.replace("_", "-"):  # the command line shows them with dashes
            value = choice
    if wrong := _what_is_wrong(field, value):
        raise UsageError(f"{text}: {wrong}")
    return value


@dataclasses.dataclass(frozen=True)
class Config:
    """An object whose fields are options.

    Making one raises `UsageError` for a value that is not of its option's kind, none of its choices or outside its
    range, and for one that is given without the option that it is about. A program may give a path where the command
    line has its text, and a number of numpy; the configuration then holds the text, or Python's number.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, kind = getattr(self, field.name), field.metadata["kind"]
            if kind is str and isinstance(value, os.PathLike):
                value = os.fspath(value)
            if type(value).__module__ == "numpy" and getattr(value, "ndim", 1) == 0:  # which JSON and YAML do not know
                value = value.item()
            object.__setattr__(self, field.name, value)
            if not _is_of_kind(value, kind) and not (value is None and field.default is None):
                told = _KINDS.get(kind, "a path")
                raise UsageError(f"{field.name}={value!r}: must be {told}")  # only a program can give it
            if value is not None and (wrong := _what_is_wrong(field, value)):
                raise UsageError(f"{option_name(field.name)} {value}: {wrong}")
            # A run's own file also contains defaults, which the user did not choose.
            if (needed := field.metadata["needs"]) and value != field.default:
                check_needed(option_name(field.name), needed, vars(self))

    def given(self, *fields: str) -> list[str]:
        """Return the names on the command line of those of some options that are not None."""
        return [option_name(field) for field in fields if getattr(self, field) is not None]


def check_needed(name: str, needed: str, values: Mapping[str, Any]) -> None:
    """Refuse an option that was given without the one that it needs; values: those of all options, by field."""
    other = needed.split()[0]
    if not values.get(other.removeprefix("--").replace("-", "_")):
        raise UsageError(f"{name}: is about {other}; add {needed}, or leave it out")


def _is_of_kind(value: Any, kind: Any) -> bool:
    if kind in (int, float):
        return isinstance(value, numbers.Integral if kind is int else numbers.Real) and not isinstance(value, bool)
    return isinstance(value, kind)


def _what_is_wrong(field: dataclasses.Field[Any], value: Any) -> str:
    limits = field.metadata
    if limits["choices"] and value not in limits["choices"]:
        return f"choose one of {', '.join(limits['choices'])}{did_you_mean(str(value), limits['choices'])}"
    low, high, zero = limits["low"], limits["high"], limits["zero"]
    if limits["kind"] in (int, float) and not is_within(value, low, high, zero):
        return f"must be {range_told(low, high, zero)}"
    return ""


def is_within(number: float, low: float, high: float, zero: bool) -> bool:
    """Whether a number is in an inclusive range; zero: whether 0 counts beside it."""
    return low <= number <= high or (zero and number == 0)


def range_told(low: float, high: float, zero: bool = False) -> str:
    """An inclusive range in words: `from 1 to 1000`, `0, or 3 to 20`; infinite is no limit."""
    limits = (("0, or" if zero else "from", low), ("to", high))
    return " ".join(f"{word} {limit}" for word, limit in limits if math.isfinite(limit))


def listed(given: Any) -> list[Any]:
    """One or several values given by a program, as a list; a text or a path is one value."""
    several = isinstance(given, Iterable) and not isinstance(given, str | bytes | os.PathLike)
    return list(given) if several else [given]


def arguments_of(config: Config, leave_out: tuple[str, ...] = ()) -> list[str]:
    """Command-line arguments for the fields of a configuration that differ from their defaults."""
    words = []
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), option_name(field.name)
        if value == field.default or field.name in leave_out:
            continue
        if field.metadata["repeated"]:
            for each in value.split(SEPARATOR):
                words += [name, each]
        elif isinstance(value, bool):
            words.append(name if value else f"--no-{name[2:]}")
        else:
            words += [name, str(value)]
    return words
