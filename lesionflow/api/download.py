"""Download HAM10000, or the test images of ISIC 2018 Task 3, from where they are published."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Unpack

from rich.console import Console

from lesionflow.api.overrides import DownloadOptions, configured
from lesionflow.datasets.labelled import read_rows
from lesionflow.dataverse.config import TERMS, DownloadConfig
from lesionflow.dataverse.download import (
    DownloadDisplay,
    DownloadManifest,
    check_space,
    plan,
    run_steps,
    working_folder,
)
from lesionflow.dataverse.server import HAM10000_DOI, Patience, Web, read_listing
from lesionflow.errors import DownloadError, UsageError, add_to_message
from lesionflow.progress import stderr_console
from lesionflow.storage.location import path_here


@dataclass(frozen=True)
class Downloaded:
    """A folder with a complete download."""

    folder: Path
    fetched: tuple[str, ...]  # names of the published files that were not there yet
    version: str  # of the data set, as published
    images: int
    lesions: int
    warnings: tuple[str, ...]


def download(
    folder: str | os.PathLike[str],
    config: DownloadConfig | None = None,
    *,
    patience: Patience | None = None,
    console: Console | None = None,
    **overrides: Unpack[DownloadOptions],
) -> Downloaded:
    """Download HAM10000 into a folder for training.

    Existing files are not downloaded again, and an unfinished download is resumed. Only content with the published
    digest is kept. If a `KeyboardInterrupt` stops it, the exception says how to resume.

    Parameters
    ----------
    folder
        Folder for the data set; created if missing.
    config
        What to download and how; `overrides` replace single options of it.
    patience
        How often to retry, and how long to wait for a server.
    console
        Console for progress and warnings; stderr by default.

    Returns
    -------
    Downloaded
        The contents of the folder.

    Raises
    ------
    UsageError
        Unless the licence is accepted.
    DownloadError
        If the server, its answers or the disk prevent it.
    """
    folder, config = path_here(folder, "folder"), configured(download, DownloadConfig, config, overrides)
    if not config.accept_licence:
        raise UsageError(f"{TERMS}. Nothing is downloaded before that is accepted: add --accept-licence")
    with DownloadDisplay(console or stderr_console()) as display:
        web = Web(patience or Patience(tries=config.tries), display.say)
        try:
            with working_folder(folder):
                published = read_listing(config.address, HAM10000_DOI, web)
                manifest = DownloadManifest(folder, published)
                steps = plan(published, config.part, folder, manifest)
                check_space(steps, folder)
                run_steps(steps, folder, manifest, web, config, display)
            table, warnings = read_rows(folder)
        except OSError as error:
            raise DownloadError(
                f"{error.filename or folder}: {error.strerror or error}; fix this and run the same command again"
            ) from error
        except KeyboardInterrupt as stopped:
            add_to_message(stopped, f"the data so far is kept in {folder}: the same command continues")
            raise
    names = tuple(step.file.name for step in steps)
    return Downloaded(folder, names, published.version, len(table), table["lesion_id"].nunique(), tuple(warnings))
