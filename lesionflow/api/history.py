"""History: who was champion when, and why."""

from __future__ import annotations

from lesionflow.defaults import DEFAULT_NAME
from lesionflow.errors import RegistryError
from lesionflow.registry.history import ChampionState, read_state
from lesionflow.registry.versions import suggest_model
from lesionflow.tracking.tracking_store import connect, kept_addresses


@kept_addresses()
def history(name: str = DEFAULT_NAME, *, tracking_uri: str | None = None) -> ChampionState:
    """The champion of a model and every change of it, oldest first. Raises `RegistryError` where there is neither."""
    connect(tracking_uri)
    state = read_state(name)
    if not state.changes and state.champion is None:
        raise RegistryError(
            f"{name} has no champion and never had one{suggest_model(name)}; train a model with 'lesionflow train'"
        )
    return state
