"""Make a web page that scores images with a model, as a folder of static files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Unpack

from rich.console import Console

from lesionflow.api.export import export
from lesionflow.api.overrides import WebOptions, configured
from lesionflow.atomic import check_own_folder, output_folder
from lesionflow.errors import LesionflowError, MissingError
from lesionflow.images.discovery import cache_folder
from lesionflow.model.card import KERAS_FILE
from lesionflow.model.files import read_bundle
from lesionflow.progress import say
from lesionflow.registry.versions import SCORING_FILES, opened
from lesionflow.runtimes.artifact import MODEL_FILES, check_installed, check_source
from lesionflow.runtimes.config import FLOAT32
from lesionflow.storage.location import location_text, path_here
from lesionflow.storage.temporary import temporary_folder
from lesionflow.webapp.build import WEB_FILES, WORKER, Page, WebNetwork, write_page
from lesionflow.webapp.runtime import LITERT, ONNX, RUNTIMES, WebConfig, fetch_package


def web(
    model: str | os.PathLike[str],
    out: str | os.PathLike[str],
    config: WebConfig | None = None,
    *,
    cache: Path | None = None,
    console: Console | None = None,
    tracking_uri: str | None = None,
    **overrides: Unpack[WebOptions],
) -> Page:
    """Write a static page that scores images in a browser, on the user's device.

    Parameters
    ----------
    model : str or path
        As `registry.versions.resolve` takes it.
    out : str or path
        The folder: a new one, an empty one, or with `overwrite` one that holds an earlier page.
    config : WebConfig, optional
        How to make it; keywords take precedence.
    cache : Path, optional
        Folder in which the downloaded runtime is kept.
    console : rich.console.Console, optional
        Where progress goes; stderr by default.
    tracking_uri : str, optional
        MLflow tracking store and registry.

    Returns
    -------
    Page
        The files of the page, and the runtime that it scores with.

    Raises
    ------
    LesionflowError
        If the model does not exist, its files are altered, its runtime is not available, or the folder cannot be
        written.
    """
    config = configured(web, WebConfig, config, overrides)
    folder = path_here(out, "out")
    check_own_folder(folder, "a page", WORKER, WEB_FILES)  # all of it would be put on a web server
    with (
        opened(location_text(model, "model"), tracking_uri, (*SCORING_FILES, KERAS_FILE)) as found,
        output_folder(folder, WEB_FILES, config.overwrite),
    ):
        card, graph = read_bundle(found.folder)
        given = None if config.archives is None else path_here(config.archives, "--archives")
        if given is not None and not given.is_dir():
            raise MissingError(f"--archives {given}: no such folder; name the one with the runtime's npm archives")
        network, reason = None, ""
        if config.runtime != ONNX:
            try:
                check_installed(LITERT, FLOAT32)
                check_source(found.folder, card, LITERT)
                archives = _archives(LITERT, given, cache)
                say(f"converting {found.label} for LiteRT, which takes about half a minute", console=console)
                network = WebNetwork(LITERT, _litert_file(found.folder, console), archives)
            except LesionflowError as error:
                if config.runtime == LITERT:
                    raise
                reason = str(error)
        if network is None:
            try:
                network = WebNetwork(ONNX, graph, _archives(ONNX, given, cache))
            except LesionflowError as error:
                raise type(error)(f"{reason}; with ONNX Runtime Web: {error}" if reason else str(error)) from error
        size = write_page(folder, found.label, card, network, overwrite=config.overwrite)
    return Page(folder, WEB_FILES, size, network.runtime, reason)


def _archives(runtime: str, given: Path | None, cache: Path | None) -> list[bytes]:
    return [fetch_package(package, cache_folder(cache), given) for package in RUNTIMES[runtime]]


def _litert_file(bundle: Path, console: Console | None) -> bytes:
    """A bundle as LiteRT's file, compared with the bundle on drawn images."""
    with temporary_folder("web") as folder:
        made = export(bundle, folder / "litert", format=LITERT, console=console)
        return (made.folder / MODEL_FILES[LITERT]).read_bytes()
