"""Make a web page that scores images with a model, as a folder of static files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Unpack

from lesionflow.api.overrides import WebOptions, configured
from lesionflow.defaults import DEFAULT_MODEL
from lesionflow.images.discovery import cache_folder
from lesionflow.model.files import read_bundle
from lesionflow.registry.versions import opened
from lesionflow.storage.location import location_text, path_here
from lesionflow.webapp.build import Page, write_page
from lesionflow.webapp.runtime import RUNTIME, WebConfig, fetch_package


def web(
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    out: str | os.PathLike[str] = "web",
    config: WebConfig | None = None,
    *,
    cache: Path | None = None,
    tracking_uri: str | None = None,
    **overrides: Unpack[WebOptions],
) -> Page:
    """Write a static page that scores images in a browser, on the device of whoever opens it.

    Parameters
    ----------
    model : str or path
        As `registry.versions.resolve` takes it.
    out : str or path
        The folder; created if missing.
    config : WebConfig, optional
        How to make it; keywords take precedence.
    cache : Path, optional
        Folder in which the downloaded ONNX Runtime Web is kept.
    tracking_uri : str, optional
        MLflow tracking store and registry.

    Returns
    -------
    Page

    Raises
    ------
    LesionflowError
        If the model does not exist, its files are altered, ONNX Runtime Web is not available, or the folder cannot be
        written.
    """
    config = configured(WebConfig, config, overrides)
    with opened(location_text(model, "model"), tracking_uri) as found:
        card, graph = read_bundle(found.folder)
    runtime = None if config.runtime is None else path_here(config.runtime, "--runtime")
    archive = fetch_package(RUNTIME, cache_folder(cache), runtime)
    return write_page(path_here(out, "out"), found.label, card, graph, archive, overwrite=config.overwrite)
