"""Downloads what is missing of HAM10000 into a folder for training, several files at a time.

Partial files are kept and resumed, only verified files get their final name, nothing is unpacked outside the folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import re
import shutil
import stat
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from lesionflow.atomic import atomic_write_bytes, locked, name_new
from lesionflow.datasets.licences import AUTHORS, LICENCE
from lesionflow.dataverse.config import PUBLISHED_FILES, DownloadConfig
from lesionflow.dataverse.server import Cancelled, Published, PublishedFile, TransientError, Web
from lesionflow.errors import DownloadError
from lesionflow.progress import live_bars, logging_at, say

if TYPE_CHECKING:
    import requests
    from rich.console import Console
    from rich.progress import TaskID

CHUNK = 16_384  # bytes; at most this much is lost when a connection breaks
_LARGEST_TABLE = 1 << 28  # bytes of a file whose size is not known
# JPEGs hardly get smaller in an archive: one that would unpack to much more does not contain images.
_MOST_TIMES, _SLACK = 3, 1 << 20

Advance = Callable[[int], None]  # called with the number of bytes received; negative when it starts over


def partial_of(folder: Path, file: PublishedFile) -> Path:
    """The path of a file while it is downloaded."""
    return folder / f"{file.name}.partial"


def fetch(file: PublishedFile, folder: Path, web: Web, advance: Advance = lambda count: None) -> Path:
    """Download a file into a folder, unless it is there already; gives its path.

    A partial file of an earlier run is resumed, or downloaded again if it is wrong. Raises `DownloadError`.
    """
    import pooch

    partial = partial_of(folder, file)
    for last in (False, True):
        downloader = ResumingDownloader(web, file, partial, advance)
        try:
            with logging_at(logging.WARNING, pooch.get_logger()):  # we show progress ourselves
                arrived = Path(pooch.retrieve(file.url, file.digest, file.name, folder, downloader=downloader))
            downloader.tell(arrived.stat().st_size)  # even if it was there already
            partial.unlink(missing_ok=True)
            return arrived
        except ValueError as error:  # another digest; pooch has removed the file
            partial.unlink(missing_ok=True)
            if last:
                raise DownloadError(
                    f"{file.name}: {file.url} sends data with another digest than the one published, {file.digest}, "
                    "also when downloaded again; a proxy or a login page may be answering instead"
                ) from error
            web.note(f"{file.name}: the data has another digest than the one published; downloading it again")
            downloader.tell(0)
    raise AssertionError("unreachable")


class ResumingDownloader:
    """Downloader for pooch: continues where the partial file ends, again after each interruption."""

    def __init__(self, web: Web, file: PublishedFile, partial: Path, advance: Advance):
        self.web, self.file, self.partial, self.advance = web, file, partial, advance
        self.told = 0  # bytes that progress was told of

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        """Download url into output_file. Raises `DownloadError`."""
        self.web.persist(self.file.name, lambda: self._receive(url, self._length()), self._length)
        os.unlink(output_file)
        name_new(self.partial, Path(output_file))  # a kill while the digest is computed loses nothing

    def _receive(self, url: str, have: int) -> None:
        """One request for the missing bytes. Raises `TransientError` if it did not bring all of them."""
        size = self.file.size
        if size is None or have > size:
            have = 0  # how much is missing is unknown
        self.tell(have)
        if have and have == size:
            return
        with self.web.answer(url, {"Range": f"bytes={have}-"} if have else None) as response:
            start = self._start(response, have)
            with open(self.partial, "r+b" if start else "wb", buffering=0) as stream:  # a kill loses nothing written
                stream.seek(start)
                for chunk in response.iter_content(CHUNK):
                    self.web.go_on()
                    if stream.tell() + len(chunk) > (_LARGEST_TABLE if size is None else size):
                        stream.truncate(0)
                        raise TransientError(f"more came than the {size} bytes published")
                    stream.write(chunk)
                    self.tell(stream.tell())
        if size is not None and self._length() < size:
            raise TransientError(f"the answer ended after {self._length():,} of {size:,} bytes")

    def _start(self, response: requests.Response, have: int) -> int:
        """Where in the file the answer begins; servers without ranges send all of it (status 200)."""
        if response.status_code == 200:
            self.tell(0)
            return 0
        given = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if response.status_code == 206 and given and int(given[1]) == have and given[2] in ("*", str(self.file.size)):
            return have
        self.partial.unlink(missing_ok=True)
        raise TransientError("the server cannot send the missing rest; starting over")

    def _length(self) -> int:
        try:
            return self.partial.stat().st_size
        except FileNotFoundError:
            return 0

    def tell(self, count: int) -> None:
        """Update progress with the number of bytes so far."""
        self.advance(count - self.told)
        self.told = count


def unpack(archive: Path, folder: Path, go_on: Callable[[], None] = lambda: None) -> str:
    """Unpack the files of a zip archive, whatever folders they lie in, into a folder; gives its `contents_digest`.

    The folder is created again, and removed if the work fails. go_on: called before each file; an exception that it
    raises ends the work. Raises `DownloadError` for an archive that is damaged or unlike published images.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as content:
            members = _members(content, archive)
            folder.mkdir()
            for name, member in members.items():
                go_on()
                with content.open(member) as source, open(folder / name, "xb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)  # ends at the size that the archive tells
        return contents_digest(folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)):
            raise DownloadError(f"{archive.name}: cannot be unpacked ({error}); remove it and start again") from error
        raise


def contents_digest(folder: Path) -> str:
    """SHA-256 of the names and sizes of a folder's files, which identifies it without reading the files."""
    with os.scandir(folder) as entries:
        lines = sorted(f"{entry.name}\t{entry.stat().st_size}\n" for entry in entries)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _members(content: zipfile.ZipFile, archive: Path) -> dict[str, zipfile.ZipInfo]:
    """The archive's files by name."""
    members: dict[str, zipfile.ZipInfo] = {}
    for member in content.infolist():
        path = PurePosixPath(member.filename)
        if member.is_dir() or path.parts[:1] == ("__MACOSX",) or path.name.startswith("._"):
            continue
        if path.is_absolute() or ".." in path.parts or "\\" in member.filename or not path.name:
            raise DownloadError(
                f"{archive.name}: {member.filename!r} would lie outside the folder; nothing is unpacked"
            )
        if stat.S_ISLNK(member.external_attr >> 16):
            raise DownloadError(f"{archive.name}: {member.filename!r} is a link; nothing is unpacked")
        if path.name in members:
            raise DownloadError(f"{archive.name}: {path.name!r} is in it twice; nothing is unpacked")
        members[path.name] = member
    total, packed = sum(member.file_size for member in members.values()), archive.stat().st_size
    free = shutil.disk_usage(archive.parent).free
    if total > _MOST_TIMES * packed + _SLACK:
        raise DownloadError(
            f"{archive.name}: its {packed:,} bytes would unpack to {total:,}, which images do not; nothing is unpacked"
        )
    if total > free:
        raise DownloadError(f"{archive.name}: needs {total:,} bytes unpacked, but only {free:,} are free; make room")
    return members


_GRACE = 1.0  # seconds to wait for threads to end after a stop, since one of them may hang
_BETWEEN_LOOKS = 0.5  # seconds until a signal is noticed at the latest
UNFINISHED = ".lesionflow-download"  # the folder for incomplete files
MANIFEST_FILE = "lesionflow-download.json"
_UNPACKED = 1.05  # times the archive's size: how much images may be smaller in it


@dataclass(frozen=True)
class DownloadStep:
    """A published file and what it becomes in the folder: a folder of images, or a table."""

    file: PublishedFile
    becomes: str

    @property
    def archive(self) -> bool:
        """Whether it is unpacked."""
        return self.file.name.endswith(".zip")


class DownloadManifest:
    """The record of finished downloads, a file in the folder."""

    def __init__(self, folder: Path, published: Published):
        self.file = folder / MANIFEST_FILE
        self._lock = threading.Lock()
        try:
            self.entries = dict(json.loads(self.file.read_bytes())["files"])
        except (OSError, ValueError, KeyError, TypeError):
            self.entries = {}
        self.about = {"doi": published.doi, "server": published.server, "version": published.version}

    def add(self, step: DownloadStep, contents: str = "") -> None:
        """Record a finished step; contents: the digest of the unpacked files. Raises `OSError`."""
        with self._lock:
            entry = {"from": step.file.name, "digest": step.file.digest}
            self.entries[step.becomes] = entry | ({"contents": contents} if contents else {})
            told = {**self.about, "licence": LICENCE, "cite": AUTHORS, "files": self.entries}
            atomic_write_bytes(self.file, (json.dumps(told, indent=1) + "\n").encode())

    def has(self, step: DownloadStep) -> bool:
        """Whether the files of a step are there, unchanged. Raises `OSError`."""
        entry, there = self.entries.get(step.becomes), self.file.parent / step.becomes
        return (
            isinstance(entry, dict)
            and entry.get("digest") == step.file.digest
            and there.is_dir()
            and entry.get("contents") == contents_digest(there)
        )


def plan(published: Published, part: str, folder: Path, manifest: DownloadManifest) -> list[DownloadStep]:
    """The remaining steps. Raises `DownloadError` if something else has a name that is needed."""
    import pooch

    for other in PUBLISHED_FILES:
        if other != part and any((folder / becomes).exists() for becomes in PUBLISHED_FILES[other].values()):
            raise DownloadError(f"{folder}: holds the {other} part; give another folder for the {part} part")
    steps = []
    for name, becomes in PUBLISHED_FILES[part].items():
        step = DownloadStep(published.find(name), becomes)
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


def check_space(steps: list[DownloadStep], folder: Path) -> None:
    """Raise `DownloadError` if the disk has no room for the archives and their unpacked files."""
    to_come = unpacked = 0
    for step in steps:
        size = step.file.size or 0
        work = folder / UNFINISHED  # where it may be already, whole or not
        there = [path for path in (work / step.file.name, partial_of(work, step.file)) if path.is_file()]
        arrived = max((path.stat().st_size for path in there), default=0)
        to_come += 0 if given_archive(folder, step.file) else max(size - arrived, 0)
        unpacked += int(size * _UNPACKED) if step.archive else 0
    free = shutil.disk_usage(folder).free
    if to_come + unpacked > free:
        raise DownloadError(
            f"{folder}: {_gigabytes(to_come + unpacked)} are needed, {_gigabytes(to_come)} to download and "
            f"{_gigabytes(unpacked)} for what is unpacked, but {_gigabytes(free)} are free; make room, or choose "
            "another place"
        )


def given_archive(folder: Path, file: PublishedFile) -> Path | None:
    """An archive that the user put into the folder, or that was kept there."""
    import pooch

    path = folder / file.name
    if file.name.endswith(".zip") and path.is_file() and pooch.hashes.hash_matches(path, file.digest):
        return path
    return None


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB"


def run_steps(
    steps: list[DownloadStep],
    folder: Path,
    manifest: DownloadManifest,
    web: Web,
    config: DownloadConfig,
    display: DownloadDisplay,
) -> None:
    """Download and unpack, several files at a time; tables are put in place after all images.

    The first failure ends the others. Raises `DownloadError` and `OSError`.
    """
    work = folder / UNFINISHED

    def arrive(step: DownloadStep) -> None:
        given = given_archive(folder, step.file)
        archive = given or fetch(step.file, work, web, display.advance(step.file.name, step.file.size))
        if not step.archive:
            return
        display.unpacking(step.file.name)
        contents = unpack(archive, work / step.becomes, web.go_on)
        manifest.add(step, contents)  # first: a file that is not recorded would be taken for a foreign one
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
        done, pending = set[Future[None]](), set(futures)
        while pending and not any(future.exception() for future in done):
            done, pending = wait(futures, timeout=_BETWEEN_LOOKS, return_when=FIRST_EXCEPTION)
        web.stop()  # the others, where one has failed
        pool.shutdown(cancel_futures=True)
    except KeyboardInterrupt:
        web.stop()
        pool.shutdown(wait=False, cancel_futures=True)
        wait(futures, timeout=_GRACE)
        raise
    failed = [error for future in futures if not future.cancelled() and (error := future.exception())]
    if failed:
        raise min(failed, key=lambda error: isinstance(error, Cancelled))  # those are consequences of another
    for step in steps:
        if not step.archive:
            os.replace(work / step.file.name, folder / step.becomes)
            manifest.add(step)


@contextlib.contextmanager
def working_folder(folder: Path) -> Iterator[None]:
    """The folder for incomplete files, for one process at a time; it is removed if the block succeeds.

    Raises `DownloadError` if another process has it, and `OSError`.
    """
    work = folder / UNFINISHED
    work.mkdir(parents=True, exist_ok=True)
    with locked(work / "lock") as is_held:
        if not is_held:
            raise DownloadError(f"{folder}: another download into it is running; wait for it or stop it")
        yield
        shutil.rmtree(work, ignore_errors=True)


class DownloadDisplay:
    """Progress bars of the files being downloaded, on a given console; to be used in a `with`."""

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
        """Add a file's bar; gives the function to call with its bytes."""
        task = self.tasks[name] = self.bars.add_task(name, total=size)
        return lambda count: self.bars.update(task, advance=count)

    def unpacking(self, name: str) -> None:
        """Show a complete file as being unpacked."""
        if name in self.tasks:
            self.bars.update(self.tasks[name], description=f"unpacking {name.removesuffix('.zip')}")

    def say(self, text: str) -> None:
        """A line above the bars."""
        say(text, console=self.console, warning=True)
