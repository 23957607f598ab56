"""Looking a model up in a registry that is an SQLite file on this machine, without MLflow.

Importing MLflow takes many times longer than scoring an image. Only what MLflow would answer the same is answered: at
anything unusual, the answer is to ask MLflow.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

DEFAULT_STORE = "mlflow.db"  # MLflow's own, in the working directory
_CHANGING = ("MLFLOW_ENABLE_WORKSPACES", "MLFLOW_WORKSPACE")  # settings under which names mean something else


@dataclass(frozen=True)
class Entry:
    """A registered version whose bundle is a folder on this machine."""

    number: int
    bundle: Path
    card_digest: str  # of the bundle as it was registered


def find_entry(name: str, alias: str | None, number: int | None, tracking_uri: str | None = None) -> Entry | None:
    """The version of a model by alias or by number; None where MLflow has to be asked.

    tracking_uri: as given by the user; without it MLflow's environment variables count, then its default.
    """
    store = _store(tracking_uri)
    if store is None or (alias is not None and alias.lower() == "latest"):  # which MLflow works out
        return None
    try:
        # Read-only: a look must neither create a file nor wait for somebody who writes.
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(store))}?mode=ro", uri=True, timeout=1)) as database:
            if alias is not None:
                found = database.execute(
                    "SELECT version FROM registered_model_aliases "
                    "WHERE workspace = 'default' AND name = ? AND alias = ?",
                    (name, alias),
                ).fetchone()
                number = int(found[0]) if found else None
            version = database.execute(
                "SELECT COALESCE(NULLIF(storage_location, ''), source) FROM model_versions "
                "WHERE workspace = 'default' AND name = ? AND version = ? AND status = 'READY' "
                "AND current_stage != 'Deleted_Internal'",
                (name, number),
            ).fetchone()
            tag = database.execute(
                "SELECT value FROM model_version_tags "
                "WHERE workspace = 'default' AND name = ? AND version = ? AND key = 'card_digest'",
                (name, number),
            ).fetchone()
    except (sqlite3.Error, ValueError):  # another MLflow's tables, a file in use, no database at all
        return None
    bundle = local_bundle(version[0]) if version else None
    if number is None or bundle is None or tag is None:
        return None
    return Entry(number, bundle, str(tag[0]))


def registered_names(tracking_uri: str | None = None) -> list[str]:
    """The names of the registered models, sorted; none where MLflow would have to be asked."""
    store = _store(tracking_uri)
    if store is None:
        return []
    try:
        with contextlib.closing(sqlite3.connect(f"file:{quote(str(store))}?mode=ro", uri=True, timeout=1)) as database:
            found = database.execute("SELECT name FROM registered_models WHERE workspace = 'default' ORDER BY name")
            return [name for (name,) in found]
    except sqlite3.Error:
        return []


def local_bundle(location: str) -> Path | None:
    """The bundle within a logged model that is a folder on this machine; None for one that is elsewhere."""
    parts = urlsplit(location)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        location = unquote(parts.path)
    if not os.path.isabs(location):
        return None
    try:
        # MLflow keeps what `data_path` named under data/, by its own name; a bundle is one folder there.
        folders = list((Path(location) / "data").iterdir())
    except OSError:
        return None
    return folders[0] if len(folders) == 1 and folders[0].is_dir() else None


def _store(tracking_uri: str | None) -> Path | None:
    """The SQLite file that MLflow would use as its registry; None if it is none, or not for us to tell."""
    if in_spark() or any(os.environ.get(name) for name in _CHANGING):
        return None
    if "mlflow" in sys.modules and not tracking_uri:
        import mlflow  # somebody else has paid for it, and may have told it where to look

        address: str | None = mlflow.get_registry_uri()
    else:
        address = os.environ.get("MLFLOW_REGISTRY_URI") or tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
        if not address and not has_file_store():
            address = f"sqlite:///{DEFAULT_STORE}"
    if not address or not address.startswith("sqlite:///") or any(mark in address for mark in "?#%"):
        return None
    store = Path(address.removeprefix("sqlite:///"))
    return store.absolute() if store.is_file() else None


def in_spark() -> bool:
    """Whether a Spark session is active here, whose settings MLflow asks where its registry is."""
    sql = sys.modules.get("pyspark.sql")  # importing MLflow imports it, where it is installed
    try:
        return sql is not None and sql.SparkSession.getActiveSession() is not None
    except Exception:  # whatever Spark has: MLflow knows more about it
        return True


def has_file_store() -> bool:
    """Whether MLflow's former kind of store lies in the working directory: it then comes first."""
    return any(entry.parent.name.isdigit() for entry in Path("mlruns").glob("*/meta.yaml"))
