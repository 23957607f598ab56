"""Scoring jobs as MLflow runs, one each: the charts of their experiment are the history of the nights.

A run is written when its job has ended, with the times of the job: a store that is down costs no report, and a long job
keeps no connection open.
"""

from __future__ import annotations

import functools
import os
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionflow.defaults import DEFAULT_NAME
from lesionflow.errors import LesionflowError
from lesionflow.scoring.publish import Summary
from lesionflow.scoring.summary import HISTOGRAM_BINS, build_summary
from lesionflow.storage import objects
from lesionflow.tracking.client import mlflow, registry_errors
from lesionflow.tracking.experiments import find_or_create_experiment
from lesionflow.tracking.tracking_store import connect
from lesionflow.version import __version__

SUMMARY_FILE = "summary.json"
_MOST_OF_TAG = 5000  # characters that every store of MLflow keeps
_LABEL = re.compile(r"(.+)/\d+( \(demo data\))?")


@dataclass(frozen=True)
class ScoringJob:
    """What a run is to say of a job besides its result."""

    experiment: str | None  # None: by the model, which only the result names
    source: str
    report: str
    keep_report: bool  # among the run's artifacts
    tracking_uri: str | None


def experiment_of(model: str) -> str:
    """Return the experiment of a model's scoring jobs: `NAME/scoring` of a registered one, else the default name's.

    Parameters
    ----------
    model
        `models:/NAME@ALIAS`, `models:/NAME/VERSION`, or anything else that names a model.
    """
    return _experiment_named(re.match(r"models:/([^/@]+)[/@]", model))


def _experiment_named(registered: re.Match[str] | None) -> str:
    return f"{registered[1] if registered else DEFAULT_NAME}/scoring"


def logged(job: ScoringJob, work: Callable[[], Summary], tell: Callable[[str], None]) -> Summary:
    """Do the work of a scoring job and log it as a run: finished, or failed or killed where the work raises.

    Parameters
    ----------
    job
        What the run says besides the result.
    work
        Scores, and returns the summary; what it raises is raised again.
    tell
        Called with a warning where the run cannot be written, which is no error of the job.
    """
    began = time.time()
    try:
        summary = work()
    except BaseException as error:
        status = "KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED"
        told = str(error) if isinstance(error, LesionflowError) else f"{type(error).__name__}: {error}"
        tags = {"error": told, "mlflow.note.content": told}  # which the run's page shows
        _attempt(functools.partial(_log_run, job, began, status, {}, tags), tell)
        raise
    _attempt(functools.partial(_log_result, job, began, summary), tell)
    return summary


def _attempt(log: Callable[[], None], tell: Callable[[str], None]) -> None:
    try:
        log()
    except (LesionflowError, OSError) as error:
        tell(f"warning: the job is not logged: {error}")


def _log_result(job: ScoringJob, began: float, summary: Summary) -> None:
    values = build_summary(
        summary.counts, summary.seconds, summary.report, summary.provenance, summary.resumed, summary.left_out
    )
    tags = {"model": summary.model, "bundle_digest": summary.provenance["bundle_digest"]}
    _log_run(job, began, "FINISHED", values, tags, summary)


def _log_run(
    job: ScoringJob, began: float, status: str, values: Mapping[str, Any], tags: Mapping[str, str],
    summary: Summary | None = None,
) -> None:  # fmt: skip
    """Write a run; values: the job's summary, empty where it failed."""
    connect(job.tracking_uri, writes=True)
    with registry_errors("logging the job"):
        client, begun = mlflow.MlflowClient(), os.environ.get("MLFLOW_RUN_ID")  # by `mlflow run`, which also ends it
        run_id = begun or _create_run(client, job, began, tags.get("model", ""))
        try:
            parameters = {} if begun else {"source": job.source, "report": job.report}
            _log_values(client, run_id, values, parameters, began)
            for name, text in ({"lesionflow_version": __version__} | dict(tags)).items():
                client.set_tag(run_id, name, text[:_MOST_OF_TAG])
            if job.keep_report and summary is not None:
                _log_report(client, run_id, summary)
        finally:
            if not begun:
                client.set_terminated(run_id, status)


def _create_run(client: Any, job: ScoringJob, began: float, model: str) -> str:
    experiment = job.experiment or _experiment_named(_LABEL.fullmatch(model))
    name = f"score {time.strftime('%Y-%m-%d %H:%M', time.localtime(began))}"
    run = client.create_run(find_or_create_experiment(experiment), int(began * 1000), run_name=name)
    return str(run.info.run_id)


def _log_values(
    client: Any, run_id: str, values: Mapping[str, Any], parameters: Mapping[str, str], began: float
) -> None:
    """Write metrics and parameters; a histogram is a metric whose step is where a bin begins, in hundredths."""
    from mlflow.entities import Metric, Param

    milliseconds = int(began * 1000)
    metrics = [Metric(name, value, milliseconds, 0) for name, value in _metrics(values).items()]
    for column, counts in values.get("histograms", {}).items():
        total, width = max(sum(counts), 1), 100 // HISTOGRAM_BINS
        metrics += [
            Metric(f"histogram/{column}", count / total, milliseconds, index * width)
            for index, count in enumerate(counts)
        ]
    client.log_batch(run_id, metrics, [Param(name, text[:_MOST_OF_TAG]) for name, text in parameters.items()])
    if values:
        client.log_dict(run_id, dict(values), SUMMARY_FILE)


def _metrics(values: Mapping[str, Any]) -> dict[str, float]:
    """The values of a summary that runs are compared by."""
    if not values:
        return {}
    scored = max(values["scored"], 1)
    found = {name: values[name] for name in ("images", "scored", "failed", "resumed", "seconds", "images_per_second")}
    found |= {f"share/{name}": count / scored for name, count in values["diagnoses"].items()}
    found |= {f"share/{why}": count / scored for why, count in values["referred"].items()}
    found["share/malignant"] = values["malignant_share"]
    found["share/failed"] = values["failed"] / max(values["images"], 1)
    found |= {f"failed/{word}": count for word, count in values["failures"].items()}
    return {name: float(value) for name, value in found.items() if value is not None}


def _log_report(client: Any, run_id: str, summary: Summary) -> None:
    """Keep the report among the artifacts; a folder of parts file by file."""
    assert summary.report is not None  # standard output keeps none, which `score` has refused
    if isinstance(summary.report, Path) and summary.report.is_dir():
        client.log_artifacts(run_id, str(summary.report), summary.report.name)
        return
    with objects.local_copy(summary.report) as file:
        client.log_artifact(run_id, str(file))
