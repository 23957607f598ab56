"""Inspects a tracking store without changing it: whether it answers, its champion, interrupted trainings."""

from __future__ import annotations

import datetime
import tempfile
import time
from pathlib import Path
from typing import Any

from lesionflow.errors import LesionflowError
from lesionflow.model.files import check_whole, read_bundle
from lesionflow.registry.history import CHAMPION
from lesionflow.registry.versions import number_by_alias, registered_at, resolve
from lesionflow.tracking.client import mlflow, registry_errors
from lesionflow.tracking.resume import MODEL_TAG
from lesionflow.tracking.tracking_store import (
    MISSING,
    NEWER,
    OLDER,
    connect,
    explain_moved,
    explain_newer,
    explain_older,
    is_database,
    kept_addresses,
    read_schema,
)

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
        told["champion"] = _champion(name, tracking_uri)
        told["interrupted"] = _interrupted()
    except LesionflowError as error:
        told["failed"] = str(error)
    return told


def _explain_schema(address: str) -> str:
    """How the tables of a database differ from this MLflow's; empty for the same, and for what is no database."""
    if not is_database(address):
        return ""
    mlflow.set_tracking_uri(address)  # for messages; nothing is asked there yet
    schema = read_schema(address)
    if schema.state == NEWER:
        return explain_newer(schema)
    if schema.state == OLDER:
        return explain_older(schema, address)
    return "empty" if schema.state == MISSING else ""


def _look_around() -> dict[str, Any]:
    """What a store holds, where the default experiment keeps files, and what to do where such a folder was moved."""
    client = mlflow.MlflowClient()
    with registry_errors("looking what is there"):
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


def _champion(name: str, tracking_uri: str) -> dict[str, Any] | None:
    number = number_by_alias(name, CHAMPION)
    if number is None:
        return None
    told: dict[str, Any] = {"label": f"{name}/{number}", "failed": "", "data": "", "network": ""}
    told["days"] = (datetime.datetime.now(datetime.UTC) - registered_at(name, number)).total_seconds() / 86400
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = resolve(f"models:/{name}/{number}", Path(folder), tracking_uri)
            # What lies here is checked whole; of what is fetched, scoring reads two files.
            card = read_bundle(found.folder)[0] if found.folder == Path(folder) else check_whole(found.folder)
        told |= {"label": found.label, "data": card.data_name, "network": card.network}
    except LesionflowError as error:
        told["failed"] = str(error)
    return told


def _interrupted() -> dict[str, Any]:
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
