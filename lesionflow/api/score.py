"""Score images into a report with one row for every image found, in one run or in parts."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Unpack

from lesionflow.api.overrides import ScoringOptions, configured
from lesionflow.defaults import BATCH_SIZES, DEFAULT_MODEL
from lesionflow.errors import DataError, LesionflowError, ReportError, StoreError, UsageError, add_to_message, counted
from lesionflow.images.discovery import describe_left_out
from lesionflow.model.card import CARD_FILE
from lesionflow.model.files import read_bundle
from lesionflow.model.predictor import Predictor, row_fingerprint
from lesionflow.options import arguments_of
from lesionflow.progress import say, show_progress
from lesionflow.scoring import job as jobs
from lesionflow.scoring.config import RAY, ScoringConfig
from lesionflow.scoring.engines.local import LocalEngine, ScoringModel, default_workers, has_remote_images
from lesionflow.scoring.publish import Destination, Summary, check_outputs, publish_report
from lesionflow.scoring.shards import ALSO, JOB_FILE, Job, job_folder
from lesionflow.scoring.sources import Source, open_source
from lesionflow.scoring.summary import Counts
from lesionflow.storage.location import Location, location_text
from lesionflow.storage.objects import is_file
from lesionflow.storage.temporary import temporary_folder

if TYPE_CHECKING:
    from rich.console import Console

    from lesionflow.scoring.engines.ray import RayEngine


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
    """Score images into a report with one row for each.

    Finished work is kept beside the report until the report is complete, and `resume=True` continues it. With
    `shard="I/N"`, no report is written; `merge` makes it.

    Parameters
    ----------
    source
        A folder, an image, a pattern, `@LIST`, a CSV file with a column `path`, or `-`; each may be a URL.
    out
        The report: a path, or a URL of a store; one that ends in a slash is a folder for Parquet parts, `-` is
        standard output.
    config
        How to score and what to write; `overrides` replace single options of it. A string is taken as the model.
    model
        `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `pretrained` or the folder of a bundle.
    tracking_uri
        MLflow tracking store and registry.
    console
        Where progress goes; stderr by default.

    Returns
    -------
    Summary
        Counts of the report. Unreadable images are rows of the report and counted.

    Raises
    ------
    LesionflowError
        If nothing can be scored, or the report cannot be written.
    """
    if isinstance(config, str | os.PathLike):
        model, config = config, None
    config = configured(score, ScoringConfig, config, overrides)
    destination, model = Destination.of(out), location_text(model, "model")
    _refuse_own_list(location_text(source, "source"), destination.location)
    run = _Run(source, destination, model, tracking_uri, config, console)
    if not config.log:
        return _score(run)
    from lesionflow.tracking.scoring_runs import ScoringJob, experiment_of, logged  # imports that few jobs need

    job = ScoringJob(experiment_of(model), os.fspath(source), str(destination), config.log_report, tracking_uri)
    return logged(job, lambda: _score(run), functools.partial(say, console=console))


def _refuse_own_list(source: str, out: Location | None) -> None:
    """Refuse to overwrite the list of images with the report, which --overwrite would allow."""
    with suppress(OSError, ValueError):  # one of them does not exist or is not a path
        if isinstance(out, Path) and out.samefile(source.removeprefix("@")):
            raise UsageError(f"--out {out}: is the list of images itself; name another file")


@dataclass(frozen=True)
class _Run:
    """The arguments of `score`."""

    source: str | os.PathLike[str]
    destination: Destination
    model: str
    tracking_uri: str | None
    config: ScoringConfig
    console: Console | None


def _score(run: _Run) -> Summary:
    config, destination = run.config, run.destination
    if destination.location is None:
        if config.resume or config.shard is not None:
            raise UsageError("--out - stores nothing that --resume or --shard could continue; name a file")
        with temporary_folder() as folder:
            return _score_all(run, folder / "job", kept=False)
    return _score_all(run, job_folder(destination.location)) if config.shard is None else _score_part(run)


def _score_all(run: _Run, folder: Location, kept: bool = True) -> Summary:
    """Score everything into a report. kept: whether an interrupted run can be resumed."""
    config, destination = run.config, run.destination
    # A process killed between the report's last byte and the end has left both, which are then compared.
    resuming = config.resume and is_file(folder / JOB_FILE)
    if config.resume and not resuming and not config.overwrite and destination.exists():
        jobs.remove_rest(folder)
        raise ReportError(f"{destination}: is finished; nothing is left to resume, add --overwrite to score again")
    opened = open_source(run.source, recursive=config.recursive, pattern=config.pattern)
    outputs = check_outputs(
        destination, config, opened.carried_columns, config.overwrite or resuming, also=config.also or ""
    )
    loaded, info = _load(run, opened)
    outputs = outputs.of_model(loaded.card.labels)
    task = _task(opened, loaded, config, info)
    with (
        _open_engine(config, loaded) as engine,
        jobs.resume(folder, task) if config.resume else jobs.begin(folder, task, anew=config.overwrite) as job,
        _keeping(job, "the same command with --resume continues from there") if kept else nullcontext(),
    ):
        outputs.check_names(job)
        _tell_terms(run, info, loaded)
        started = time.monotonic()
        resumed = _score_shards(job, job.shards, engine, run, opened)
        workers = config.workers or default_workers(remote=has_remote_images(job))
        info = replace(info, left_out=dict(opened.left_out))
        return publish_report(job, info, outputs, started, resumed, workers)


def _score_part(run: _Run) -> Summary:
    """Score one part of a job that several processes work on."""
    config, destination, shard_range = run.config, run.destination, run.config.shard_range
    assert shard_range is not None and destination.location is not None
    if destination.exists():  # a part that a scheduler starts once more after the merge
        raise ReportError(f"{destination}: exists already; remove it, or choose another name")
    destination.check(may_replace=True)
    opened = open_source(run.source, recursive=config.recursive, pattern=config.pattern)
    loaded, info = _load(run, opened)
    command = ["lesionflow", "score", os.fspath(run.source), "--out", str(destination), "--model", run.model]
    command += ["--tracking-uri", info.store] if info.store else []
    command += arguments_of(config, leave_out=("shard", "resume", "quiet"))
    info, folder = replace(info, command=tuple(command)), job_folder(destination.location)
    with (
        _open_engine(config, loaded) as engine,
        jobs.join(folder, _task(opened, loaded, config, info), shard_range, info) as job,
        _keeping(job, "the same command continues from there", shared=True),
    ):
        _tell_terms(run, info, loaded)
        shards, started, counts = shard_range.shards(job.shards), time.monotonic(), Counts.of(loaded.card.labels)
        resumed = _score_shards(job, shards, engine, run, opened)
        seconds = time.monotonic() - started
        for _ in counts.counting(job.rows(shards)):
            pass
        return Summary(info.label, destination.location, counts, seconds, resumed, dict(opened.left_out))


@contextmanager
def _open_engine(config: ScoringConfig, model: ScoringModel) -> Iterator[LocalEngine | RayEngine]:
    """Yield the engine that a configuration asks for: the shards are the same, to the byte."""
    if config.engine != RAY:
        yield LocalEngine(model, config.workers)
        return
    from lesionflow.scoring.engines.ray import RayEngine, join_cluster

    cpus, gpus = config.cpus_per_task or 1, config.gpus_per_task or 0
    with join_cluster(config.ray_address, cpus, gpus, quiet=config.quiet) as cluster:
        yield RayEngine(cluster, model, config.workers)


def _load(run: _Run, opened: Source) -> tuple[ScoringModel, jobs.RunInfo]:
    """Load the model; returns it with the provenance for the report."""
    config = run.config
    models = [_read_model(run.model, run)]
    label, text, predictor, _ = models[0]
    card = predictor.card
    if config.also is not None:
        models.append(_read_model(config.also, run))
        labels = models[1].predictor.labels
        if not labels.is_like(card.labels):
            raise UsageError(
                f"--also {config.also}: has the diagnoses of {labels.name}, {run.model} those of "
                f"{card.labels.name}; give a model with the same ones, or compare both on labelled images with "
                "'lesionflow compare --data'"
            )
    device = "cuda" if config.engine == RAY and config.gpus_per_task else predictor.device
    loaded = ScoringModel(
        tuple(model.predictor for model in models), tuple(model.graph for model in models),
        device, config.batch_size or BATCH_SIZES[device],
    )  # fmt: skip
    chosen = {"source": os.fspath(run.source)} | {field.name: getattr(config, field.name) for field in fields(config)}
    info = jobs.RunInfo(label, text, config.tta, opened.carried_columns, chosen)
    if config.also is not None:
        info = replace(info, also=models[1].label, also_card=models[1].card)
    # An alias may move to another version, so the label is that of the version.
    moves = run.model.startswith("models:") and ("@" in run.model or run.model.endswith("/latest"))
    asked = f"models:/{label.removesuffix(' (demo data)')}" if moves else run.model
    if run.tracking_uri:
        from lesionflow.tracking.client import shown_address

        info = replace(info, store=shown_address(run.tracking_uri))
    return loaded, replace(info, model_asked=asked)


def _tell_terms(run: _Run, info: jobs.RunInfo, model: ScoringModel) -> None:
    """Print the licences that bind the use of the models, once all options have been checked, and leaks.

    What was trained on one's own images, whose licence is not known, has no terms to be reminded of every night.
    """
    if run.config.quiet:
        return
    from lesionflow.datasets.licences import FREE
    from lesionflow.evaluation.model_card import licence_of, terms_and_metrics

    for label, predictor in zip((info.label, info.also), model.predictors, strict=False):
        card = predictor.card
        if licence_of(card) not in ("", FREE):
            say(f"{label}: {terms_and_metrics(card)}", console=run.console)
        elif card.leaks:
            say(f"{label}: {'; '.join(card.leaks)}", console=run.console, warning=True)


class _Model(NamedTuple):
    label: str
    card: str  # as JSON
    predictor: Predictor  # on this machine
    graph: bytes


def _read_model(model: str, run: _Run) -> _Model:
    from lesionflow.registry.versions import opened  # which brings MLflow along only for what is in a registry

    config = run.config
    with opened(model, run.tracking_uri) as resolved:
        card, graph = read_bundle(resolved.folder)
        text = (resolved.folder / CARD_FILE).read_text()
    # Where tasks of a cluster have the GPUs, this machine need not have one.
    device = "cpu" if config.engine == RAY else config.device
    return _Model(resolved.label, text, Predictor(card, graph, threads=1, device=device, averaged=config.tta), graph)


def _task(opened: Source, model: ScoringModel, config: ScoringConfig, info: jobs.RunInfo) -> jobs.Task:
    fingerprint = row_fingerprint(model.card, model.device, config.tta, model.batch_size)
    if len(model.predictors) > 1:
        fingerprint[ALSO] = model.predictors[1].card.full_label
    return jobs.Task(opened, fingerprint, config.shard_size, model.card.labels, info.model_asked)


def _score_shards(job: Job, shards: range, engine: LocalEngine | RayEngine, run: _Run, source: Source) -> int:
    """Score the unfinished ones of some shards; returns how many of their images were already scored."""
    config, console = run.config, run.console
    if source.left_out and not config.quiet:
        say(f"left out: {describe_left_out(source.left_out)}", console=console)
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
                # A thousand rows with "not found" would be kept, and those images would never be scored.
                raise DataError(f"{source.folder}: was removed after its images were listed; put it back")
            if step.last is not None:
                example = f"{ascii(step.last.path)[1:-1]}: {step.last.reason}: {step.last.detail}"
                config.stop_if_too_many(failed, images, example)
    return done


@contextmanager
def _keeping(job: Job, how: str, shared: bool = False) -> Iterator[None]:
    """If work on a job stops early, say how to resume it; a job without finished work is removed.

    shared: with other processes, so it is never removed.
    """
    try:
        yield
    except (LesionflowError, KeyboardInterrupt) as error:
        if isinstance(error, StoreError) or isinstance(error.__cause__, StoreError):
            # Asking the store how far the run got would mean waiting for it again.
            add_to_message(error, f"what is done is kept; {how}")
            raise
        done = job.images_done()
        if done or shared or isinstance(error, KeyboardInterrupt):
            unit = "" if done == job.inputs else f"; only whole shards are kept (--shard-size {job.shard_size})"
            add_to_message(error, f"{counted(done, 'image', 'is', 'are', of=job.inputs)} done; {how}{unit}")
        else:
            jobs.remove_job(job.folder)
        raise
