"""From a finished job to what was asked for: the report, and beside it a page and a summary."""

from __future__ import annotations

import filecmp
import os
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from lesionflow.atomic import atomic_file, check_writable, partial_file, put_in_place
from lesionflow.defaults import usable_cores
from lesionflow.errors import ReportError, UsageError
from lesionflow.model.card import parse_card
from lesionflow.scoring.config import ISIC, ReportConfig
from lesionflow.scoring.job import RunInfo, remove_job
from lesionflow.scoring.parallel import Encoding, encode_job
from lesionflow.scoring.report import (
    ROWS_IN_GROUP,
    ReportOptions,
    check_isic_names,
    check_report,
    report_encoder,
    report_format,
)
from lesionflow.scoring.shards import REPORT_FILE, Job
from lesionflow.scoring.summary import Counts, build_summary, provenance, write_summary
from lesionflow.storage.location import Location, Url
from lesionflow.storage.objects import local_copy

MANY_ROWS = 100_000  # from which several processes are worth their start


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


@dataclass(frozen=True)
class Outputs:
    """What is to be written, checked before the work starts."""

    out: Location
    report: ReportOptions
    html: Location | None
    summary: Location | None
    overwrite: bool  # whether the report may replace another
    may_replace: bool  # whether page and summary may, as the report may if it is the same

    def check_names(self, job: Job) -> None:
        """Refuse images that the ISIC format cannot tell apart. Raises `ReportError`."""
        if self.report.format == ISIC:
            check_isic_names(job.paths())


def check_outputs(out: Location, config: ReportConfig, carried: tuple[str, ...], may_replace: bool) -> Outputs:
    """Plan what is to be written, and refuse what could not be in the end.

    Parameters
    ----------
    out
        The report.
    config
        Its format and columns, and what is to be written beside it.
    carried
        Names of the columns that are carried through from the list of images.
    may_replace
        Whether files that exist may be replaced.

    Raises
    ------
    UsageError
        Options contradict each other.
    ReportError
        A file cannot be written.
    """
    report = ReportOptions("", report_format(out, config.format), config.column_names, config.top_k, carried)
    check_report(out, report, may_replace)
    others = [file for file in (config.html, config.summary) if file is not None]
    if len({_spelled_out(file) for file in (out, *others)}) < 1 + len(others):
        raise UsageError("--out, --html and --summary name the same file; give each one of its own")
    for file in others:
        check_writable(file, may_replace)
    return Outputs(out, report, config.html, config.summary, config.overwrite, may_replace)


def publish_report(job: Job, info: RunInfo, outputs: Outputs, started: float, resumed: int, workers: int) -> Summary:
    """Write what was planned of a job whose shards are all there, then remove the job.

    Parameters
    ----------
    job
        The job; it is still there where something is raised.
    info
        Where its rows come from.
    outputs
        What is to be written.
    started
        When the work began, by the monotonic clock.
    resumed
        Images that were done before that.
    workers
        Threads that read the page's thumbnails.

    Raises
    ------
    ReportError
        Something cannot be written.
    """
    card, out = parse_card(info.card.encode(), "the model's card"), outputs.out
    origin = provenance(info.label, card, info.chosen, job.begun, averaged=info.averaged)
    report, counts = replace(outputs.report, model=info.label, prior=card.prior, provenance=origin), Counts()
    with _report_file(job.folder, out) as finished:
        with atomic_file(finished, overwrite=True) as file, report_encoder(report).open(file) as write:
            # The ISIC format has to see all names in one process.
            processes = usable_cores() if job.inputs >= MANY_ROWS and report.format != ISIC else 1
            for some, content in encode_job(Encoding(job, report, False), ROWS_IN_GROUP, processes):
                counts.update(some)
                write(content)
        if outputs.html is not None:
            from lesionflow.scoring.page import write_page

            replacing = outputs.may_replace
            write_page(job.rows(), outputs.html, info.label, demo=card.demo, overwrite=replacing, workers=workers)
        seconds = time.monotonic() - started
        if outputs.summary is not None:
            values = build_summary(counts, seconds, out, origin, resumed)
            write_summary(values, outputs.summary, outputs.may_replace)
        _publish(finished, outputs)
        remove_job(job.folder)
    return Summary(info.label, out, counts, seconds, resumed)


def _spelled_out(file: Location) -> str:
    return str(file) if isinstance(file, Url) else os.path.abspath(file)


def _report_file(folder: Location, out: Location) -> AbstractContextManager[Path]:
    """Where the report is written: in the job's folder, or on this machine if that is in a store."""
    return partial_file(out) if isinstance(folder, Url) else nullcontext(folder / REPORT_FILE)


def _publish(report: Path, outputs: Outputs) -> None:
    """Put the finished report in its place."""
    out = outputs.out
    try:
        put_in_place(report, out, outputs.overwrite)
    except FileExistsError as error:
        # Killed after this step, a run leaves the report that its resumption is about to write.
        if not (outputs.may_replace and _is_same(report, out)):
            raise ReportError(f"{out}: exists already; add --overwrite or choose another name") from error
    except OSError as error:
        raise ReportError(f"{out}: cannot be written ({error.strerror})") from error


def _is_same(report: Path, out: Location) -> bool:
    with local_copy(out) as there:
        return filecmp.cmp(report, there, shallow=False)
