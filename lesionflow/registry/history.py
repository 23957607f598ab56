"""The champion's history: every change of the alias, kept as a tag of the registered model.

A change has a tag of its own, under a key that nobody else writes: writers at the same time lose nothing of each other,
and every store that MLflow has keeps tags. Keys sort in the order of the changes: first a number one above the highest
that the writer saw, which holds whatever the clocks of two machines say; then, for changes at the same time, the clock
and chance.
"""

from __future__ import annotations

import datetime
import functools
import getpass
import json
import os
import re
import secrets
from dataclasses import dataclass

from lesionflow.errors import RegistryError, UsageError
from lesionflow.registry.gates import Verdict
from lesionflow.registry.versions import CHAMPION, Version
from lesionflow.tracking.client import found_or_none, mlflow, registry_errors, set_again

PROMOTED, FORCED = "promoted", "forced"
ROLLED_BACK = "rolled back"  # to the champion before
GIVEN_BACK = "given back"  # to the one promoted at the same time, than which it was not better
KEPT_BACK = "kept back"  # in the tags of a version that the gates refused
NOT_KEPT = "something else may answer in its place; check the address"
LONGEST_REASON = 300  # characters of a user's
_KEPT_OF_REASON = 700  # the databases hold 5,000, of which JSON takes six for a letter such as é
_KEY = re.compile(r"champion_(\d{6,})_\d{8}T\d{6}\.\d{6}Z_[0-9a-f]{8}")


@dataclass(frozen=True)
class Change:
    """One change of the champion."""

    key: str
    number: int  # in the order of changes; equal for changes at the same time
    version: int
    decision: str  # PROMOTED, FORCED, ROLLED_BACK or GIVEN_BACK
    reason: str
    before: int | None  # the version that had been champion
    who: str
    when: str  # UTC, ISO 8601

    @property
    def sort_key(self) -> tuple[int, str]:
        """Sort key of changes."""
        return self.number, self.key


@dataclass(frozen=True)
class ChampionState:
    """The state of a model's champion in the registry at one moment."""

    changes: tuple[Change, ...] = ()  # oldest first
    champion: int | None = None  # the version that has the alias

    @property
    def agrees(self) -> bool:
        """Whether the last change is the one that put the alias where it is."""
        return bool(self.changes) and self.changes[-1].version == self.champion


def read_state(name: str) -> ChampionState:
    """Read the champion and its history; both are empty for a model that is not registered."""
    client = mlflow.MlflowClient()
    model = found_or_none(f"reading the history of {name}", lambda: client.get_registered_model(name))
    if model is None:
        return ChampionState()
    found = [_change(key, value) for key, value in model.tags.items()]
    changes = sorted((change for change in found if change), key=lambda change: change.sort_key)
    champion = model.aliases.get(CHAMPION)
    return ChampionState(tuple(changes), None if champion is None else int(champion))


def record(name: str, version: int, decision: str, reason: str, seen: ChampionState) -> Change:
    """Write a change into the history, and see that it is there; seen: the state on which the decision was based."""
    now = datetime.datetime.now(datetime.UTC)
    number = 1 + max((change.number for change in seen.changes), default=0)
    key = f"champion_{number:06d}_{now:%Y%m%dT%H%M%S.%f}Z_{secrets.token_hex(4)}"
    told = {
        "version": version,
        "decision": decision,
        "reason": reason[:_KEPT_OF_REASON],
        "before": seen.champion,
        "who": user_name(),
        "when": now.isoformat(timespec="seconds"),
    }
    with registry_errors(f"recording that {name}/{version} was {decision}"):
        mlflow.MlflowClient().set_registered_model_tag(name, key, json.dumps(told))
    written = Change(key, number, **told)  # type: ignore[arg-type]
    if written not in read_state(name).changes:
        raise RegistryError(f"the registry did not keep that {name}/{version} was {decision}; {NOT_KEPT}")
    return written


def tag_verdict(
    name: str, number: int, verdict: Verdict, what: str, note: str = "", against: Version | None = None
) -> None:
    """Save a verdict with its version.

    what: KEPT_BACK or a word of `history`; against: the version it was measured against. Tags of an earlier verdict of
    which this one says nothing are taken away.
    """
    tags = {
        "decision": what,
        "decision_reason": verdict.reason,
        "decided_at": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "decided_by": user_name(),
    }
    if against is not None:
        tags["decided_against"] = f"{against.name}/{against.number}"
    if note:
        tags["decision_note"] = note
    for gate in verdict.gates:
        told = "passed" if gate.passed else "failed"
        tags[f"gate_{gate.name.replace(' ', '_')}"] = f"{told}: {gate.reason}" if gate.reason else told
    with registry_errors(f"tagging {name}/{number}"):
        client = mlflow.MlflowClient()
        for key, value in tags.items():
            set_again(functools.partial(client.set_model_version_tag, name, str(number), key, value))
        for key in client.get_model_version(name, str(number)).tags:
            if key not in tags and (key.startswith("gate_") or key in ("decided_against", "decision_note")):
                client.delete_model_version_tag(name, str(number), key)


def was_carried_out(name: str, change: Change) -> bool:
    """Whether a recorded promotion was seen through: its version is tagged when it has the alias."""
    doing, client = f"looking {name}/{change.version} up", mlflow.MlflowClient()
    found = found_or_none(doing, lambda: client.get_model_version(name, str(change.version)))
    return found is not None and found.tags.get("decided_at", "") >= change.when


def line_of(state: ChampionState) -> list[int]:
    """Return the champions that `roll_back` goes through, the present one last.

    A promotion puts a version at the end, rolling back takes those away that came after the version it restores. So
    rolling back twice goes two back, and what was rolled back from does not come again unless it is promoted again. A
    champion that was set by other means than lesionflow counts as promoted.
    """
    line: list[int] = []
    highest = 0
    for change in state.changes:
        at_once = change.number <= highest  # as another: what it saw before it was then no longer so
        highest = max(highest, change.number)
        if change.before is not None and not at_once and line[-1:] != [change.before]:
            line.append(change.before)
        if change.decision in (ROLLED_BACK, GIVEN_BACK):
            kept = line if at_once else line[:-1]
            while kept and kept[-1] != change.version:
                kept = kept[:-1]
            line = kept or line
        if line[-1:] != [change.version]:
            line.append(change.version)
    if state.champion is not None and line[-1:] != [state.champion]:
        line.append(state.champion)
    return line


def checked_reason(text: str) -> str:
    """A user's reason, on one line. Raises `UsageError` if it is too long to store."""
    if not isinstance(text, str):
        raise UsageError(f"reason={text!r}: must be a text")  # only a program can give it
    reason = " ".join(text.split())
    if len(reason) > LONGEST_REASON:
        raise UsageError(f"--reason has {len(reason)} characters; the registry keeps {LONGEST_REASON}: shorten it")
    return reason


def user_name() -> str:
    """The user of the tracking server, or else the one logged in here, without a domain."""
    if known := os.environ.get("MLFLOW_TRACKING_USERNAME"):
        return known.partition("@")[0]
    try:
        return getpass.getuser().partition("@")[0] or "unknown"
    except (OSError, KeyError, ImportError):  # a container whose user has no name
        return "unknown"


def _change(key: str, value: str) -> Change | None:
    """A change from its tag; None for other tags."""
    matched = _KEY.fullmatch(key)
    if not matched:
        return None
    try:
        told = json.loads(value)
        texts = {name: str(told[name]) for name in ("decision", "reason", "who", "when")}
        before = None if told["before"] is None else int(told["before"])
        return Change(key, int(matched[1]), int(told["version"]), before=before, **texts)
    except (ValueError, KeyError, TypeError):
        return None
