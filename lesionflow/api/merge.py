"""Merge: what the parts of a scoring run have done -> the report, byte for byte that of one run."""

from __future__ import annotations

import os
import time
from dataclasses import fields
from typing import Any

from lesionflow.api.score import stop_if_too_many
from lesionflow.errors import ReportError
from lesionflow.scoring.config import ReportConfig
from lesionflow.scoring.job import JOB_FILE, job_folder
from lesionflow.scoring.parts import open_merge
from lesionflow.scoring.publish import Summary, check_outputs, finish
from lesionflow.scoring.report import ISIC, check_isic_names
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
    with open_merge(folder) as (job, about, failed):
        # A merge that was killed at its end has left the report; the next one compares.
        may_replace = config.overwrite or is_file(out)
        report = check_outputs(out, config, about.carried_columns, may_replace)
        if report.format == ISIC:
            check_isic_names(job.paths())
        stop_if_too_many(failed, config.failures_allowed(job.inputs), job.inputs, None)
        own = {field.name: getattr(config, field.name) for field in fields(config)}
        return finish(
            job, out, report, config, about.label, about.read_card(), about.chosen | own,
            averaged=about.averaged, may_replace=may_replace, started=started, resumed=job.inputs,
        )  # fmt: skip
