"""Options stated once: fields of a configuration object that the command line, its help and the validation read."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

from lesionflow.errors import UsageError


def option(
    default: Any,
    description: str,
    *,
    kind: Any = None,
    choices: tuple[str, ...] = (),
    low: float = -math.inf,
    high: float = math.inf,
    unset: str = "",
) -> Any:
    """A field with its meaning and its choices or inclusive range.

    kind: the type of its values, where the default, None, does not tell; unset: what None stands for.
    """
    kind = kind or type(default)
    told = {"kind": kind, "help": description, "choices": choices, "low": low, "high": high, "unset": unset}
    return dataclasses.field(default=default, metadata=told)


def option_name(field: dataclasses.Field[Any]) -> str:
    """The name of a field on the command line."""
    return "--" + field.name.replace("_", "-")


def check_options(config: Any) -> None:
    """Raise `UsageError` for a value that is none of its option's choices or outside its range."""
    for field in dataclasses.fields(config):
        value, limits = getattr(config, field.name), field.metadata
        if value is None:
            continue
        if limits["choices"] and value not in limits["choices"]:
            raise UsageError(f"{option_name(field)} {value}: choose one of {', '.join(limits['choices'])}")
        if limits["kind"] in (int, float) and not limits["low"] <= value <= limits["high"]:
            raise UsageError(f"{option_name(field)} {value}: must be from {limits['low']} to {limits['high']}")


def arguments_of(config: Any, leave_out: tuple[str, ...] = ()) -> list[str]:
    """The words of a command line that give the fields of a configuration which are not as by default."""
    words = []
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value == field.default or field.name in leave_out:
            continue
        if isinstance(value, bool):
            words.append(option_name(field) if value else f"--no-{field.name.replace('_', '-')}")
        else:
            words += [option_name(field), str(value)]
    return words
