"""A scoring job on disk: the list of inputs cut into shards, each of whose results is a file, whole or not there.

A job survives the process that works on it. Its folder lies beside the report and holds

    job.json              its fingerprint, written last: without it there is no job
    manifest.jsonl        a line an input: its path and the values carried through with it
    shard-00000000.jsonl  a line of checksum, then a line a row; the report is the shards in order

    report                the report while it is written, so that a killed process leaves nothing outside

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
from typing import Any

from lesionflow.errors import DataError, ReportError
from lesionflow.scoring.row import Decision, Row
from lesionflow.scoring.sources import Source

JOB_FORMAT = 2
JOB_FILE, MANIFEST_FILE, LOCK_FILE, REPORT_FILE = "job.json", "manifest.jsonl", "lock", "report"
_OURS = re.compile(r"(job\.json|manifest\.jsonl|shard-\d{8}\.jsonl)(\.partial)?|\.?report(\.partial-\d+)?")

Fingerprint = dict[str, str | int]


@dataclass(frozen=True)
class Job:
    """A list of inputs in shards of `shard_size`, and which of them are done."""

    folder: Path
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
        with _report_errors(self.folder), open(self.folder / MANIFEST_FILE, "rb") as file:
            file.seek(self.offsets[shard])
            return [tuple(json.loads(file.readline())) for _ in range(self.shard_length(shard))]

    def paths(self) -> Iterator[str]:
        """The path of every input, in order."""
        return (path for shard in self.shards for path, *_ in self.shard_inputs(shard))

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
        return sum(self.shard_length(shard) for shard in self.shards if self._shard_file(shard).exists())

    def failures_of(self, shard: int) -> int | None:
        """How many rows of a finished shard are failures; None for a shard that is not done or not whole."""
        read = self._read_shard(shard)
        return None if read is None else read[0]

    def rows(self) -> Iterator[Row]:
        """Every row of the finished job, in order. Raises `ReportError` where a shard is missing or altered."""
        for shard in self.shards:
            inputs = self.shard_inputs(shard)
            read = self._read_shard(shard)
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
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None

    def _shard_file(self, shard: int) -> Path:
        return self.folder / f"shard-{shard:08}.jsonl"


def job_folder(out: Path) -> Path:
    """Where the job of a report lies: beside it, so that renaming never crosses file systems."""
    name = os.fsdecode(os.fsencode(out.name)[:200])  # with what comes around it, a long name would be too long
    return out.parent / f".{name}.job"


@contextlib.contextmanager
def open_job(
    folder: Path, source: Source, fingerprint: Fingerprint, shard_size: int, *, resume: bool, anew: bool
) -> Iterator[Job]:
    """Begin a job, or go on with the one in the folder; one process at a time has it.

    fingerprint: whatever a row depends on besides the inputs. Raises `ReportError` for a folder with an unfinished job
    if neither `resume` nor `anew` is set, for a resumed job of another fingerprint or other inputs, and for one that
    another process is working on; `DataError` where the source holds nothing.
    """
    with _report_errors(folder):
        folder.mkdir(exist_ok=True)
    with _alone_in(folder):
        before = _read_json(folder / JOB_FILE)
        if before is not None and not resume and not anew:
            raise ReportError(
                f"{folder}: holds what an earlier run of this report has done; add --resume to go on with it, or "
                "--overwrite to begin anew"
            )
        if before is None or not resume:
            remove_job(folder, keep_folder=True)
            before = None
        partial = folder / f"{MANIFEST_FILE}.partial"
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
            os.replace(partial, folder / MANIFEST_FILE)
            if before is None:
                content = json.dumps({"fingerprint": fingerprint, "begun": begun.isoformat()}, indent=2)
                write_whole(folder / JOB_FILE, content.encode() + b"\n")
        yield Job(folder, shard_size, inputs, source.carried_columns, begun, offsets)


def remove_job(folder: Path, keep_folder: bool = False) -> None:
    """Remove a job: first what makes it one, then the rest; files that no job wrote stay, and their folder too."""
    with _report_errors(folder), contextlib.suppress(FileNotFoundError):
        (folder / JOB_FILE).unlink(missing_ok=True)
        for entry in os.scandir(folder):
            if _OURS.fullmatch(entry.name) or (entry.name == LOCK_FILE and not keep_folder):
                os.unlink(entry.path)
    if not keep_folder:
        with contextlib.suppress(OSError):
            folder.rmdir()


def write_whole(file: Path, content: bytes) -> None:
    """Write a file under a name of its own, see it onto the disk, then give it its name. Raises OSError."""
    partial = file.with_name(file.name + ".partial")
    try:
        with open(partial, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(partial, file)
    except OSError:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise


def _write_manifest(file: Path, source: Source, shard_size: int, folder: Path) -> tuple[str, int, array[int]]:
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


def _refuse_another(folder: Path, before: Fingerprint, now: Fingerprint, partial: Path) -> None:
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


def _first_difference(before: Path, now: Path) -> str:
    with contextlib.suppress(OSError), open(before, "rb") as old, open(now, "rb") as new:
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


def _read_json(file: Path) -> dict[str, Any] | None:
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
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which ends with the process, however it ends. Where there are no locks, go without."""
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
def _report_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReportError(f"{folder}: cannot be written ({error.strerror or error})") from error
