"""Scoring jobs as MLflow runs, one each: the charts of their experiment are the history of the nights.

A run is written when its job has ended, with the times of the job: a store that is down costs no report, and a long job
keeps no connection open.
"""

from __future__ import annotations

import functools
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionflow.defaults import DEFAULT_NAME
from lesionflow.errors import LesionflowError
from lesionflow.scoring.publish import Summary
from lesionflow.scoring.summary import HISTOGRAM_BINS, build_summary
from lesionflow.storage import objects
from lesionflow.storage.location import Location
from lesionflow.tracking.client import mlflow, registry_errors
from lesionflow.tracking.tracking_store import connect, find_or_create_experiment, kept_settings
from lesionflow.tracking.whole_run import RUN_ID_VARIABLE, WholeRun, write_plainly
from lesionflow.version import __version__

SUMMARY_FILE = "summary.json"
_MOST_OF_TEXT = 5000  # characters that every store of MLflow keeps
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


@kept_settings()
def _log_run(
    job: ScoringJob, began: float, status: str, values: Mapping[str, Any], tags: Mapping[str, str],
    summary: Summary | None = None,
) -> None:  # fmt: skip
    """Write a run; values: the job's summary, empty where it failed."""
    parameters, described = {"source": job.source, "report": job.report}, {"lesionflow_version": __version__, **tags}
    run = WholeRun(
        job.experiment or _experiment_named(_LABEL.fullmatch(tags.get("model", ""))),
        f"score {time.strftime('%Y-%m-%d %H:%M', time.localtime(began))}",
        int(began * 1000),
        status,
        tuple(_metrics(values)),
        {name: text[:_MOST_OF_TEXT] for name, text in parameters.items()},
        {name: text[:_MOST_OF_TEXT] for name, text in described.items()},
        {SUMMARY_FILE: json.dumps(values, indent=2, default=str)} if values else {},
    )
    report = summary.report if job.keep_report and summary is not None else None
    if report is not None or not write_plainly(run, job.tracking_uri):
        _write_with_mlflow(run, job.tracking_uri, report)


def _write_with_mlflow(run: WholeRun, tracking_uri: str | None, report: Location | None) -> None:
    """report: kept among the artifacts."""
    connect(tracking_uri, writes=True)
    with registry_errors("logging the job"):
        client, begun = mlflow.MlflowClient(), os.environ.get(RUN_ID_VARIABLE)
        run_id = begun or _create_run(client, run)
        try:
            _log_values(client, run_id, run, {} if begun else run.parameters)
            if report is not None:
                _log_report(client, run_id, report)
        finally:
            if not begun:
                client.set_terminated(run_id, run.status)


def _create_run(client: Any, run: WholeRun) -> str:
    created = client.create_run(find_or_create_experiment(run.experiment), run.began, run_name=run.name)
    return str(created.info.run_id)


def _log_values(client: Any, run_id: str, run: WholeRun, parameters: Mapping[str, str]) -> None:
    from mlflow.entities import Metric, Param, RunTag

    client.log_batch(
        run_id,
        [Metric(name, value, run.began, step) for name, value, step in run.metrics],
        [Param(name, text) for name, text in parameters.items()],
        [RunTag(name, text) for name, text in run.tags.items()],
    )
    for name, text in run.files.items():
        client.log_text(run_id, text, name)


def _metrics(values: Mapping[str, Any]) -> Iterator[tuple[str, float, int]]:
    """Name, value and step of what runs are compared by, from a summary.

    A histogram is a metric whose step is where a bin begins, in hundredths.
    """
    for name, value in _scalars(values).items():
        yield name, value, 0
    for column, counts in values.get("histograms", {}).items():
        total, width = max(sum(counts), 1), 100 // HISTOGRAM_BINS
        for index, count in enumerate(counts):
            yield f"histogram/{column}", count / total, index * width


def _scalars(values: Mapping[str, Any]) -> dict[str, float]:
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


def _log_report(client: Any, run_id: str, report: Location) -> None:
    """Keep the report among the artifacts; a folder of parts file by file."""
    if isinstance(report, Path) and report.is_dir():
        client.log_artifacts(run_id, str(report), report.name)
        return
    with objects.local_copy(report) as file:
        client.log_artifact(run_id, str(file))
