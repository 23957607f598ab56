"""Score: model -> images -> report, a row for every image found; in one run, or a part of it at a time."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from lesionflow.api.overrides import ScoringOptions, configured
from lesionflow.atomic import check_writable
from lesionflow.defaults import BATCH_SIZES, DEFAULT_MODEL
from lesionflow.errors import DataError, LesionflowError, ReportError, StoreError
from lesionflow.model.card import CARD_FILE
from lesionflow.model.files import read_bundle
from lesionflow.model.predictor import Predictor, row_fingerprint
from lesionflow.model.shipped import PRETRAINED
from lesionflow.options import arguments_of
from lesionflow.progress import show_progress
from lesionflow.scoring import job as jobs
from lesionflow.scoring.config import RAY, ScoringConfig
from lesionflow.scoring.engines import Engine, open_engine
from lesionflow.scoring.engines.local import ScoringModel, default_workers, has_remote_images
from lesionflow.scoring.publish import Summary, check_outputs, publish_report
from lesionflow.scoring.shards import JOB_FILE, Job, job_folder
from lesionflow.scoring.sources import Source, open_source
from lesionflow.scoring.summary import Counts
from lesionflow.storage.location import Location, parse_location
from lesionflow.storage.objects import is_file

if TYPE_CHECKING:
    from rich.console import Console


def score(
    source: str | os.PathLike[str],
    out: Location | str | os.PathLike[str],
    config: ScoringConfig | str | os.PathLike[str] | None = None,
    *,
    model: str | os.PathLike[str] = DEFAULT_MODEL,
    tracking_uri: str | None = None,
    console: Console | None = None,
    **overrides: Unpack[ScoringOptions],
) -> Summary:
    """Score images into a report with a row for each.

    What is done is kept beside the report until the report is whole, and `resume=True` resumes it; with `shard="I/N"`
    that is all that is done, and `merge` makes the report.

    Parameters
    ----------
    source
        A folder, an image, a pattern, `@LIST`, a CSV file with a column `path`, or `-`; each may be a URL.
    out
        The report: a path, or a URL of a store.
    config
        How to score and what to write; `overrides` replace single options of it. A string is taken for the model.
    model
        `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `pretrained` or the folder of a bundle.
    tracking_uri
        MLflow tracking store and registry.
    console
        Where progress goes; stderr by default.

    Returns
    -------
    Summary
        Counts of the report. Images that cannot be read are rows of the report, and counted.

    Raises
    ------
    LesionflowError
        Where nothing can be scored, or the report cannot be written.
    """
    if isinstance(config, str | os.PathLike):
        model, config = config, None
    config, out, model = configured(ScoringConfig, config, overrides), parse_location(out), os.fspath(model)
    if out.is_dir():  # said before its ending is looked at, which says nothing then
        raise ReportError(f"{out}: a folder; name the file to write")
    if config.shard is not None:
        return _score_share(source, out, model, tracking_uri, config, console)
    folder = job_folder(out)
    # Killed between the report's last byte and the end, a process has left both; the end then compares.
    resuming = config.resume and is_file(folder / JOB_FILE)
    if config.resume and not resuming:
        jobs.remove_job(folder)  # of a process killed while it removed the rest of a finished job
        if is_file(out) and not config.overwrite:
            raise ReportError(f"{out}: is finished, there is nothing to resume; add --overwrite to score anew")
    opened = open_source(source, recursive=config.recursive, pattern=config.pattern)
    outputs = check_outputs(out, config, opened.carried_columns, config.overwrite or resuming)
    loaded, info = _load(model, tracking_uri, config, opened, source)
    task = _task(opened, loaded, config)
    with (
        open_engine(config, loaded) as engine,
        jobs.resume(folder, task) if config.resume else jobs.begin(folder, task, anew=config.overwrite) as job,
        _keeping(job, "the same command with --resume goes on from there"),
    ):
        outputs.check_names(job)
        started = time.monotonic()
        resumed = _score_shards(job, job.shards, engine, config, opened, console)
        workers = config.workers or default_workers(remote=has_remote_images(job))
        return publish_report(job, info, outputs, started, resumed, workers)


def _score_share(
    source: str | os.PathLike[str],
    out: Location,
    model: str,
    tracking_uri: str | None,
    config: ScoringConfig,
    console: Console | None,
) -> Summary:
    share = config.shard_range
    assert share is not None
    if is_file(out):  # a part that a scheduler starts once more after the merge
        raise ReportError(f"{out}: exists already; remove it, or choose another name")
    check_writable(out, overwrite=True)
    opened = open_source(source, recursive=config.recursive, pattern=config.pattern)
    loaded, info = _load(model, tracking_uri, config, opened, source)
    command = ["lesionflow", "score", os.fspath(source), "--out", str(out), "--model", model]
    command += arguments_of(config, leave_out=("shard", "resume", "quiet"))
    with (
        open_engine(config, loaded) as engine,
        jobs.join(job_folder(out), _task(opened, loaded, config), share, replace(info, command=tuple(command))) as job,
        _keeping(job, "the same command goes on from there", shared=True),
    ):
        shards, started, counts = share.shards(job.shards), time.monotonic(), Counts()
        resumed = _score_shards(job, shards, engine, config, opened, console)
        seconds = time.monotonic() - started
        for row in job.rows(shards):
            counts.add(row)
        return Summary(info.label, out, counts, seconds, resumed)


def _load(
    model: str, tracking_uri: str | None, config: ScoringConfig, opened: Source, source: str | os.PathLike[str]
) -> tuple[ScoringModel, jobs.RunInfo]:
    """Load the model; returns it with what the report says of its origin."""
    from lesionflow.registry.versions import resolve  # which brings MLflow along only for what is in a registry

    with tempfile.TemporaryDirectory(prefix="lesionflow-model-") as folder:
        resolved = resolve(model, Path(folder), tracking_uri)
        card, graph = read_bundle(resolved.folder)
        text = (resolved.folder / CARD_FILE).read_text()
    # Where tasks of a cluster have the GPUs, this machine need not have one.
    device = "cpu" if config.engine == RAY else config.device
    predictor = Predictor(card, graph, threads=1, device=device, averaged=config.tta)
    if model == PRETRAINED and not config.quiet:
        from lesionflow.evaluation.model_card import terms_and_figures

        print(f"{resolved.label}: {terms_and_figures(card)}", file=sys.stderr)
    device = "cuda" if config.engine == RAY and config.gpus_per_task else predictor.device
    loaded = ScoringModel(predictor, graph, device, config.batch_size or BATCH_SIZES[device])
    chosen = {"source": os.fspath(source)} | {field.name: getattr(config, field.name) for field in fields(config)}
    return loaded, jobs.RunInfo(resolved.label, text, config.tta, opened.carried_columns, chosen)


def _task(opened: Source, model: ScoringModel, config: ScoringConfig) -> jobs.Task:
    fingerprint = row_fingerprint(model.predictor.card, model.device, config.tta, model.batch_size)
    return jobs.Task(opened, fingerprint, config.shard_size)


def _score_shards(
    job: Job, shards: range, engine: Engine, config: ScoringConfig, source: Source, console: Console | None
) -> int:
    """Score what is not done yet of some shards, a file each; returns how many of their images were done before."""
    failures = job.failures(shards)
    todo = [shard for shard, known in zip(shards, failures, strict=True) if known is None]
    images = sum(map(job.shard_length, shards))
    done, failed = images - sum(map(job.shard_length, todo)), sum(known or 0 for known in failures)
    config.stop_if_too_many(failed, images)
    progress = show_progress(images, done, failed, quiet=config.quiet, console=console)
    with progress as advance, closing(engine.score(job, todo)) as steps:
        for step in steps:
            failed += step.failed
            advance(step.images, step.failed)
            if step.failed and source.is_lost():
                # A thousand rows that say "not found" would be kept, and nobody would ever score those images.
                raise DataError(f"{source.folder}: is gone since its images were listed; bring it back")
            if step.last is not None:
                example = f"{ascii(step.last.path)[1:-1]}: {step.last.reason}: {step.last.detail}"
                config.stop_if_too_many(failed, images, example)
    return done


@contextmanager
def _keeping(job: Job, how: str, shared: bool = False) -> Iterator[None]:
    """Say how to go on when the work on a job stops before its end; a job with nothing done is removed.

    shared: with others, so that it is never removed.
    """
    try:
        yield
    except (LesionflowError, KeyboardInterrupt) as error:
        if isinstance(error, StoreError) or isinstance(error.__cause__, StoreError):
            # Asked how far the run got, the store would keep us waiting once more.
            error.args = (f"{error}; what is done is kept; {how}",)
            raise
        done = job.images_done()
        if done or shared or isinstance(error, KeyboardInterrupt):
            kept = f"{done:,} of {job.inputs:,} images are done; {how}"
            error.args = (f"{error}; {kept}" if str(error) else f"stopped; {kept}",)
        else:
            jobs.remove_job(job.folder)
        raise
