"""Merge the parts of a scoring job into its report, byte for byte that of a single run."""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from typing import TYPE_CHECKING, Unpack

from lesionflow.api.overrides import ReportOptions, configured
from lesionflow.errors import ReportError, UsageError
from lesionflow.progress import say
from lesionflow.scoring import job as jobs
from lesionflow.scoring.config import ReportConfig
from lesionflow.scoring.engines.local import default_workers, has_remote_images
from lesionflow.scoring.publish import Destination, Summary, check_outputs, publish_report
from lesionflow.scoring.shards import JOB_FILE, job_folder
from lesionflow.storage.location import Location
from lesionflow.storage.objects import is_file

if TYPE_CHECKING:
    from rich.console import Console


def merge(
    parts: Location | str | os.PathLike[str] | None = None,
    config: ReportConfig | None = None,
    *,
    to: Location | str | os.PathLike[str] | None = None,
    out: Location | str | os.PathLike[str] | None = None,
    tracking_uri: str | None = None,
    console: Console | None = None,
    **overrides: Unpack[ReportOptions],
) -> Summary:
    """Merge the parts of `score(..., shard="I/N")` into one report. Nothing is scored, and no model is needed.

    Parameters
    ----------
    parts
        The `out` given to `score`.
    config
        What to write; `overrides` replace single options of it.
    to
        Where to write the report, if elsewhere; a text that ends in a slash is a folder for Parquet parts.
    out
        The same as `parts`, under the name that it has in `score`.
    tracking_uri
        MLflow tracking store, for `log`.
    console
        Console for notices; stderr by default.

    Returns
    -------
    Summary
        Counts of the report.

    Raises
    ------
    ReportError
        If a part is missing or belongs to another job; the message names it and the command that makes it. The work of
        the other parts is kept.
    """
    given = parts if out is None else out
    if given is None or None not in (parts, out):
        raise UsageError("merge: give the parts' --out as out, once; to= writes the report elsewhere")
    config, parts_of = configured(merge, ReportConfig, config, overrides), Destination.of(given)
    destination = parts_of if to is None else Destination.of(to)
    if parts_of.location is None:
        raise UsageError("merge -: give the file that was --out for the parts")
    if not config.log:
        return _merge(parts_of, destination, config)
    from lesionflow.tracking.scoring_runs import ScoringJob, logged  # imports that few jobs need

    job = ScoringJob(None, str(parts_of), str(destination), config.log_report, tracking_uri)
    return logged(job, lambda: _merge(parts_of, destination, config), functools.partial(say, console=console))


def _merge(parts_of: Destination, destination: Destination, config: ReportConfig) -> Summary:
    assert parts_of.location is not None
    folder, started = job_folder(parts_of.location), time.monotonic()
    if not config.overwrite and destination.exists() and not is_file(folder / JOB_FILE):
        raise ReportError(f"{destination}: is finished; nothing is left to merge")
    with jobs.merge(folder) as (job, info, failed):
        # A merge that was killed at its end has left the report; the next one compares.
        may_replace = config.overwrite or (destination == parts_of and destination.exists())
        outputs = check_outputs(destination, config, info.carried_columns, may_replace, also=info.also).of_model(
            job.labels
        )
        outputs.check_names(job)
        config.stop_if_too_many(failed, job.inputs)
        own = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
        info = dataclasses.replace(info, chosen=info.chosen | own)
        workers = default_workers(remote=has_remote_images(job))
        return publish_report(job, info, outputs, started, job.inputs, workers)
