"""The command `train`."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from lesionflow.cli.help import command, option
from lesionflow.cli.options import (
    cache_option,
    experiment_option,
    migrate_option,
    options_of,
    registered_model_option,
    tracking_uri_option,
)
from lesionflow.cli.registry import print_verdict
from lesionflow.cli.values import CONFIGURATION
from lesionflow.errors import UsageError
from lesionflow.options import option_name
from lesionflow.training.config import LOCATIONS, REPEATING, TrainingConfig, read_settings

if TYPE_CHECKING:
    from rich.table import Table

    from lesionflow.api.train import Trained
    from lesionflow.registry.versions import Version

# Options that may differ on a machine that resumes a training; the others stay as they were.
WITH_RESUME = {"resume", *LOCATIONS, "tracking_uri", "migrate", "cache"}


@command(short_help="Train networks, track the runs, register the models.")
@options_of(TrainingConfig, flags_take_values=True)
@option(
    "--config", type=CONFIGURATION, group=REPEATING, metavar="FILE",
    help="YAML file with values for options not given here, or that of a run, runs:/RUN_ID/config.yaml.",
)  # fmt: skip
@option(
    "--resume", group=REPEATING, metavar="RUN_ID",
    help="Resume an interrupted run with its options; for files and models that have moved, give the new location.",
)  # fmt: skip
@experiment_option(" of the runs")
@registered_model_option
@tracking_uri_option
@migrate_option
@cache_option
@click.pass_context
def train(ctx: click.Context, config: str | None, resume: str | None, **settings: Any) -> None:
    """Train networks, track the runs and register the models; the best one can become champion.

    Every epoch saves a checkpoint in the run; --resume continues an interrupted training from the last one, in the same
    run. Exits with 130 or 143 if it was interrupted or terminated.

    A configuration file has the names of options as keys, such as 'epochs: 20'. It overrides the preset; environment
    variables and options on the command line override it. Every run keeps a file with which it can be repeated.

    \b
    Example:
      lesionflow train --data /path/to/HAM10000 --model all
      lesionflow train --config train.yaml --seed 1
      lesionflow train --config runs:/2f6c1d0e8b3a4c5f9d7e6a1b0c2d3e4f/config.yaml
      lesionflow train --resume 2f6c1d0e8b3a4c5f9d7e6a1b0c2d3e4f
    """
    from lesionflow.api.train import resume as resume_training
    from lesionflow.api.train import train
    from lesionflow.tracking.runs import read_configuration_text

    typed = {name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE}
    surrounding = {name for name in ctx.params if ctx.get_parameter_source(name) is ParameterSource.ENVIRONMENT}
    where: dict[str, Any] = {name: settings.pop(name) for name in ("tracking_uri", "migrate", "cache")}
    if resume is None:
        if config is not None:
            read = read_settings(read_configuration_text(config, where["tracking_uri"]), config)
            # `mlflow run` passes defaults that the user has not typed
            if overruled := sorted(name for name in typed & read.keys() if settings[name] != read[name]):
                click.echo(f"{config}: overruled by what was given: {', '.join(overruled)}", err=True)
            settings |= {name: value for name, value in read.items() if name not in typed | surrounding}
        names = {name: settings.pop(name) for name in ("experiment", "registered_model")}
        trained = train(TrainingConfig(**settings), **names, **where)
    else:
        if refused := [option_name(name) for name in sorted(typed - WITH_RESUME)]:
            raise UsageError(
                f"--resume keeps the options of the training; leave out {', '.join(refused)}, or train again"
            )
        moved = (typed | surrounding).intersection(LOCATIONS)
        trained = resume_training(resume, **{name: settings[name] for name in moved}, **where)
    _print(trained)


def _print(trained: Trained) -> None:
    from rich.console import Console

    console = Console()
    # In a file, a row is as long as it has to be; on a terminal that is too narrow, rather off its edge than cut.
    if not console.is_terminal:
        console.width = _UNLIMITED
    console.print(_metrics_table(trained.versions), crop=False)
    print_verdict(trained.best, trained.verdict, trained.tracking_uri)
    served = trained.tracking_uri.startswith(("http://", "https://"))
    command = shlex.join(["mlflow", "ui", "--backend-store-uri", trained.tracking_uri])
    click.echo(f"see the runs: {trained.tracking_uri if served else command}")


_UNLIMITED = 10_000  # columns, more than a table has


def _metrics_table(versions: Iterable[Version]) -> Table:
    from rich import box
    from rich.table import Table

    from lesionflow.datasets.split import PARTS
    from lesionflow.evaluation.metrics import metrics_of

    meaning = "balanced: balanced accuracy; AUC: macro average; sens., spec.: malignant against benign"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, caption=meaning, caption_justify="left")
    versions = list(versions)
    shown = [metric for metric in metrics_of(versions[0].card.labels).values() if metric.column]
    table.add_column("version", no_wrap=True, min_width=len("version"))
    # On a narrow terminal, the network's name is truncated.
    table.add_column("network", overflow="fold", min_width=len("network"))
    table.add_column("part", no_wrap=True, min_width=max(map(len, PARTS)))
    for metric in shown:
        table.add_column(metric.column, no_wrap=True, min_width=max(len(metric.column), len("0.000")))
    for version in versions:
        for part in PARTS:
            metrics = version.card.metrics[part]
            values = [f"{metrics[each.name].value:.3f}" if each.name in metrics else "" for each in shown]
            table.add_row(str(version.number), version.card.network, part, *values)
    return table
