"""A job that several processes share without knowing of each other: part I of N does every N-th shard.

Each lists the source itself; all have to agree on everything that a row depends on. The first to begin puts the job
into the folder beside the report, the others compare. Beside the job lies what each part says of itself,

    part-00003-of-00008.json

which is all that the merge needs, on whatever machine. Where the parts have no storage in common, their folders may be
copied into one: no two parts write a file of the same name and other content.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import json
import re
import shlex
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionflow.atomic import atomic_write_bytes, put_in_place, unique_suffix
from lesionflow.errors import LesionflowError, ReportError, first_few
from lesionflow.model.card import CARD_FILE, Card, read_card
from lesionflow.scoring.config import Part
from lesionflow.scoring.job import (
    JOB_FILE,
    LOCK_FILE,
    MANIFEST_FILE,
    Fingerprint,
    Job,
    read_job_file,
    report_errors,
)
from lesionflow.scoring.job_folder import locked
from lesionflow.scoring.manifest import (
    differences,
    look_through,
    manifest_of,
    shared_manifest,
    whole_fingerprint,
    write_manifest,
)
from lesionflow.scoring.sources import Source
from lesionflow.storage import objects
from lesionflow.storage.location import Location, Url
from lesionflow.storage.objects import local_copy, temporary_file

_RECORD = re.compile(r"part-(\d+)-of-(\d+)\.json")


@dataclass(frozen=True)
class About:
    """What a part says of itself, and the merge needs besides the shards."""

    label: str  # the name of the model in the report
    card: str  # of the bundle, as JSON
    averaged: bool
    carried_columns: tuple[str, ...]
    chosen: dict[str, Any]  # what the user asked for, by the option's name
    command: tuple[str, ...]  # that does this part, but for --shard
    fingerprint: Fingerprint = dataclasses.field(default_factory=dict)  # `open_part` fills it in

    def read_card(self) -> Card:
        """The card of the bundle. Raises `BundleError`."""
        with tempfile.TemporaryDirectory(prefix="lesionflow-card-") as folder:
            (Path(folder) / CARD_FILE).write_text(self.card)
            return read_card(Path(folder))

    def command_for(self, part: Part) -> str:
        """The command that does a part."""
        return shlex.join([*self.command, "--shard", str(part)])


@contextlib.contextmanager
def open_part(
    folder: Location, source: Source, of_a_row: Fingerprint, shard_size: int, part: Part, about: About
) -> Iterator[Job]:
    """Begin a part, or go on with it; other parts may be at work, this one only once.

    of_a_row: whatever a row depends on besides the inputs. Raises `ReportError` where the folder holds another job or
    one in other parts, and `DataError` where the source holds nothing.
    """
    if isinstance(folder, Path):
        with report_errors(folder):
            folder.mkdir(exist_ok=True)
    whole = "a run of the whole report, or its merge, is at work"
    own_lock = f"{LOCK_FILE}-{part.number}-of-{part.of}"
    with (
        locked(folder, LOCK_FILE, whole, shared=True),
        locked(folder, own_lock, f"another process is working on part {part}"),
        _own_manifest(folder) as partial,
    ):
        listed = write_manifest(partial, source, shard_size, folder)
        fingerprint = whole_fingerprint(of_a_row, shard_size, listed)
        manifest = shared_manifest(listed.digest)
        with report_errors(folder):
            before = read_job_file(folder) or _begin(folder, fingerprint, part, partial, manifest)
        if differing := differences(folder, before["fingerprint"], fingerprint, partial):
            raise ReportError(
                f"{folder}: part {part} would be of another job than what is there: {differing}; give all parts the "
                "same options and the same source, or remove that folder to begin anew"
            )
        if before.get("parts") != part.of:
            there = f"{before['parts']} parts" if "parts" in before else "one run"
            raise ReportError(f"{folder}: was begun as {there}, not as {part.of} parts; go on with that")
        with report_errors(folder):
            told = json.dumps(dataclasses.asdict(dataclasses.replace(about, fingerprint=fingerprint)), indent=2)
            atomic_write_bytes(folder / f"part-{part.number:05}-of-{part.of:05}.json", told.encode() + b"\n")
        begun = datetime.datetime.fromisoformat(before["begun"])
        columns = source.carried_columns
        yield Job(folder, shard_size, listed.inputs, columns, begun, listed.offsets, fingerprint, manifest)


def _begin(folder: Location, fingerprint: Fingerprint, part: Part, partial: Path, manifest: str) -> dict[str, Any]:
    """Put the job into the folder, unless another part is first; returns what is there then. Raises OSError."""
    if not objects.is_file(folder / manifest):
        put_in_place(partial, folder / manifest, overwrite=True)
    begun = datetime.datetime.now(datetime.UTC).isoformat()
    content = json.dumps({"fingerprint": fingerprint, "begun": begun, "parts": part.of}, indent=2)
    with contextlib.suppress(FileExistsError):
        atomic_write_bytes(folder / JOB_FILE, content.encode() + b"\n", overwrite=False)
    there = read_job_file(folder)
    if there is None:
        raise ReportError(f"{folder}: was removed while part {part} began; give the same command again")
    return there


@contextlib.contextmanager
def _own_manifest(folder: Location) -> Iterator[Path]:
    """Where a part lists the source before it knows whether another has done so: removed afterwards."""
    if isinstance(folder, Url):
        with temporary_file() as file:
            yield file
        return
    file = folder / f"{MANIFEST_FILE}.partial-{unique_suffix()}"
    try:
        yield file
    finally:
        with contextlib.suppress(OSError):
            file.unlink()


@contextlib.contextmanager
def open_merge(folder: Location) -> Iterator[tuple[Job, About, int]]:
    """A job of which all parts are done, what they say of themselves, and how many rows are failures.

    Nobody else works on it meanwhile. Raises `ReportError` where something is missing, with the commands that do it,
    and where parts are of other jobs.
    """
    nothing = f"{folder}: holds no parts of a report; `lesionflow score --shard I/N` makes them"
    if isinstance(folder, Path) and not folder.is_dir():
        raise ReportError(nothing)
    with locked(folder, LOCK_FILE, "a part of this report is being worked on"):
        before = read_job_file(folder)
        if before is None:
            raise ReportError(nothing)
        if "parts" not in before:
            raise ReportError(f"{folder}: was begun as one run; `lesionflow score --resume` goes on with it")
        about = _agreed(folder, before["fingerprint"], before["parts"])
        fingerprint = before["fingerprint"]
        shard_size, manifest = fingerprint["images in a shard"], manifest_of(folder, fingerprint)
        with report_errors(folder, "read"), local_copy(manifest) as file, open(file, "rb") as lines:
            listed = look_through(lines, about.carried_columns, shard_size)
        if listed.digest != fingerprint["list of images"]:
            raise ReportError(f"{manifest}: altered; remove {folder} and do all parts anew")
        begun = datetime.datetime.fromisoformat(before["begun"])
        columns = about.carried_columns
        job = Job(folder, shard_size, listed.inputs, columns, begun, listed.offsets, fingerprint, manifest.name)
        yield job, about, _failures(job, about, before["parts"])


def _agreed(folder: Location, fingerprint: Fingerprint, parts: int) -> About:
    """What the parts say of themselves, after a look at whether they say the same."""
    first: tuple[str, About] | None = None
    with report_errors(folder, "read"):
        records = sorted(name for name in objects.names(folder) if _RECORD.fullmatch(name))
    for name in records:
        number, of = map(int, _RECORD.fullmatch(name).groups())  # type: ignore[union-attr]
        about = _read_record(folder / name)
        if of != parts:
            raise ReportError(f"{folder}: holds part {number} of {of}, and parts of {parts}; keep those of one job")
        if differing := differences(folder, fingerprint, about.fingerprint):
            raise ReportError(f"{folder}: part {number}/{of} is of another job: {differing}; do it again with the rest")
        if first is not None and about.label != first[1].label:
            raise ReportError(
                f"{folder}: the model is {first[1].label} in {first[0]} and {about.label} in {name}; name it the same "
                "in all parts"
            )
        first = first or (name, about)
    if first is None:
        raise ReportError(f"{folder}: no part says which model it used; do one of them again")
    return first[1]


def _read_record(file: Location) -> About:
    try:
        values = json.loads(objects.read(file))
        values["carried_columns"], values["command"] = tuple(values["carried_columns"]), tuple(values["command"])
        return About(**values)
    except LesionflowError:
        raise
    except OSError as error:
        raise ReportError(f"{file}: cannot be read ({error.strerror})") from error
    except (ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{file}: not what a part says of itself; do that part again") from error


def _failures(job: Job, about: About, parts: int) -> int:
    """How many rows are failures. Raises `ReportError` where shards are missing."""
    done = job.failures()
    told = []
    for number in range(1, parts + 1):
        part = Part(number, parts)
        shards = part.shards(job.shards)
        if missing := [shard for shard in shards if done[shard] is None]:
            told.append(f"part {part} lacks {len(missing)} of {len(shards)} shards: {about.command_for(part)}")
    if told:
        raise ReportError(f"{job.folder}: not all parts are done; {first_few(told, 8)}")
    return sum(known or 0 for known in done)
