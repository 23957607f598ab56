"""Beginning a job, going on with it and removing it, while nobody else does."""

from __future__ import annotations

import contextlib
import datetime
import json
import re
from collections.abc import Iterator
from pathlib import Path

from lesionflow.atomic import atomic_write_bytes, put_in_place
from lesionflow.errors import ReportError
from lesionflow.locks import take_lock
from lesionflow.scoring.job import (
    JOB_FILE,
    LOCK_FILE,
    MANIFEST_FILE,
    Fingerprint,
    Job,
    read_job_file,
    report_errors,
)
from lesionflow.scoring.manifest import differences, whole_fingerprint, write_manifest
from lesionflow.scoring.sources import Source
from lesionflow.storage import objects
from lesionflow.storage.location import Location, Url

_PARTIAL = r"(\.partial(-\w+)?)?"  # of what a killed process was writing
_OURS = re.compile(
    rf"(job\.json|manifest(-\w+)?\.jsonl|shard-\d{{8}}\.jsonl|part-\d+-of-\d+\.json){_PARTIAL}"
    r"|\.?report(\.partial-\w+)?"
)
_LOCKS = re.compile(rf"{LOCK_FILE}(-\d+-of-\d+)?")


@contextlib.contextmanager
def open_job(
    folder: Location, source: Source, fingerprint: Fingerprint, shard_size: int, *, resume: bool, anew: bool
) -> Iterator[Job]:
    """Begin a job, or go on with the one in the folder; one process at a time has it, except in a store.

    fingerprint: whatever a row depends on besides the inputs. Raises `ReportError` for a folder with an unfinished job
    if neither `resume` nor `anew` is set, for a resumed job of another fingerprint or other inputs, and for one that
    another process is working on; `DataError` where the source holds nothing.
    """
    if isinstance(folder, Path):
        with report_errors(folder):
            folder.mkdir(exist_ok=True)
    busy = "another process is working on this report, or on a part of it"
    with locked(folder, LOCK_FILE, busy), _partial_manifest(folder) as partial:
        before = read_job_file(folder)
        if before is not None and not resume and not anew:
            raise ReportError(
                f"{folder}: holds what an earlier run of this report has done; add --resume to go on with it, or "
                "--overwrite to begin anew"
            )
        if before is None or not resume:
            remove_job(folder, keep_folder=True)
            before = None
        try:
            listed = write_manifest(partial, source, shard_size, folder)
            fingerprint = whole_fingerprint(fingerprint, shard_size, listed)
            if before and (differing := differences(folder, before["fingerprint"], fingerprint, partial)):
                raise ReportError(
                    f"{folder}: the run that it holds was another one: {differing}; repeat that command with "
                    "--resume, or begin anew with --overwrite and without --resume"
                )
        except BaseException:
            if before is None:
                remove_job(folder)
            else:
                with contextlib.suppress(OSError):
                    partial.unlink()
            raise
        begun = (
            datetime.datetime.now(datetime.UTC) if before is None else datetime.datetime.fromisoformat(before["begun"])
        )
        with report_errors(folder):
            put_in_place(partial, folder / MANIFEST_FILE, overwrite=True)
            if before is None:
                content = json.dumps({"fingerprint": fingerprint, "begun": begun.isoformat()}, indent=2)
                atomic_write_bytes(folder / JOB_FILE, content.encode() + b"\n")
        yield Job(folder, shard_size, listed.inputs, source.carried_columns, begun, listed.offsets, fingerprint)


def remove_job(folder: Location, keep_folder: bool = False) -> None:
    """Remove a job: first what makes it one, then the rest; files that no job wrote stay, and their folder too."""
    with report_errors(folder), contextlib.suppress(FileNotFoundError):
        objects.remove(folder / JOB_FILE)
        ours = (
            name
            for name in objects.names(folder)
            if _OURS.fullmatch(name) or (_LOCKS.fullmatch(name) and not keep_folder)
        )
        for _ in objects.prefetch_map(folder, lambda name: objects.remove(folder / name), ours):
            pass
    if not keep_folder and isinstance(folder, Path):
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def _partial_manifest(folder: Location) -> Iterator[Path]:
    """Where the list of a job is written before it has its place: the next run begins it anew."""
    if isinstance(folder, Path):
        yield folder / f"{MANIFEST_FILE}.partial"
        return
    with objects.temporary_file() as file:
        yield file


@contextlib.contextmanager
def locked(folder: Location, name: str, busy: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock in the folder, which ends with the process, however it ends. Where there are no locks, go without.

    busy: what to say where somebody else holds it; shared: whether others who share it may hold it as well.
    """
    if isinstance(folder, Url):  # a lock there would outlive a killed process
        yield
        return
    with report_errors(folder):
        file = open(folder / name, "ab")  # noqa: SIM115 (closed below, after the caller's block)
    with file:
        if not take_lock(file, shared=shared):
            raise ReportError(f"{folder}: {busy}; wait for it or stop it")
        yield
