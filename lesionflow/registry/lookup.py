"""Looks up a registered version in an SQLite file or on a server; falls back to MLflow for anything unusual.

MLflow's import takes seconds, and scoring a registered model needs nothing else of it.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from lesionflow.model.files import bundle_of_logged_model
from lesionflow.tracking.client import UNUSUAL, ask, default_addresses, is_plain_file, is_plain_server, open_file

_QUERY = """
    SELECT v.name, v.version, a.alias, COALESCE(NULLIF(v.storage_location, ''), v.source), t.value FROM model_versions v
    LEFT JOIN registered_model_aliases a USING (workspace, name, version)
    LEFT JOIN (SELECT * FROM model_version_tags WHERE key = 'card_digest') t USING (workspace, name, version)
    WHERE v.workspace = 'default' AND v.status = 'READY' AND v.current_stage != 'Deleted_Internal'
"""


class Entry(NamedTuple):
    """A registered version whose bundle is a folder on this machine."""

    number: int
    bundle: Path
    card_digest: str  # of the bundle as it was registered


def find_entry(name: str, alias: str | None, number: int | None, tracking_uri: str | None = None) -> Entry | None:
    """Find a version by alias or number; None where MLflow has to be asked. tracking_uri: as given by the user."""
    for its_name, its_number, its_alias, location, digest in _versions(tracking_uri):
        if its_name == name and (its_alias == alias if alias is not None else its_number == number):
            bundle = bundle_of_logged_model(location)
            return Entry(its_number, bundle, digest) if bundle and digest else None
    return None


def registered_names(tracking_uri: str | None = None) -> list[str]:
    """The names of the registered models, sorted; none where MLflow would have to be asked."""
    return sorted({row[0] for row in _versions(tracking_uri)})


def registered_addresses(tracking_uri: str | None = None) -> list[str]:
    """The addresses of all registered versions, aliases first; none where MLflow would have to be asked."""
    rows = _versions(tracking_uri)
    aliases = {f"models:/{name}@{alias}" for name, _, alias, *_ in rows if alias}
    return sorted(aliases) + [f"models:/{name}/{number}" for name, number in sorted({row[:2] for row in rows})]


def _versions(tracking_uri: str | None) -> list[tuple[str, int, str | None, str, str | None]]:
    registry, _ = default_addresses(tracking_uri)
    if is_plain_file(registry):
        with contextlib.suppress(sqlite3.Error), open_file(registry) as database:
            return database.execute(_QUERY).fetchall()
    return []


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
