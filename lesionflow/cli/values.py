"""Types of option values: how they are parsed, completed and refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from lesionflow.defaults import DEFAULT_MODEL
from lesionflow.diagnoses import names_beside
from lesionflow.errors import UsageError, did_you_mean
from lesionflow.options import DIAGNOSES, FILES, FOLDERS, MODELS, SEPARATOR, is_within, range_told
from lesionflow.registry.config import check_model_name
from lesionflow.registry.lookup import registered_addresses, registered_names
from lesionflow.storage.location import Location, parse_location, path_here


class Choice(click.Choice[str]):
    """One of several words; the nearest one is suggested for a misspelt word."""

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        """The words as they are documented elsewhere; those with dashes in place of underscores are taken as well."""
        if isinstance(param, click.Argument):
            return super().get_metavar(param, ctx)
        return f"[{'|'.join(self.choices)}]"

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        """The message for a wrong word, with the choices."""
        nearest = did_you_mean(str(value), self.choices)
        return super().get_invalid_choice_message(value, ctx).rstrip(".") + (nearest or ".")


class Number(click.ParamType):
    """A whole number or a decimal one within inclusive limits, or also 0 if allowed."""

    def __init__(
        self, kind: type[int | float], low: float = -math.inf, high: float = math.inf, zero: bool = False
    ) -> None:
        self.name = "integer" if kind is int else "number"
        self.kind, self.low, self.high, self.zero = kind, low, high, zero

    @property
    def range(self) -> str:
        """The limits in words, for help and messages."""
        return range_told(self.low, self.high, self.zero)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        """The number, if it is one within the limits."""
        try:
            number = self.kind(value)
        except ValueError:
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        if not is_within(number, self.low, self.high, self.zero):
            self.fail(f"{number} is not in the range {self.range}.", param, ctx)
        return number


_KINDS = (FOLDERS, FILES, MODELS, DIAGNOSES)


class Words(click.ParamType):
    """A text with shell completion from words, separated by commas if there may be several, and files."""

    name = "text"

    def __init__(self, words: tuple[str, ...], several: bool = False):
        self.words = words
        self.several = several

    def split_envvar_value(self, rv: str) -> list[str]:
        """The values that a variable gives an option that can be given again: a line each, since paths have spaces."""
        return rv.split(SEPARATOR)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Completions of what was typed, including files and models in an SQLite store."""
        of_sets = DIAGNOSES in self.words
        before, comma, last = incomplete.rpartition(",") if self.several or of_sets else ("", "", incomplete)
        kinds = {FOLDERS: "dir", FILES: "file"}
        disk = [CompletionItem(incomplete, type=kinds[word]) for word in self.words if word in kinds]
        known = registered_addresses(ctx.params.get("tracking_uri")) if MODELS in self.words else []
        if of_sets:
            known = names_beside(before)
        own = [word for word in self.words if word not in _KINDS and not (of_sets and comma)]
        words = dict.fromkeys([*own, *known])
        return disk + [CompletionItem(before + comma + word) for word in words if word.startswith(last)]


class PathHere(click.Path):
    """A path on this machine, also as `file:///folder`."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; refused are a URL of a store, which would make a folder of its name here, and an empty text."""
        if isinstance(value, str):
            _check_no_stream(value, param)
            value = path_here(value, param.opts[0] if param else self.name)
        return self.coerce_path_result(value)  # whether it exists is checked where it is used


def _check_no_stream(value: Any, param: click.Parameter | None) -> None:
    """Refuse a dash, which would make a file of that name, where a path is needed."""
    if value == "-":
        name = param.opts[0] if param else "the path"
        raise UsageError(f"{name} -: takes no standard stream; name a file or a folder")


class _LocationType(click.ParamType):
    """A path or a URL."""

    name = "location"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Location:
        _check_no_stream(value, param)
        return parse_location(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(incomplete, type="file")]


class _RegisteredModelType(click.ParamType):
    """The name of a registered model."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        return check_model_name(str(value))

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        names = registered_names(ctx.params.get("tracking_uri"))
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class _VersionType(Number):
    """The number of a version of the model that NAME is."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int | float:
        name = ctx.params.get("name", "") if ctx else ""
        if name.isdecimal() and not str(value).isdecimal():
            self.fail(f"{value!r} is not a number; the name comes first: {value} {name}", param, ctx)
        return super().convert(value, param, ctx)


REGISTERED_MODEL = _RegisteredModelType()
VERSION = _VersionType(int, 1)
LOCATION = _LocationType()
PATH = PathHere(path_type=Path)
IMAGES = Words((FILES,))  # a folder, a file, a URL or a pattern
OUTPUT = Words((FILES,))  # a file, a URL, DIR/ or -
FILE = PathHere(path_type=Path, dir_okay=False)
FOLDER = PathHere(path_type=Path, file_okay=False)
LABELLED = Words(("demo", FILES))
MODEL = Words((FOLDERS, "pretrained", DEFAULT_MODEL, MODELS))
CONFIGURATION = Words((FILES, "runs:/"))
