"""HAM10000 from where it is published into a folder that training takes: what is missing, several files at a time."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lesionflow.atomic import atomic_write_bytes, take_lock
from lesionflow.datasets.ham10000 import AUTHORS, LICENCE
from lesionflow.dataverse.config import PARTS, DownloadConfig
from lesionflow.dataverse.files import Advance, contents_digest, fetch, partial_of, unpack
from lesionflow.dataverse.server import Cancelled, Published, PublishedFile, Web
from lesionflow.errors import DownloadError
from lesionflow.progress import live_bars, tell

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

_GRACE = 1.0  # seconds that somebody who stops a download waits for threads to end, one of which may hang
_BETWEEN_LOOKS = 0.5  # seconds in which a signal is noticed at the latest
UNFINISHED = ".lesionflow-download"  # the folder for what is not whole yet
MANIFEST_FILE = "lesionflow-download.json"
_UNPACKED = 1.05  # times the archive's size: how much images may be smaller in it


@dataclass(frozen=True)
class Step:
    """A published file and what it becomes in the folder: a folder of images, or a table."""

    file: PublishedFile
    becomes: str

    @property
    def archive(self) -> bool:
        """Whether it is unpacked."""
        return self.file.name.endswith(".zip")


class DownloadManifest:
    """What has been downloaded into a folder: a file in it, by which what is whole is known again."""

    def __init__(self, folder: Path, published: Published):
        self.file = folder / MANIFEST_FILE
        self._lock = threading.Lock()
        try:
            self.entries = dict(json.loads(self.file.read_bytes())["files"])
        except (OSError, ValueError, KeyError, TypeError):
            self.entries = {}
        self.about = {"doi": published.doi, "server": published.server, "version": published.version}

    def add(self, step: Step, contents: str = "") -> None:
        """Note what a step brings; contents: the digest of what was unpacked. Raises `OSError`."""
        with self._lock:
            entry = {"from": step.file.name, "digest": step.file.digest}
            self.entries[step.becomes] = entry | ({"contents": contents} if contents else {})
            told = {**self.about, "licence": LICENCE, "cite": AUTHORS, "files": self.entries}
            atomic_write_bytes(self.file, (json.dumps(told, indent=1) + "\n").encode())

    def has(self, step: Step) -> bool:
        """Whether what the step brings is there, and as it came. Raises `OSError`."""
        entry, there = self.entries.get(step.becomes), self.file.parent / step.becomes
        return (
            isinstance(entry, dict)
            and entry.get("digest") == step.file.digest
            and there.is_dir()
            and entry.get("contents") == contents_digest(there)
        )


def plan(published: Published, part: str, folder: Path, manifest: DownloadManifest) -> list[Step]:
    """The steps that are still to be done. Raises `DownloadError` where something else has a name that is needed."""
    import pooch

    for other in PARTS:
        if other != part and any((folder / becomes).exists() for becomes in PARTS[other].values()):
            raise DownloadError(f"{folder}: holds the {other} part; give another folder for the {part} part")
    steps = []
    for name, becomes in PARTS[part].items():
        step = Step(published.find(name), becomes)
        there = folder / becomes
        if step.archive and manifest.has(step):
            continue
        if not step.archive and there.is_file() and pooch.hashes.hash_matches(there, step.file.digest):
            continue
        if os.path.lexists(there):
            raise DownloadError(
                f"{there}: is there already, and is not (or no longer) what was published as {step.file.name}; remove "
                "it, or download into another folder"
            )
        steps.append(step)
    return steps


def check_space(steps: list[Step], folder: Path) -> None:
    """Raise `DownloadError` where the disk has no room for the archives and what they unpack to."""
    to_come = unpacked = 0
    for step in steps:
        size = step.file.size or 0
        to_come += 0 if given_archive(folder, step.file) else max(size - _arrived(folder, step.file), 0)
        unpacked += int(size * _UNPACKED) if step.archive else 0
    free = shutil.disk_usage(folder).free
    if to_come + unpacked > free:
        raise DownloadError(
            f"{folder}: {_gigabytes(to_come + unpacked)} are needed, {_gigabytes(to_come)} to download and "
            f"{_gigabytes(unpacked)} for what is unpacked, but {_gigabytes(free)} are free; make room, or choose "
            "another place"
        )


def given_archive(folder: Path, file: PublishedFile) -> Path | None:
    """An archive that somebody has put into the folder, or that was kept there."""
    import pooch

    path = folder / file.name
    if file.name.endswith(".zip") and path.is_file() and pooch.hashes.hash_matches(path, file.digest):
        return path
    return None


def _arrived(folder: Path, file: PublishedFile) -> int:
    """The bytes of a file that are there already, whole or not."""
    work = folder / UNFINISHED
    found = [path.stat().st_size for path in (work / file.name, partial_of(work, file)) if path.is_file()]
    return max(found, default=0)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"


def run_steps(
    steps: list[Step],
    folder: Path,
    manifest: DownloadManifest,
    web: Web,
    config: DownloadConfig,
    advance: Callable[[Step], Advance],
    unpacking: Callable[[Step], None],
) -> None:
    """Fetch and unpack, several files at a time; tables get their place when all images have theirs.

    advance: gives what is told of a step's bytes; unpacking: told that a step's archive is whole. The first failure
    ends the others. Raises `DownloadError` and `OSError`.
    """
    work = folder / UNFINISHED

    def arrive(step: Step) -> None:
        given = given_archive(folder, step.file)
        archive = given or fetch(step.file, work, web, advance(step))
        if not step.archive:
            return
        unpacking(step)
        contents = unpack(archive, work / step.becomes, web.go_on)
        manifest.add(step, contents)  # first: what has its name but is not on the manifest would be taken for another's
        os.rename(work / step.becomes, folder / step.becomes)
        if config.keep_archives and not given:
            os.replace(archive, folder / step.file.name)
        elif not given:
            archive.unlink()

    pool = ThreadPoolExecutor(config.parallel, thread_name_prefix="download")
    futures: list[Future[None]] = []
    try:
        futures += [pool.submit(arrive, step) for step in steps]
        # Not in one wait: a signal that arrives just before it would be noticed only at its end.
        while not _ended(*wait(futures, timeout=_BETWEEN_LOOKS, return_when=FIRST_EXCEPTION)):
            pass
        web.stop()  # the others, where one has failed
        pool.shutdown(cancel_futures=True)
    except KeyboardInterrupt:
        web.stop()
        pool.shutdown(wait=False, cancel_futures=True)
        wait(futures, timeout=_GRACE)
        raise
    _raise_first(futures)
    for step in steps:
        if not step.archive:
            os.replace(work / step.file.name, folder / step.becomes)
            manifest.add(step)


def _ended(done: set[Future[None]], pending: set[Future[None]]) -> bool:
    return not pending or any(future.exception() for future in done)


def _raise_first(futures: list[Future[None]]) -> None:
    failed = [error for future in futures if not future.cancelled() and (error := future.exception())]
    for error in failed:
        if not isinstance(error, Cancelled):
            raise error
    if failed:
        raise failed[0]


@contextlib.contextmanager
def working_folder(folder: Path) -> Iterator[None]:
    """The folder for what is not whole yet, to whoever comes first; it is removed if the block ends well.

    Raises `DownloadError` where another process has it, and `OSError`.
    """
    work = folder / UNFINISHED
    work.mkdir(parents=True, exist_ok=True)
    with open(work / "lock", "ab") as lock:
        if not take_lock(lock):
            raise DownloadError(f"{folder}: another download into it is at work; wait for it or stop it")
        if not _is_named(lock.fileno(), work / "lock"):
            raise DownloadError(f"{folder}: another download into it has just ended; run the command again")
        yield
        shutil.rmtree(work, ignore_errors=True)


def _is_named(descriptor: int, path: Path) -> bool:
    """Whether an open file still has its name: whoever had the lock before may have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


class DownloadDisplay:
    """Bars of the files that are on their way, on the console it is given; to be used in a `with`."""

    def __init__(self, console: Console):
        from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
        from rich.progress import TransferSpeedColumn as Speed

        columns = (TextColumn("{task.description}"), BarColumn(12), DownloadColumn(), Speed(), TimeRemainingColumn())
        self.console = console
        self.bars = live_bars(console, *columns)
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> DownloadDisplay:
        self.bars.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self.bars.stop()

    def advance(self, name: str, size: int | None) -> Callable[[int], None]:
        """Add a file's bar; gives what is to be told of its bytes."""
        task = self.tasks[name] = self.bars.add_task(name, total=size)
        return lambda count: self.bars.update(task, advance=count)

    def unpacking(self, name: str) -> None:
        """A file is whole, and unpacked now."""
        if name in self.tasks:
            self.bars.update(self.tasks[name], description=f"unpacking {name.removesuffix('.zip')}")

    def say(self, text: str) -> None:
        """A line above the bars."""
        tell(self.console, text, warning=True)
