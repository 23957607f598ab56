"""The list of a job: a line an input, the digest of all, and in which way two lists differ."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lesionflow.errors import DataError
from lesionflow.scoring.job import MANIFEST_FILE, Fingerprint, report_errors
from lesionflow.scoring.sources import Source
from lesionflow.storage import objects
from lesionflow.storage.location import Location

JOB_FORMAT = 3


@dataclass(frozen=True)
class Listed:
    """What is known of a manifest."""

    digest: str
    inputs: int
    offsets: array[int]  # where each shard begins, in bytes


def write_manifest(file: Path, source: Source, shard_size: int, folder: Location) -> Listed:
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


def differences(folder: Location, before: Fingerprint, now: Fingerprint, partial: Path | None = None) -> str:
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


def manifest_of(folder: Location, fingerprint: Fingerprint) -> Location:
    """The list of the job in a folder: one that was begun in parts has the digest in its name."""
    own = folder / shared_manifest(str(fingerprint.get("list of images")))
    return own if _is_there(own) else folder / MANIFEST_FILE


def shared_manifest(digest: str) -> str:
    """The name of a list that several processes may put in its place: what has the same name is the same."""
    return f"manifest-{digest[:16]}.jsonl"


def _is_there(file: Location) -> bool:
    with contextlib.suppress(OSError):
        return objects.is_file(file)
    return False


def _first_difference(before: Location, now: Path) -> str:
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
