"""Merge: what the parts of a scoring run have done -> the report, byte for byte that of one run."""

from __future__ import annotations

import dataclasses
import os
import time
from typing import Any

from lesionflow.errors import ReportError
from lesionflow.scoring import job as jobs
from lesionflow.scoring.config import ReportConfig
from lesionflow.scoring.engines.local import default_workers, has_remote_images
from lesionflow.scoring.publish import Summary, check_outputs, publish_report
from lesionflow.scoring.shards import JOB_FILE, job_folder
from lesionflow.storage.location import Location, parse_location
from lesionflow.storage.objects import is_file


def merge(out: Location | str | os.PathLike[str], **options: Any) -> Summary:
    """Make the report of what `score` with `shard="I/N"` has done; options are the fields of `ReportConfig`.

    out: what `score` was given. Nothing is scored and no model is needed. Raises `ReportError` where a part is missing
    or of another job, and says which and what does it; what the parts have done then stays.
    """
    config, out = ReportConfig(**options), parse_location(out)
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
