"""A champion as tests need one: put there without the gates, and in the history like any other."""

from __future__ import annotations

from lesionflow.registry.champion import reconcile_alias
from lesionflow.registry.gates import Verdict
from lesionflow.registry.history import FORCED, ChampionState, read_state, record, tag_verdict
from lesionflow.registry.versions import Version


def set_champion(version: Version, reason: str) -> ChampionState:
    """Put the champion alias on a version without asking the gates, and say why in its tags and the history."""
    record(version.name, version.number, FORCED, reason, read_state(version.name))
    settled = reconcile_alias(version.name)
    tag_verdict(version.name, version.number, Verdict(True, reason), FORCED, reason)
    return settled
