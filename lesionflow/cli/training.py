"""The command that trains."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lesionflow.cli.options import cache_option, options_of, registered_model_option, tracking_uri_option
from lesionflow.cli.registry import print_decision
from lesionflow.cli.signals import exit_code, terminable
from lesionflow.errors import UsageError
from lesionflow.training.config import TrainingConfig

if TYPE_CHECKING:
    from rich.table import Table

    from lesionflow.registry.versions import Version
    from lesionflow.verbs.train import Trained

# What a machine that goes on with another's training may have elsewhere; the rest is as it was begun.
WITH_RESUME = {"resume", "data", "tracking_uri", "cache"}


@click.command()
@click.option(
    "--resume", metavar="RUN_ID", help="Go on with an interrupted run; all but where --data is comes from there."
)
@options_of(TrainingConfig, flags_take_values=True)
@click.option("--experiment", default="lesionflow", show_default=True, help="MLflow experiment of the runs.")
@registered_model_option
@tracking_uri_option
@cache_option
@click.pass_context
def train(
    ctx: click.Context,
    resume: str | None,
    experiment: str,
    registered_model: str,
    tracking_uri: str | None,
    cache: Path | None,
    **fields: Any,
) -> None:
    """Train networks, track the runs and register the models; the better one can become champion.

    A checkpoint is kept in the run after every epoch. However a training ended before its time, --resume goes on after
    the last one, in the same run. Exits with 130 or 143 if it was interrupted or terminated.

    \b
    Example:
      lesionflow train --data /path/to/HAM10000 --model all
      lesionflow train --resume 2f6c1d0e8b3a4c5f9d7e6a1b0c2d3e4f
    """
    from lesionflow.verbs import train as verb

    given = {name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    places: dict[str, Any] = {"tracking_uri": tracking_uri, "cache": cache}
    try:
        with terminable():
            if resume is None:
                config = TrainingConfig(**fields)
                trained = verb.train(config, experiment=experiment, registered_model=registered_model, **places)
            else:
                _refuse(given - WITH_RESUME)
                trained = verb.resume(resume, data=fields["data"] if "data" in given else None, **places)
    except KeyboardInterrupt as stopped:
        click.echo(str(stopped) or "stopped; nothing was begun", err=True)
        ctx.exit(exit_code(stopped))
    _print(trained)


def _refuse(given: set[str]) -> None:
    if given:
        names = ", ".join("--" + name.replace("_", "-") for name in sorted(given))
        raise UsageError(f"--resume goes on as the training was begun; leave out {names}, or train anew")


def _print(trained: Trained) -> None:
    from rich.console import Console

    console = Console()
    console.print(_figures(trained.versions))
    print_decision(trained.best, trained.decision)
    served = trained.tracking_uri.startswith(("http://", "https://"))
    click.echo(f"see the runs: {'' if served else 'mlflow ui --backend-store-uri '}{trained.tracking_uri}")


_SHOWN = {  # a metric's name -> its column, short enough for 80 characters
    "accuracy": "accuracy",
    "accuracy_of_always_nv": "always nv",
    "balanced_accuracy": "balanced",
    "macro_auc": "AUC",
    "malignant_sensitivity": "sens.",
    "malignant_specificity": "spec.",
}


def _figures(versions: Iterable[Version]) -> Table:
    from rich import box
    from rich.table import Table

    from lesionflow.data.split import PARTS

    meaning = "balanced: balanced accuracy; AUC: macro average; sens., spec.: malignant against benign"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, caption=meaning, caption_justify="left")
    for column in ("version", "network", "part", *_SHOWN.values()):
        table.add_column(column, no_wrap=True)
    for version in versions:
        for part in PARTS:
            metrics = version.card.metrics[part]
            figures = [f"{metrics[name].value:.3f}" if name in metrics else "" for name in _SHOWN]
            table.add_row(str(version.number), version.card.network, part, *figures)
    return table
