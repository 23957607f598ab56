"""Rollback: the champion before the present one becomes champion again."""

from __future__ import annotations

from lesionflow.defaults import DEFAULT_NAME
from lesionflow.registry.champion import Rollback, roll_back
from lesionflow.registry.history import checked_reason
from lesionflow.tracking.tracking_store import connect, kept_loggers


@kept_loggers()
def rollback(
    name: str = DEFAULT_NAME, *, reason: str = "", tracking_uri: str | None = None, migrate: bool = False
) -> Rollback:
    """Restore the champion before the present one; a second time, the one before that.

    Champions that were deleted since are left out. Raises `RegistryError` where there is none to go back to.
    """
    note = checked_reason(reason)
    connect(tracking_uri, writes=True, migrate=migrate)
    return roll_back(name, note)
