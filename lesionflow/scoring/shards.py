"""The files of a scoring job: its manifest and its shards, each either complete or absent.

job.json              its fingerprint, written last: without it there is no job
manifest.jsonl        one line per input: its path and the values carried through with it
shard-00000000.jsonl  a line with a checksum, then one line per row; the report is the shards in order
part-00001-of-...     with `--shard I/N`: what each process says of itself, which is all that the merge needs
report                the report while it is written; not in a store, where an upload is whole or not there
"""

from __future__ import annotations

import base64
import contextlib
import datetime
import hashlib
import itertools
import json
import os
import struct
import zlib
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, overload

from lesionflow.atomic import atomic_write_bytes
from lesionflow.diagnoses import HAM10000, LabelSet
from lesionflow.errors import ReportError, StoreError, os_errors_as
from lesionflow.model.prediction import IndexedPrediction, Row
from lesionflow.storage import objects
from lesionflow.storage.location import Location

JOB_FILE, MANIFEST_FILE, LOCK_FILE, REPORT_FILE = "job.json", "manifest.jsonl", "lock", "report"

ALSO = "--also"  # in a fingerprint: network and digest of the second model

Fingerprint = dict[str, str | int]


@dataclass(frozen=True)
class Listing:
    """Facts about a manifest."""

    digest: str
    inputs: int
    offsets: array[int]  # where each shard begins, in bytes


@dataclass(frozen=True)
class Job:
    """An open job: a list of inputs in shards, and which of them are done."""

    folder: Location
    fingerprint: Fingerprint  # all that its rows depend on
    carried_columns: tuple[str, ...]
    begun: datetime.datetime  # a resumed job keeps it
    listing: Listing
    manifest: str
    labels: LabelSet = HAM10000  # of the model

    @cached_property
    def digest(self) -> str:
        """Digest of the fingerprint, which differs for another model, other options or another list."""
        return hashlib.sha256(json.dumps(self.fingerprint, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def has_also(self) -> bool:
        """Whether a second model scores as well."""
        return ALSO in self.fingerprint

    @property
    def inputs(self) -> int:
        """The number of inputs."""
        return self.listing.inputs

    @property
    def shard_size(self) -> int:
        """Inputs in a shard; the last one may have fewer."""
        return int(self.fingerprint["images in a shard"])

    @property
    def shards(self) -> range:
        """The numbers of the shards."""
        return range(len(self.listing.offsets))

    def is_visible(self) -> bool:
        """Whether the folder has this job; not so on a machine that has another storage under the same name."""
        there = read_job_file(self.folder)
        return there is not None and there["fingerprint"] == self.fingerprint

    def shard_length(self, shard: int) -> int:
        """The number of a shard's inputs."""
        return min(self.shard_size, self.inputs - shard * self.shard_size)

    def shard_inputs(self, shard: int) -> list[tuple[str, ...]]:
        """Return the inputs of one shard: (path, *carried) each."""
        offsets = self.listing.offsets
        end = offsets[shard + 1] if shard + 1 < len(offsets) else None
        with report_errors(self.folder, "read"):
            lines = objects.read(self.folder / self.manifest, offsets[shard], end)
        return [tuple(each) for each in _json_lines(lines)]

    def paths(self) -> Iterator[str]:
        """The path of every input, in order."""
        return (path for path, *_ in self._every_input())

    def carried(self, column: str) -> Iterator[str]:
        """The value of every input in a column that is carried through, in order."""
        index = self.carried_columns.index(column)
        return (carried[index] for _, *carried in self._every_input())

    def _every_input(self) -> Iterator[tuple[str, ...]]:
        return itertools.chain.from_iterable(objects.prefetch_map(self.folder, self.shard_inputs, self.shards))

    def write_shard(self, shard: int, rows: Iterable[tuple[int, Row]]) -> None:
        """Save a shard's result: rows with the index of their input within the shard, in order.

        Raises `ReportError` where the disk is full or gone; the shard is then still to be done.
        """
        lines, failed, packed, pack = [], 0, bytearray(), _probabilities(self.labels).pack
        for index, row in rows:
            outcome: list[object] = [row.reason, row.detail]
            if row.prediction is None:
                failed += 1
            else:
                probabilities, *outcome, _ = row.prediction
                packed += pack(*probabilities)
                if row.also is not None:
                    probabilities, *others, _ = row.also
                    packed += pack(*probabilities)
                    outcome += others
            lines.append(json.dumps([index, row.frame, row.format, row.note, *outcome]))
        # Probabilities stored as text would take most of the time of a merge.
        lines.append(json.dumps(base64.b64encode(packed).decode()))
        body = "".join(line + "\n" for line in lines).encode("ascii")  # surrogates are escaped by \\u and return
        head = {"shard": shard, "job": self.digest, "rows": len(lines) - 1, "failed": failed, "crc32": zlib.crc32(body)}
        with report_errors(self.folder):
            atomic_write_bytes(self._shard_file(shard), json.dumps(head).encode() + b"\n" + body)

    def discard_shard(self, shard: int) -> None:
        """Discard a shard's result, so that it is scored again."""
        with report_errors(self.folder):
            objects.remove(self._shard_file(shard))

    def images_done(self) -> int:
        """The number of inputs in shards that are done, by the names of their files."""
        with report_errors(self.folder, "read"):
            there = set(objects.names(self.folder))
        return sum(self.shard_length(shard) for shard in self.shards if self._shard_file(shard).name in there)

    def failures(self, shards: Iterable[int] | None = None) -> list[int | None]:
        """Return the number of failed rows of each or some shards; None for a missing, damaged or foreign one."""
        with report_errors(self.folder, "read"):
            there = set(objects.names(self.folder))

        def failed(shard: int) -> int | None:
            read = self._read_shard(shard) if self._shard_file(shard).name in there else None
            return None if read is None else read[0]

        return list(objects.prefetch_map(self.folder, failed, self.shards if shards is None else shards))

    def rows(self, shards: Iterable[int] | None = None) -> Iterator[Row]:
        """Every row of the finished job, or of some shards, in order.

        Raises `ReportError` where a shard is missing, altered or another job's.
        """

        def both(shard: int) -> tuple[int, list[tuple[str, ...]], tuple[int, bytes] | None]:
            return shard, self.shard_inputs(shard), self._read_shard(shard)

        has_also = self.has_also
        for shard, inputs, read in objects.prefetch_map(self.folder, both, self.shards if shards is None else shards):
            if read is None:
                raise ReportError(f"{self._shard_file(shard)}: missing or altered; run the same command again")
            *lines, packed = _json_lines(read[1])
            probabilities = _probabilities(self.labels).iter_unpack(base64.b64decode(packed))
            for index, frame, form, note, first, *others in lines:
                path, carried = inputs[index][0], inputs[index][1:]
                if isinstance(first, str):
                    yield Row(path, None, first, others[0], frame, carried, form, note)
                else:
                    prediction = IndexedPrediction(next(probabilities), first, others[0], others[1], self.labels)
                    also = None
                    if has_also:
                        also = IndexedPrediction(next(probabilities), others[2], others[3], others[4], self.labels)
                    yield Row(path, prediction, "", "", frame, carried, form, note, also)

    def _read_shard(self, shard: int) -> tuple[int, bytes] | None:
        """The number of failures and the lines of a shard; None if it is missing, damaged or another job's."""
        try:
            head, lines = objects.read(self._shard_file(shard)).split(b"\n", 1)
            values = json.loads(head)
            ours = values["shard"] == shard and values["job"] == self.digest
            if ours and values["crc32"] == zlib.crc32(lines):
                return int(values["failed"]), lines
        except StoreError as error:  # to do it again would not help
            raise ReportError(f"{self._shard_file(shard)}: cannot be read ({error})") from error
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return None

    def _shard_file(self, shard: int) -> Location:
        return self.folder / f"shard-{shard:08}.jsonl"


@overload
def job_folder(out: Path) -> Path: ...
@overload
def job_folder(out: Location) -> Location: ...
def job_folder(out: Location) -> Location:
    """Return the folder of a report's job: beside it, so that renaming never crosses file systems."""
    name = os.fsdecode(os.fsencode(out.name)[:200])  # with what comes around it, a long name would be too long
    return out.parent / f".{name}.job"


def read_job_file(folder: Location) -> dict[str, Any] | None:
    """The contents of `job.json`; None if no job has begun. Raises `ReportError` if it cannot be read."""
    file = folder / JOB_FILE
    try:
        values = json.loads(objects.read(file))
        datetime.datetime.fromisoformat(values["begun"])
        return values if isinstance(values["fingerprint"], dict) else None
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return None  # a job file is written whole: this is none of ours
    except OSError as error:
        raise ReportError(f"{file}: cannot be read ({error.strerror})") from error


def report_errors(folder: Location, done: str = "written") -> contextlib.AbstractContextManager[None]:
    """Turn errors of the operating system or a store into a `ReportError`; done: what failed."""
    return os_errors_as(ReportError, f"{folder}: cannot be {done}")


def list_lines(lines: Iterable[bytes], carried_columns: tuple[str, ...], shard_size: int) -> Listing:
    """Return digest, length and shards of the lines of a manifest."""
    digest, offsets, inputs, position = hashlib.sha256(), array("Q"), 0, 0
    digest.update(json.dumps(carried_columns).encode())
    waiting = iter(lines)
    while shard := list(itertools.islice(waiting, shard_size)):
        content = b"".join(shard)
        offsets.append(position)
        digest.update(content)
        inputs, position = inputs + len(shard), position + len(content)
    return Listing(digest.hexdigest(), inputs, offsets)


def _probabilities(labels: LabelSet) -> struct.Struct:
    """How the probabilities of one row are packed."""
    return struct.Struct(f"<{len(labels)}d")


def _json_lines(lines: bytes) -> list[Any]:
    """The values of lines of JSON, parsed in one call, which is ten times as fast as one call per line."""
    values: list[Any] = json.loads(b"[" + b",".join(lines.splitlines()) + b"]")
    return values
