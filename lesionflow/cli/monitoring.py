"""The command that watches the nights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lesionflow.cli.help import command, option
from lesionflow.cli.options import options_of, tracking_uri_option
from lesionflow.errors import counted, first_few
from lesionflow.monitoring.config import MonitorConfig

ALARM_EXIT_CODE = 4
_REPORT = click.Path(path_type=Path, dir_okay=False)


@command(short_help="Say which nights differ from the others, with a page.")
@click.argument("reports", metavar="REPORT...", nargs=-1, required=True, type=_REPORT)
@option(
    "--out", default=Path("monitor"), show_default=True, type=click.Path(path_type=Path, file_okay=False),
    help="Folder for nights.html and nights.json.",
)  # fmt: skip
@options_of(MonitorConfig)
@tracking_uri_option
@click.pass_context
def monitor(ctx: click.Context, reports: tuple[Path, ...], out: Path, tracking_uri: str | None, **options: Any) -> None:
    """Say how nights differ from the first of them, from validation, and what is to be expected of them.

    REPORT is what 'lesionflow score' wrote, one a night, in the order of time. Images of one lesion_id, a carried
    column, count once in tests. The page has last night's counts, what changed, what waits for review, and a chart of
    each value over the nights; the JSON has everything.

    Exits with 0 if last night is within its limits, 4 if it is not, 1 if a report cannot be read or is of another model
    than the others, 2 for wrong usage.

    \b
    Example:
      lesionflow monitor reports/*.csv --out monitor --overwrite
      lesionflow monitor reports/*.csv --limits limits.yaml --overwrite
    """
    from lesionflow.api.monitor import PAGE_FILE, monitor

    found = monitor(reports, out, tracking_uri=tracking_uri, **options)
    for note in found.notes:
        click.secho(f"WARNING: {note}", err=True, fg="yellow", bold=True)
    last = found.nights[-1]
    alarmed = [each.night.name for each in found.nights if each.alarms]
    which = f": {first_few(alarmed[::-1])}" if alarmed else ""  # the latest first
    click.echo(f"{counted(len(found.nights), 'night')}, {found.alarms} with an alarm{which}")
    told = {name: f"{estimate.value:.3f}" for name, estimate in last.night.estimates.items()}
    click.echo(f"{last.night.name}: {counted(last.night.images, 'image')}, {last.night.failed} failed")
    for name, value in told.items():
        click.echo(f"  {name:38}{value}")
    for alarm in last.alarms:
        click.secho(f"ALARM: {last.night.name}: {alarm.text}", fg="red", bold=True)
    click.echo(f"look at {out / PAGE_FILE}")
    if last.alarms:
        ctx.exit(ALARM_EXIT_CODE)
