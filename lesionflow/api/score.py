"""Score: model -> images -> report, a row for every image found; in one run, or a part of it at a time."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

from lesionflow.atomic import check_writable
from lesionflow.errors import DataError, LesionflowError, ReportError, StoreError
from lesionflow.model.card import CARD_FILE
from lesionflow.model.files import read_bundle
from lesionflow.model.prediction import Row
from lesionflow.model.predictor import Predictor, row_fingerprint
from lesionflow.model.shipped import PRETRAINED
from lesionflow.options import arguments_of
from lesionflow.registry.config import DEFAULT_MODEL
from lesionflow.scoring.config import RAY, Part, ScoringConfig
from lesionflow.scoring.engines import Model, Scorer, open_engine
from lesionflow.scoring.job import JOB_FILE, Job, job_folder
from lesionflow.scoring.job_folder import open_job, remove_job
from lesionflow.scoring.parts import About, open_part
from lesionflow.scoring.progress import show_progress
from lesionflow.scoring.publish import Summary, check_outputs, finish
from lesionflow.scoring.report import ISIC, check_isic_names
from lesionflow.scoring.sources import Source, open_source
from lesionflow.scoring.summary import Counts
from lesionflow.storage.location import Location, parse_location
from lesionflow.storage.objects import is_file

BATCH_SIZES = {"cpu": 16, "cuda": 64}


def score(
    source: str | os.PathLike[str],
    out: Location | str | os.PathLike[str],
    model: str = DEFAULT_MODEL,
    *,
    tracking_uri: str | None = None,
    **options: Any,
) -> Summary:
    """Score images into a report with a row for each; options are the fields of `ScoringConfig`.

    source: a folder, an image, a pattern, `@LIST`, a CSV file with a column `path`, or `-`; `scoring.sources` has
    more. out: a path, or a URL of a store. model: `models:/NAME@ALIAS`, `models:/NAME/VERSION`, `pretrained` or a
    bundle's folder. What is done is kept beside the report until the report is whole, and `resume=True` goes on with
    it; with `shard="I/N"` that is all that is done, and `api.merge` makes the report. Raises a `LesionflowError`
    where nothing can be scored or the report cannot be written; images that cannot be read are rows of the report and
    counted in the summary.
    """
    config, out = ScoringConfig(**options), parse_location(out)
    if out.is_dir():  # said before its ending is looked at, which says nothing then
        raise ReportError(f"{out}: a folder; name the file to write")
    if config.part is not None:
        return _score_part(source, out, model, tracking_uri, config, config.part)
    folder = job_folder(out)
    # Killed between the report's last byte and the end, a process has left both; the end then compares.
    going_on = config.resume and is_file(folder / JOB_FILE)
    if config.resume and not going_on:
        remove_job(folder)  # of a process killed while it removed the rest of a finished job
        if is_file(out) and not config.overwrite:
            raise ReportError(f"{out}: is finished, there is nothing to resume; add --overwrite to score anew")
    may_replace = config.overwrite or going_on
    opened = open_source(source, recursive=config.recursive, pattern=config.pattern)
    report = check_outputs(out, config, opened.carried_columns, may_replace)
    loaded, label, _ = _load(model, tracking_uri, config)
    doing = {"resume": config.resume, "anew": config.overwrite}
    with (
        open_engine(config) as engine,
        open_job(folder, opened, _fingerprint(loaded, config), config.shard_size, **doing) as job,
        _keeping(job, "the same command with --resume goes on from there"),
    ):
        if report.format == ISIC:
            check_isic_names(job.paths())
        started = time.monotonic()
        resumed = _score_shards(job, job.shards, engine(job, loaded), config, opened)
        chosen, averaged = _chosen(source, config), config.tta
        return finish(
            job, out, report, config, label, loaded.predictor.card, chosen,
            averaged=averaged, may_replace=may_replace, started=started, resumed=resumed, workers=config.workers,
        )  # fmt: skip


def _score_part(
    source: str | os.PathLike[str],
    out: Location,
    model: str,
    tracking_uri: str | None,
    config: ScoringConfig,
    part: Part,
) -> Summary:
    if is_file(out):  # a part that a scheduler starts once more after the merge
        raise ReportError(f"{out}: exists already; remove it, or choose another name")
    check_writable(out, overwrite=True)
    opened = open_source(source, recursive=config.recursive, pattern=config.pattern)
    loaded, label, card = _load(model, tracking_uri, config)
    command = ["lesionflow", "score", os.fspath(source), "--out", str(out), "--model", model]
    command += arguments_of(config, leave_out=("shard", "resume", "quiet"))
    about = About(label, card, config.tta, opened.carried_columns, _chosen(source, config), tuple(command))
    with (
        open_engine(config) as engine,
        open_part(job_folder(out), opened, _fingerprint(loaded, config), config.shard_size, part, about) as job,
        _keeping(job, "the same command goes on from there", shared=True),
    ):
        shards, started, counts = part.shards(job.shards), time.monotonic(), Counts()
        resumed = _score_shards(job, shards, engine(job, loaded), config, opened)
        seconds = time.monotonic() - started
        for row in job.rows(shards):
            counts.add(row)
        return Summary(label, out, counts, seconds, resumed)


def _load(model: str, tracking_uri: str | None, config: ScoringConfig) -> tuple[Model, str, str]:
    """The model, its name in the report, and its card as text."""
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
    return Model(predictor, graph, device, config.batch_size or BATCH_SIZES[device]), resolved.label, text


def _fingerprint(model: Model, config: ScoringConfig) -> dict[str, str | int]:
    return row_fingerprint(model.predictor.card, model.device, config.tta, model.batch_size)


def _chosen(source: str | os.PathLike[str], config: ScoringConfig) -> dict[str, Any]:
    """What the user asked for, by the option's name."""
    chosen = {field.name: getattr(config, field.name) for field in fields(config)}
    return {"source": os.fspath(source)} | chosen


def _score_shards(job: Job, shards: range, scorer: Scorer, config: ScoringConfig, source: Source) -> int:
    """Score what is not done yet of some shards, a file each; returns how many of their images were done before."""
    failures = job.failures(shards)
    todo = [shard for shard, known in zip(shards, failures, strict=True) if known is None]
    images = sum(map(job.shard_length, shards))
    done, failed = images - sum(map(job.shard_length, todo)), sum(known or 0 for known in failures)
    limit = config.failures_allowed(images)
    stop_if_too_many(failed, limit, images, None)
    progress = show_progress(images, done, failed, quiet=config.quiet)
    with progress as advance, closing(scorer(todo)) as steps:
        for step in steps:
            failed += step.failed
            advance(step.images, step.failed)
            if step.failed and source.is_lost():
                # A thousand rows that say "not found" would be kept, and nobody would ever score those images.
                raise DataError(f"{source.folder}: is gone since its images were listed; bring it back")
            if step.failed:
                stop_if_too_many(failed, limit, images, step.last)
    return done


def stop_if_too_many(failed: int, limit: int | None, images: int, last: Row | None) -> None:
    """Raise `DataError` where more images failed than may. last: one of them."""
    if limit is None or failed <= limit:
        return
    which = "" if last is None else f" ({ascii(last.path)[1:-1]}: {last.reason}: {last.detail})"
    count = f"{failed} image{'' if failed == 1 else 's'} of {images} failed{which}"
    raise DataError(
        f"{count}, where {limit} may; mend the images, or raise --max-failures and leave out --on-error fail"
    )


@contextmanager
def _keeping(job: Job, going_on: str, shared: bool = False) -> Iterator[None]:
    """Say how to go on when the work on a job stops before its end; a job with nothing done is removed.

    shared: with others, so that it is never removed.
    """
    try:
        yield
    except (LesionflowError, KeyboardInterrupt) as error:
        if isinstance(error, StoreError) or isinstance(error.__cause__, StoreError):
            # Asked how far the run got, the store would keep us waiting once more.
            error.args = (f"{error}; what is done is kept; {going_on}",)
            raise
        done = job.images_done()
        if done or shared or isinstance(error, KeyboardInterrupt):
            kept = f"{done:,} of {job.inputs:,} images are done; {going_on}"
            error.args = (f"{error}; {kept}" if str(error) else f"stopped; {kept}",)
        else:
            remove_job(job.folder)
        raise
