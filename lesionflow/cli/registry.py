"""Commands about registered versions: register, promote, rollback, history, export and move-store."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lesionflow.cli.help import command, option
from lesionflow.cli.options import (
    MLFLOW,
    cache_option,
    experiment_option,
    migrate_option,
    options_of,
    report_option,
    tracking_uri_option,
    truth_labels_option,
    truth_option,
)
from lesionflow.cli.streams import warn
from lesionflow.cli.values import FOLDER, MODEL, PATH, REGISTERED_MODEL, VERSION
from lesionflow.defaults import DEFAULT_NAME
from lesionflow.errors import RegistryError, UsageError, counted, first_few
from lesionflow.registry.config import PromotionConfig
from lesionflow.runtimes.config import ExportConfig

if TYPE_CHECKING:
    from lesionflow.registry.gates import Verdict
    from lesionflow.registry.versions import Version


@command(short_help="Register a bundle on disk.")
@click.argument("bundle", type=MODEL)
@option(
    "--registered-model", group=MLFLOW, metavar="NAME", type=REGISTERED_MODEL,
    unset="the training's, or lesionflow", help="Name in the model registry.",
)  # fmt: skip
@option(
    "--challenge/--no-challenge", default=True, help="Ask the gates whether it becomes champion.", show_default=True
)
@experiment_option(", for a bundle without a run")
@tracking_uri_option
@migrate_option
def register(bundle: str, **options: Any) -> None:
    """Register a bundle on disk: one that a training could not register, or one from elsewhere.

    BUNDLE is the folder that the training's message named, the folder of any bundle, a download of 'mlflow artifacts
    download', or pretrained, which comes with lesionflow. A bundle kept by a training is added to its run, with
    everything else that the run is missing; other bundles get a new run. As after a training, the gates decide whether
    it becomes champion. A bundle is never registered twice.

    \b
    Example:
      lesionflow register lesionflow-kept/cnn-2f6c1d0e8b3a4c5f9d7e6a1b0c2d3e4f
      lesionflow register pretrained
    """
    from lesionflow.api.register import register
    from lesionflow.tracking.tracking_store import command_line

    done, store = register(bundle, **options), options["tracking_uri"]
    version = done.version
    if done.already:
        click.echo(f"this bundle is already registered as {version.label} ({version.card.network})")
    else:
        which = f"run {done.run_id}, which trained it" if done.of_training else f"run {done.run_id}"
        click.echo(f"registered as {version.label} ({version.card.network}), in {which}")
    if done.verdict is not None:
        print_verdict(version, done.verdict, store)
    if done.unfinished:
        click.echo(f"the training's other networks: {command_line('train', '--resume', done.unfinished, store=store)}")


def print_verdict(version: Version, verdict: Verdict, store: str | None) -> None:
    """Print whether a version that was trained or registered has become champion; store: as `command_line` takes it."""
    from lesionflow.tracking.tracking_store import command_line

    warn(filter(None, [verdict.warning]))
    if verdict.promote:
        click.echo(f"{version.label} ({version.card.network}) is the champion now: {verdict.reason}")
        model = f"models:/{version.name}@champion"
        command = command_line("score", "FOLDER", "--out", "results.csv", "--model", model, store=store)
        click.echo(f"score images with it: {command}")
    else:
        click.echo(f"{version.label} ({version.card.network}) does not become champion: {verdict.reason}")


@command(short_help="Make a version the champion if it passes the gates.")
@click.argument("name", type=REGISTERED_MODEL)
@click.argument("version", type=VERSION)
@report_option("Report of 'lesionflow score --also' of champion and version: its images decide in place of validation.")
@truth_option
@truth_labels_option
@options_of(PromotionConfig)
@option("--force", is_flag=True, help="Promote it even if gates fail; needs --reason.")
@option("--reason", default="", help="Why; kept with the version and in the history.")
@tracking_uri_option
@migrate_option
def promote(name: str, version: int, **options: Any) -> None:
    """Make a registered version the champion if it passes the gates.

    The gates, on the validation part: same data and split as the champion, better balanced accuracy, no worse at
    melanomas, calibrated. The results are printed and kept as tags of the version. Exits with 1 if a gate fails.

    With --report and --truth, champion and version are compared on the images of a night that both scored (--also), so
    they may have been trained on different data. If either is known to be trained on some of these images, the data
    gate fails. Without a champion, or with one of demo data, there is nothing to compare: the report is not used.

    \b
    Example:
      lesionflow promote lesionflow 3
      lesionflow promote lesionflow 3 --report night.csv --truth labels.csv
      lesionflow promote lesionflow 3 --force --reason "better on our own images"
    """
    from lesionflow.api.promote import promote
    from lesionflow.registry.champion import how_to_force, told_replaced

    promotion, store = promote(name, version, **options), options["tracking_uri"]
    warn(promotion.notes)
    chosen = promotion.version
    if promotion.already:
        click.echo(f"{promotion.verdict.reason}; nothing changed")
        return
    for gate in promotion.verdict.gates:
        values = "" if gate.value is None or gate.limit is None else f"{gate.value:.4f}, limit {gate.limit:.4f}"
        click.echo(f"{'passed' if gate.passed else 'FAILED'}  {gate.name:22}{values}".rstrip())
        click.echo(click.wrap_text(gate.reason, 80, "        ", "        "))
    warn(filter(None, [promotion.verdict.warning]))
    if not promotion.promoted:
        reasons = promotion.verdict.reason
        raise RegistryError(f"{chosen.label} does not become champion: {reasons}; {how_to_force(chosen, store)}")
    if promotion.replaced_by is not None:
        click.echo(told_replaced(name, version, promotion.replaced_by, store))
        return
    forced, before = ", by force" if promotion.forced else "", promotion.before
    if before is not None and not before.card.labels.is_like(chosen.card.labels):
        warn([f"{before.label}, the champion until now, has other diagnoses: reports have other columns from now on"])
    click.echo(f"{chosen.label} ({chosen.card.network}) is the champion now{forced}")


@command(short_help="Restore the previous champion.")
@click.argument("name", type=REGISTERED_MODEL, default=DEFAULT_NAME)
@option("--reason", default="", help="Why; kept in the history.")
@tracking_uri_option
@migrate_option
def rollback(name: str, **options: Any) -> None:
    """Restore the previous champion; if repeated, the one before that.

    NAME is the registered model, by default lesionflow.

    \b
    Example:
      lesionflow rollback --reason "misses melanomas on the new camera"
    """
    from lesionflow.api.promote import rollback

    done = rollback(name, **options)
    for number in done.deleted:
        click.echo(f"{name}/{number} was champion in between and is left out: it has been deleted")
    if done.replaced_by is not None:
        click.echo(f"{name}/{done.version} was restored and at once replaced by {name}/{done.replaced_by}")
        return
    instead = f", instead of {name}/{done.before}" if done.before is not None else ""
    click.echo(f"{name}/{done.version} is the champion again{instead}")


@command(short_help="List the champions, with dates, decisions and reasons.")
@click.argument("name", type=REGISTERED_MODEL, default=DEFAULT_NAME)
@tracking_uri_option
def history(name: str, tracking_uri: str | None) -> None:
    """List the champions, newest first: when, by which decision, why and by whom each was promoted.

    NAME is the registered model, by default lesionflow.

    \b
    Example:
      lesionflow history
    """
    from lesionflow.api.promote import history

    state = history(name, tracking_uri=tracking_uri)
    if not state.agrees:  # the alias is not where the last change has put it
        where = f"is {name}/{state.champion}" if state.champion is not None else "is none"
        warn([f"the champion {where}, not that of the last change: it broke off, or the alias was set by other means"])
    for change in reversed(state.changes):
        before = f", after {name}/{change.before}" if change.before is not None else ""
        click.echo(f"{change.when}  {name}/{change.version} {change.decision} by {change.who}{before}")
        if change.reason:
            click.echo(click.wrap_text(change.reason, 80, "    ", "    "))


@command(short_help="Export a model: bundle, other runtimes, hub.")
@click.argument("model", type=MODEL)
@click.argument("folder", required=False, type=FOLDER)
@option("--out", type=FOLDER, metavar="FOLDER", help="Folder to write; can also be given without --out.")
@options_of(ExportConfig)
@cache_option
@tracking_uri_option
def export(model: str, folder: Path | None, out: Path | None, **options: Any) -> None:
    """Export a MODEL to FOLDER, which must be new or empty.

    MODEL is given as for 'lesionflow score --model'. With bundle, every file is copied and verified; the copy can be
    scored, evaluated and registered anywhere. With onnx, litert, openvino and torch, the file takes pixels and gives
    calibrated probabilities; beside it are a JSON file with everything else that is needed, and a README with the code
    to run it. It is compared with the bundle on images, and refused if their answers differ. With hub, the folder is
    ready for an upload to the Hugging Face hub.

    \b
    Example:
      lesionflow export models:/lesionflow@champion --out champion
      lesionflow export pretrained --format litert --images moles --out phone
    """
    from lesionflow.api.export import export

    if folder is not None and out is not None and folder != out:
        raise UsageError(f"FOLDER is {folder}, and --out is {out}: name one")
    if (folder := folder or out) is None:
        raise UsageError("export: name the folder to write, as --out FOLDER")
    done = export(model, folder, **options)
    if done.unread:
        told = counted(len(done.unread), "image", "cannot be read and is", "cannot be read and are")
        warn([f"{told} left out of the comparison: {first_few(done.unread)}"])
    click.echo(f"{done.label}: {', '.join(done.files)} in {done.folder}")
    if done.parity:
        click.echo(
            f"on {counted(done.parity.images, 'image')} ({done.parity.of}): probabilities differ by at most "
            f"{done.parity.largest_difference:.2g} (allowed {done.parity.max_difference:g}), "
            f"{done.parity.changed_calls:.1%} of calls (allowed {done.parity.max_changed_calls:.1%})"
        )
    if done.cost:
        click.echo(f"on {counted(done.cost.images, 'labelled image')} ({done.cost.of}), bundle and file:")
        for words, bundle, artifact in done.cost.rows():
            click.echo(f"  {words:36}{bundle}   {artifact}")


@command(short_help="Correct the paths in a store whose folder was moved.")
@click.argument("old", type=PATH)
@click.argument("new", type=PATH)
@tracking_uri_option
def move_store(old: Path, new: Path, tracking_uri: str | None) -> None:
    """Correct the artifact paths in an SQLite store after its folder was moved from OLD to NEW.

    MLflow keeps absolute paths. All paths below OLD are rewritten in one transaction, after a backup of the database
    beside it.

    \b
    Example:
      mv experiments /data/experiments; cd /data/experiments
      lesionflow move-store /home/ana/experiments /data/experiments
    """
    from lesionflow.api.move_store import move_store

    moved = move_store(old, new, tracking_uri=tracking_uri)
    paths = counted(moved.addresses, "path", "begins", "begin")
    click.echo(f"{paths} with {os.path.abspath(new)} now; backup of the database: {moved.backup}")
