"""HAM10000 from where it is published into a folder that training takes: planned, checked, fetched, unpacked."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from lesionflow.data.dataverse import SERVER, Published, PublishedFile, check_server
from lesionflow.data.ham10000 import AUTHORS, LICENCE
from lesionflow.data.transfer import Advance, fetch, partial_of
from lesionflow.data.unpacking import contents_digest, unpack
from lesionflow.data.web import StoppedError, Web
from lesionflow.errors import DownloadError
from lesionflow.options import check_options, option
from lesionflow.whole_file import write_whole

# What each part consists of: the published file, and what it becomes. The table, without which a folder is no data set,
# comes last.
PARTS = {
    "training": {
        "HAM10000_images_part_1.zip": "HAM10000_images_part_1",
        "HAM10000_images_part_2.zip": "HAM10000_images_part_2",
        "HAM10000_metadata": "HAM10000_metadata.csv",
    },
    "test": {
        "ISIC2018_Task3_Test_Images.zip": "ISIC2018_Task3_Test_Images",
        "ISIC2018_Task3_Test_GroundTruth": "ISIC2018_Task3_Test_GroundTruth.csv",
    },
}
UNFINISHED = ".lesionflow-download"  # the folder for what is not whole yet
RECEIPT = "lesionflow-download.json"
SERVER_VARIABLE = "LESIONFLOW_DATAVERSE"
TERMS = (
    f"HAM10000 is licensed {LICENCE}, https://creativecommons.org/licenses/by-nc/4.0/: for no commercial use, and its "
    f"authors are to be cited: {AUTHORS}, doi:10.1038/sdata.2018.161"
)
_GRACE = 1.0  # seconds that somebody who stops a download waits for threads to end, one of which may hang
_UNPACKED = 1.05  # times the archive's size: how much images may be smaller in it


@dataclass(frozen=True)
class DownloadConfig:
    """What to download and how. Values out of range raise `UsageError`."""

    part: str = option(
        "training",
        "The 10,015 images of HAM10000, or the test images of ISIC 2018 Task 3, published beside them.",
        choices=tuple(PARTS),
    )
    accept_licence: bool = option(False, f"Accept the licence, {LICENCE}, without being asked.")
    keep_archives: bool = option(False, "Keep the zip archives when they are unpacked.")
    parallel: int = option(3, "Files to download at a time.", low=1, high=16)
    server: str = option(
        None,
        f"Dataverse installation to download from, such as a mirror; also ${SERVER_VARIABLE}.",
        kind=str,
        unset=SERVER,
    )
    tries: int = option(7, "Tries in a row that bring nothing before giving up.", low=1, high=1000)

    def __post_init__(self) -> None:
        """Check what can be known without asking anybody."""
        check_options(self)
        check_server(self.address)

    @property
    def address(self) -> str:
        """The installation to ask, without a slash at its end."""
        return (self.server or os.environ.get(SERVER_VARIABLE) or SERVER).rstrip("/")


@dataclass(frozen=True)
class Step:
    """A published file and what it becomes in the folder: a folder of images, or a table."""

    file: PublishedFile
    becomes: str

    @property
    def archive(self) -> bool:
        """Whether it is unpacked."""
        return self.file.name.endswith(".zip")


class Receipt:
    """What has been downloaded into a folder: a file in it, by which what is whole is known again."""

    def __init__(self, folder: Path, published: Published):
        self.file = folder / RECEIPT
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
            write_whole(self.file, (json.dumps(told, indent=1) + "\n").encode())

    def has(self, step: Step) -> bool:
        """Whether what the step brings is there, and as it came. Raises `OSError`."""
        entry, there = self.entries.get(step.becomes), self.file.parent / step.becomes
        return (
            isinstance(entry, dict)
            and entry.get("digest") == step.file.digest
            and there.is_dir()
            and entry.get("contents") == contents_digest(there)
        )


def plan(published: Published, part: str, folder: Path, receipt: Receipt) -> list[Step]:
    """The steps that are still to be done. Raises `DownloadError` where something else has a name that is needed."""
    import pooch

    for other in PARTS:
        if other != part and any((folder / becomes).exists() for becomes in PARTS[other].values()):
            raise DownloadError(f"{folder}: holds the {other} part; give another folder for the {part} part")
    steps = []
    for name, becomes in PARTS[part].items():
        step = Step(published.find(name), becomes)
        there = folder / becomes
        if step.archive and receipt.has(step):
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
        to_come += 0 if _given(folder, step.file) else max(size - _arrived(folder, step.file), 0)
        unpacked += int(size * _UNPACKED) if step.archive else 0
    free = shutil.disk_usage(folder).free
    if to_come + unpacked > free:
        raise DownloadError(
            f"{folder}: {_gigabytes(to_come + unpacked)} are needed, {_gigabytes(to_come)} to download and "
            f"{_gigabytes(unpacked)} for what is unpacked, but {_gigabytes(free)} are free; make room, or choose "
            "another place"
        )


def carry_out(
    steps: list[Step],
    folder: Path,
    receipt: Receipt,
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
        given = _given(folder, step.file)
        archive = given or fetch(step.file, work, web, advance(step))
        if not step.archive:
            return
        unpacking(step)
        contents = unpack(archive, work / step.becomes, web.go_on)
        receipt.add(step, contents)  # first: what has its name but is not on the receipt would be taken for another's
        os.rename(work / step.becomes, folder / step.becomes)
        if config.keep_archives and not given:
            os.replace(archive, folder / step.file.name)
        elif not given:
            archive.unlink()

    pool = ThreadPoolExecutor(config.parallel, thread_name_prefix="download")
    futures = [pool.submit(arrive, step) for step in steps]
    try:
        wait(futures, return_when=FIRST_EXCEPTION)
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
            receipt.add(step)


def _raise_first(futures: list[Future[None]]) -> None:
    failed = [error for future in futures if not future.cancelled() and (error := future.exception())]
    for error in failed:
        if not isinstance(error, StoppedError):
            raise error
    if failed:
        raise failed[0]


@contextlib.contextmanager
def working_folder(folder: Path) -> Iterator[None]:
    """The folder for what is not whole yet, to whoever comes first; it is removed if the block ends well.

    Raises `DownloadError` where another process has it, and `OSError`.
    """
    import fcntl

    work = folder / UNFINISHED
    work.mkdir(parents=True, exist_ok=True)
    with open(work / "lock", "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES):
                raise DownloadError(f"{folder}: another download into it is at work; wait for it or stop it") from error
                # Some network shares have no locks.
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


def _given(folder: Path, file: PublishedFile) -> Path | None:
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
