"""Finds the images in a folder by their content, and counts what is left out.

The rules, which `docs/reference/formats.md` tells users:

- a file with a known ending (`signatures.SUFFIXES`) is an image without a look into it; of any other file the first
  bytes decide. In a store of objects, where a look would cost a request each, only endings decide.
- leftovers of Macs and of network storage (`LEFTOVERS`, `._*`), whatever is in a hidden folder, and hidden files
  without a known ending are left out.
- a link to a folder outside the listed one is entered, and each such folder once; a link to a folder inside is not,
  since its files are found in their own place, nor is one to a folder above itself. So there are no loops, and no file
  is listed twice because of linked folders.
- a zip archive that is given as a source is a folder, read where it lies; one that lies in a folder is left out.
- pipes, sockets and devices are left out; an image's name whose link leads nowhere is listed, so that a row says so,
  and in scoring so is a folder below that cannot be listed; elsewhere such a folder is an error.

With a `pattern` names alone decide, not content.
"""

from __future__ import annotations

import contextlib
import fnmatch
import os
import stat
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipInfo

from lesionflow.errors import DataError, StoreError, os_errors_as
from lesionflow.images.containers import archive_entries, entry_head, is_archive
from lesionflow.images.signatures import HEAD, SUFFIXES, sniff
from lesionflow.storage.location import Url, is_url, path_here

# In small letters: some systems write them one way, some another. Also the directory of a DICOM medium, and bins and
# snapshots of network storage and of Windows: deleted images and copies of earlier days.
LEFTOVERS = frozenset({
    "__macosx", "@eadir", "@tmp", "#recycle", "#snapshot", "@recycle", "@recently-snapshot", "~snapshot",
    "$recycle.bin", "recycler", "system volume information", "network trash folder", "temporary items",
    "thumbs.db", "ehthumbs.db", "desktop.ini", "lost+found", "dicomdir",
})  # fmt: skip
HIDDEN, LEFTOVER, NO_ENDING, OTHER = "hidden", "of the system", "without an ending", "of other kinds"
KINDS_TOLD = 8  # endings; the others are summed up
UNREADABLE, SPECIAL, LOOP, NOT_MATCHING = "unreadable", "no ordinary file", "by looping links", "not like the pattern"
NOT_DOWNLOADED = "not downloaded from iCloud"  # what stands for a file that a Mac has moved there: `.IMG_1.HEIC.icloud`
OUTSIDE, REPLACED = "with a name that leads out of the archive", "replaced by a later one of the same name"
_KINDS = 50  # endings that are counted one by one; what comes later is `OTHER`
_LONGEST_ENDING = 12
_ENDINGS = frozenset(suffix.removeprefix(".") for suffix in SUFFIXES)

LeftOut = Counter[str]  # by kind, such as `.txt` or `hidden`: how many files a listing passed over


def describe_left_out(left_out: LeftOut) -> str:
    """The kinds as text, most common first: `12 .txt, 1 .zip, 3 hidden`; empty if nothing was left out."""
    kinds = sorted(left_out.items(), key=lambda kind: (-kind[1], kind[0]))
    endings = [kind for kind in kinds if kind[0].startswith(".")]
    reasons = [kind for kind in kinds if not kind[0].startswith(".") and kind[0] != OTHER]
    told = [f"{count:,} {kind}" for kind, count in [*endings[:KINDS_TOLD], *reasons]]
    if more := left_out[OTHER] + sum(count for _, count in endings[KINDS_TOLD:]):
        told.append(f"{more:,} {OTHER}")
    return ", ".join(told)


def no_image_files(folder: str, left_out: LeftOut) -> DataError:
    """The error of a folder without images, which says what is there."""
    described = describe_left_out(left_out)
    advice = "; unpack the archives, or give one itself" if left_out[".zip"] else ""
    return DataError(no_images(folder) + (f"; left out: {described}" if described else "") + advice)


def no_images(folder: str, *, recursive: bool = True, pattern: str | None = None) -> str:
    """Message about a folder without images."""
    kind = f" with names like {pattern}" if pattern else ""
    return f"{folder}: no image files{kind} in this folder{' or those below it' if recursive else ''}"


def walk_images(
    folder: str,
    *,
    recursive: bool = True,
    pattern: str | None = None,
    left_out: LeftOut | None = None,
    tells_unlisted: bool = False,
) -> Iterator[str]:
    """Yield the paths of a folder's image files in the order of their paths' bytes.

    Only the names of the folders on the way down are in memory.

    Parameters
    ----------
    folder
        A path, also of a zip archive, or the URL of a folder in a store, listed as `storage.objects.listed` does it.
    pattern
        What names have to be like (as in a shell: `*`, `?`, `[...]`); otherwise content decides.
    left_out
        Counts what is passed over, while the walk goes on.
    tells_unlisted
        Whether a folder below that cannot be listed is given in place of its images, so that its row says so.

    Raises
    ------
    DataError
        For a folder that cannot be listed, unless it is told.
    """
    left_out = LeftOut() if left_out is None else left_out
    if is_url(folder):
        yield from _walk_store(folder, recursive, pattern, left_out)
        return
    if is_archive(folder):
        yield from (f"{folder}/{name}" for name in _walk_archive(folder, recursive, pattern, left_out))
        return
    yield from _Walk(folder, recursive, pattern, left_out, tells_unlisted).images(folder)


def folder_identity(folder: str) -> tuple[int, int]:
    """Device and number of a folder, by whatever path it is reached. Raises `OSError`."""
    status = os.stat(folder)
    return status.st_dev, status.st_ino


class _Walk:
    """One walk through a folder and those below it."""

    def __init__(self, root: str, recursive: bool, pattern: str | None, left_out: LeftOut, tells_unlisted: bool):
        self.root, self.recursive, self.pattern, self.left_out = os.path.realpath(root), recursive, pattern, left_out
        self.top, self.tells_unlisted = root, tells_unlisted
        self.entered: set[tuple[int, int]] = set()  # by way of links, and the root

    def images(self, folder: str, outside: bool = False) -> Iterator[str]:
        """outside: whether it was reached through a link to somewhere else."""
        # A folder sorts with its separator, as it does within the paths of the files it holds: so the walk is in order.
        found: list[str] = []
        links = set()
        try:
            if not self.entered:
                self.entered.add(folder_identity(folder))
            with os.scandir(folder) as entries:
                for entry in entries:
                    if _is_folder(entry):
                        found.append(entry.name + os.sep)
                        if entry.is_symlink():
                            links.add(entry.name + os.sep)
                    elif self._is_wanted(entry):
                        found.append(entry.name)
        except OSError as error:
            # Silently skipping a folder would lose its images.
            if not self.tells_unlisted or folder == self.top:
                raise unlisted(folder, error) from error
            yield folder
        found.sort(key=os.fsencode)
        for name in found:
            path = os.path.join(folder, name)
            if not name.endswith(os.sep):
                yield path
            elif self.recursive and self._enters(path.rstrip(os.sep), name in links, outside):
                yield from self.images(path.rstrip(os.sep), outside or name in links)

    def _enters(self, path: str, is_link: bool, outside: bool) -> bool:
        above, name = os.path.split(path)
        if is_hidden(name):
            if not name.endswith(".job"):  # of a report beside the images
                files = 1 if is_link else sum(len(files) for _, _, files in os.walk(path))
                self.left_out += LeftOut({HIDDEN if name.startswith(".") else LEFTOVER: files})
            return False
        if is_link:
            target = os.path.realpath(path)
            if _is_below(os.path.realpath(above), target):
                self.left_out[LOOP] += 1
                return False
            if _is_below(target, self.root):
                between = os.path.relpath(target, self.root).split(os.sep)
                if not any(map(is_hidden, between)):  # the walk comes to it without a link
                    return False
        elif not outside:
            return True
        try:
            folder = folder_identity(path)
        except OSError:
            return True  # which says why it cannot be listed
        if folder in self.entered:
            return False
        self.entered.add(folder)
        return True

    def _is_wanted(self, entry: os.DirEntry[str]) -> bool:
        name = entry.name
        _, dot, ending = name.rpartition(".")
        has_ending = bool(dot) and ending.lower() in _ENDINGS
        if has_ending and self.pattern is None and name[0] != "." and entry.is_file(follow_symlinks=False):
            return True
        kind = SPECIAL if _is_special(entry) else kind_left_out(name, self.pattern, self.left_out)
        if kind not in (None, SPECIAL, HIDDEN, LEFTOVER, NOT_MATCHING):
            try:
                kind = kind if sniff(_head(entry.path)) is None else None
            except OSError:
                kind = UNREADABLE
        if kind is not None:
            self.left_out[kind] += 1
        return kind is None


def unlisted(folder: str, error: OSError) -> DataError:
    """The error of a folder that cannot be listed."""
    return DataError(f"{folder}: cannot be listed ({error.strerror}); make it readable or leave it out")


def _walk_store(folder: str, recursive: bool, pattern: str | None, left_out: LeftOut) -> Iterator[str]:
    from lesionflow.storage.objects import listed

    above = len(str(Url.of(folder).prefix)) + len(Url.of(folder).store) + 1
    with os_errors_as(DataError, f"{folder}: cannot be listed"):
        for url in listed(Url.of(folder), recursive):
            if (kind := kind_left_out(url[above:], pattern, left_out)) is None:
                yield url
            else:
                left_out[kind] += 1


def _walk_archive(file: str, recursive: bool, pattern: str | None, left_out: LeftOut) -> Iterator[str]:
    """The names of the images in a zip archive. Raises `DataError` if it is damaged or encrypted."""
    entries: dict[str, ZipInfo] = {}
    for entry in archive_entries(file):
        if entry.is_dir() or ("/" in entry.filename and not recursive):
            continue
        if entry.filename.startswith("/") or ".." in entry.filename.split("/"):
            left_out[OUTSIDE] += 1
            continue
        left_out[REPLACED] += entry.filename in entries
        entries[entry.filename] = entry
    for name in sorted(entries, key=os.fsencode):
        kind = kind_left_out(name, pattern, left_out)
        if kind in (None, HIDDEN, LEFTOVER, NOT_MATCHING):
            is_image = kind is None
        else:
            is_image = sniff(entry_head(file, entries[name], HEAD)) is not None
        if not is_image:
            left_out[str(kind)] += 1
            continue
        if entries[name].flag_bits & 1:
            raise DataError(f"{file}: {name} is encrypted; unpack the archive with its password, and give the folder")
        yield name
    left_out += LeftOut()  # without kinds of which there are none


def is_hidden(name: str) -> bool:
    """Whether a name is that of a hidden file or folder, or a leftover's, which count as hidden."""
    return name.startswith(".") or name.lower() in LEFTOVERS


def kind_left_out(path: str, pattern: str | None, left_out: LeftOut) -> str | None:
    """The kind under which a path is left out, by its name alone; None for an image."""
    *folders, name = path.split("/")
    for part in folders:
        if is_hidden(part):
            return HIDDEN if part.startswith(".") else LEFTOVER
    if name.lower() in LEFTOVERS or name.startswith("._"):
        return HIDDEN if name.startswith(".") else LEFTOVER
    if pattern is not None:
        return None if fnmatch.fnmatchcase(name, pattern) else NOT_MATCHING
    if name.lower().endswith(SUFFIXES):
        return None
    if name.startswith(".") and name.lower().removesuffix(".icloud").endswith(SUFFIXES):
        return NOT_DOWNLOADED
    return HIDDEN if name.startswith(".") else kind_of(name, left_out)


def kind_of(name: str, left_out: LeftOut) -> str:
    """The kind under which a file that is not an image is counted: its ending, if it has a usual one."""
    ending = os.path.splitext(name)[1].lower()
    if not ending or len(ending) > _LONGEST_ENDING or not ending[1:].isalnum():
        return NO_ENDING
    return ending if ending in left_out or len(left_out) < _KINDS else OTHER


def _head(path: str) -> bytes:
    """A file's first bytes. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0))
    try:
        return os.read(descriptor, HEAD)
    finally:
        os.close(descriptor)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _is_below(path: str, folder: str) -> bool:
    """Whether a path without links is a folder or something in it."""
    return (path.rstrip(os.sep) + os.sep).startswith(folder.rstrip(os.sep) + os.sep)


def _is_special(entry: os.DirEntry[str]) -> bool:
    """A pipe, a socket or a device: reading it could block for ever.

    A link that cannot be followed is not special: it is found, and becomes a row that says so.
    """
    try:
        return not entry.is_file() and os.path.exists(entry.path)
    except OSError:  # a link to itself
        return False


def cache_folder(given: str | os.PathLike[str] | None = None) -> Path:
    """The cache for decoded pixels and the demo set: as given, `$LESIONFLOW_CACHE`, or else the user's cache folder.

    Where the home cannot be written, a folder among temporary files. Raises `StoreError` where that is not the user's.
    """
    if given is not None:
        return path_here(given, "cache")
    if chosen := os.environ.get("LESIONFLOW_CACHE"):
        return path_here(chosen, "LESIONFLOW_CACHE")
    if caches := os.environ.get("XDG_CACHE_HOME"):
        return Path(caches) / "lesionflow"
    with contextlib.suppress(RuntimeError):  # no HOME, and a user id that no table knows, as in many containers
        cache = Path.home() / ".cache" / "lesionflow"
        there = next(folder for folder in (cache, *cache.parents) if os.path.exists(folder) or folder == folder.parent)
        if there == cache or os.access(there, os.W_OK):  # as it is not where a service's user has / or /nonexistent
            return cache
    user = os.geteuid() if hasattr(os, "geteuid") else None
    folder = Path(tempfile.gettempdir()) / f"lesionflow-{'cache' if user is None else user}"
    if user is not None and os.path.lexists(folder):  # anybody could have made a folder of that name, or a link
        found = os.lstat(folder)
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != user or found.st_mode & stat.S_IWOTH:
            advice = "choose another folder with --cache or LESIONFLOW_CACHE"
            raise StoreError(f"{folder}: is no folder of yours alone, where decoded pixels would be kept; {advice}")
    return folder
