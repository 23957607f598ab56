"""One published file onto the disk, and an archive of images into a folder.

What has come is kept and gone on with, only right content gets its name, and nothing is unpacked outside the folder.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from lesionflow.atomic import name_new
from lesionflow.dataverse.server import PublishedFile, TransientError, Web
from lesionflow.errors import DownloadError
from lesionflow.progress import logging_at

if TYPE_CHECKING:
    import requests

CHUNK = 16_384  # bytes; what comes before a connection breaks is lost up to this much
_LARGEST_TABLE = 1 << 28  # bytes of a file whose size is not known
# JPEGs hardly get smaller in an archive: what would unpack to much more is none of images.
_MOST_TIMES, _SLACK = 3, 1 << 20

Advance = Callable[[int], None]  # told of bytes that have come; of fewer than none where it begins anew


def partial_of(folder: Path, file: PublishedFile) -> Path:
    """Where a file lies while it comes."""
    return folder / f"{file.name}.partial"


def fetch(file: PublishedFile, folder: Path, web: Web, advance: Advance = lambda count: None) -> Path:
    """Fetch a file into a folder, unless it lies there whole; gives its path.

    What an earlier run has left is gone on with, and begun anew where it turns out wrong. Raises `DownloadError`.
    """
    import pooch

    partial = partial_of(folder, file)
    for last in (False, True):
        downloader = ResumingDownloader(web, file, partial, advance)
        try:
            with logging_at(logging.WARNING, pooch.get_logger()):  # progress is ours to tell
                arrived = Path(pooch.retrieve(file.url, file.digest, file.name, folder, downloader=downloader))
            downloader.tell(arrived.stat().st_size)  # also where it lay there already
            partial.unlink(missing_ok=True)
            return arrived
        except ValueError as error:  # another digest; pooch has removed the file
            partial.unlink(missing_ok=True)
            if last:
                raise DownloadError(
                    f"{file.name}: what {file.url} sends has another digest than the one published, {file.digest}, "
                    "also when fetched anew; something on the way may answer in its place: a proxy, a login page"
                ) from error
            web.note(f"{file.name}: what has come has another digest than the one published; fetching it anew")
            downloader.tell(0)
    raise AssertionError("unreachable")


class ResumingDownloader:
    """What pooch calls to download: goes on where the partial file ends, again after each interruption."""

    def __init__(self, web: Web, file: PublishedFile, partial: Path, advance: Advance):
        self.web, self.file, self.partial, self.advance = web, file, partial, advance
        self.told = 0  # bytes that progress was told of

    def __call__(self, url: str, output_file: str, pooch: Any, check_only: bool = False) -> None:
        """Download url into output_file. Raises `DownloadError`."""
        self.web.persist(self.file.name, lambda: self._receive(url, self._length()), self._length)
        os.unlink(output_file)
        name_new(self.partial, Path(output_file))  # killed while the digest is made, it is still there to go on with

    def _receive(self, url: str, have: int) -> None:
        """One request for what is missing. Raises `TransientError` where it is not the end."""
        size = self.file.size
        if size is None or have > size:
            have = 0  # how much is missing cannot be told
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
        """Where in the file the answer begins; all of it (status 200) is what servers send that know no ranges."""
        if response.status_code == 200:
            self.tell(0)
            return 0
        given = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
        if response.status_code == 206 and given and int(given[1]) == have and given[2] in ("*", str(self.file.size)):
            return have
        self.partial.unlink(missing_ok=True)
        raise TransientError("the server has no such part as is missing; beginning anew")

    def _length(self) -> int:
        try:
            return self.partial.stat().st_size
        except FileNotFoundError:
            return 0

    def tell(self, count: int) -> None:
        """Tell progress how many bytes there are by now."""
        self.advance(count - self.told)
        self.told = count


def unpack(archive: Path, folder: Path, go_on: Callable[[], None] = lambda: None) -> str:
    """Unpack the files of a zip archive, whatever folders they lie in, into a folder; gives its `contents_digest`.

    The folder is made anew, and gone again if the work does not end well. go_on: called before each file; what it
    raises ends the work. Raises `DownloadError` for an archive that is damaged or not what images are published as.
    """
    shutil.rmtree(folder, ignore_errors=True)
    try:
        with zipfile.ZipFile(archive) as content:
            members = _members(content, archive)
            _check_space(archive, sum(member.file_size for member in members.values()))
            folder.mkdir()
            for name, member in members.items():
                go_on()
                with content.open(member) as source, open(folder / name, "xb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)  # ends at the size that the archive tells
        return contents_digest(folder)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)):
            raise DownloadError(f"{archive.name}: cannot be unpacked ({error})") from error
        raise


def contents_digest(folder: Path) -> str:
    """SHA-256 of the names and sizes of a folder's files, by which it is known again without being read."""
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
    _check_sizes(members.values(), archive)
    return members


def _check_sizes(members: Iterable[zipfile.ZipInfo], archive: Path) -> None:
    total, packed = sum(member.file_size for member in members), archive.stat().st_size
    if total > _MOST_TIMES * packed + _SLACK:
        raise DownloadError(
            f"{archive.name}: its {packed:,} bytes would become {total:,}; images do not, so nothing is unpacked"
        )


def _check_space(archive: Path, needed: int) -> None:
    free = shutil.disk_usage(archive.parent).free
    if needed > free:
        raise DownloadError(f"{archive.name}: unpacked it has {needed:,} bytes, but only {free:,} are free")
