"""A scoring job on disk or in a store: the list of inputs cut into shards, each of whose results is a file, whole or
not there.

A job survives the process that works on it. Its folder lies beside the report and holds

    job.json              its fingerprint, written last: without it there is no job
    manifest.jsonl        a line an input: its path and the values carried through with it
    shard-00000000.jsonl  a line of checksum, then a line a row; the report is the shards in order

    report                the report while it is written, so that a killed process leaves nothing outside; not in a
                          store, where an upload is whole or not there

and whoever finds it can see what is left to do. The folder goes when the report is in its place.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import json
import os
import re
import zlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from lesionflow.errors import DataError, ReportError, StoreError
from lesionflow.scoring.row import Decision, Row
from lesionflow.scoring.sources import Source
from lesionflow.storage import objects
from lesionflow.storage.places import Place, Url
from lesionflow.whole_file import put_in_place, write_whole

JOB_FORMAT = 3
JOB_FILE, MANIFEST_FILE, LOCK_FILE, REPORT_FILE = "job.json", "manifest.jsonl", "lock", "report"
_PARTIAL = r"(\.partial(-\w+)?)?"  # of what a killed process was writing
_OURS = re.compile(
    rf"(job\.json|manifest(-\w+)?\.jsonl|shard-\d{{8}}\.jsonl|part-\d+-of-\d+\.json){_PARTIAL}"
    r"|\.?report(\.partial-\d+)?"
)
_LOCKS = re.compile(rf"{LOCK_FILE}(-\d+-of-\d+)?")

Fingerprint = dict[str, str | int]


@dataclass(frozen=True)
class Job:
    """A list of inputs in shards of `shard_size`, and which of them are done."""

    folder: Place
    shard_size: int
    inputs: int
    carried_columns: tuple[str, ...]
    begun: datetime.datetime  # a resumed job keeps it
    offsets: array[int]  # where in the manifest each shard begins, in bytes
    fingerprint: Fingerprint  # all that its rows depend on
    manifest: str = MANIFEST_FILE

    @cached_property
    def digest(self) -> str:
        """Of the fingerprint: shards of another model, other options or another list have another one."""
        return hashlib.sha256(json.dumps(self.fingerprint, sort_keys=True).encode()).hexdigest()[:16]

    def is_seen(self) -> bool:
        """Whether the folder has this job: not so on a machine where another storage goes by the same name."""
        there = read_job_file(self.folder)
        return there is not None and there["fingerprint"] == self.fingerprint

    @property
    def shards(self) -> range:
        """The numbers of the shards."""
        return range(len(self.offsets))

    def shard_length(self, shard: int) -> int:
        """The number of a shard's inputs; the last one's may be smaller than the others'."""
        return min(self.shard_size, self.inputs - shard * self.shard_size)

    def shard_inputs(self, shard: int) -> list[tuple[str, ...]]:
        """The inputs of one shard: (path, *carried) each."""
        end = self.offsets[shard + 1] if shard + 1 < len(self.offsets) else None
        with report_errors(self.folder, "read"):
            lines = _part_of(self.folder / self.manifest, self.offsets[shard], end).splitlines()
        return [tuple(json.loads(line)) for line in lines]

    def paths(self) -> Iterator[str]:
        """The path of every input, in order."""
        return (path for inputs in objects.ahead(self.folder, self.shard_inputs, self.shards) for path, *_ in inputs)

    def write_shard(self, shard: int, rows: Iterable[tuple[int, Row]]) -> None:
        """Keep a shard's result: rows with the place of their input within the shard, in order.

        Raises `ReportError` where the disk is full or gone; the shard is then still to be done.
        """
        lines, failed = [], 0
        for place, row in rows:
            outcome = row.decision if row.decision is not None else (row.reason, row.detail)
            failed += row.decision is None
            # repr of a float, which JSON uses, reads back as the same float; surrogates are escaped by \\u and return.
            lines.append(json.dumps([place, row.frame, *outcome]))
        body = "".join(line + "\n" for line in lines).encode("ascii")
        head = {"shard": shard, "job": self.digest, "rows": len(lines), "failed": failed, "crc32": zlib.crc32(body)}
        with report_errors(self.folder):
            write_whole(self._shard_file(shard), json.dumps(head).encode() + b"\n" + body)

    def discard_shard(self, shard: int) -> None:
        """Forget a shard's result: it is to be done again."""
        with report_errors(self.folder):
            self._shard_file(shard).unlink(missing_ok=True)

    def images_done(self) -> int:
        """How many inputs are in shards whose file is there; whether one is whole is looked at when it is read."""
        with report_errors(self.folder, "read"):
            there = set(file_names(self.folder))
            return sum(self.shard_length(shard) for shard in self.shards if self._shard_file(shard).name in there)

    def failures(self, shards: Iterable[int] | None = None) -> list[int | None]:
        """`failures_of` each shard, or each of some."""
        with report_errors(self.folder, "read"):
            there = set(file_names(self.folder))

        def known(shard: int) -> int | None:
            return self.failures_of(shard) if self._shard_file(shard).name in there else None

        return list(objects.ahead(self.folder, known, self.shards if shards is None else shards))

    def failures_of(self, shard: int) -> int | None:
        """How many rows of a finished shard are failures; None for a shard that is not done or not whole."""
        read = self._read_shard(shard)
        return None if read is None else read[0]

    def rows(self, shards: Iterable[int] | None = None) -> Iterator[Row]:
        """Every row of the finished job, or of some shards, in order.

        Raises `ReportError` where a shard is missing, altered or another job's.
        """

        def both(shard: int) -> tuple[int, list[tuple[str, ...]], tuple[int, bytes] | None]:
            return shard, self.shard_inputs(shard), self._read_shard(shard)

        for shard, inputs, read in objects.ahead(self.folder, both, self.shards if shards is None else shards):
            if read is None:
                raise ReportError(f"{self._shard_file(shard)}: missing or altered")
            for line in read[1].splitlines():
                place, frame, *outcome = json.loads(line)
                path, *carried = inputs[place]
                if isinstance(outcome[0], str):
                    reason, detail = outcome
                    yield Row(path, None, reason, detail, frame, tuple(carried))
                else:
                    probabilities, *decided = outcome
                    decision = Decision(tuple(probabilities), *decided)
                    yield Row(path, decision, frame=frame, carried=tuple(carried))

    def _read_shard(self, shard: int) -> tuple[int, bytes] | None:
        """The number of failures and the lines of a shard, None if it is not there, not whole or another job's."""
        try:
            head, lines = self._shard_file(shard).read_bytes().split(b"\n", 1)
            values = json.loads(head)
            ours = values["shard"] == shard and values["job"] == self.digest
            if ours and values["crc32"] == zlib.crc32(lines):
                return int(values["failed"]), lines
        except StoreError as error:  # to do it again would not help
            raise ReportError(f"{self._shard_file(shard)}: cannot be read ({error})") from error
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None

    def _shard_file(self, shard: int) -> Place:
        return self.folder / f"shard-{shard:08}.jsonl"


@overload
def job_folder(out: Path) -> Path: ...
@overload
def job_folder(out: Place) -> Place: ...
def job_folder(out: Place) -> Place:
    """Where the job of a report lies: beside it, so that renaming never crosses file systems."""
    name = os.fsdecode(os.fsencode(out.name)[:200])  # with what comes around it, a long name would be too long
    return out.parent / f".{name}.job"


@contextlib.contextmanager
def open_job(
    folder: Place, source: Source, fingerprint: Fingerprint, shard_size: int, *, resume: bool, anew: bool
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
                write_whole(folder / JOB_FILE, content.encode() + b"\n")
        yield Job(folder, shard_size, listed.inputs, source.carried_columns, begun, listed.offsets, fingerprint)


def remove_job(folder: Place, keep_folder: bool = False) -> None:
    """Remove a job: first what makes it one, then the rest; files that no job wrote stay, and their folder too."""
    with report_errors(folder), contextlib.suppress(FileNotFoundError):
        (folder / JOB_FILE).unlink(missing_ok=True)
        ours = (
            name for name in file_names(folder) if _OURS.fullmatch(name) or (_LOCKS.fullmatch(name) and not keep_folder)
        )
        for _ in objects.ahead(folder, lambda name: (folder / name).unlink(), ours):
            pass
    if not keep_folder and isinstance(folder, Path):
        with contextlib.suppress(OSError):
            folder.rmdir()


@contextlib.contextmanager
def _partial_manifest(folder: Place) -> Iterator[Path]:
    """Where the list of a job is written before it has its place: the next run begins it anew."""
    if isinstance(folder, Path):
        yield folder / f"{MANIFEST_FILE}.partial"
        return
    with objects.temporary_file() as file:
        yield file


def file_names(folder: Place) -> Iterator[str]:
    """The names of a folder's files. Raises OSError."""
    return objects.names(folder) if isinstance(folder, Url) else iter(os.listdir(folder))


def _part_of(file: Place, start: int, end: int | None) -> bytes:
    """The bytes from `start` to before `end`, or to the end of the file. Raises OSError."""
    if isinstance(file, Url):
        return objects.read(file, start, end)
    with open(file, "rb") as stream:
        stream.seek(start)
        return stream.read() if end is None else stream.read(end - start)


@dataclass(frozen=True)
class Listed:
    """What is known of a manifest."""

    digest: str
    inputs: int
    offsets: array[int]  # where each shard begins, in bytes


def write_manifest(file: Path, source: Source, shard_size: int, folder: Place) -> Listed:
    """List a source into a file. Raises `DataError` where it holds nothing, `ReportError` where the disk is full."""

    def lines() -> Iterator[bytes]:
        for item in source.inputs:
            line = json.dumps(item).encode("ascii") + b"\n"
            stream.write(line)
            yield line

    with report_errors(folder), open(file, "wb") as stream:
        listed = look_through(lines(), source.carried_columns, shard_size)
        stream.flush()
        os.fsync(stream.fileno())
    if not listed.inputs:
        raise DataError(source.nothing or "nothing to score")
    return listed


def look_through(lines: Iterable[bytes], carried_columns: tuple[str, ...], shard_size: int) -> Listed:
    """Digest, length and shards of the lines of a manifest."""
    digest, offsets, inputs, position = hashlib.sha256(), array("Q"), 0, 0
    digest.update(json.dumps(carried_columns).encode())
    for line in lines:
        if inputs % shard_size == 0:
            offsets.append(position)
        digest.update(line)
        inputs, position = inputs + 1, position + len(line)
    return Listed(digest.hexdigest(), inputs, offsets)


def whole_fingerprint(of_a_row: Fingerprint, shard_size: int, listed: Listed) -> Fingerprint:
    """What the rows of a job depend on: what each does, and the list."""
    return {
        "job format": JOB_FORMAT,
        **of_a_row,
        "images in a shard": shard_size,
        "images": listed.inputs,
        "list of images": listed.digest,
    }


def differences(folder: Place, before: Fingerprint, now: Fingerprint, partial: Path | None = None) -> str:
    """In which way two jobs differ, for a message; empty if they do not. partial: the list of the later one."""
    told = []
    for name in {**before, **now}:
        if before.get(name) == now.get(name):
            continue
        if name == "list of images":
            told.append(name if partial is None else _first_difference(manifest_of(folder, before), partial))
        else:
            then, this = (str(values.get(name, "unknown"))[:16] for values in (before, now))
            told.append(f"{name} ({then} then, {this} now)")
    return ", ".join(told)


def manifest_of(folder: Place, fingerprint: Fingerprint) -> Place:
    """The list of the job in a folder: one that was begun in parts has the digest in its name."""
    own = folder / shared_manifest(str(fingerprint.get("list of images")))
    return own if _is_there(own) else folder / MANIFEST_FILE


def shared_manifest(digest: str) -> str:
    """The name of a list that several processes may put in its place: what has the same name is the same."""
    return f"manifest-{digest[:16]}.jsonl"


def _is_there(file: Place) -> bool:
    with contextlib.suppress(OSError):
        return file.exists()
    return False


def _first_difference(before: Place, now: Path) -> str:
    with (
        contextlib.suppress(OSError),
        objects.local_copy(before) as copy,
        open(copy, "rb") as old,
        open(now, "rb") as new,
    ):
        number = 0
        while True:
            number += 1
            then, this = old.readline(), new.readline()
            if then != this:
                names = [ascii(json.loads(line)[0]) if line else "nothing" for line in (then, this)]
                return f"list of images (image {number}: {names[0]} then, {names[1]} now)"
            if not then:
                break
    return "list of images"


def read_job_file(folder: Place) -> dict[str, Any] | None:
    """What `job.json` says; None where no job has begun. Raises `ReportError` where that cannot be told."""
    file = folder / JOB_FILE
    try:
        values = json.loads(file.read_bytes())
        datetime.datetime.fromisoformat(values["begun"])
        return values if isinstance(values["fingerprint"], dict) else None
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return None  # a job file is written whole: this is none of ours
    except OSError as error:
        raise ReportError(f"{file}: cannot be read ({error.strerror})") from error


@contextlib.contextmanager
def locked(folder: Place, name: str, busy: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a lock in the folder, which ends with the process, however it ends. Where there are no locks, go without.

    busy: what to say where somebody else holds it; shared: whether others who share it may hold it as well.
    """
    if isinstance(folder, Url):  # a lock there would outlive a killed process
        yield
        return
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with report_errors(folder):
        file = open(folder / name, "ab")  # noqa: SIM115 (closed below, after the caller's block)
    with file:
        try:
            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ReportError(f"{folder}: {busy}; wait for it or stop it") from error
        except OSError:
            pass  # some network shares have no locks
        yield


@contextlib.contextmanager
def report_errors(folder: Place, done: str = "written") -> Iterator[None]:
    """What the operating system or a store reports becomes a `ReportError`; done: what cannot be done."""
    try:
        yield
    except OSError as error:
        raise ReportError(f"{folder}: cannot be {done} ({error.strerror or error})") from error
