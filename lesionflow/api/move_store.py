"""Correct the artifact paths in a store whose folder was moved."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from lesionflow.tracking.client import default_addresses
from lesionflow.tracking.tracking_store import move_addresses


@dataclass(frozen=True)
class MovedStore:
    """A store whose artifacts are looked for elsewhere now."""

    addresses: int  # that were rewritten
    backup: Path  # the database as it was


def move_store(
    old: str | os.PathLike[str], new: str | os.PathLike[str], *, tracking_uri: str | None = None
) -> MovedStore:
    """Have the artifacts of an SQLite store looked for in another folder, after they were moved there.

    Parameters
    ----------
    old, new
        The folder that was moved, and where it is now. Addresses below `old` become the same below `new`.
    tracking_uri
        The store; MLflow's choice by default.

    Returns
    -------
    MovedStore
        What was rewritten, in one transaction, and the backup.

    Raises
    ------
    UsageError
        For a store that is no SQLite database, or a `new` that is no folder.
    RegistryError
        Where nothing of the store lies below `old`.
    """
    return MovedStore(*move_addresses(Path(old), Path(new), default_addresses(tracking_uri)[1]))
