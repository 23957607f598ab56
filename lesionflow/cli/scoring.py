"""Commands that score, merge parts, make a web page, explain calls and monitor nights."""

from __future__ import annotations

import functools
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lesionflow.cli.help import command, option
from lesionflow.cli.options import cache_option, model_option, options_of, tracking_uri_option
from lesionflow.cli.streams import warn
from lesionflow.cli.values import FILE, FOLDER, IMAGES, MODEL, OUTPUT
from lesionflow.errors import add_to_message, counted, first_few
from lesionflow.evaluation.config import PICTURES, ExplanationConfig
from lesionflow.monitoring.limits import MonitorConfig
from lesionflow.scoring.config import REPORT, ReportConfig, ScoringConfig
from lesionflow.webapp.runtime import WebConfig

if TYPE_CHECKING:
    from lesionflow.api.explain import Explained
    from lesionflow.scoring.publish import Summary

SOME_IMAGES_FAILED = 3  # exit code; 0 all went well, 1 failed, 2 wrong usage


@command()
@click.argument("source", type=IMAGES)
@option(
    "--out", required=True, type=OUTPUT, group=REPORT, metavar="FILE",
    help="Report to write: .csv, .parquet or .jsonl; DIR/ is a folder of Parquet parts, - is standard output.",
)  # fmt: skip
@model_option
@options_of(ScoringConfig)
@tracking_uri_option
@click.pass_context
def score(ctx: click.Context, source: str, out: str, quiet: bool, **options: Any) -> None:
    """Score images into a report with one row for every image.

    SOURCE is a folder, a zip archive, an image, a quoted pattern such as 'scans/**/*.png', @LIST (a file of paths, one
    per line or separated by NUL bytes), - (such a list on standard input), or a table (CSV, JSON lines, Parquet or
    Excel) whose column 'path' names the images, or Parquet that holds them; its other columns are carried into the
    report. Listed paths are relative to the working directory. Each of these, listed paths, --out, --html and --summary
    may be a URL: s3:// (extra s3), gs:// (extra gs) or file://; credentials come from the environment.

    Exits with 0 if all images were scored, 3 if some could not be read (they are rows with an error), 1 if scoring
    failed, 2 for wrong usage, 130 or 143 if it was interrupted or terminated: resume it with --resume.

    On several machines, --engine ray scores on a Ray cluster; without one, let each process score a part with --shard,
    and merge the parts with 'lesionflow merge'. Either way, the report is the one that a single run writes.

    \b
    Example:
      lesionflow score ./images --out results.csv
    """
    from lesionflow.api.score import score

    summary = score(source, out, quiet=quiet, **options)
    _finish(ctx, summary, out, quiet, options, shard=options["shard"])


@command(short_help="Merge the parts of 'score --shard I/N' into one report.")
@click.argument("parts", metavar="OUT", type=OUTPUT)
@option(
    "--out", type=OUTPUT, group=REPORT, metavar="FILE", unset="OUT",
    help="Write the report here instead; DIR/ is a folder of Parquet parts, - is standard output.",
)  # fmt: skip
@options_of(ReportConfig)
@tracking_uri_option
@click.pass_context
def merge(ctx: click.Context, parts: str, out: str | None, quiet: bool, **options: Any) -> None:
    """Merge the parts that 'lesionflow score --shard I/N' scored into one report.

    OUT is what all parts were given as --out. Nothing is scored. All parts must be complete and have the same model,
    options and list of images; if one is missing, the message has the command that makes it. When the report is
    written, the files that the parts kept beside it are removed.

    Exits with 0 if all images were scored, 3 if some could not be read (they are rows with an error), 1 if parts are
    missing or the report cannot be written, 2 for wrong usage.

    \b
    Example:
      lesionflow score ./images --out results.csv --shard 1/2
      lesionflow score ./images --out results.csv --shard 2/2
      lesionflow merge results.csv
    """
    from lesionflow.api.merge import merge

    try:
        summary = merge(parts, to=out, quiet=quiet, **options)
    except KeyboardInterrupt as stopped:
        add_to_message(stopped, "what the parts have done is kept")
        raise
    _finish(ctx, summary, out or parts, quiet, options)


def _finish(
    ctx: click.Context, summary: Summary, out: str, quiet: bool, options: Mapping[str, Any], shard: str | None = None
) -> None:
    """Print the result and end with its exit code; images without a row of their own are named with --quiet, too."""
    failures, beside = summary.counts.failures, {"page": options["html"], "summary": options["summary"]}
    if summary.unread:
        words = ", ".join(f"{count} {reason}" for reason, count in sorted(failures.items()))
        failed = counted(len(summary.unread), "image")
        warn([f"{failed} of these groups could not be read ({words}): {ascii(first_few(summary.unread))[1:-1]}"])
    if not quiet:
        _print_summary(summary, out, options["group_by"], shard, beside)
    if failures:
        ctx.exit(SOME_IMAGES_FAILED)


def _print_summary(
    summary: Summary, out: str, group_by: str | None, shard: str | None, beside: Mapping[str, object]
) -> None:
    """Print the result of the run, to standard error if the report went to standard output."""
    echo = functools.partial(click.echo, err=summary.report is None)
    total, counts = summary.scored + summary.failed, summary.counts
    merging = f"when all are done: lesionflow merge {shlex.quote(out)}"
    if shard is not None and not total:
        echo(f"part {shard} has nothing to score: other parts have all images (see --shard-size); {merging}")
        return
    what = counted(total, "image") if group_by is None else f"{counted(total, 'group')} of images by {group_by}"
    echo(f"{what}, {summary.scored} scored with {summary.model}, {summary.failed} failed")
    width = max(6, *map(len, counts.diagnoses))
    for diagnosis, count in sorted(counts.diagnoses.items(), key=lambda item: -item[1]):
        echo(f"  {diagnosis:{width}}{count:8}  {count / max(summary.scored, 1):6.1%}")
    for reason, count in sorted(counts.failures.items()):
        echo(f"  {'failed' if group_by is None else 'images failed'}, {reason}: {count}")
    if set(counts.failures) == {"not_found"} and not summary.scored and total > 1:
        echo("  nothing was found: paths of a list are relative to the folder where the command was run")
    referred = ", ".join(f"{count} {why}" for why, count in counts.referred.items())
    echo(f"malignant at the operating point: {counts.malignant} ({counts.malignant_share:.1%}); refer: {referred}")
    if counts.both:
        echo(f"the two models disagree on {counts.disagreed} of {counts.both} ({counts.disagreed / counts.both:.1%})")
    if summary.sample is not None:
        echo(f"images to review: {summary.sample}")
    speed = counts.speed(summary.seconds, summary.resumed)
    if shard is not None:
        end = f"part {shard} is done; {merging}"
    else:
        end = "the report is on standard output" if summary.report is None else f"report: {out}"
        end += "".join(f"; {what}: {file}" for what, file in beside.items() if file)
    echo(f"{speed:.0f} images a second; {end}" if speed else end)


@command(short_help="Make a web page that scores images in a browser.")
@click.argument("model", type=MODEL)
@option(
    "--out", required=True, type=FOLDER, metavar="FOLDER",
    help="Folder for the page: a new one, or with --overwrite that of an earlier page.",
)  # fmt: skip
@options_of(WebConfig)
@tracking_uri_option
@cache_option
def web(model: str, out: Path, **options: Any) -> None:
    """Make a web page that scores images with a MODEL in the browser, and sends nothing to anybody.

    MODEL is given as for 'lesionflow score --model'. The folder holds everything that the page needs: open its
    index.html, or put it on any web server, from which browsers can install it as an app that works without a network.
    Calls and CSV are those of 'lesionflow score'. The first time, the runtime (LiteRT 12 MB, ONNX Runtime Web 33 MB) is
    downloaded from the npm registry.

    \b
    Example:
      lesionflow web pretrained --out page
    """
    from lesionflow.api.web import web

    made = web(model, out, **options)
    if made.reason:
        click.echo(f"the page scores with ONNX Runtime Web; LiteRT, twice as fast, was not possible: {made.reason}")
    click.echo(f"{counted(len(made.files), 'file')}, {made.size / 1e6:.0f} MB: open {made.folder / made.files[0]}")


@command(short_help="Draw what the call for each image depends on.")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=IMAGES)
@option(
    "--out", required=True, type=FOLDER, group=PICTURES, metavar="FOLDER",
    help="Folder for the pictures; created if missing.",
)  # fmt: skip
@model_option
@options_of(ExplanationConfig)
@tracking_uri_option
@click.pass_context
def explain(ctx: click.Context, images: tuple[str, ...], out: Path, **options: Any) -> None:
    """Draw a picture for each image: a map of what the call depends on, the probabilities, and whether to refer it.

    IMAGE is anything that 'lesionflow score' accepts: an image, a folder, a pattern, @LIST, a table. The map shows how
    the probability of the called diagnosis, or of --target, changes when parts of the image are covered (occlusion
    sensitivity). It describes this model, not the lesion. For research, not a diagnosis.

    Takes about a second per image. Exits with 0 if all were drawn, 3 if some could not be read, 1 if nothing could be
    drawn, 2 for wrong usage, 130 or 143 if it was interrupted or terminated: --resume draws what is missing, and names
    all pictures again.

    \b
    Example:
      lesionflow explain mole.jpg other.png --out pictures
    """
    from lesionflow.api.explain import explain

    done = explain(images, out, on_image=_print_explained, **options)
    failed = sum(each.picture is None for each in done)
    kept = sum(each.kept for each in done)
    told = f" {kept} kept," if kept else ""
    click.echo(f"{len(done) - failed - kept} drawn,{told} {failed} failed", err=True)
    if failed:
        ctx.exit(SOME_IMAGES_FAILED)


def _print_explained(done: Explained) -> None:
    """Print a picture's path to stdout, or an image's error to stderr."""
    if done.picture is None:
        click.echo(f"{ascii(done.path)[1:-1]}: {done.error}", err=True)
    else:
        click.echo(str(done.picture))


ALARM_EXIT_CODE = 4


@command(short_help="Compare nights of scoring, with a page.")
@click.argument("reports", metavar="REPORT...", nargs=-1, required=True, type=FILE)
@option(
    "--out", default=Path("monitor"), show_default=True, type=FOLDER, metavar="FOLDER",
    help="Folder for nights.html and nights.json.",
)  # fmt: skip
@options_of(MonitorConfig)
@tracking_uri_option
@click.pass_context
def monitor(ctx: click.Context, reports: tuple[Path, ...], out: Path, **options: Any) -> None:
    """Compare nights of scoring with the first ones and with validation, and estimate metrics without labels.

    REPORTs are written by 'lesionflow score', one per night, and given in chronological order. Images with the same
    lesion_id, if the reports have this column, count once in tests. The page has last night's counts, what changed,
    what waits for review, and a chart of each value over the nights; the JSON has everything.

    Exits with 0 if last night is within its limits, 4 if it is not, 1 if a report cannot be read or is of another
    model than the others, 2 for wrong usage.

    \b
    Example:
      lesionflow monitor reports/*.csv --out monitor --overwrite
      lesionflow monitor reports/*.csv --limits limits.yaml --overwrite
    """
    from lesionflow.api.monitor import PAGE_FILE, monitor

    found = monitor(reports, out, **options)
    warn(found.notes)
    last = found.nights[-1]
    alarmed = [each.night.name for each in found.nights if each.alarms]
    which = f": {first_few(alarmed[::-1])}" if alarmed else ""  # the latest first
    click.echo(f"{counted(len(found.nights), 'night')}, {found.alarms} with an alarm{which}")
    told = {name: f"{estimate.value:.3f}" for name, estimate in last.night.estimates.items()}
    click.echo(f"{last.night.name}: {counted(last.night.images, last.night.thing)}, {last.night.failed} failed")
    for name, value in told.items():
        click.echo(f"  {name:38}{value}")
    for alarm in last.alarms:
        click.secho(f"ALARM: {last.night.name}: {alarm.text}", fg="red", bold=True)
    click.echo(f"look at {out / PAGE_FILE}")
    if last.alarms:
        ctx.exit(ALARM_EXIT_CODE)
