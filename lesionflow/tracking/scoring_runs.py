"""Scoring jobs as MLflow runs: the charts of their experiment show the history of the nights.

A run is written when its job has ended, with the times of the job: a store that is down costs no report, and a long job
keeps no connection open. A server takes it by MLflow's REST API, without the import of MLflow, which takes seconds.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from lesionflow.defaults import DEFAULT_NAME
from lesionflow.errors import LesionflowError
from lesionflow.model.columns import utf8
from lesionflow.scoring.publish import Summary
from lesionflow.scoring.summary import HISTOGRAM_BINS, build_summary
from lesionflow.storage import objects
from lesionflow.storage.location import Location
from lesionflow.storage.temporary import temporary_folder
from lesionflow.tracking.client import UNUSUAL, ask, default_addresses, is_plain_server, mlflow, registry_errors
from lesionflow.tracking.tracking_store import connect, find_or_create_experiment, kept_settings
from lesionflow.version import __version__

RUN_ID_VARIABLE = "MLFLOW_RUN_ID"  # set by `mlflow run`, which also ends the run
_MOST_OF_BATCH = {"metrics": 1000, "params": 100, "tags": 100}  # that a server takes at once
_KEPT_BY_SERVER = re.compile("mlflow-artifacts:/([^/?#%][^?#%]*)")


@dataclass(frozen=True)
class WholeRun:
    """The contents of a run; its user is `unknown`, as MLflow's client writes it."""

    experiment: str  # its name
    name: str
    began: int  # milliseconds since 1970, as are the times of the metrics
    status: str
    metrics: tuple[tuple[str, float, int], ...]  # name, value and step; finite, none twice
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    files: Mapping[str, str]  # artifacts: the text of each


def write_by_rest(run: WholeRun, tracking_uri: str | None) -> bool:
    """Write a run to a server that has its experiment and keeps its files; False if that is left to MLflow's client.

    tracking_uri: as given by the user.
    """
    _, address = default_addresses(tracking_uri)
    if os.environ.get(RUN_ID_VARIABLE) or not is_plain_server(address):
        return False
    try:
        return _write_by_rest(run, f"{address.rstrip('/')}/api/2.0/mlflow")
    except UNUSUAL:
        return False


def _write_by_rest(run: WholeRun, server: str) -> bool:
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
        ended = {"run_id": run_id, "status": run.status, "end_time": int(time.time() * 1000)}
        ask("POST", f"{server}/runs/update", json=ended)
    except UNUSUAL:
        ask("POST", f"{server}/runs/delete", json={"run_id": run_id})  # MLflow writes another one
        raise
    return True


SUMMARY_FILE = "summary.json"
_MOST_OF_TEXT = 5000  # characters that every store of MLflow keeps
_LABEL = re.compile(r"(.+)/\d+( \(demo data\))?")


@dataclass(frozen=True)
class ScoringJob:
    """The record of a job in its run, besides the result."""

    experiment: str | None  # None: by the model, which only the result names
    source: str
    report: str
    keep_report: bool  # among the run's artifacts
    tracking_uri: str | None


def experiment_of(model: str) -> str:
    """Return the experiment of a model's scoring jobs: `NAME/scoring` of a registered one, else the default name's.

    model: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, or anything else that names a model.
    """
    return _experiment_named(re.match(r"models:/([^/@]+)[/@]", model))


def _experiment_named(registered: re.Match[str] | None) -> str:
    return f"{registered[1] if registered else DEFAULT_NAME}/scoring"


def logged(job: ScoringJob, work: Callable[[], Summary], tell: Callable[[str], None]) -> Summary:
    """Do the work of a scoring job and log it as a run: finished, or failed or killed if the work raises.

    job: what the run says besides the result; work: scores, and returns the summary; what it raises is raised again;
    tell: called with a warning where the run cannot be written, which is no error of the job.
    """
    began = time.time()
    try:
        summary = work()
    except BaseException as error:
        status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        told = str(error) if isinstance(error, LesionflowError) else f"{type(error).__name__}: {error}"
        with _telling_failure(tell):
            _log_run(job, began, status, {"error": told, "mlflow.note.content": told})  # the latter is on its page
        raise
    with _telling_failure(tell):
        tags = {"model": summary.model, "bundle_digest": summary.provenance["bundle_digest"]}
        _log_run(job, began, "FINISHED", tags, summary)
    return summary


@contextlib.contextmanager
def _telling_failure(tell: Callable[[str], None]) -> Iterator[None]:
    try:
        yield
    except (LesionflowError, OSError) as error:
        tell(f"WARNING: the job is not logged: {error}")


@kept_settings()
def _log_run(
    job: ScoringJob, began: float, status: str, tags: Mapping[str, str], summary: Summary | None = None
) -> None:
    """Write a run; summary: None for a job that failed."""
    values: Mapping[str, Any] = {}
    if summary is not None:
        values = build_summary(
            summary.counts, summary.seconds, summary.report, summary.provenance, summary.resumed, summary.left_out
        )
    parameters, described = {"source": job.source, "report": job.report}, {"lesionflow_version": __version__, **tags}
    run = WholeRun(
        job.experiment or _experiment_named(_LABEL.fullmatch(tags.get("model", ""))),
        f"score {time.strftime('%Y-%m-%d %H:%M', time.localtime(began))}",
        int(began * 1000),
        status,
        tuple(_metrics(values)),
        {name: utf8(text)[:_MOST_OF_TEXT] for name, text in parameters.items()},
        {name: utf8(text)[:_MOST_OF_TEXT] for name, text in described.items()},
        {SUMMARY_FILE: json.dumps(values, indent=2, default=str)} if values else {},
    )
    report = summary.report if job.keep_report and summary is not None else None
    if report is not None or not write_by_rest(run, job.tracking_uri):
        _write_with_mlflow(run, job.tracking_uri, report)


def _write_with_mlflow(run: WholeRun, tracking_uri: str | None, report: Location | None) -> None:
    """report: kept among the artifacts."""
    connect(tracking_uri, writes=True)
    from mlflow.entities import Metric, Param, RunTag  # after MLflow's variables are set

    with registry_errors("logging the job"):
        client, begun = mlflow.MlflowClient(), os.environ.get(RUN_ID_VARIABLE)
        run_id = (
            begun
            or client.create_run(find_or_create_experiment(run.experiment), run.began, run_name=run.name).info.run_id
        )
        try:
            client.log_batch(
                run_id,
                [Metric(name, value, run.began, step) for name, value, step in run.metrics],
                [] if begun else [Param(name, text) for name, text in run.parameters.items()],
                [RunTag(name, text) for name, text in run.tags.items()],
            )
            for name, text in run.files.items():
                client.log_text(run_id, text, name)
            if report is not None:
                _log_report(client, run_id, report)
        finally:
            if not begun:
                client.set_terminated(run_id, run.status)


def _metrics(values: Mapping[str, Any]) -> Iterator[tuple[str, float, int]]:
    """Metrics of a run from a summary: name, value and step; none of an empty one.

    A histogram is a metric whose step is where a bin begins, in hundredths.
    """
    if not values:
        return
    scored = max(values["scored"], 1)
    counts = ("images", "images_failed", "scored", "failed", "resumed", "seconds", "images_per_second")
    found = {name: values[name] for name in counts}
    found |= {f"share/{name}": count / scored for name, count in values["diagnoses"].items()}
    found |= {f"share/{why}": count / scored for why, count in values["referred"].items()}
    found["share/malignant"] = values["malignant_share"]
    found["share/failed"] = values["images_failed"] / max(values["images"], 1)
    found |= {f"failed/{word}": count for word, count in values["failures"].items()}
    for name, value in found.items():
        if value is not None:
            yield name, float(value), 0
    for column, bins in values["histograms"].items():
        total, width = max(sum(bins), 1), 100 // HISTOGRAM_BINS
        for index, count in enumerate(bins):
            yield f"histogram/{column}", count / total, index * width


def _log_report(client: Any, run_id: str, report: Location) -> None:
    """Keep the report among the artifacts, under the name of `artifact_name`; a folder of parts file by file."""
    name = artifact_name(report.name)
    if isinstance(report, Path) and report.is_dir():
        client.log_artifacts(run_id, str(report), name)
        return
    with objects.local_copy(report) as file, temporary_folder() as folder:
        named = file if file.name == name else Path(shutil.copyfile(file, folder / name))
        client.log_artifact(run_id, str(named))


def artifact_name(name: str) -> str:
    """A file's name with `_` for what MLflow's servers cut names at or unescape (#, ?, %), and for other odd signs."""
    return re.sub(r"[^\w .,()+=&@~-]", "_", utf8(name))
