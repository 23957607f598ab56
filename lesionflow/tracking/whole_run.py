"""A run that is over, written in one go: without MLflow where its store is plain, else with it."""

from __future__ import annotations

import os
import re
import sqlite3
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lesionflow.storage.location import local_path
from lesionflow.tracking.client import default_addresses
from lesionflow.tracking.plain_store import UNUSUAL, ask, is_plain_file, is_plain_server, open_file

RUN_ID_VARIABLE = "MLFLOW_RUN_ID"  # set by `mlflow run`, which also ends the run
# What the tables have had since MLflow 3.17; where one has another column, a row may mean something else.
_TABLES = {
    "experiments": {
        "experiment_id", "name", "artifact_location", "lifecycle_stage", "creation_time", "last_update_time",
        "workspace",
    },
    "runs": {
        "run_uuid", "name", "source_type", "source_name", "entry_point_name", "user_id", "status", "start_time",
        "end_time", "source_version", "lifecycle_stage", "artifact_uri", "experiment_id", "deleted_time",
    },
    "metrics": {"key", "value", "timestamp", "run_uuid", "step", "is_nan"},
    "latest_metrics": {"key", "value", "timestamp", "run_uuid", "step", "is_nan"},
    "params": {"key", "value", "run_uuid"},
    "tags": {"key", "value", "run_uuid"},
}  # fmt: skip
_MOST_OF_BATCH = {"metrics": 1000, "params": 100, "tags": 100}  # that a server takes at once
_KEPT_BY_SERVER = re.compile("mlflow-artifacts:/([^/?#%][^?#%]*)")
_NAME_TAG = "mlflow.runName"


@dataclass(frozen=True)
class WholeRun:
    """What a run holds; MLflow's user of all of them is `unknown`, as its client writes it."""

    experiment: str  # its name
    name: str
    began: int  # milliseconds since 1970, as are the times of the metrics
    status: str
    metrics: tuple[tuple[str, float, int], ...]  # name, value and step; finite, none twice
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    files: Mapping[str, str]  # artifacts: the text of each


def write_plainly(run: WholeRun, tracking_uri: str | None) -> bool:
    """Write a run into a plain store that has its experiment; False where that is left to MLflow.

    tracking_uri: as given by the user.
    """
    if os.environ.get(RUN_ID_VARIABLE):
        return False
    _, address = default_addresses(tracking_uri)
    try:
        if is_plain_file(address):
            return _write_to_file(run, address)
        return is_plain_server(address) and _write_to_server(run, f"{address.rstrip('/')}/api/2.0/mlflow")
    except UNUSUAL:
        return False


def _write_to_file(run: WholeRun, address: str) -> bool:
    run_id = uuid.uuid4().hex
    with open_file(address, "rw") as database:
        database.execute("BEGIN IMMEDIATE")  # what is not committed below is taken back when the file is closed
        for table, expected in _TABLES.items():
            if {column[1] for column in database.execute(f"PRAGMA table_info({table})")} != expected:
                return False
        found = database.execute(
            "SELECT experiment_id, artifact_location FROM experiments "
            "WHERE name = ? AND workspace = 'default' AND lifecycle_stage = 'active'",
            (run.experiment,),
        ).fetchone()
        folder = local_path(found[1]) if found else None
        if not folder or not os.path.isdir(folder):
            return False
        own = Path(folder, run_id, "artifacts")
        _insert(database, "runs", {
            "run_uuid": run_id, "name": run.name, "source_type": "UNKNOWN", "source_name": "", "entry_point_name": "",
            "user_id": "unknown", "status": run.status, "start_time": run.began, "end_time": _now(),
            "source_version": "", "lifecycle_stage": "active",
            "artifact_uri": f"{found[1]}/{run_id}/artifacts", "experiment_id": found[0],
        })  # fmt: skip
        ordered = sorted(run.metrics, key=lambda metric: metric[2])
        latest = {name: (name, value, step) for name, value, step in ordered}
        for table, metrics in {"metrics": ordered, "latest_metrics": latest.values()}.items():
            for name, value, step in metrics:
                point = {"key": name, "value": value, "timestamp": run.began, "step": step, "is_nan": 0}
                _insert(database, table, point | {"run_uuid": run_id})
        for table, texts in {"params": run.parameters, "tags": {_NAME_TAG: run.name, **run.tags}}.items():
            for key, text in texts.items():
                _insert(database, table, {"key": key, "value": text, "run_uuid": run_id})
        for name, text in run.files.items():
            own.mkdir(parents=True, exist_ok=True)
            (own / name).write_text(text, encoding="utf-8")
        database.execute("COMMIT")
    return True


def _insert(database: sqlite3.Connection, table: str, row: Mapping[str, Any]) -> None:
    marks = ", ".join("?" * len(row))
    database.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", list(row.values()))


def _write_to_server(run: WholeRun, server: str) -> bool:
    batch: dict[str, list[dict[str, Any]]] = {
        "metrics": [
            {"key": name, "value": value, "timestamp": run.began, "step": step} for name, value, step in run.metrics
        ],
        "params": [{"key": key, "value": text} for key, text in run.parameters.items()],
        "tags": [{"key": key, "value": text} for key, text in run.tags.items()],
    }
    if any(len(batch[name]) > most for name, most in _MOST_OF_BATCH.items()):
        return False
    asked = {"experiment_name": run.experiment}
    experiment = ask("GET", f"{server}/experiments/get-by-name", params=asked).json()["experiment"]
    if experiment["lifecycle_stage"] != "active" or not _KEPT_BY_SERVER.fullmatch(experiment["artifact_location"]):
        return False
    begun = {"experiment_id": experiment["experiment_id"], "start_time": run.began, "run_name": run.name}
    info = ask("POST", f"{server}/runs/create", json=begun | {"user_id": "unknown"}).json()["run"]["info"]
    run_id = info["run_id"]
    try:
        ask("POST", f"{server}/runs/log-batch", json=batch | {"run_id": run_id})
        (folder,) = _KEPT_BY_SERVER.fullmatch(info["artifact_uri"]).groups()  # type: ignore[union-attr]
        for name, text in run.files.items():
            ask("PUT", f"{server}-artifacts/artifacts/{quote(folder)}/{name}", data=text.encode())
        ask("POST", f"{server}/runs/update", json={"run_id": run_id, "status": run.status, "end_time": _now()})
    except UNUSUAL:
        ask("POST", f"{server}/runs/delete", json={"run_id": run_id})  # MLflow writes another one
        raise
    return True


def _now() -> int:
    return int(time.time() * 1000)
