"""The command that trains."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lesionflow.cli.options import cache_option, options_of, registered_model_option, tracking_uri_option
from lesionflow.training.config import TrainingConfig

if TYPE_CHECKING:
    from rich.table import Table

    from lesionflow.registry.versions import Version


@click.command()
@options_of(TrainingConfig)
@click.option("--experiment", default="lesionflow", show_default=True, help="MLflow experiment of the runs.")
@registered_model_option
@tracking_uri_option
@cache_option
def train(experiment: str, registered_model: str, tracking_uri: str | None, cache: Path | None, **fields: Any) -> None:
    """Train networks, track the runs and register the models; the better one can become champion.

    \b
    Example:
      lesionflow train --data /path/to/HAM10000 --model all
    """
    from rich.console import Console

    from lesionflow.verbs.train import train

    trained = train(
        TrainingConfig(**fields),
        tracking_uri=tracking_uri,
        experiment=experiment,
        registered_model=registered_model,
        cache=cache,
    )
    console = Console()
    console.print(_figures(trained.versions))
    best = trained.best
    if trained.decision.promote:
        click.echo(f"{best.label} ({best.card.network}) is the champion now: {trained.decision.reason}")
        click.echo(
            f"score images with it: lesionflow score FOLDER --out results.csv --model models:/{best.name}@champion"
        )
    else:
        click.echo(f"{best.label} ({best.card.network}) does not become champion: {trained.decision.reason}")
    click.echo(f"see the runs: mlflow ui --backend-store-uri {trained.tracking_uri}")


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
