"""The tracking store: which one is used and why, whether it answers, its champion, and unfinished runs."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lesionflow.health.check import OK, PROBLEM, WARNING, Check, UnansweredError, asked_elsewhere
from lesionflow.health.machine import size
from lesionflow.model.files import in_its_place
from lesionflow.storage.location import local_path
from lesionflow.tracking.client import (
    DEFAULT_STORE,
    HASTY,
    SET_BY_USER,
    has_file_store,
    shown_address,
    without_password,
)

SECONDS = 90  # to look for a champion and to fetch it; a server that hangs is given up long before
_SQLITE = "sqlite:///"


@dataclass(frozen=True)
class Store:
    """A tracking store's address, and where it is from."""

    address: str
    source: str

    @property
    def shown(self) -> str:
        """The address as it may be shown."""
        return shown_address(self.address)

    @property
    def file(self) -> Path | None:
        """The file of an SQLite database; None for another kind of store."""
        if not self.address.startswith(_SQLITE) or self.address == _SQLITE:
            return None
        return Path(re.split(r"[?#]", self.address.removeprefix(_SQLITE))[0])


def find_store(tracking_uri: str | None) -> Store:
    """The store that other commands would use."""
    variable = os.environ.get("MLFLOW_TRACKING_URI")
    if tracking_uri and tracking_uri != variable:
        return Store(tracking_uri, "as given")
    if variable:
        return Store(variable, "from MLFLOW_TRACKING_URI")
    if has_file_store():
        return Store("mlruns", "MLflow's former default, as mlruns is in this folder")
    return Store(_SQLITE + DEFAULT_STORE, "MLflow's default, in this folder")


def check_store(store: Store, name: str) -> tuple[list[Check], Path | None]:
    """The checks, and the folder that artifacts are kept in where it is on this machine; name: the registered model's.

    Nothing is changed or made by looking.
    """
    told = f"{store.shown} ({store.source})"
    if store.file is not None and not store.file.is_file():
        if store.address != _SQLITE + DEFAULT_STORE:
            advice = "check the address; the first training makes it if it is right"
            return [Check("store", f"{told}: no such file", WARNING, advice)], None
        return [Check("store", f"{told}: not there yet, the first training makes it")], None
    try:
        haste = {variable: value for variable, value in HASTY.items() if variable not in SET_BY_USER}
        haste.setdefault("PGCONNECT_TIMEOUT", os.environ.get("PGCONNECT_TIMEOUT", "10"))
        asked = ("lesionflow.registry.inspect_store:inspect_store", store.address, name)
        seen = asked_elsewhere(*asked, seconds=SECONDS, environment=haste)
    except UnansweredError as unanswered:
        found = f"{told}: {_without(store, str(unanswered))}"
        return [Check("store", found, PROBLEM, "look after the server or the database, or check the address")], None
    artifacts = local_path(seen.get("artifacts", ""))
    return list(_told(store, told, seen, name)), Path(artifacts) if artifacts else None


def _told(store: Store, told: str, seen: dict[str, Any], name: str) -> Iterator[Check]:
    if seen["schema"] == "empty":
        yield Check("store", f"{told}: an empty database, the first training fills it")
        return
    if seen["schema"]:
        found, _, advice = seen["schema"].partition("; ")
        yield Check("store", f"{told}: {found}", PROBLEM, advice)
        return
    if seen["failed"] and not seen.get("artifacts"):
        yield Check(
            "store", f"{told}: {_without(store, seen['failed'])}", PROBLEM, "the message says what to look after"
        )
        return
    held = f"experiments: {seen['experiments']}, registered models: {seen['models']}"
    bytes_of_file = f", {size(store.file.stat().st_size)}" if store.file else ""
    yield Check("store", f"{told}: answers in {seen['seconds']:.1f} s; {held}{bytes_of_file}")
    if registry := os.environ.get("MLFLOW_REGISTRY_URI"):
        yield Check("registry", f"{shown_address(registry)} (from MLFLOW_REGISTRY_URI)")
    if seen["failed"]:
        yield Check("store", _without(store, seen["failed"]), PROBLEM, "the message says what to look after")
        return
    if seen["moved"]:
        found, _, advice = seen["moved"].partition("; ")
        yield Check("store", f"artifacts: {found}", PROBLEM, advice)
    yield _champion(store, seen["champion"], name)
    yield from _interrupted(seen["interrupted"])


def _champion(store: Store, champion: dict[str, Any] | None, name: str) -> Check:
    if champion is None:
        advice = f"train one with 'lesionflow train', or score with --model pretrained{in_its_place()}"
        return Check("champion", f"no champion of {name}", OK, advice.partition(":")[0])
    days = champion["days"]
    age = f"{days:.0f} days" if days >= 2 else f"{24 * days:.0f} hours"
    found = f"{champion['label']}, registered {age} ago"
    if champion["failed"]:
        advice = f"restore its files, or go back to the champion before: {shlex.join(['lesionflow', 'rollback', name])}"
        return Check("champion", f"{found}: {_without(store, champion['failed'])}", PROBLEM, advice)
    return Check("champion", f"{found}; {champion['network']} trained on {champion['data']}; all digests are right")


def _interrupted(found: dict[str, Any]) -> Iterator[Check]:
    for run in found["first"]:
        if run["status"] == "running":
            told, advice = f"run {run['run']} says that it is running", "if no machine is at it any more"
        else:
            told, advice = f"run {run['run']} {run['status']}", "to go on with it"
        yield Check("training", told, OK, f"{advice}: lesionflow train --resume {run['run']}")
    if more := found["count"] - len(found["first"]):
        yield Check("training", f"{more} earlier ones did not come to their end either")


def _without(store: Store, text: str) -> str:
    """A message without what of the address may not be shown, also where a part of it was taken for something else."""
    text = text.replace(store.address, store.shown)
    secrets = _secrets(store.address) | _secrets(os.environ.get("MLFLOW_REGISTRY_URI", ""))
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    return without_password(text)


def _secrets(address: str) -> set[str]:
    """Passwords in an address, as they stand there and as they are meant, and the parts of them that signs divide."""
    who = address.partition("://")[2].rpartition("@")[0]
    found = {who.partition(":")[2], *re.findall(r"(?i)(?:password|passwd|pwd|token|secret|key)\w*=([^&]*)", address)}
    found |= {unquote(secret) for secret in found}
    return {part for secret in found for part in (secret, *re.split(r"[@/:?#]", secret)) if len(part) > 2}
