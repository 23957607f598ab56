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
from pathlib import Path
from typing import Any, overload

from lesionflow.errors import DataError, ReportError, StoreError
from lesionflow.scoring.row import Decision, Row
from lesionflow.scoring.sources import Source
from lesionflow.storage import objects
from lesionflow.storage.places import Place, Url
from lesionflow.whole_file import put_in_place, write_whole

JOB_FORMAT = 2
JOB_FILE, MANIFEST_FILE, LOCK_FILE, REPORT_FILE = "job.json", "manifest.jsonl", "lock", "report"
_OURS = re.compile(r"(job\.json|manifest\.jsonl|shard-\d{8}\.jsonl)(\.partial)?|\.?report(\.partial-\d+)?")

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
        with _report_errors(self.folder, "read"):
            lines = _part_of(self.folder / MANIFEST_FILE, self.offsets[shard], end).splitlines()
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
        head = json.dumps({"shard": shard, "rows": len(lines), "failed": failed, "crc32": zlib.crc32(body)})
        with _report_errors(self.folder):
            write_whole(self._shard_file(shard), head.encode() + b"\n" + body)

    def images_done(self) -> int:
        """How many inputs are in shards whose file is there; whether one is whole is looked at when it is read."""
        with _report_errors(self.folder, "read"):
            there = set(_names(self.folder))
            return sum(self.shard_length(shard) for shard in self.shards if self._shard_file(shard).name in there)

    def failures(self) -> list[int | None]:
        """`failures_of` each shard."""
        with _report_errors(self.folder, "read"):
            there = set(_names(self.folder))

        def known(shard: int) -> int | None:
            return self.failures_of(shard) if self._shard_file(shard).name in there else None

        return list(objects.ahead(self.folder, known, self.shards))

    def failures_of(self, shard: int) -> int | None:
        """How many rows of a finished shard are failures; None for a shard that is not done or not whole."""
        read = self._read_shard(shard)
        return None if read is None else read[0]

    def rows(self) -> Iterator[Row]:
        """Every row of the finished job, in order. Raises `ReportError` where a shard is missing or altered."""

        def both(shard: int) -> tuple[int, list[tuple[str, ...]], tuple[int, bytes] | None]:
            return shard, self.shard_inputs(shard), self._read_shard(shard)

        for shard, inputs, read in objects.ahead(self.folder, both, self.shards):
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
        """The number of failures and the lines of a shard, None if it is not there or not whole."""
        try:
            head, lines = self._shard_file(shard).read_bytes().split(b"\n", 1)
            values = json.loads(head)
            if values["shard"] == shard and values["crc32"] == zlib.crc32(lines):
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
        with _report_errors(folder):
            folder.mkdir(exist_ok=True)
    with _alone_in(folder), _partial_manifest(folder) as partial:
        before = _read_json(folder / JOB_FILE)
        if before is not None and not resume and not anew:
            raise ReportError(
                f"{folder}: holds what an earlier run of this report has done; add --resume to go on with it, or "
                "--overwrite to begin anew"
            )
        if before is None or not resume:
            remove_job(folder, keep_folder=True)
            before = None
        try:
            digest, inputs, offsets = _write_manifest(partial, source, shard_size, folder)
            fingerprint = {
                "job format": JOB_FORMAT,
                **fingerprint,
                "images in a shard": shard_size,
                "images": inputs,
                "list of images": digest,
            }
            if before is not None:
                _refuse_another(folder, before["fingerprint"], fingerprint, partial)
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
        with _report_errors(folder):
            put_in_place(partial, folder / MANIFEST_FILE, overwrite=True)
            if before is None:
                content = json.dumps({"fingerprint": fingerprint, "begun": begun.isoformat()}, indent=2)
                write_whole(folder / JOB_FILE, content.encode() + b"\n")
        yield Job(folder, shard_size, inputs, source.carried_columns, begun, offsets)


def remove_job(folder: Place, keep_folder: bool = False) -> None:
    """Remove a job: first what makes it one, then the rest; files that no job wrote stay, and their folder too."""
    with _report_errors(folder), contextlib.suppress(FileNotFoundError):
        (folder / JOB_FILE).unlink(missing_ok=True)
        ours = (name for name in _names(folder) if _OURS.fullmatch(name) or (name == LOCK_FILE and not keep_folder))
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


def _names(folder: Place) -> Iterator[str]:
    """The names of a folder's files. Raises OSError."""
    return objects.names(folder) if isinstance(folder, Url) else iter(os.listdir(folder))


def _part_of(file: Place, start: int, end: int | None) -> bytes:
    """The bytes from `start` to before `end`, or to the end of the file. Raises OSError."""
    if isinstance(file, Url):
        return objects.read(file, start, end)
    with open(file, "rb") as stream:
        stream.seek(start)
        return stream.read() if end is None else stream.read(end - start)


def _write_manifest(file: Path, source: Source, shard_size: int, folder: Place) -> tuple[str, int, array[int]]:
    """Returns the digest of the list, its length, and where each shard begins."""
    digest, offsets, inputs, position = hashlib.sha256(), array("Q"), 0, 0
    digest.update(json.dumps(source.carried_columns).encode())
    with _report_errors(folder), open(file, "wb") as stream:
        for item in source.inputs:
            line = json.dumps(item).encode("ascii") + b"\n"
            if inputs % shard_size == 0:
                offsets.append(position)
            stream.write(line)
            digest.update(line)
            inputs, position = inputs + 1, position + len(line)
        stream.flush()
        os.fsync(stream.fileno())
    if not inputs:
        raise DataError(source.nothing or "nothing to score")
    return digest.hexdigest(), inputs, offsets


def _refuse_another(folder: Place, before: Fingerprint, now: Fingerprint, partial: Path) -> None:
    differing = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    if not differing:
        return
    told = []
    for name in differing:
        if name == "list of images":
            told.append(_first_difference(folder / MANIFEST_FILE, partial))
        else:
            then, this = (str(values.get(name, "unknown"))[:16] for values in (before, now))
            told.append(f"{name} ({then} then, {this} now)")
    raise ReportError(
        f"{folder}: the run that it holds was another one: {', '.join(told)}; repeat that command with --resume, or "
        "begin anew with --overwrite and without --resume"
    )


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


def _read_json(file: Place) -> dict[str, Any] | None:
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
def _alone_in(folder: Place) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process, however it ends. Where there are no locks, go without."""
    if isinstance(folder, Url):  # a lock there would outlive a killed process
        yield
        return
    try:
        import fcntl
    except ImportError:  # Windows
        yield
        return
    with _report_errors(folder):
        file = open(folder / LOCK_FILE, "ab")  # noqa: SIM115 (closed below, after the caller's block)
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ReportError(f"{folder}: another process is working on this report; wait for it or stop it") from error
        except OSError:
            pass  # some network shares have no locks
        yield


@contextlib.contextmanager
def _report_errors(folder: Place, done: str = "written") -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReportError(f"{folder}: cannot be {done} ({error.strerror or error})") from error
