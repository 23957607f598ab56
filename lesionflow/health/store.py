"""The tracking store: which one is used and why, whether it answers, its champion, and unfinished runs.

It is asked in a process of its own, which may hang, and is not changed.
"""

from __future__ import annotations

import datetime
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from lesionflow.errors import LesionflowError, counted
from lesionflow.health.check import OK, PROBLEM, WARNING, Check, UnansweredError, asked_elsewhere
from lesionflow.health.machine import size
from lesionflow.model.card import VALIDATION_FILE
from lesionflow.model.files import check_whole, in_its_place, read_bundle
from lesionflow.registry.versions import CHAMPION, number_by_alias, registered_at, resolve
from lesionflow.storage.location import local_path
from lesionflow.storage.temporary import temporary_folder
from lesionflow.tracking import database
from lesionflow.tracking.client import (
    DAMAGED,
    DEFAULT_STORE,
    HASTY,
    has_file_store,
    mlflow,
    registry_errors,
    shown_address,
    unless_users,
    without_password,
)
from lesionflow.tracking.resume import MODEL_TAG
from lesionflow.tracking.tracking_store import command_line, connect, explain_moved, kept_addresses

SECONDS = 90  # to look for a champion and to fetch it; a server that hangs is given up long before
SECONDS_FOR_PAGES = 20  # to read those of an SQLite database
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
        told += ": not there yet"
        if not os.access(store.file.absolute().parent, os.W_OK):
            advice = "it cannot be made: this folder cannot be written; change to one that can, or give --tracking-uri"
            return [Check("store", told, WARNING, advice)], None
        return [Check("store", f"{told}, the first training makes it")], None
    if store.file is not None and database.is_damaged(store.file, SECONDS_FOR_PAGES):  # also where no command looks yet
        return [_failed(f"{told}: {DAMAGED}")], None
    try:
        haste = unless_users(HASTY)
        haste.setdefault("PGCONNECT_TIMEOUT", os.environ.get("PGCONNECT_TIMEOUT", "10"))
        asked = ("lesionflow.health.store:inspect_store", store.address, name)
        seen = asked_elsewhere(*asked, seconds=SECONDS, environment=haste)
    except UnansweredError as unanswered:
        return [_failed(f"{told}: {_without(store, str(unanswered))}")], None
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
        yield _failed(f"{told}: {_without(store, seen['failed'])}")
        return
    held = f"experiments: {seen['experiments']}, registered models: {seen['models']}"
    bytes_of_file = f", {size(store.file.stat().st_size)}" if store.file else ""
    yield Check("store", f"{told}: answers in {seen['seconds']:.1f} s; {held}{bytes_of_file}")
    # SQLite keeps a journal beside its file while it writes.
    if store.file and not all(os.access(each, os.W_OK) for each in (store.file, store.file.absolute().parent)):
        advice = f"nothing can be trained, registered or promoted there; make it and its folder writable: {store.file}"
        yield Check("store", "can be read, not written", WARNING, advice)
    if registry := os.environ.get("MLFLOW_REGISTRY_URI"):
        yield Check("registry", f"{shown_address(registry)} (from MLFLOW_REGISTRY_URI)")
    if seen["failed"]:
        yield _failed(_without(store, seen["failed"]))
        return
    if seen["moved"]:
        found, _, advice = seen["moved"].partition("; ")
        yield Check("store", f"artifacts: {found}", PROBLEM, advice)
    yield _champion(store, seen["champion"], name)
    yield from _interrupted(store, seen["interrupted"])


def _champion(store: Store, champion: dict[str, Any] | None, name: str) -> Check:
    if champion is None:
        advice = f"train one with 'lesionflow train', or score with --model pretrained{in_its_place()}"
        return Check("champion", f"no champion of {name}", OK, advice.partition(":")[0])
    found = f"{champion['label']}, registered {_age(champion['days'])}"
    if champion["failed"]:
        command = command_line("rollback", name, store=store.address)
        advice = f"restore its files, or go back to the champion before: {command}"
        return Check("champion", f"{found}: {_without(store, champion['failed'])}", PROBLEM, advice)
    return Check("champion", f"{found}; {champion['network']} trained on {champion['data']}; {champion['files']}")


def _failed(found: str) -> Check:
    """The check of a store that does not answer as one; what its message advises, or else where to look."""
    found, _, advice = found.partition("; ")
    return Check("store", found, PROBLEM, advice or "check the address, and whether the server or the database runs")


def _age(days: float) -> str:
    if days >= 2:
        return f"{days:.0f} days ago"
    hours = max(0, int(24 * days))  # another machine's clock may be ahead
    return f"{counted(hours, 'hour')} ago" if hours else "less than an hour ago"


def _interrupted(store: Store, found: dict[str, Any]) -> Iterator[Check]:
    for run in found["first"]:
        if run["status"] == "running":
            told, advice = f"run {run['run']} says that it is running", "if no machine runs it any more"
        else:
            told, advice = f"run {run['run']} {run['status']}", "to resume it"
        command = command_line("train", "--resume", run["run"], store=store.address)
        yield Check("training", told, OK, f"{advice}: {command}")
    if more := found["count"] - len(found["first"]):
        yield Check("training", f"{counted(more, 'earlier one')} did not finish either")


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


_SHOWN = 3  # interrupted trainings that are named


@kept_addresses()
def inspect_store(tracking_uri: str, name: str) -> dict[str, Any]:
    """Describe a store and the champion of a model as JSON values.

    `failed` is empty, or says why the rest is missing; `schema` is not empty where the database's tables are of another
    MLflow, and nothing has been asked then: to connect might change them.
    """
    told: dict[str, Any] = {"failed": "", "schema": "", "seconds": 0.0, "champion": None, "interrupted": None}
    try:
        told["schema"] = _explain_schema(tracking_uri)
        if told["schema"]:
            return told
        began = time.monotonic()
        connect(tracking_uri)
        told["seconds"] = time.monotonic() - began
        told |= _look_around()
        told["champion"] = _find_champion(name, tracking_uri)
        told["interrupted"] = _find_interrupted()
    except LesionflowError as error:
        told["failed"] = str(error)
    return told


def _explain_schema(address: str) -> str:
    """How the tables of a database differ from this MLflow's; empty for the same, and for what is no database."""
    if not database.is_database(address):
        return ""
    mlflow.set_tracking_uri(address)  # for messages; nothing is asked there yet
    schema = database.read_schema(address)
    if schema.state == database.NEWER:
        return database.explain_newer(schema)
    if schema.state == database.OLDER:
        return database.explain_older(schema, address)
    return "empty" if schema.state == database.MISSING else ""


def _look_around() -> dict[str, Any]:
    """A store's contents, the folder of the default experiment, and advice if such a folder was moved."""
    client = mlflow.MlflowClient()
    with registry_errors("looking at what is there"):
        experiments = client.search_experiments(max_results=1000)
        models = client.search_registered_models(max_results=100)
        artifacts = str(client.get_experiment("0").artifact_location)
    moved = (explain_moved(str(each.artifact_location), str(mlflow.get_tracking_uri())) for each in experiments)
    return {
        "experiments": len(experiments),
        "models": len(models),
        "artifacts": artifacts,
        "moved": next(filter(None, moved), ""),
    }


def _find_champion(name: str, tracking_uri: str) -> dict[str, Any] | None:
    number = number_by_alias(name, CHAMPION)
    if number is None:
        return None
    told: dict[str, Any] = {"label": f"{name}/{number}", "failed": "", "data": "", "network": ""}
    told["days"] = (datetime.datetime.now(datetime.UTC) - registered_at(name, number)).total_seconds() / 86400
    try:
        with temporary_folder() as folder:
            found = resolve(f"models:/{name}/{number}", folder, tracking_uri)
            # A local bundle is checked completely; of a remote one, scoring reads only two files.
            remote = found.folder == folder
            card = read_bundle(found.folder)[0] if remote else check_whole(found.folder)
            lacks = not remote and not (found.folder / VALIDATION_FILE).exists()
        why = f", but {VALIDATION_FILE} is missing, by which other models are compared with it" if lacks else ""
        told |= {
            "files": f"all digests are right{why}",
            "label": found.label,
            "data": card.data_told,
            "network": card.network,
        }
    except LesionflowError as error:
        told["failed"] = str(error)
    return told


def _find_interrupted() -> dict[str, Any]:
    """Interrupted trainings, newest first: their number, and the ids of the first."""
    with registry_errors("looking for interrupted trainings"):
        runs = mlflow.search_runs(
            search_all_experiments=True, filter_string="attributes.status != 'FINISHED'", output_format="list",
            order_by=["start_time DESC"], max_results=200,
        )  # fmt: skip
    begun = [run for run in runs if MODEL_TAG in run.data.tags]
    return {
        "count": len(begun),
        "first": [{"run": run.info.run_id, "status": run.info.status.lower()} for run in begun[:_SHOWN]],
    }
