"""From a finished job to what was asked for: the report, and beside it a page and a summary."""

from __future__ import annotations

import filecmp
import os
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from lesionflow.atomic import check_writable, partial_file, put_in_place
from lesionflow.errors import ReportError, UsageError
from lesionflow.model.card import Card
from lesionflow.scoring.config import ReportConfig
from lesionflow.scoring.job import REPORT_FILE, Job
from lesionflow.scoring.job_folder import remove_job
from lesionflow.scoring.local import default_workers
from lesionflow.scoring.report import ReportOptions, check_report, report_format, write_report
from lesionflow.scoring.summary import Counts, build_summary, provenance, write_summary
from lesionflow.storage.location import Location, Url, is_url
from lesionflow.storage.objects import local_copy


@dataclass(frozen=True)
class Summary:
    """What a scoring run came to; of a part, what that part did."""

    model: str
    report: Location
    counts: Counts  # of rows by diagnosis, malignancy, referral and failure
    seconds: float  # from the first image read to the report's last row
    resumed: int  # images that an earlier run had done

    @property
    def scored(self) -> int:
        """Rows with a diagnosis."""
        return self.counts.scored

    @property
    def failed(self) -> int:
        """Rows with an error."""
        return self.counts.failed


def check_outputs(out: Location, config: ReportConfig, carried: tuple[str, ...], may_replace: bool) -> ReportOptions:
    """How the report is to be written. Raises `ReportError` and `UsageError` for what could not be in the end."""
    report = ReportOptions("", report_format(out, config.format), config.column_names, config.top_k, carried)
    check_report(out, report, may_replace)
    others = [file for file in (config.html, config.summary) if file is not None]
    if len({_spelled_out(file) for file in (out, *others)}) < 1 + len(others):
        raise UsageError("--out, --html and --summary name the same file; give each one of its own")
    for file in others:
        check_writable(file, may_replace)
    return report


def finish(
    job: Job,
    out: Location,
    report: ReportOptions,
    config: ReportConfig,
    label: str,
    card: Card,
    chosen: Mapping[str, object],
    *,
    averaged: bool,
    may_replace: bool,
    started: float,
    resumed: int,
    workers: int | None = None,
) -> Summary:
    """Write what was planned of a job whose shards are all there, then remove the job.

    chosen: what the user asked for, by the option's name; may_replace: whether page and summary may, as the report may
    if it is the same; started: when the work began, by the monotonic clock; resumed: images done before that; workers:
    threads that read thumbnails. Raises `ReportError`; the job is then still there.
    """
    origin = provenance(label, card, chosen, job.begun, averaged=averaged)
    report, counts = replace(report, model=label, prior=card.prior, provenance=origin), Counts()
    with _report_place(job.folder, out) as finished:
        write_report(counts.counting(job.rows()), finished, report, overwrite=True)
        if config.html is not None:
            from lesionflow.scoring.page import write_page

            threads = workers or distant_workers(job)
            write_page(job.rows(), config.html, label, demo=card.demo, overwrite=may_replace, workers=threads)
        seconds = time.monotonic() - started
        if config.summary is not None:
            write_summary(build_summary(counts, seconds, out, origin, resumed), config.summary, may_replace)
        _publish(finished, out, config.overwrite, may_replace)
        remove_job(job.folder)
    return Summary(label, out, counts, seconds, resumed)


def distant_workers(job: Job) -> int | None:
    """The number of threads that a source in a store asks for; None for one on a disk."""
    return default_workers(distant=True) if is_url(job.shard_inputs(0)[0][0]) else None


def _spelled_out(file: Location) -> str:
    return str(file) if isinstance(file, Url) else os.path.abspath(file)


def _report_place(folder: Location, out: Location) -> AbstractContextManager[Path]:
    """Where the report is written: in the job's folder, or on this machine if that is in a store."""
    return partial_file(out) if isinstance(folder, Url) else nullcontext(folder / REPORT_FILE)


def _publish(report: Path, out: Location, overwrite: bool, going_on: bool) -> None:
    """Put the finished report in its place."""
    try:
        put_in_place(report, out, overwrite)
    except FileExistsError as error:
        # Killed after this step, a run leaves the report that its resumption is about to write.
        if not (going_on and _is_same(report, out)):
            raise ReportError(f"{out}: exists already; add --overwrite or choose another name") from error
    except OSError as error:
        raise ReportError(f"{out}: cannot be written ({error.strerror})") from error


def _is_same(report: Path, out: Location) -> bool:
    with local_copy(out) as there:
        return filecmp.cmp(report, there, shallow=False)
