"""A look at a tracking store that changes nothing there: whether it answers, who is champion, what was interrupted."""

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
from lesionflow.tracking.client import connect, mlflow, registry_errors
from lesionflow.tracking.resume import MODEL_TAG

_SHOWN = 3  # interrupted trainings that are named


def survey(tracking_uri: str, name: str) -> dict[str, Any]:
    """What there is to say of a store and of the champion of a model, such that JSON has it.

    `failed` is empty, or says why the rest is missing; `schema` is not empty where the database's tables are of another
    MLflow, and nothing has been asked then: to connect might change them.
    """
    told: dict[str, Any] = {"failed": "", "schema": "", "seconds": 0.0, "champion": None, "interrupted": None}
    try:
        told["schema"] = _schema_told(tracking_uri)
        if told["schema"]:
            return told
        began = time.monotonic()
        connect(tracking_uri)
        told["seconds"] = time.monotonic() - began
        told |= _counts()
        told["artifacts"] = _artifacts()
        told["champion"] = _champion(name, tracking_uri)
        told["interrupted"] = _interrupted()
    except LesionflowError as error:
        told["failed"] = str(error)
    return told


def _schema_told(address: str) -> str:
    """How the tables of a database differ from this MLflow's; nothing for the same, and for what is no database."""
    scheme = address.partition(":")[0].partition("+")[0]
    if scheme not in ("sqlite", "postgresql", "mysql", "mssql"):
        return ""
    import mlflow.store.db.utils as tables
    import sqlalchemy
    from sqlalchemy.pool import NullPool

    mlflow.set_tracking_uri(address)  # for messages; nothing is asked there yet
    with registry_errors("reading the database"):
        engine = sqlalchemy.create_engine(address, poolclass=NullPool)
        names = set(sqlalchemy.inspect(engine).get_table_names())
        if not names:
            return "empty"
        found = tables._get_schema_version(engine)
        newest = tables._get_latest_schema_revision()
    return "" if found == newest else f"{found or 'none'}, this MLflow's is {newest}"


def _counts() -> dict[str, int]:
    client = mlflow.MlflowClient()
    with registry_errors("counting"):
        experiments = client.search_experiments(max_results=1000)
        models = client.search_registered_models(max_results=100)
    return {"experiments": len(experiments), "models": len(models)}


def _artifacts() -> str:
    """Where the default experiment keeps files."""
    with registry_errors("looking where artifacts are kept"):
        experiment = mlflow.MlflowClient().get_experiment("0")
    return str(experiment.artifact_location)


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
    """Trainings that did not come to their end, newest first: how many, and the ids of the first."""
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
