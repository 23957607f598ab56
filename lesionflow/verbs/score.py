"""Score: model -> images -> report, a row for every image found."""

from __future__ import annotations

import filecmp
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from lesionflow import __version__
from lesionflow.bundle.pretrained import PRETRAINED
from lesionflow.data.pixels import PIXELS_VERSION
from lesionflow.errors import DataError, LesionflowError, ReportError, StoreError, UsageError
from lesionflow.scoring.config import ScoringConfig
from lesionflow.scoring.job import JOB_FILE, REPORT_FILE, Fingerprint, Job, job_folder, open_job, remove_job
from lesionflow.scoring.local import Batch, default_workers, score_batches
from lesionflow.scoring.predictor import Predictor, load_predictor
from lesionflow.scoring.progress import show_progress
from lesionflow.scoring.report import (
    ISIC,
    ReportOptions,
    check_isic_names,
    check_report,
    report_format,
    write_report,
)
from lesionflow.scoring.row import Row
from lesionflow.scoring.sources import Source, open_source
from lesionflow.scoring.summary import Counts, build_summary, provenance, write_summary
from lesionflow.storage.objects import local_copy
from lesionflow.storage.places import Place, Url, is_url, place
from lesionflow.whole_file import check_writable, partial_file, put_in_place

DEFAULT_MODEL = "models:/lesionflow@champion"
BATCH_SIZES = {"cpu": 16, "cuda": 64}


@dataclass(frozen=True)
class Summary:
    """What a scoring run came to."""

    model: str
    report: Place
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


def score(
    source: str | os.PathLike[str],
    out: Place | str | os.PathLike[str],
    model: str = DEFAULT_MODEL,
    *,
    tracking_uri: str | None = None,
    **options: Any,
) -> Summary:
    """Score images into a report with a row for each; options are the fields of `ScoringConfig`.

    source: a folder, an image, a pattern, `@LIST`, a CSV file with a column `path`, or `-`; `scoring.sources` has
    more. out: a path, or a URL of a store. model: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `pretrained` or a
    bundle's folder. What is done is kept beside the report until the report is whole, and `resume=True` goes on with
    it. Raises a `LesionflowError` where nothing can be scored or the report cannot be written; images that cannot be
    read are rows of the report and counted in the summary.
    """
    config, out = ScoringConfig(**options), place(out)
    if out.is_dir():  # said before its ending is looked at, which says nothing then
        raise ReportError(f"{out}: a folder; name the file to write")
    folder = job_folder(out)
    # Killed between the report's last byte and the end, a process has left both; `_publish` then compares.
    going_on = config.resume and (folder / JOB_FILE).exists()
    if config.resume and not going_on:
        remove_job(folder)  # of a process killed while it removed the rest of a finished job
        if out.is_file() and not config.overwrite:
            raise ReportError(f"{out}: is finished, there is nothing to resume; add --overwrite to score anew")
    opened = open_source(source, recursive=config.recursive, pattern=config.pattern)
    report = ReportOptions(
        "", report_format(out, config.format), config.column_names, config.top_k, opened.carried_columns
    )
    check_report(out, report, config.overwrite or going_on)
    others = [file for file in (config.html, config.summary) if file is not None]
    if len({_spelled_out(file) for file in (out, *others)}) < 1 + len(others):
        raise UsageError("--out, --html and --summary name the same file; give each one of its own")
    for file in others:
        check_writable(file, config.overwrite or going_on)
    predictor, label = _load(model, tracking_uri, config)
    if model == PRETRAINED and not config.quiet:
        from lesionflow.evaluation.model_card import terms_and_figures

        print(f"{label}: {terms_and_figures(predictor.card)}", file=sys.stderr)
    batch_size = config.batch_size or BATCH_SIZES[predictor.device]
    fingerprint = _fingerprint(predictor, batch_size)
    doing = {"resume": config.resume, "anew": config.overwrite}
    with (
        open_job(folder, opened, fingerprint, config.shard_size, **doing) as job,
        _keeping(job),
        ExitStack() as stack,
    ):
        if report.format == ISIC:
            check_isic_names(job.paths())
        started = time.monotonic()
        resumed = _score_shards(job, predictor, batch_size, config, opened)
        chosen = {"source": os.fspath(source)} | {field.name: getattr(config, field.name) for field in fields(config)}
        origin = provenance(label, predictor.card, chosen, job.begun, averaged=config.tta)
        report = replace(report, model=label, prior=predictor.card.prior, provenance=origin)
        counts = Counts()
        finished = stack.enter_context(_report_place(folder, out))
        write_report(counts.counting(job.rows()), finished, report, overwrite=True)
        if config.html is not None:
            from lesionflow.scoring.page import write_page

            demo, overwrite = predictor.card.demo, config.overwrite or going_on
            workers = _workers(job, config)
            write_page(job.rows(), config.html, label, demo=demo, overwrite=overwrite, workers=workers)
        seconds = time.monotonic() - started
        if config.summary is not None:
            told = build_summary(counts, seconds, out, origin, resumed)
            write_summary(told, config.summary, config.overwrite or going_on)
        _publish(finished, out, config.overwrite, going_on)
        remove_job(folder)
    return Summary(label, out, counts, seconds, resumed)


def _load(model: str, tracking_uri: str | None, config: ScoringConfig) -> tuple[Predictor, str]:
    """The predictor, and the name of its model in the report."""
    from lesionflow.registry.versions import (
        resolve,
    )  # which brings MLflow along only for what is in a registry

    with tempfile.TemporaryDirectory(prefix="lesionflow-model-") as folder:
        resolved = resolve(model, Path(folder), tracking_uri)
        return load_predictor(resolved.folder, 1, config.device, averaged=config.tta), resolved.label


def _fingerprint(predictor: Predictor, batch_size: int) -> Fingerprint:
    """All that a row depends on besides its file."""
    import onnxruntime

    return {
        "model": predictor.card.digest,
        "version of pixels": PIXELS_VERSION,
        "version of lesionflow": __version__,
        "version of ONNX Runtime": onnxruntime.__version__,
        "device": predictor.device,
        "--tta": "yes" if predictor.averaged else "no",
        "images in a batch": batch_size,
    }


def _score_shards(job: Job, predictor: Predictor, batch_size: int, config: ScoringConfig, source: Source) -> int:
    """Score what is not done yet, a shard's file at a time; returns how many images were done before."""
    failures = job.failures()
    todo = [shard for shard, known in zip(job.shards, failures, strict=True) if known is None]
    done, failed = job.inputs - sum(map(job.shard_length, todo)), sum(known or 0 for known in failures)
    limit = config.failures_allowed(job.inputs)
    _stop_if_too_many(failed, limit, job, None)
    rows: list[tuple[int, Row]] = []
    batches = score_batches(predictor, _batches(job, todo, batch_size), _workers(job, config) or default_workers())
    with show_progress(job.inputs, done, failed, quiet=config.quiet) as advance, closing(batches):
        for batch, scored in batches:
            rows += scored
            failures_here = [row for _, row in scored if row.decision is None]
            failed += len(failures_here)
            advance(len(batch.paths), len(failures_here))
            if failures_here and source.is_lost():
                # A thousand rows that say "not found" would be kept, and nobody would ever score those images.
                raise DataError(f"{source.folder}: is gone since its images were listed; bring it back")
            if failures_here:
                _stop_if_too_many(failed, limit, job, failures_here[0])
            if batch.first + len(batch.paths) == job.shard_length(batch.shard):
                job.write_shard(batch.shard, rows)
                rows = []
    return done


def _workers(job: Job, config: ScoringConfig) -> int | None:
    """The number of threads that the user or a distant source asks for."""
    if config.workers is None and is_url(job.shard_inputs(0)[0][0]):
        return default_workers(distant=True)
    return config.workers


def _batches(job: Job, todo: list[int], batch_size: int) -> Iterator[Batch]:
    """Batches never cross a shard's end: a row's neighbours are the same in a resumed run and an undisturbed one."""
    for shard in todo:
        paths = [path for path, *_ in job.shard_inputs(shard)]
        for first in range(0, len(paths), batch_size):
            yield Batch(shard, first, tuple(paths[first : first + batch_size]))


def _stop_if_too_many(failed: int, limit: int | None, job: Job, last: Row | None) -> None:
    if limit is None or failed <= limit:
        return
    which = "" if last is None else f" ({ascii(last.path)[1:-1]}: {last.reason}: {last.detail})"
    count = f"{failed} image{'' if failed == 1 else 's'} of {job.inputs} failed{which}"
    raise DataError(
        f"{count}, where {limit} may; mend the images, or raise --max-failures and leave out --on-error fail"
    )


class _keeping:  # noqa: N801 (a context manager, used like a function)
    """Says how to go on when the work on a job stops before its end; a job with nothing done is removed."""

    def __init__(self, job: Job):
        self.job = job

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, (LesionflowError, KeyboardInterrupt)):
            return
        going_on = "the same command with --resume goes on from there"
        if isinstance(error, StoreError) or isinstance(error.__cause__, StoreError):
            # Asked how far the run got, the store would keep us waiting once more.
            error.args = (f"{error}; what is done is kept; {going_on}",)
            return
        done = self.job.images_done()
        if done or isinstance(error, KeyboardInterrupt):
            kept = f"{done:,} of {self.job.inputs:,} images are done; {going_on}"
            error.args = (f"{error}; {kept}" if str(error) else f"stopped; {kept}",)
        else:
            remove_job(self.job.folder)


def _spelled_out(file: Place) -> str:
    return str(file) if isinstance(file, Url) else os.path.abspath(file)


def _report_place(folder: Place, out: Place) -> AbstractContextManager[Path]:
    """Where the report is written: in the job's folder, or on this machine if that is in a store."""
    return partial_file(out) if isinstance(folder, Url) else nullcontext(folder / REPORT_FILE)


def _publish(report: Path, out: Place, overwrite: bool, going_on: bool) -> None:
    """Put the finished report in its place."""
    try:
        put_in_place(report, out, overwrite)
    except FileExistsError as error:
        # Killed after this step, a run leaves the report that its resumption is about to write.
        if not (going_on and _is_same(report, out)):
            raise ReportError(f"{out}: exists already; add --overwrite or choose another name") from error
    except OSError as error:
        raise ReportError(f"{out}: cannot be written ({error.strerror})") from error


def _is_same(report: Path, out: Place) -> bool:
    with local_copy(out) as there:
        return filecmp.cmp(report, there, shallow=False)
