"""The command that fetches a published data set."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import click

from lesionflow.cli.help import command
from lesionflow.cli.options import options_of
from lesionflow.dataverse.config import TERMS, DownloadConfig
from lesionflow.errors import counted


@command(short_help="Download HAM10000, checked and unpacked.")
@click.argument("folder", type=click.Path(path_type=Path))
@options_of(DownloadConfig)
def download(folder: Path, accept_licence: bool, **options: Any) -> None:
    """Download HAM10000, ready for training.

    Downloads about 3 GB from Harvard Dataverse into FOLDER, for 'lesionflow train --data FOLDER'; unpacking needs twice
    that on the disk. Digests are checked. After an interruption, run the same command again: complete files are not
    downloaded a second time. Archives that you downloaded with a browser are used if they are in FOLDER. Proxies are
    taken from HTTPS_PROXY and NO_PROXY.

    Exits with 1 if the download failed, 2 for wrong usage or where the licence was not accepted, 130 or 143 if it was
    interrupted or terminated.

    \b
    Example:
      lesionflow download ./HAM10000 --accept-licence
    """
    from lesionflow.api.download import download

    DownloadConfig(**options)  # nobody is asked about the licence for options that are wrong
    if not accept_licence and sys.stdin.isatty():
        click.echo(TERMS, err=True)
        accept_licence = click.confirm("Accept?", err=True)
    elif accept_licence:
        click.echo(TERMS, err=True)
    found = download(folder, accept_licence=accept_licence, **options)
    for warning in found.warnings:
        click.secho(f"WARNING: {warning}", err=True, fg="yellow", bold=True)
    done = f"fetched {', '.join(found.fetched)}" if found.fetched else "everything was there already"
    click.echo(f"{counted(found.images, 'image')} of {counted(found.lesions, 'lesion')} in {found.folder}; {done}")
    what = "train --data" if options["part"] == "training" else "evaluate pretrained"
    click.echo(f"go on with: lesionflow {what} {shlex.quote(str(found.folder))}")
