"""A registered version looked up on an MLflow server by MLflow's REST calls; at anything unusual MLflow is asked."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lesionflow.model.files import bundle_of_logged_model
from lesionflow.registry.local_store import Entry
from lesionflow.tracking.client import default_addresses
from lesionflow.tracking.plain_store import UNUSUAL, ask, is_plain_server


def fetch_entry(
    name: str, alias: str | None, number: int | None, tracking_uri: str | None, download_to: Path, files: Sequence[str]
) -> Entry | None:
    """Find a version by alias or number, and copy files of its bundle that is not on this machine; None: ask MLflow."""
    servers = default_addresses(tracking_uri)
    if not all(map(is_plain_server, servers)):
        return None
    versions, artifacts = (f"{server.rstrip('/')}/api/2.0/mlflow" for server in servers)
    try:
        asked = f"{versions}/model-versions/get" if alias is None else f"{versions}/registered-models/alias"
        version = _get(asked, name=name, version=number, alias=alias).json()["model_version"]
        if version["status"] != "READY" or str(alias).lower() == "latest":  # which MLflow works out
            return None
        number, digests = int(version["version"]), {tag["key"]: tag["value"] for tag in version["tags"]}
        location = _get(f"{versions}/model-versions/get-download-uri", name=name, version=number).json()["artifact_uri"]
        if folder := bundle_of_logged_model(location):
            return Entry(number, folder, digests["card_digest"])
        (model,) = re.fullmatch("mlflow-artifacts:/+([^?#%]+)", location).groups()  # type: ignore[union-attr]
        (bundle,) = _get(f"{artifacts}-artifacts/artifacts", path=f"{model}/data").json()["files"]
        if not bundle["is_dir"] or not re.fullmatch(r"(?!\.\.?$)[^/\\%]+", bundle["path"]):
            return None
        for file in files:
            asked = f"{artifacts}-artifacts/artifacts/{quote(model)}/data/{quote(bundle['path'])}/{file}"
            (download_to / file).write_bytes(_get(asked).content)
        return Entry(number, download_to, digests["card_digest"])
    except UNUSUAL:
        return None


def _get(address: str, **parameters: Any) -> Any:
    return ask("GET", address, params=parameters)
