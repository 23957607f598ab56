"""A registered version looked up in an SQLite file; at anything unusual MLflow is asked, whose import takes seconds."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import NamedTuple

from lesionflow.model.files import bundle_of_logged_model
from lesionflow.tracking.client import default_addresses
from lesionflow.tracking.plain_store import is_plain_file, open_file

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


def _versions(tracking_uri: str | None) -> list[tuple[str, int, str | None, str, str | None]]:
    registry, _ = default_addresses(tracking_uri)
    if is_plain_file(registry):
        with contextlib.suppress(sqlite3.Error), open_file(registry) as database:
            return database.execute(_QUERY).fetchall()
    return []
