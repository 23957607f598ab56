"""Options shared by several commands, and options made from the fields of a configuration object."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from lesionflow.cli.help import option
from lesionflow.cli.values import FILE, FOLDER, LOCATION, MODEL, PATH, REGISTERED_MODEL, Choice, Number, Words
from lesionflow.defaults import DEFAULT_MODEL, DEFAULT_NAME, SHIPPED_LICENCE
from lesionflow.options import SEPARATOR, option_name
from lesionflow.scoring.config import IMAGES as IMAGES_AND_MODEL
from lesionflow.storage.location import Location

MLFLOW = "MLflow"  # what help lists options under that say where runs and models are kept
LATER = "Truth that came later"  # the same, that say where diagnoses are
_METAVARS = {int: "N", float: "X"}


def _joined(
    separator: str, default: str | None, ctx: click.Context, parameter: click.Parameter, values: Sequence[str]
) -> str | None:
    """Join the values of a repeated option into the one of the configuration."""
    return separator.join(filter(None, values)) or (None if default is None else "")


def options_of(
    config: type, *, flags_take_values: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option for every field of a configuration object, which is where each is described and limited.

    flags_take_values: `--flag true` means `--flag`, as `mlflow run` writes it; not for commands with arguments.
    """

    def add(command: Callable[..., None]) -> Callable[..., None]:
        for field in reversed(dataclasses.fields(config)):
            limits, name, default = field.metadata, option_name(field.name), field.default
            kind, metavar = limits["kind"], limits["metavar"] or _METAVARS.get(limits["kind"])
            described: dict[str, Any] = {"default": default, "show_default": default is not None}
            described |= {name: limits[name] for name in ("help", "group", "unset", "needs")}
            described |= {"metavar": metavar, "envvar": limits["variable"] or None}
            if limits["repeated"] or limits["several"]:
                separator = "," if limits["several"] else SEPARATOR
                described["multiple"] = True
                described["default"] = [default] if default else []
                described["callback"] = functools.partial(_joined, separator, default)
            if kind is bool and flags_take_values:
                described |= {"type": bool, "is_flag": False, "flag_value": True, "metavar": "", "show_default": False}
            elif kind is bool:
                name += f"/--no-{field.name}" if default else ""
                described |= {"is_flag": True, "show_default": bool(default)}
            elif limits["choices"]:
                described["type"] = Choice(limits["choices"])
            elif kind in (int, float):
                described["type"] = Number(kind, limits["low"], limits["high"], limits["zero"])
            elif limits["completes"] or limits["repeated"]:
                described["type"] = Words(limits["completes"], several=limits["several"])
            else:
                described["type"] = {Path: PATH, Location: LOCATION}.get(kind, click.STRING)
            command = option(name, **described)(command)
        return command

    return add


model_option = option(
    "--model", type=MODEL, group=IMAGES_AND_MODEL, metavar="MODEL", default=DEFAULT_MODEL, show_default=True,
    help="The model: models:/NAME@ALIAS, models:/NAME/VERSION, the folder of a bundle, or pretrained, which comes with "
    f"lesionflow: {SHIPPED_LICENCE}.",
)  # fmt: skip


def experiment_option(about: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option --experiment; about: the end of its help text."""
    return option(
        "--experiment", envvar="MLFLOW_EXPERIMENT_NAME", default=DEFAULT_NAME, show_default=True, group=MLFLOW,
        metavar="NAME", help=f"MLflow experiment{about}.",
    )  # fmt: skip


tracking_uri_option = option(
    "--tracking-uri", envvar="MLFLOW_TRACKING_URI", group=MLFLOW, metavar="URI",
    unset="sqlite:///mlflow.db in this folder", help="MLflow tracking store and registry.",
)  # fmt: skip


def report_option(about: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option --report; about: its help text."""
    return option("--report", type=FILE, group=LATER, metavar="FILE", help=about)


truth_option = option(
    "--truth", type=FILE, group=LATER, metavar="FILE",
    help="Table of diagnoses: path, image_id or lesion_id, and diagnosis.",
)  # fmt: skip


def labels_option_of(table: str, needs: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option --labels; table: the option whose words it is about; needs: the same, if it alone is meant."""
    return option(
        "--labels", type=FILE, group=LATER if needs else "", metavar="FILE", needs=needs,
        unset="the words that 'lesionflow describe --labels' shows",
        help=f"YAML file that says what the words and columns of {table} mean.",
    )  # fmt: skip


truth_labels_option = labels_option_of("--truth", needs="--truth FILE")
migrate_option = option(
    "--migrate", is_flag=True, group=MLFLOW,
    help="Migrate the database of an older MLflow, after a backup beside it; an older MLflow cannot open it then.",
)  # fmt: skip
registered_model_option = option(
    "--registered-model", default=DEFAULT_NAME, show_default=True, type=REGISTERED_MODEL, group=MLFLOW, metavar="NAME",
    help="Name in the model registry.",
)  # fmt: skip


def cache_option_of(needs: str = "") -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The option --cache; needs: the option without which nothing is kept there."""
    return option(
        "--cache", type=FOLDER, envvar="LESIONFLOW_CACHE", group="Files",
        metavar="FOLDER", unset="~/.cache/lesionflow", needs=needs,
        help="Folder for decoded pixels, the demo set and downloaded parts of pages.",
    )  # fmt: skip


cache_option = cache_option_of()
