"""Correct the artifact paths in a store whose folder was moved."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lesionflow.storage.location import path_here
from lesionflow.tracking.client import default_addresses
from lesionflow.tracking.tracking_store import move_addresses


@dataclass(frozen=True)
class MovedStore:
    """A store whose artifact paths were corrected."""

    addresses: int  # that were rewritten
    backup: Path  # the database as it was


def move_store(
    old: str | os.PathLike[str], new: str | os.PathLike[str], *, tracking_uri: str | None = None
) -> MovedStore:
    """Correct the artifact paths in an SQLite store after its folder was moved.

    Parameters
    ----------
    old, new
        The old and the new folder. Paths below `old` are rewritten to be below `new`.
    tracking_uri
        The store; MLflow's choice by default.

    Returns
    -------
    MovedStore
        What was rewritten, in one transaction, and the backup.

    Raises
    ------
    MissingError
        If the store is not an SQLite database, `new` is not a folder, or artifacts still lie below `old` and not there.
    RegistryError
        If no path of the store is below `old`.
    """
    return MovedStore(*move_addresses(path_here(old, "old"), path_here(new, "new"), default_addresses(tracking_uri)[1]))
