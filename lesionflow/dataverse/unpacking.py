"""An archive of images into a folder: nothing outside it, nothing that is no set of images."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from lesionflow.errors import DownloadError

# JPEGs hardly get smaller in an archive: what would unpack to much more is none of images.
_MOST_TIMES, _SLACK = 3, 1 << 20


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
