"""Finding image files in folders."""

from __future__ import annotations

import fnmatch
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lesionflow.errors import DataError
from lesionflow.images.decode import SUFFIXES
from lesionflow.storage.location import FILE, Url, is_url


def find_images(source: str | os.PathLike[str]) -> list[str]:
    """Every image file in a folder and the folders below it, by name ending, in the order of their paths' bytes.

    A source that is a file is itself the one result, whatever its ending. Paths begin with `source`. Linked files
    count; linked folders are not entered, so a loop cannot form. Raises `DataError` where there is nothing to find.
    """
    path = os.fspath(source)
    if os.path.isfile(path):
        return [path]
    if not os.path.isdir(path):
        raise DataError(f"{path}: no such file or folder; give a folder of images or one image")
    found = list(walk_images(path))
    if not found:
        raise DataError(f"{path}: no image files ({', '.join(SUFFIXES)}) in this folder or those below it")
    return found


def walk_images(folder: str, *, recursive: bool = True, pattern: str | None = None) -> Iterator[str]:
    """The paths of a folder's image files, as they are found, in the order of their paths' bytes.

    What counts as one is told by its ending, or by `pattern` (as in a shell: `*`, `?`, `[...]`) on its name. Only the
    names of the folders on the way down are in memory. Of a store's objects (`folder` is a URL) those count whose names
    have such endings, and they are listed as `storage.objects.listed` does it. Raises `DataError` for a folder that
    cannot be listed.
    """
    if is_url(folder):
        yield from _walk_store(folder, recursive, pattern)
        return
    # A folder sorts with its separator, as it does within the paths of the files it holds: so the walk is in order.
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    if recursive:
                        found.append(entry.name + os.sep)
                elif _is_wanted(entry.name, pattern) and not _is_special(entry):
                    found.append(entry.name)
    except OSError as error:
        # Passing over a folder in silence would lose its images: the run has to stop here.
        raise DataError(f"{folder}: cannot be listed ({error.strerror}); make it readable or leave it out") from error
    found.sort(key=os.fsencode)
    for name in found:
        path = os.path.join(folder, name)
        if name.endswith(os.sep):
            yield from walk_images(path[: -len(os.sep)], recursive=True, pattern=pattern)
        else:
            yield path


def _walk_store(folder: str, recursive: bool, pattern: str | None) -> Iterator[str]:
    if folder.startswith(FILE):
        found = walk_images(folder.removeprefix(FILE), recursive=recursive, pattern=pattern)
        yield from (FILE + path for path in found)
        return
    from lesionflow.storage.objects import listed

    try:
        for url in listed(Url.of(folder), recursive):
            if _is_wanted(url.rpartition("/")[2], pattern):
                yield url
    except OSError as error:
        raise DataError(f"{folder}: cannot be listed ({error.strerror})") from error


def _is_wanted(name: str, pattern: str | None) -> bool:
    return name.lower().endswith(SUFFIXES) if pattern is None else fnmatch.fnmatchcase(name, pattern)


def _is_special(entry: os.DirEntry[str]) -> bool:
    """A pipe, a socket, a device or a linked folder: reading it could block for ever or is no image.

    A link that cannot be followed is not special: it is found, and becomes a row that says so.
    """
    try:
        return not entry.is_file() and os.path.exists(entry.path)
    except OSError:  # a link to itself
        return False


def default_cache() -> Path:
    """Where decoded pixels and the demo set are kept: `$LESIONFLOW_CACHE`, else the user's cache folder."""
    if chosen := os.environ.get("LESIONFLOW_CACHE"):
        return Path(chosen)
    if caches := os.environ.get("XDG_CACHE_HOME"):
        return Path(caches) / "lesionflow"
    try:
        return Path.home() / ".cache" / "lesionflow"
    except RuntimeError:  # no HOME, and a user id that no table knows, as in many containers
        return Path(tempfile.gettempdir()) / f"lesionflow-{os.getuid()}"
