"""History: who was champion when, and why."""

from __future__ import annotations

from lesionflow.errors import RegistryError
from lesionflow.registry.config import DEFAULT_NAME
from lesionflow.registry.history import Standing, look
from lesionflow.registry.nearest import nearest_model
from lesionflow.registry.tracking import connect


def history(name: str = DEFAULT_NAME, *, tracking_uri: str | None = None) -> Standing:
    """The champion of a model and every change of it, oldest first. Raises `RegistryError` where there is neither."""
    connect(tracking_uri)
    standing = look(name)
    if not standing.changes and standing.champion is None:
        raise RegistryError(
            f"{name} has no champion and never had one{nearest_model(name)}; train a model with 'lesionflow train'"
        )
    return standing
