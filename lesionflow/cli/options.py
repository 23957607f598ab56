"""Options that several commands have, and those that a configuration object states."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from lesionflow.options import option_name
from lesionflow.storage.places import Place, place


class _PlaceType(click.ParamType):
    """A path or a URL."""

    name = "place"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Place:
        return place(value)


PLACE = _PlaceType()


def options_of(
    config: type, *, flags_take_values: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option for every field of a configuration object, which is where each is described and limited.

    flags_take_values: `--flag true` means `--flag`, as `mlflow run` writes it; not for commands with arguments.
    """

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for field in reversed(dataclasses.fields(config)):
            limits, name, default = field.metadata, option_name(field), field.default
            kind, about = (
                limits["kind"],
                limits["help"] + (f"  [default: {limits['unset']}]" if limits["unset"] else ""),
            )
            low, high = (limit if math.isfinite(limit) else None for limit in (limits["low"], limits["high"]))
            described: dict[str, Any] = {"default": default, "help": about, "show_default": default is not None}
            if kind is bool and flags_take_values:
                described |= {"type": bool, "is_flag": False, "flag_value": True, "metavar": "", "show_default": False}
            elif kind is bool:
                name += f"/--no-{field.name}" if default else ""
                described |= {"is_flag": True, "show_default": bool(default)}
            elif limits["choices"]:
                described["type"] = click.Choice(limits["choices"])
            elif kind in (int, float):
                described["type"] = (click.IntRange if kind is int else click.FloatRange)(low, high)
            else:
                described["type"] = {Path: click.Path(path_type=Path), Place: PLACE}.get(kind, click.STRING)
            command = click.option(name, **described)(command)
        return command

    return add


model_option = click.option(
    "--model",
    default="models:/lesionflow@champion",
    show_default=True,
    help="The model: models:/NAME@ALIAS, models:/NAME/VERSION, the folder of a bundle, or pretrained, which comes with "
    "lesionflow: trained on HAM10000, whose licence, CC BY-NC 4.0, binds its use.",
)
tracking_uri_option = click.option(
    "--tracking-uri",
    envvar="MLFLOW_TRACKING_URI",
    help="MLflow tracking store and registry.  [default: sqlite:///mlflow.db in this folder]",
)
registered_model_option = click.option(
    "--registered-model", default="lesionflow", show_default=True, help="Name in the model registry."
)
cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="LESIONFLOW_CACHE",
    help="Folder for decoded pixels and the demo set.  [default: ~/.cache/lesionflow]",
)
