"""The command that makes a page for browsers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from lesionflow.cli.help import command, option
from lesionflow.cli.options import cache_option, options_of, tracking_uri_option
from lesionflow.cli.values import MODEL
from lesionflow.webapp.config import WebConfig


@command(short_help="Make a web page that scores images in a browser.")
@click.argument("model", type=MODEL)
@option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    help="Folder for the page; made.",
)
@options_of(WebConfig)
@tracking_uri_option
@cache_option
def web(model: str, out: Path, tracking_uri: str | None, cache: Path | None, **options: Any) -> None:
    """Make a web page with a MODEL in it: it scores images in the browser, and sends nothing to anybody.

    MODEL is written as for 'lesionflow score --model'. The folder holds all that the page needs: open its index.html,
    or put it on any web server, from where browsers can install it as an app that works without a network. Images get
    the calls of 'lesionflow score', and its CSV. The first time, ONNX Runtime Web is downloaded from the npm registry,
    33 MB.

    \b
    Example:
      lesionflow web pretrained --out page
    """
    from lesionflow.api.web import web

    made = web(model, out, cache=cache, tracking_uri=tracking_uri, **options)
    click.echo(f"{len(made.files)} files, {made.size / 1e6:.0f} MB: open {made.folder / made.files[0]}")
