"""The command that shows where a call comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lesionflow.cli.help import command, option
from lesionflow.cli.options import model_option, options_of, tracking_uri_option
from lesionflow.cli.scoring import SOME_IMAGES_FAILED
from lesionflow.cli.values import IMAGES
from lesionflow.evaluation.config import PICTURES, ExplanationConfig

if TYPE_CHECKING:
    from lesionflow.api.explain import Explained


@command(short_help="Draw what the call for each image depends on.")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...", type=IMAGES)
@option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    group=PICTURES,
    metavar="FOLDER",
    help="Folder for the pictures; made.",
)
@model_option
@options_of(ExplanationConfig)
@tracking_uri_option
@click.pass_context
def explain(
    ctx: click.Context, images: tuple[str, ...], out: Path, model: str, tracking_uri: str | None, **options: Any
) -> None:
    """Draw a picture for each image: a map of what the call depends on, the probabilities, and the decision.

    IMAGE is anything that 'lesionflow score' accepts: an image, a folder, a pattern, @LIST, a table. The map shows how
    the probability of the called diagnosis, or of --target, changes when parts of the image are covered (occlusion
    sensitivity). It describes this model, not the lesion. For research, not a diagnosis.

    Takes about a second per image. Exits with 0 if all were drawn, 3 if some could not be read, 1 if nothing could be
    drawn, 2 for wrong usage.

    \b
    Example:
      lesionflow explain mole.jpg other.png --out pictures
    """
    from lesionflow.api.explain import explain

    done = explain(images, out, model=model, tracking_uri=tracking_uri, on_image=_say, **options)
    failed = sum(each.picture is None for each in done)
    click.echo(f"{len(done) - failed} drawn, {failed} failed", err=True)
    if failed:
        ctx.exit(SOME_IMAGES_FAILED)


def _say(done: Explained) -> None:
    """The picture on stdout, what is wrong with an image on stderr."""
    if done.picture is None:
        click.echo(f"{ascii(done.path)[1:-1]}: {done.error}", err=True)
    else:
        click.echo(str(done.picture))
