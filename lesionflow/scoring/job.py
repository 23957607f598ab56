"""A scoring job: a list of images cut into shards, kept so that a run can be resumed, shared and merged.

Its folder, whose files `shards` describes, lies beside the report and survives the process that works on it. `begin`
and `resume` open a job for one process, `join` for one of several that do every N-th shard without knowing of each
other, and `merge` when all shards are done. Processes without common storage may copy their folders into one: no two
of them write a file of the same name and other content.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools
import json
import os
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionflow.atomic import atomic_write_bytes, locked, partial_file, put_in_place
from lesionflow.diagnoses import HAM10000, LabelSet
from lesionflow.errors import DataError, LesionflowError, ReportError, counted, first_few
from lesionflow.model.card import parse_card
from lesionflow.scoring.config import ShardRange
from lesionflow.scoring.shards import (
    JOB_FILE,
    LOCK_FILE,
    MANIFEST_FILE,
    Fingerprint,
    Job,
    Listing,
    list_lines,
    read_job_file,
    report_errors,
)
from lesionflow.scoring.sources import Source
from lesionflow.storage import objects
from lesionflow.storage.location import Location, Url

JOB_FORMAT = 4
_RECORD = re.compile(r"part-(\d+)-of-(\d+)\.json")
_OUR_FILES = re.compile(  # also those that a killed process was writing
    r"\.?(job\.json|manifest(-\w+)?\.jsonl|shard-\d{8}\.jsonl|part-\d+-of-\d+\.json|report)(\.partial(-\w+)?)?"
)
_OUR_LOCKS = re.compile(rf"{LOCK_FILE}(-\d+-of-\d+)?")


@dataclass(frozen=True)
class Task:
    """The work of a job."""

    source: Source
    row_fingerprint: Fingerprint  # all that a row depends on besides its image
    shard_size: int
    labels: LabelSet = HAM10000  # of the model
    model: str = ""  # what gives the same model to another command, also once an alias has moved


@dataclass(frozen=True)
class RunInfo:
    """The provenance of a job's rows, for its report."""

    label: str  # the name of the model in the report
    card: str  # of the bundle, as JSON
    averaged: bool
    carried_columns: tuple[str, ...]
    chosen: dict[str, Any]  # what the user asked for, by the option's name
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)  # files that are no images, by kind
    command: tuple[str, ...] = ()  # that does a part of the job, but for `--shard`
    fingerprint: Fingerprint = dataclasses.field(default_factory=dict)  # of the job, once it is joined
    also: str = ""  # the name of a second model in the report
    also_card: str = ""  # the card of that one, as JSON
    model_asked: str = ""  # what gives the same model to another command
    store: str = ""  # the store that was named for it


@contextlib.contextmanager
def begin(folder: Location, task: Task, *, anew: bool = False) -> Iterator[Job]:
    """Begin a job, exclusively for this process, except in a store.

    folder: where it is to lie, see `job_folder`; task: what it is to do; anew: remove what an earlier run left
    unfinished there. Raises `ReportError` where the folder holds an unfinished job, another process works on it, or it
    cannot be written; `DataError` where the source holds nothing.
    """
    with _exclusive(folder):
        if not anew and read_job_file(folder) is not None:
            raise ReportError(
                f"{folder}: holds results of an earlier run of this report; add --resume to continue it, or "
                "--overwrite to start over"
            )
        yield _begun(folder, task)


@contextlib.contextmanager
def resume(folder: Location, task: Task) -> Iterator[Job]:
    """Resume the job in a folder, or begin one if there is none, exclusively for this process.

    Raises
    ------
    ReportError
        The job there has another fingerprint or other inputs, or another process works on it.
    DataError
        The source holds nothing.
    """
    with _exclusive(folder):
        before = read_job_file(folder)
        if before is None:
            yield _begun(folder, task)
            return
        with _manifest(folder, task) as (partial, listing):
            fingerprint = _fingerprint(task, listing)
            if differing := _differences(folder, before["fingerprint"], fingerprint, partial):
                named = before.get("model", task.model)
                its_model = f" and {shlex.join(['--model', str(named)])}" if named != task.model else ""
                raise ReportError(
                    f"{folder}: holds an earlier run that differs: {differing}; repeat that command with "
                    f"--resume{its_model}, or start over with --overwrite and without --resume"
                )
            with report_errors(folder):
                put_in_place(partial, folder / MANIFEST_FILE, overwrite=True)
        yield _job(folder, before, task.source.carried_columns, listing, MANIFEST_FILE, task.labels)


@contextlib.contextmanager
def join(folder: Location, task: Task, shard_range: ShardRange, info: RunInfo) -> Iterator[Job]:
    """Begin or resume one process's part of a job, while others may work on theirs.

    The first to begin puts the job into the folder, the others compare: all have to agree on everything that a row
    depends on. Raises `ReportError` where the folder holds another job or one cut otherwise, or this part is being
    worked on; `DataError` where the source holds nothing.
    """
    _make_folder(folder)
    own_lock = f"{LOCK_FILE}-{shard_range.number}-of-{shard_range.of}"
    with (
        _locked(folder, LOCK_FILE, "a run of the whole report, or its merge, is running", shared=True),
        _locked(folder, own_lock, f"another process is working on part {shard_range}"),
    ):
        with _manifest(folder, task) as (partial, listing):
            fingerprint = _fingerprint(task, listing)
            manifest = _shared_manifest(listing.digest)
            with report_errors(folder):
                before = read_job_file(folder) or _put_shared_job(folder, fingerprint, shard_range, partial, manifest)
            if differing := _differences(folder, before["fingerprint"], fingerprint, partial):
                raise ReportError(
                    f"{folder}: part {shard_range} belongs to another job than the parts there: {differing}; give "
                    "all parts the same options and the same source, or remove that folder to start over"
                )
        if before.get("parts") != shard_range.of:
            there = f"{before['parts']} parts" if "parts" in before else "one run"
            raise ReportError(f"{folder}: was started as {there}, not as {shard_range.of} parts; continue with that")
        with report_errors(folder):
            info = dataclasses.replace(info, left_out=dict(task.source.left_out), fingerprint=fingerprint)
            record = json.dumps(dataclasses.asdict(info), indent=2)
            atomic_write_bytes(
                folder / f"part-{shard_range.number:05}-of-{shard_range.of:05}.json", record.encode() + b"\n"
            )
        yield _job(folder, before, task.source.carried_columns, listing, manifest, task.labels)


@contextlib.contextmanager
def merge(folder: Location) -> Iterator[tuple[Job, RunInfo, int]]:
    """Open a shared job whose shards are all done; yields it, its provenance, and its number of failed rows.

    Raises
    ------
    ReportError
        Shards are missing (with the commands that do them), parts are of other jobs, or one is being worked on.
    """
    nothing = f"{folder}: holds no parts of a report; 'lesionflow score --shard I/N' makes them"
    if isinstance(folder, Path) and not folder.is_dir():
        raise ReportError(nothing)
    with _locked(folder, LOCK_FILE, "a part of this report is being worked on"):
        before = read_job_file(folder)
        if before is None:
            raise ReportError(nothing)
        if "parts" not in before:
            raise ReportError(f"{folder}: was started as one run; 'lesionflow score --resume' continues it")
        fingerprint = before["fingerprint"]
        if (then := fingerprint.get("job format")) != JOB_FORMAT:
            raise ReportError(
                f"{folder}: was begun by another version of lesionflow (job format {then}, this one reads "
                f"{JOB_FORMAT}); merge with that version, or remove that folder and score all parts again"
            )
        info = _agreed_info(folder, fingerprint, before["parts"])
        manifest = _manifest_of(folder, fingerprint)
        with report_errors(folder, "read"), objects.local_copy(manifest) as file, open(file, "rb") as lines:
            listing = list_lines(lines, info.carried_columns, fingerprint["images in a shard"])
        if listing.digest != fingerprint["list of images"]:
            raise ReportError(f"{manifest}: altered; remove {folder} and score all parts again")
        labels = parse_card(info.card.encode(), "the model's card").labels
        job = _job(folder, before, info.carried_columns, listing, manifest.name, labels)
        yield job, info, _count_failures(job, info, before["parts"])


def remove_job(folder: Location, keep_folder: bool = False) -> None:
    """Remove a job, first `job.json`, then its other files; files that no job wrote are kept, with their folder."""
    with report_errors(folder), contextlib.suppress(FileNotFoundError):
        objects.remove(folder / JOB_FILE)
        ours = (name for name in objects.names(folder) if _OUR_FILES.fullmatch(name))
        for _ in objects.prefetch_map(folder, lambda name: _remove(folder / name), ours):
            pass
    if not keep_folder and isinstance(folder, Path):
        with contextlib.suppress(OSError):  # Windows cannot remove open files, such as this process's lock
            for name in filter(_OUR_LOCKS.fullmatch, os.listdir(folder)):
                (folder / name).unlink()
            folder.rmdir()


def remove_rest(folder: Location) -> None:
    """Remove what is left of a job whose process was killed while it removed it; what another works on is kept."""
    with contextlib.suppress(ReportError), _locked(folder, LOCK_FILE, ""):
        if read_job_file(folder) is None:
            remove_job(folder)


def _remove(file: Location) -> None:
    if isinstance(file, Path) and file.is_dir():  # a report of several parts
        shutil.rmtree(file)
    else:
        objects.remove(file)


def _job(
    folder: Location,
    values: dict[str, Any],
    columns: tuple[str, ...],
    listing: Listing,
    manifest: str,
    labels: LabelSet,
) -> Job:
    """The job that `job.json` describes."""
    begun = datetime.datetime.fromisoformat(values["begun"])
    return Job(folder, values["fingerprint"], columns, begun, listing, manifest, labels)


def _begun(folder: Location, task: Task) -> Job:
    """Write a new job into a folder that this process has locked."""
    remove_job(folder, keep_folder=True)
    try:
        with _manifest(folder, task) as (partial, listing), report_errors(folder):
            values = {"fingerprint": _fingerprint(task, listing), "begun": _now(), "model": task.model}
            put_in_place(partial, folder / MANIFEST_FILE, overwrite=True)
            atomic_write_bytes(folder / JOB_FILE, json.dumps(values, indent=2).encode() + b"\n")
    except BaseException:
        remove_job(folder)
        raise
    return _job(folder, values, task.source.carried_columns, listing, MANIFEST_FILE, task.labels)


def _put_shared_job(
    folder: Location, fingerprint: Fingerprint, shard_range: ShardRange, partial: Path, manifest: str
) -> dict[str, Any]:
    """Write a shared job into its folder unless another process was first; returns the one there. Raises OSError."""
    if not objects.is_file(folder / manifest):
        put_in_place(partial, folder / manifest, overwrite=True)
    content = json.dumps({"fingerprint": fingerprint, "begun": _now(), "parts": shard_range.of}, indent=2)
    with contextlib.suppress(FileExistsError):
        atomic_write_bytes(folder / JOB_FILE, content.encode() + b"\n", overwrite=False)
    there = read_job_file(folder)
    if there is None:
        raise ReportError(f"{folder}: was removed while part {shard_range} began; give the same command again")
    return there


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat()


@contextlib.contextmanager
def _manifest(folder: Location, task: Task) -> Iterator[tuple[Path, Listing]]:
    """A list of the source, as a file to put in place. Raises `DataError` if it is empty, `ReportError`."""
    with contextlib.ExitStack() as held:
        with report_errors(folder):
            partial = held.enter_context(partial_file(folder / MANIFEST_FILE))
        yield partial, _write_manifest(partial, task, folder)


def _write_manifest(file: Path, task: Task, folder: Location) -> Listing:
    def lines() -> Iterator[bytes]:
        for item in task.source.inputs:
            line = json.dumps(item).encode("ascii") + b"\n"
            stream.write(line)
            yield line

    with report_errors(folder), open(file, "wb") as stream:
        listing = list_lines(lines(), task.source.carried_columns, task.shard_size)
        stream.flush()
        os.fsync(stream.fileno())
    if not listing.inputs:
        raise DataError(task.source.nothing or "nothing to score")
    return listing


def _fingerprint(task: Task, listing: Listing) -> Fingerprint:
    """Everything that the rows of a job depend on."""
    return {
        "job format": JOB_FORMAT,
        **task.row_fingerprint,
        "images in a shard": task.shard_size,
        "images": listing.inputs,
        "list of images": listing.digest,
    }


def _differences(folder: Location, before: Fingerprint, now: Fingerprint, partial: Path | None = None) -> str:
    """How two jobs differ, for a message; empty if they do not. partial: the manifest of the later one."""
    found = []
    for name in {**before, **now}:
        if before.get(name) == now.get(name):
            continue
        if name == "list of images":
            found.append(name if partial is None else _first_difference(_manifest_of(folder, before), partial))
        else:
            then, this = (str(values.get(name, "none"))[:26] for values in (before, now))
            found.append(f"{name} ({then} then, {this} now)")
    return ", ".join(found)


def _first_difference(before: Location, now: Path) -> str:
    with (
        contextlib.suppress(OSError),
        objects.local_copy(before) as copy,
        open(copy, "rb") as old,
        open(now, "rb") as new,
    ):
        for number, (then, this) in enumerate(itertools.zip_longest(old, new), start=1):
            if then != this:
                names = [ascii(json.loads(line)[0]) if line else "nothing" for line in (then, this)]
                return f"list of images (image {number}: {names[0]} then, {names[1]} now)"
    return "list of images"


def _manifest_of(folder: Location, fingerprint: Fingerprint) -> Location:
    """The manifest of the job in a folder: a shared job's has the digest in its name."""
    shared = folder / _shared_manifest(str(fingerprint.get("list of images")))
    with contextlib.suppress(OSError):
        if objects.is_file(shared):
            return shared
    return folder / MANIFEST_FILE


def _shared_manifest(digest: str) -> str:
    """The name of a manifest that several processes may write: manifests with the same name are the same."""
    return f"manifest-{digest[:16]}.jsonl"


def _make_folder(folder: Location) -> None:
    if isinstance(folder, Path):
        with report_errors(folder):
            folder.mkdir(exist_ok=True)


@contextlib.contextmanager
def _exclusive(folder: Location) -> Iterator[None]:
    """Lock a job's folder for this process."""
    _make_folder(folder)
    with _locked(folder, LOCK_FILE, "another process is working on this report, or on a part of it"):
        yield


@contextlib.contextmanager
def _locked(folder: Location, name: str, busy: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock in the folder, which ends with the process, however it ends. Where there are no locks, go without.

    busy: the message if another process holds it; shared: whether others that share it may hold it as well.
    """
    if isinstance(folder, Url):  # a lock there would outlive a killed process
        yield
        return
    with contextlib.ExitStack() as taken:
        with report_errors(folder):
            is_held = taken.enter_context(locked(folder / name, shared=shared))
        if not is_held:
            raise ReportError(f"{folder}: {busy}; wait for it or stop it")
        yield


def _agreed_info(folder: Location, fingerprint: Fingerprint, parts: int) -> RunInfo:
    """The provenance of the parts, which must be the same for all."""
    first: tuple[str, RunInfo] | None = None
    with report_errors(folder, "read"):
        records = sorted(name for name in objects.names(folder) if _RECORD.fullmatch(name))
    for name in records:
        number, of = map(int, _RECORD.fullmatch(name).groups())  # type: ignore[union-attr]
        info = _read_record(folder / name)
        if of != parts:
            raise ReportError(f"{folder}: holds part {number} of {of}, and parts of {parts}; keep those of one job")
        if differing := _differences(folder, fingerprint, info.fingerprint):
            raise ReportError(f"{folder}: part {number}/{of} is of another job: {differing}; score it like the others")
        if first is not None and info.label != first[1].label:
            raise ReportError(
                f"{folder}: the model is {first[1].label} in {first[0]} and {info.label} in {name}; give all parts the "
                "same name for it"
            )
        first = first or (name, info)
    if first is None:
        raise ReportError(f"{folder}: no part says which model it used; score one of them again")
    return first[1]


def _read_record(file: Location) -> RunInfo:
    try:
        values = json.loads(objects.read(file))
        values["carried_columns"], values["command"] = tuple(values["carried_columns"]), tuple(values["command"])
        return RunInfo(**values)
    except LesionflowError:
        raise
    except OSError as error:
        raise ReportError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{file}: not the record of a part; score that part again") from error


def _count_failures(job: Job, info: RunInfo, parts: int) -> int:
    """The number of failed rows. Raises `ReportError` if shards are missing."""
    done = job.failures()
    lacking = []
    for number in range(1, parts + 1):
        shard_range = ShardRange(number, parts)
        shards = shard_range.shards(job.shards)
        if missing := [shard for shard in shards if done[shard] is None]:
            command = shlex.join([*info.command, "--shard", str(shard_range)])
            lacking.append(f"part {shard_range} lacks {counted(len(missing), 'shard', of=len(shards))}: {command}")
    if lacking:
        raise ReportError(f"{job.folder}: not all parts are done; {first_few(lacking, 8)}")
    return sum(known or 0 for known in done)
