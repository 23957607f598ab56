"""Publishes a finished job: the report, and a page and a summary if asked for."""

from __future__ import annotations

import contextlib
import filecmp
import os
import re
import shutil
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lesionflow.atomic import (
    atomic_file,
    atomic_write_bytes,
    check_writable,
    files_together,
    partial_file,
    put_in_place,
    remove_unfinished,
)
from lesionflow.defaults import usable_cores
from lesionflow.diagnoses import LabelSet
from lesionflow.errors import ReportError, UsageError, first_few, os_errors_as
from lesionflow.model.card import AVERAGED, SINGLE, Card, parse_card
from lesionflow.model.columns import path_with_frame, utf8
from lesionflow.model.prediction import Row
from lesionflow.scoring.config import ISIC, OMITTED, PARQUET, REPORT_FORMATS, ReportConfig
from lesionflow.scoring.encoding import Encoding, encode_file, encode_job, encode_rows, shard_groups, write_pieces
from lesionflow.scoring.grouping import Groups, Ranks, Rows, check_groups, with_group_columns
from lesionflow.scoring.job import RunInfo, remove_job
from lesionflow.scoring.report import (
    ROWS_IN_GROUP,
    ReportLayout,
    check_diagnoses,
    check_isic_names,
    check_report,
    report_format,
)
from lesionflow.scoring.review_sample import draw_sample, sample_csv
from lesionflow.scoring.shards import REPORT_FILE, Job, job_folder, report_errors
from lesionflow.scoring.summary import Counts, build_summary, provenance, summary_json
from lesionflow.storage import objects
from lesionflow.storage.location import Location, Url, file_path, location_text, parse_location

MANY_ROWS = 100_000  # from which several processes are worth their start
ROWS_IN_PART = 8 * ROWS_IN_GROUP  # of a folder of Parquet parts: files of some ten MiB
STDOUT = "-"
_PART = re.compile(r"part-\d{5}-of-\d{5}\.parquet")


@dataclass(frozen=True)
class Summary:
    """The result of a scoring run, or of one part of a job."""

    model: str
    report: Location | None  # None is standard output
    counts: Counts  # of rows by diagnosis, malignancy, referral and failure
    seconds: float  # from the first image read to the report's last row
    resumed: int  # images that an earlier run had done
    left_out: Mapping[str, int] = field(default_factory=dict)  # files of the folder that are no images, by kind
    # Where its numbers come from; of a part, nothing.
    provenance: Mapping[str, str] = field(default_factory=dict, repr=False)
    unread: Sequence[str] = field(default=(), repr=False)  # where rows are groups: images that failed, and why
    sample: Location | None = None  # the list of images to review, where one was written

    @property
    def scored(self) -> int:
        """Rows with a diagnosis."""
        return self.counts.scored

    @property
    def failed(self) -> int:
        """Rows with an error."""
        return self.counts.failed


@dataclass(frozen=True)
class Destination:
    """Where a report goes: a file, standard output (`-`), or a folder of Parquet parts (`DIR/`)."""

    location: Location | None  # None is standard output
    is_folder: bool = False

    @classmethod
    def of(cls, out: Location | str | os.PathLike[str]) -> Destination:
        """Return the destination for an --out. Raises `ReportError` for a folder without the slash."""
        text = str(out) if isinstance(out, Url) else location_text(out, "out")
        if text == STDOUT:
            return cls(None)
        is_folder = text.endswith("/") and bool(text.strip("/"))
        location = parse_location(text.rstrip("/") if is_folder else out)
        if isinstance(location, Path):
            with (
                os_errors_as(ReportError, f"{text}: cannot be written", "choose another place"),
                contextlib.suppress(FileNotFoundError, NotADirectoryError),
            ):
                os.stat(location)  # denied, or with a name that is too long
        if location.is_dir() and not is_folder:  # said before its ending is looked at, which says nothing then
            raise ReportError(f"{location}: a folder; name the file to write, or {location}/ for a folder of Parquet")
        return cls(location, is_folder)

    def __str__(self) -> str:
        return STDOUT if self.location is None else f"{self.location}/" if self.is_folder else str(self.location)

    def format(self, asked: str | None) -> str:
        """Return the report's format: the given one, or that of the name's ending. Raises `UsageError`."""
        if self.location is None or self.is_folder:
            possible = (PARQUET,) if self.is_folder else tuple(name for name in REPORT_FORMATS if name != PARQUET)
            if asked not in (None, *possible):
                raise UsageError(f"--out {self} --format {asked}: takes {', '.join(possible)}; or name a file")
            return asked or possible[0]
        return report_format(self.location, asked)

    def exists(self) -> bool:
        """Whether the report exists. Raises `OSError` if a store cannot tell."""
        if self.location is None:
            return False
        return bool(self.parts()) if self.is_folder else objects.is_file(self.location)

    def parts(self) -> list[str]:
        """The names of the parts in the folder."""
        assert self.location is not None
        if isinstance(self.location, Path) and not self.location.is_dir():
            return []
        return [name for name in objects.names(self.location) if _PART.fullmatch(name)]

    def check(self, may_replace: bool) -> None:
        """Check that the report can be written in the end. Raises `ReportError`."""
        if self.location is None:
            return
        if not self.is_folder:
            check_writable(self.location, may_replace)
            return
        with report_errors(self.location, "read"):
            parts = self.parts()
            if isinstance(self.location, Path) and self.location.is_dir():
                remove_unfinished(self.location)
                others = sorted(set(os.listdir(self.location)) - set(parts))
                if others:
                    raise ReportError(
                        f"{self}: holds other files ({first_few(others)}); name a folder for the parts alone"
                    )
        if parts and not may_replace:
            raise ReportError(f"{self}: exists already; add --overwrite or choose another name")
        inside = isinstance(self.location, Url) or self.location.is_dir()
        check_writable(self.location / "part" if inside else self.location, overwrite=True)


@dataclass(frozen=True)
class PlannedOutputs:
    """The planned outputs, checked before work starts: first without the model, then with its diagnoses."""

    destination: Destination
    config: ReportConfig  # whose `overwrite` says whether the report may replace another
    report: ReportLayout
    sample: Location | None  # the list of images to review
    may_replace: bool  # whether page and summary may, as the report may if it is the same

    def of_model(self, labels: LabelSet) -> PlannedOutputs:
        """Return the plan for a model of these diagnoses. Raises `UsageError` for columns that it does not have."""
        report = replace(self.report, labels=labels)
        check_diagnoses(report)
        return replace(self, report=report)

    def check_names(self, job: Job) -> None:
        """Refuse images that the ISIC format, and groups that a damaged column, cannot tell apart.

        Raises `ReportError` or `DataError`.
        """
        if self.config.group_by is not None:
            check_groups(job.carried(self.config.group_by), self.config.group_by)
        if self.report.format == ISIC and self.report.named_by is None:
            check_isic_names(job.paths())


def check_outputs(
    destination: Destination, config: ReportConfig, carried: tuple[str, ...], may_replace: bool, also: str = ""
) -> PlannedOutputs:
    """Plan the outputs, and refuse those that could not be written in the end, whatever the model's diagnoses.

    destination: where the report goes; config: its format and columns, and what is to be written beside it; carried:
    names of the columns that are carried through from the list of images; may_replace: whether files that exist may be
    replaced; also: some name of a second model, where one is asked. Raises `UsageError` where options contradict each
    other; `ReportError` where a file cannot be written.
    """
    form = destination.format(config.format)
    if config.failed_as is not None and form != ISIC:
        raise UsageError("--failed-as is for --format isic: other reports have a row that says what is wrong")
    columns, named_by = with_group_columns(carried, config.group_by, config.rank_by), None
    if config.group_by is not None:
        named_by = carried.index(config.group_by)
    report = ReportLayout(
        "", form, config.column_names, config.top_k, columns, failed_as=config.failed_as, named_by=named_by, also=also
    )
    check_report(str(destination), report)
    if config.log_report and destination.location is None:
        raise UsageError("--log-report: a report on standard output cannot be kept; name a file with --out")
    destination.check(may_replace)
    sample = _sample_location(destination, config)
    others = [file for file in (config.html, config.summary, sample) if file is not None]
    every = others if destination.location is None else [destination.location, *others]
    spelled_out = {str(file) if isinstance(file, Url) else os.path.abspath(file) for file in every}
    if len(spelled_out) < len(every):
        raise UsageError("--out, --html, --summary and --sample-out name the same file; give each one of its own")
    for file in others:
        check_writable(file, may_replace)
    return PlannedOutputs(destination, config, report, sample, may_replace)


def _sample_location(destination: Destination, config: ReportConfig) -> Location | None:
    out = destination.location
    if config.sample is None or config.sample_out is not None:
        return config.sample_out
    if out is None:
        raise UsageError("--out - --sample: add --sample-out FILE, beside standard output there is no place for it")
    return out.parent / f"{out.name.removesuffix(out.suffix)}-sample.csv"


def publish_report(
    job: Job, info: RunInfo, outputs: PlannedOutputs, started: float, resumed: int, workers: int
) -> Summary:
    """Write the planned outputs of a job whose shards are all done, then remove the job.

    started: when the work began, by the monotonic clock; resumed: images that were done before that; workers: threads
    that read the page's thumbnails. Raises `ReportError` where something cannot be written, or the format has no place
    for an image that failed; the job is then still there.
    """
    told = {"the model's card": info.card, "the second model's card": info.also_card}
    cards = [parse_card(text.encode(), name) for name, text in told.items() if text]
    card, destination, config = cards[0], outputs.destination, outputs.config
    rows, groups = _rows(job, config, cards, AVERAGED if info.averaged else SINGLE)
    if outputs.report.format == ISIC and outputs.report.failed_as != OMITTED and any(job.failures()):
        _refuse_failed(rows(), outputs.report.failed_as)
    origin = provenance(info.label, card, info.chosen, job.begun, averaged=info.averaged)
    strength = card.calibrations[AVERAGED if info.averaged else SINGLE].call_strength
    report = replace(
        outputs.report, model=info.label, prior=card.prior, call_strength=strength, also=info.also, provenance=origin
    )
    with _partial_report(job, destination) as partial, files_together(outputs.may_replace) as begin:
        counts = _write_report(job, report, destination, partial, None if rows == job.rows else rows)
        if groups is not None:
            counts.count_images(groups.failed, job.inputs)
        sample = None
        if outputs.sample is not None:
            sample = draw_sample(rows, config.sample or 0, config.by, config.sample_seed)
            with begin(outputs.sample) as file:
                file.write(sample_csv(sample))
        if config.html is not None:
            from lesionflow.scoring.page import PageContext, write_page

            drawn, failed = sample.paths if sample else (), groups.failed if groups else None
            context = PageContext(card.demo, info.model_asked, info.store, drawn, failed)
            with begin(config.html) as file:
                write_page(rows(), file, config.html, report, context, workers=workers)
        seconds = time.monotonic() - started
        if config.summary is not None:
            values = build_summary(counts, seconds, destination.location, origin, resumed, info.left_out)
            with begin(config.summary) as file:
                file.write(summary_json(values))
        _publish(partial, outputs)  # if it cannot be, what lies beside it stays as it was
    remove_job(job.folder)
    unread = _told(groups.failed if groups else ())
    return Summary(
        info.label, destination.location, counts, seconds, resumed, info.left_out, origin, unread, outputs.sample
    )


def _rows(job: Job, config: ReportConfig, cards: Sequence[Card], mode: str) -> tuple[Rows, Groups | None]:
    """What gives the report's rows, and the groups that these are.

    cards: of the model, and of the second one where one was asked; mode: which of their calibrations holds.
    """
    rows: Rows = job.rows
    groups = None
    if config.group_by is not None:
        column = job.carried_columns.index(config.group_by)
        deciding = [(card.calibrations[mode], card.prior) for card in cards]
        rows = groups = Groups(rows, column, config.group_by, config.pool, deciding, job.labels)
    if config.rank_by is not None:
        rows = Ranks(rows, job.carried_columns.index(config.rank_by))
    return rows, groups


def _told(failed: Iterable[Row]) -> list[str]:
    return [f"{path_with_frame(row)} ({row.reason})" for row in failed]


def _refuse_failed(rows: Iterable[Row], failed_as: str | None) -> None:
    lacking = [row for row in rows if row.prediction is None]
    if folders := [utf8(row.path) for row in lacking if os.path.isdir(file_path(row.path))]:
        raise ReportError(
            f"--format isic has no place for the images of a folder that cannot be listed: {first_few(folders)}; make "
            "it readable, or add --failed-as omit"
        )
    if failed_as is None and (failed := _told(lacking)):
        raise ReportError(
            f"--format isic has no place for an image that failed, and its scorer wants every one; {len(failed)} "
            f"failed: {first_few(failed, 20)}; repair them, or add --failed-as prior or --failed-as omit"
        )


def _write_report(
    job: Job, options: ReportLayout, destination: Destination, partial: Path, rows: Rows | None
) -> Counts:
    """Write the report under a temporary name; parts of a folder in a store get their final names at once.

    rows: what gives them, where they are not the job's own: these are encoded here, and are one part of a folder.
    """
    # The ISIC format has to see all names in one process.
    processes = usable_cores() if job.inputs >= MANY_ROWS and options.format != ISIC else 1
    groups = shard_groups(job, ROWS_IN_PART if destination.is_folder else ROWS_IN_GROUP)
    pieces = encode_job(Encoding(job, options, destination.is_folder), groups, processes)
    if rows is not None:
        groups = [job.shards]
        pieces = iter([encode_file(rows(), options)]) if destination.is_folder else encode_rows(rows(), options)
    if destination.is_folder:
        counts = Counts.of(job.labels)
        folder = destination.location if isinstance(destination.location, Url) else partial
        with report_errors(folder):
            if isinstance(folder, Path):
                shutil.rmtree(folder, ignore_errors=True)  # of a process that was killed
                folder.mkdir()
            names = [f"part-{index:05}-of-{len(groups):05}.parquet" for index in range(len(groups))]
            for name, (some, content) in zip(names, pieces, strict=True):
                counts.update(some)
                atomic_write_bytes(folder / name, content)
            if isinstance(folder, Url):
                for name in set(destination.parts()) - set(names):  # of an earlier report
                    objects.remove(folder / name)
        return counts
    with atomic_file(partial, overwrite=True) as file:
        return write_pieces(pieces, file, options)


@contextlib.contextmanager
def _partial_report(job: Job, destination: Destination) -> Iterator[Path]:
    """Where the report is written: in the job's folder if that is beside it, where a killed process leaves nothing."""
    out = destination.location
    if isinstance(job.folder, Path) and (out is None or job.folder == job_folder(out)):
        yield job.folder / REPORT_FILE
        return
    assert out is not None
    with partial_file(out) as file:
        yield file


def _publish(partial: Path, outputs: PlannedOutputs) -> None:
    """Move the finished report to its final name."""
    destination, out = outputs.destination, outputs.destination.location
    if out is None:
        _print_file(partial)
        return
    try:
        if destination.is_folder and isinstance(out, Path):  # those of a store have their names already
            for name in destination.parts():  # of an earlier report, which this one may replace
                (out / name).unlink()
            if out.is_dir():
                out.rmdir()
            os.rename(partial, out)
        elif not destination.is_folder:
            put_in_place(partial, out, outputs.config.overwrite)
    except FileExistsError as error:
        # Killed after this step, a run leaves the report that its resumption is about to write.
        if not (outputs.may_replace and _is_same(partial, out)):
            raise ReportError(f"{out}: exists already; add --overwrite or choose another name") from error
    except OSError as error:
        raise ReportError(f"{out}: cannot be written ({error.strerror})") from error


def _is_same(report: Path, out: Location) -> bool:
    with objects.local_copy(out) as there:
        return report.is_file() and filecmp.cmp(report, there, shallow=False)


def _print_file(file: Path) -> None:
    """Copy a file to standard output; a reader that stops early, such as `head`, is not a failure."""
    stream = getattr(sys.stdout, "buffer", None)
    try:
        sys.stdout.flush()
        with open(file, "rb") as content:
            if stream is None:  # of a notebook, which takes text
                sys.stdout.write(content.read().decode())
            else:
                shutil.copyfileobj(content, stream)
        sys.stdout.flush()
    except BrokenPipeError:
        pass
    except OSError as error:
        raise ReportError(f"standard output: cannot be written ({error.strerror})") from error
