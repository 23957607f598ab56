"""Merge: what the parts of a scoring run have done -> the report, byte for byte that of one run."""

from __future__ import annotations

import dataclasses
import os
import time
from typing import Unpack

from lesionflow.api.overrides import ReportOptions, configured
from lesionflow.errors import ReportError
from lesionflow.scoring import job as jobs
from lesionflow.scoring.config import ReportConfig
from lesionflow.scoring.engines.local import default_workers, has_remote_images
from lesionflow.scoring.publish import Summary, check_outputs, publish_report
from lesionflow.scoring.shards import JOB_FILE, job_folder
from lesionflow.storage.location import Location, parse_location
from lesionflow.storage.objects import is_file


def merge(
    out: Location | str | os.PathLike[str],
    config: ReportConfig | None = None,
    **overrides: Unpack[ReportOptions],
) -> Summary:
    """Make the report of what `score` with `shard="I/N"` has done. Nothing is scored, and no model is needed.

    Parameters
    ----------
    out
        What `score` was given.
    config
        What to write; `overrides` replace single options of it.

    Returns
    -------
    Summary
        Counts of the report.

    Raises
    ------
    ReportError
        Where a share is missing or of another job: it says which, and which command makes it. What the others have
        done stays.
    """
    config, out = configured(ReportConfig, config, overrides), parse_location(out)
    if out.is_dir():
        raise ReportError(f"{out}: a folder; name the file to write")
    folder, started = job_folder(out), time.monotonic()
    if not config.overwrite and is_file(out) and not is_file(folder / JOB_FILE):
        raise ReportError(f"{out}: is finished, there is nothing to merge")
    with jobs.merge(folder) as (job, info, failed):
        # A merge that was killed at its end has left the report; the next one compares.
        outputs = check_outputs(out, config, info.carried_columns, config.overwrite or is_file(out))
        outputs.check_names(job)
        config.stop_if_too_many(failed, job.inputs)
        own = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
        info = dataclasses.replace(info, chosen=info.chosen | own)
        workers = default_workers(remote=has_remote_images(job))
        return publish_report(job, info, outputs, started, job.inputs, workers)
