"""The command line: options in, library verbs called, results printed, errors turned into messages and exit codes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lesionflow import __version__
from lesionflow.cli import registry
from lesionflow.cli.options import cache_option as _cache
from lesionflow.cli.options import options_of as _options_of
from lesionflow.cli.options import registered_model_option as _registered_model
from lesionflow.cli.options import tracking_uri_option as _tracking_uri
from lesionflow.errors import LesionflowError, UsageError
from lesionflow.evaluation.config import EvaluationConfig
from lesionflow.scoring.config import ScoringConfig
from lesionflow.training.config import TrainingConfig

if TYPE_CHECKING:
    from rich.table import Table

    from lesionflow.registry.versions import Version
    from lesionflow.verbs.score import Summary

SOME_IMAGES_FAILED = 3  # exit code; 0 all went well, 1 failed, 2 wrong usage


class _Message(click.ClickException):
    """What is wrong and what to do, after `Error: ` on stderr."""

    def __init__(self, error: LesionflowError):
        super().__init__(str(error))
        self.exit_code = 2 if isinstance(error, UsageError) else 1  # type: ignore[misc]  # Click's own docs do so


class _Commands(click.Group):
    """Turns lesionflow's errors into one line on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except LesionflowError as error:
            raise _Message(error) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def main() -> None:
    """Train, track, register and use classifiers of dermatoscopic images.

    Research use, not a diagnosis.
    """


@main.command()
@_options_of(TrainingConfig)
@click.option("--experiment", default="lesionflow", show_default=True, help="MLflow experiment of the runs.")
@_registered_model
@_tracking_uri
@_cache
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


class _Terminated(KeyboardInterrupt):
    """SIGTERM, treated like Ctrl-C."""


@main.command()
@click.argument("source")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Report to write: .csv, .parquet or .jsonl."
)
@click.option(
    "--model",
    default="models:/lesionflow@champion",
    show_default=True,
    help="The model: models:/NAME@ALIAS, models:/NAME/VERSION or the folder of a bundle.",
)
@_options_of(ScoringConfig)
@_tracking_uri
@click.pass_context
def score(
    ctx: click.Context, source: str, out: Path, model: str, tracking_uri: str | None, quiet: bool, **options: Any
) -> None:
    """Score images into a report with one row for every image.

    SOURCE is a folder, an image, a quoted pattern such as 'scans/**/*.png', @LIST (a file of paths, one a line or
    separated by NUL bytes), - (such a list on standard input), or a .csv file whose column 'path' names the images and
    whose other columns are carried into the report. Listed paths are relative to the working directory.

    Exits with 0 if all images were scored, 3 if some could not be read (they are rows with an error), 1 if scoring
    failed, 2 for wrong usage, 130 or 143 if it was interrupted or terminated: --resume then goes on.

    \b
    Example:
      lesionflow score ./images --out results.csv
    """
    from lesionflow.verbs.score import score

    def terminate(number: int, frame: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        summary = score(source, out, model, tracking_uri=tracking_uri, quiet=quiet, **options)
    except KeyboardInterrupt as stopped:
        click.echo(str(stopped) or "stopped; nothing was begun", err=True)
        # A thread may hang in a file of a share that is gone: to wait for it, as Python would, is no way to stop.
        os._exit(128 + (signal.SIGTERM if isinstance(stopped, _Terminated) else signal.SIGINT))
    finally:
        signal.signal(signal.SIGTERM, before)
    if not quiet:
        _print_summary(summary)
    if summary.failed:
        ctx.exit(SOME_IMAGES_FAILED)


def _print_summary(summary: Summary) -> None:
    total, counts = summary.scored + summary.failed, summary.counts
    click.echo(f"{total} images, {summary.scored} scored with {summary.model}, {summary.failed} failed")
    for diagnosis, count in sorted(counts.diagnoses.items(), key=lambda item: -item[1]):
        click.echo(f"  {diagnosis:6}{count:8}  {count / max(summary.scored, 1):6.1%}")
    for reason, count in sorted(counts.failures.items()):
        click.echo(f"  failed, {reason}: {count}")
    referred = ", ".join(f"{count} {why}" for why, count in counts.referred.items())
    click.echo(
        f"malignant at the operating point: {counts.malignant} ({counts.malignant_share:.1%}); refer: {referred}"
    )
    speed = (total - summary.resumed) / max(summary.seconds, 1e-9)
    click.echo(f"{speed:.0f} images a second; report: {summary.report}")


@main.command()
@click.argument("data")
@click.option(
    "--out",
    default=Path("description"),
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for description.json and description.html.",
)
@click.option("--overwrite", is_flag=True, help="Overwrite a description that is there already.")
@_cache
def describe(data: str, out: Path, overwrite: bool, cache: Path | None) -> None:
    """Describe labelled images, a HAM10000 folder or 'demo': what they are, what is missing, which are copies.

    Diagnoses, lesions, metadata and files are counted, and all pairs of images compared, also turned and mirrored:
    copies of an image under different lesions would let a model be tested on what it was trained on.

    \b
    Example:
      lesionflow describe /path/to/HAM10000 --out description
    """
    from lesionflow.verbs.describe import describe

    description = describe(data, out, overwrite=overwrite, cache=cache)
    total = len(description.images.table)
    click.echo(f"{description.images.description}: {total:,} images of {description.lesions:,} lesions")
    for diagnosis, counts in sorted(description.diagnoses.items(), key=lambda item: -item[1]["images"]):
        share = counts["images"] / total
        click.echo(f"  {diagnosis:6}{counts['images']:8,} images  {share:6.1%}{counts['lesions']:8,} lesions")
    for finding in description.findings:
        if finding.warning:
            click.secho(f"WARNING: {finding.text}", fg="yellow", bold=True)
        else:
            click.echo(finding.text)
    click.echo(f"look at {out / 'description.html'}")


@main.command()
@click.argument("model")
@click.argument("data")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for page, metrics and figures.")
@_options_of(EvaluationConfig)
@_tracking_uri
@_cache
def evaluate(
    model: str, data: str, out: Path | None, tracking_uri: str | None, cache: Path | None, **options: Any
) -> None:
    """Measure a model on labelled images, with 95 % intervals from a bootstrap over lesions.

    DATA is a HAM10000 folder, a CSV with the columns path and diagnosis (and lesion_id, age, sex, localization,
    dx_type, where they are known; paths count from the CSV's folder), a folder with a folder for each diagnosis, or
    'demo'. On the data that MODEL was trained on, the test part of its own split is measured.

    \b
    Example:
      lesionflow evaluate models:/lesionflow@champion /path/to/HAM10000 --out evaluation
    """
    from rich.console import Console

    from lesionflow.verbs.evaluate import PAGE, evaluate

    with Console(stderr=True).status("reading images") as status:
        report = evaluate(model, data, out, tracking_uri=tracking_uri, cache=cache, progress=status.update, **options)
    for warning in report.all_warnings:
        click.secho(f"WARNING: {warning}", err=True, fg="yellow", bold=True)
    click.echo(report.about)
    for name, estimate in report.metrics.items():
        click.echo(f"  {name:38}{estimate.value:8.4f}   {estimate.low:.4f} to {estimate.high:.4f}")
    if out is not None:
        click.echo(f"look at {out / PAGE}")


@main.command()
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--images", type=click.IntRange(100, 100_000), default=900, show_default=True, help="Images to draw.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Another seed, other lesions.")
def demo(folder: Path, images: int, seed: int) -> None:
    """Draw a synthetic data set laid out like HAM10000, to try things out on.

    \b
    Example:
      lesionflow demo ./demo --images 300
    """
    from lesionflow.data.demo import draw_demo_set

    try:
        draw_demo_set(folder, images=images, seed=seed)
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror or error}; choose a new folder") from error
    click.echo(f"{images} synthetic images in {folder}")


for command in registry.COMMANDS:
    main.add_command(command)


def _use_store(tracking_uri: str | None) -> None:
    from lesionflow.registry.tracking import connect

    connect(tracking_uri)


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
