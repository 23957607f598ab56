"""What is to be scored: a folder, a file, a pattern, or a list of paths from a file, a table or standard input.

Everything here streams: a source of a million images is never in memory as a whole.
"""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import BinaryIO

from lesionflow.errors import DataError, UsageError
from lesionflow.images.discovery import LeftOut, describe_left_out, no_images, walk_images
from lesionflow.scoring.patterns import expand, expand_url, is_pattern
from lesionflow.storage.location import FILE, Url, is_url, parse_location
from lesionflow.storage.objects import is_file, listed, local_copy

PATH_COLUMN = "path"  # of a CSV source
_LONGEST_LINE = 2**20  # bytes; the longest path that Linux opens has 4,096


@dataclass(frozen=True)
class Source:
    """A list of inputs, read once: each a path and the values carried through with it."""

    inputs: Iterator[tuple[str, ...]]  # (path, *carried)
    carried_columns: tuple[str, ...] = ()
    if_empty: str = ""  # what to say if the list turns out so
    left_out: LeftOut = field(default_factory=LeftOut)  # of a folder, by kind; known once the list has been read
    folder: str = ""  # that is listed, if it is one
    identity: tuple[int, int] | None = None  # of that folder: device and number

    @property
    def nothing(self) -> str:
        """What to say of a list that has been read and holds nothing."""
        left_out = describe_left_out(self.left_out)
        return f"{self.if_empty}; left out: {left_out}" if left_out else self.if_empty

    def is_lost(self) -> bool:
        """Whether the folder is gone since: a share that is unmounted leaves another, empty one in its place."""
        return bool(self.folder) and _identity(self.folder) != self.identity


def open_source(source: str | os.PathLike[str], *, recursive: bool = True, pattern: str | None = None) -> Source:
    """Begin to list what is to be scored.

    A folder gives its image files in the order of their paths' bytes, as does a pattern with `*`, `?`, `[...]` or
    `**`; `@FILE`, `-` (standard input) and a `.csv` file give the paths they list in the order they list them, one a
    line or separated by NUL bytes, relative to the working directory. Each of them may be a URL. Raises `DataError`
    for what is not there or cannot be read, `UsageError` for options that the kind of source has no use for.
    """
    path = os.fspath(source)
    if is_url(path):
        return _open_url(path, recursive, pattern)
    if os.path.isdir(path):
        found = _folder(path, recursive, pattern)
        return replace(found, folder=path, identity=_identity(path))
    _refuse_options_of_folders(path, recursive, pattern)
    if path == "-":
        return Source(_listed(sys.stdin.buffer, "standard input"), if_empty="standard input holds no paths")
    if path.startswith("@"):
        return Source(_listed_in(path[1:]), if_empty=f"{path[1:]}: holds no paths")
    if os.path.isfile(path):
        return _table(path) if path.lower().endswith(".csv") else Source(iter([(path,)]))
    if is_pattern(path) and not os.path.lexists(path):
        return Source(((found,) for found in expand(path)), if_empty=f"{path}: no file matches")
    if os.path.lexists(path):
        raise DataError(f"{path}: neither a file nor a folder, or a link that leads nowhere")
    raise DataError(f"{path}: no such file or folder; give a folder of images or one image")


def _folder(path: str, recursive: bool, pattern: str | None) -> Source:
    left_out = LeftOut()
    found = ((image,) for image in walk_images(path, recursive=recursive, pattern=pattern, left_out=left_out))
    return Source(found, if_empty=no_images(path, recursive=recursive, pattern=pattern), left_out=left_out)


def _open_url(text: str, recursive: bool, pattern: str | None) -> Source:
    url = parse_location(text)
    if not isinstance(url, Url):  # as a path, but for the beginning of what is found there
        path = text.removeprefix(FILE)
        found = open_source(path, recursive=recursive, pattern=pattern)
        is_table = os.path.isfile(path) and path.lower().endswith(".csv")
        return found if is_table else replace(found, inputs=((FILE + path,) for path, *_ in found.inputs))
    try:
        is_object = not url.is_dir() and is_file(url)
        is_folder = next(listed(url), None) is not None
    except OSError as error:
        raise DataError(f"{text}: cannot be read ({error.strerror})") from error
    if is_object and is_folder:
        raise DataError(
            f"{text}: an object, and a folder of objects; end it with / for the folder, or list it in @LIST"
        )
    if is_folder:
        return _folder(text, recursive, pattern)
    _refuse_options_of_folders(text, recursive, pattern)
    if is_object:
        return _table(text) if text.lower().endswith(".csv") else Source(iter([(text,)]))
    if is_pattern(text):
        return Source(((found,) for found in expand_url(url)), if_empty=f"{text}: no object matches")
    raise DataError(f"{text}: no such object, and none whose name begins so with a slash behind it")


def _refuse_options_of_folders(path: str, recursive: bool, pattern: str | None) -> None:
    if pattern is not None or not recursive:
        option = "--no-recursive" if pattern is None else "--pattern"
        raise UsageError(f"{option} is for folders, and {path} is none; leave it out")


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _listed_in(path: str) -> Iterator[tuple[str, ...]]:
    try:
        with local_copy(parse_location(path)) as copy, open(copy, "rb") as file:
            yield from _listed(file, path)
    except OSError as error:
        raise DataError(f"{path}: the list cannot be read ({error.strerror})") from error


def _listed(file: BinaryIO, name: str) -> Iterator[tuple[str, ...]]:
    """Paths one a line, or, as `find -print0` writes them, each ended by a NUL byte; empty lines are passed over."""
    separator = None
    rest = b""
    while block := file.read1(2**16) if hasattr(file, "read1") else file.read(2**16):
        rest += block
        if separator is None and (b"\0" in rest or b"\n" in rest):
            separator = b"\0" if b"\0" in rest else b"\n"
        if separator is None:
            if len(rest) > _LONGEST_LINE:
                raise DataError(f"{name}: not a list of paths, one a line")
            continue
        *lines, rest = rest.split(separator)
        yield from _paths(lines, separator, name)
    yield from _paths([rest], separator or b"\n", name)


def _paths(lines: Iterable[bytes], separator: bytes, name: str) -> Iterator[tuple[str, ...]]:
    for line in lines:
        if separator == b"\n":
            line = line.removesuffix(b"\r")
            if b"\0" in line:
                raise DataError(f"{name}: separates paths by line ends and by NUL bytes; use one of them")
        if line:
            yield (_checked(os.fsdecode(line), name),)


def _checked(path: str, name: str) -> str:
    """A path of a list, which may be a URL; raises `DataError` for one that holds a secret or cannot be read here."""
    if is_url(path):
        try:
            parse_location(path)
        except UsageError as error:
            raise DataError(f"{name}: {error}") from error
    return path


def _table(path: str) -> Source:
    """A CSV file with a column `path`; its other columns are carried through."""
    rows = _table_rows(path)
    header = next(rows, ())
    if header.count(PATH_COLUMN) != 1:
        raise DataError(
            f"{path}: a table of images needs one column '{PATH_COLUMN}', this has: {', '.join(header) or 'none'}"
        )
    if len(set(header)) != len(header) or "" in header:
        raise DataError(f"{path}: every column needs a name of its own")
    column = header.index(PATH_COLUMN)

    def inputs() -> Iterator[tuple[str, ...]]:
        for number, row in enumerate(rows, 2):
            if len(row) != len(header):
                # Guessing which value is missing could carry one patient's data to another's image.
                raise DataError(
                    f"{path}: record {number} has {len(row)} values, the header {len(header)}; mend the table"
                )
            yield (_checked(row[column], path), *row[:column], *row[column + 1 :])

    return Source(inputs(), (*header[:column], *header[column + 1 :]), if_empty=f"{path}: no rows below the header")


def _table_rows(path: str) -> Iterator[tuple[str, ...]]:
    try:
        # A spreadsheet's byte order mark would become part of the first column's name.
        with (
            local_copy(parse_location(path)) as copy,
            open(copy, encoding="utf-8-sig", errors="surrogateescape", newline="") as file,
        ):
            yield from (tuple(row) for row in csv.reader(file, strict=True) if row)
    except OSError as error:
        raise DataError(f"{path}: the table cannot be read ({error.strerror})") from error
    except csv.Error as error:
        raise DataError(f"{path}: not a CSV file ({error})") from error
