"""What to score: a folder, a file, a pattern, or a list of paths from a file, a table or standard input.

Everything here streams: a source of a million images is never in memory as a whole. Patterns have `*`, `?`, `[...]` and
`**` for any folders; they match hidden names, and leftovers of Macs and network storage, only if asked to.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import fnmatch
import os
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import BinaryIO, TextIO

from lesionflow.datasets.label_table import WHOLE_SUFFIXES
from lesionflow.errors import DataError, ImageError, LesionflowError, UsageError, os_errors_as
from lesionflow.images.containers import PARQUET_SUFFIXES, ZIP_SUFFIX, holder_of, is_archive
from lesionflow.images.discovery import (
    LeftOut,
    describe_left_out,
    folder_identity,
    is_hidden,
    no_images,
    unlisted,
    walk_images,
)
from lesionflow.images.read_bytes import named_frame, read_named
from lesionflow.images.signatures import HEAD, sniff
from lesionflow.model.columns import as_written, without_escapes
from lesionflow.storage.location import Url, file_path, file_url, is_url, parse_location
from lesionflow.storage.objects import is_file, listed, local_copy

PATH_COLUMN = "path"  # of a CSV source
_BY_LINE = (".csv", ".tsv")  # tables that are read line by line, however long they are
_TABLES = (*_BY_LINE, *WHOLE_SUFFIXES)
_LISTS = (".txt", ".lst", ".list")  # what people keep paths in
_PACKED = (ZIP_SUFFIX, ".tar", ".tgz", ".gz", ".bz2", ".xz", ".zst", ".7z", ".rar")
_SAMPLE = 256  # bytes that tell an encoding
_UNDECODABLE = {"utf-8-sig": "surrogateescape", "utf-16": "strict"}  # names of files are bytes, and come back as such
_NOT_UTF_8 = re.compile("[\udc80-\udcff]").search
_LATIN_IN_UTF_16 = re.compile(rb"(?:[!-~]\0){4}")  # an ending, a column's name
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
        """Message about a list that turned out to be empty."""
        left_out = describe_left_out(self.left_out)
        advice = ""
        if any(self.left_out[kind] for kind in _PACKED):
            advice = "; unpack the archives" + (", or give one itself" if self.left_out[ZIP_SUFFIX] else "")
        if any(self.left_out[kind] for kind in PARQUET_SUFFIXES):
            advice = "; of Parquet files that hold images, give one at a time"
        return f"{self.if_empty}; left out: {left_out}{advice}" if left_out else self.if_empty

    def is_lost(self) -> bool:
        """Whether the folder has disappeared since: an unmounted share leaves another, empty one in its place."""
        return bool(self.folder) and _identity(self.folder) != self.identity


def open_source(source: str | os.PathLike[str], *, recursive: bool = True, pattern: str | None = None) -> Source:
    """Begin to list the inputs to score.

    A folder or a zip archive gives its image files in the order of their paths' bytes, as does a pattern with `*`, `?`,
    `[...]` or `**`; `@FILE`, `-` (standard input) and a table give the paths they list in the order they list
    them, one a line or separated by NUL bytes, relative to the working directory. Each of them may be a URL. Raises
    `DataError` for what is not there or cannot be read, `UsageError` for options that the kind of source has no use
    for.
    """
    path = os.fspath(source)
    if is_url(path):
        return _open_url(path, recursive, pattern)
    if os.path.isdir(path):
        found = _folder(path, recursive, pattern)
        return replace(found, folder=path, identity=_identity(path))
    if is_archive(path):
        return _folder(path, recursive, pattern)
    _refuse_options_of_folders(path, recursive, pattern)
    if path == "-":
        return Source(_listed(sys.stdin.buffer, "standard input"), if_empty="standard input holds no paths")
    if path.startswith("@"):
        return Source(_found_from_here(_listed_in(path[1:]), path[1:]), if_empty=f"{path[1:]}: holds no paths")
    if os.path.isfile(path):
        return _table(path) if path.lower().endswith(_BY_LINE) else _one_file(path)
    holder = holder_of(path)
    if is_pattern(path) and not os.path.lexists(path) and holder is None:
        return Source(((found,) for found in expand(path)), if_empty=f"{path}: no file matches")
    if os.path.lexists(path):
        raise DataError(f"{path}: neither a file nor a folder, or a link that leads nowhere; name another")
    try:
        read_named(path)  # as reports name it: a frame of a file, or a file within an archive
    except ImageError as error:
        if error.reason in ("no_permission", "unreadable"):
            raise DataError(f"{path}: cannot be read ({error.detail})") from error
        if error.reason == "not_found" and holder is not None:
            name = os.path.basename(holder)
            raise DataError(f"{path}: {name} holds no such file; give {name} itself, or one file in it") from error
        if error.reason == "not_found":
            raise DataError(f"{path}: no such file or folder; give a folder of images or one image") from error
    return Source(iter([(path,)]))  # other faults are reported in its row


def _one_file(path: str) -> Source:
    """A source that is one image file, intact or not, or a table. Raises `UsageError` for what looks like a list."""
    with contextlib.suppress(OSError):  # reported in its row
        if path.lower().endswith((*WHOLE_SUFFIXES, *_LISTS)) and Path(path).stat().st_size:
            with open(path, "rb") as file:
                if sniff(file.read(HEAD)) is None:
                    if path.lower().endswith(WHOLE_SUFFIXES):
                        return _table(path)
                    raise UsageError(
                        f"{path}: not an image; write @FILE for a text file of paths, one per line, and save a table "
                        f"with a column '{PATH_COLUMN}' as .csv"
                    )
    return Source(iter([(path,)]))


def _found_from_here(inputs: Iterator[tuple[str, ...]], file: str) -> Iterator[tuple[str, ...]]:
    """The paths of a list. Raises `DataError` if its first one exists relative to the list instead of this folder."""
    for number, each in enumerate(inputs):
        beside = os.path.join(os.path.dirname(file), each[0])
        if not number and not is_url(file) and not os.path.lexists(each[0]) and os.path.lexists(beside):
            raise DataError(
                f"{file}: its paths are relative to the working directory, but {each[0]} is beside the list: "
                f"run the command in {os.path.dirname(file)}, or list absolute paths"
            )
        yield each


def _folder(path: str, recursive: bool, pattern: str | None) -> Source:
    left_out = LeftOut()
    images = walk_images(path, recursive=recursive, pattern=pattern, left_out=left_out, tells_unlisted=True)
    if_empty = no_images(path, recursive=recursive, pattern=pattern)
    return Source(((image,) for image in images), if_empty=if_empty, left_out=left_out)


def _open_url(text: str, recursive: bool, pattern: str | None) -> Source:
    url = parse_location(text)
    if not isinstance(url, Url):  # like a path, except for the prefix of the files found there
        path = file_path(text)
        found = open_source(path, recursive=recursive, pattern=pattern)
        is_table = os.path.isfile(path) and path.lower().endswith(_TABLES)
        return found if is_table else replace(found, inputs=((file_url(each),) for each, *_ in found.inputs))
    with os_errors_as(DataError, f"{text}: cannot be read"):
        is_object = not url.is_dir() and is_file(url)
        is_folder = next(listed(url), None) is not None
    if is_object and is_folder:
        raise DataError(
            f"{text}: both an object and a folder of objects; end it with / for the folder, or list it in @LIST"
        )
    if is_folder:
        return _folder(text, recursive, pattern)
    _refuse_options_of_folders(text, recursive, pattern)
    if is_object and text.lower().endswith(ZIP_SUFFIX):
        raise DataError(f"{text}: archives in a store are not read; copy it to this machine, or unpack it there")
    if is_object:
        return _table(text) if text.lower().endswith(_TABLES) else Source(iter([(text,)]))
    if is_pattern(text):
        return Source(((found,) for found in expand_url(url)), if_empty=f"{text}: no object matches")
    if (named := named_frame(text)) and is_file(Url.of(named[0])):
        return Source(iter([(text,)]))
    raise DataError(f"{text}: no such object, and no folder of that name with objects in it; check the address")


def _refuse_options_of_folders(path: str, recursive: bool, pattern: str | None) -> None:
    if pattern is not None or not recursive:
        option = "--no-recursive" if pattern is None else "--pattern"
        raise UsageError(f"{option} is for folders, and {path} is not one; leave it out")


def _identity(folder: str) -> tuple[int, int] | None:
    with contextlib.suppress(OSError):
        return folder_identity(folder)
    return None


def _listed_in(path: str) -> Iterator[tuple[str, ...]]:
    with (
        os_errors_as(DataError, f"{path}: the list cannot be read"),
        local_copy(parse_location(path)) as copy,
        open(copy, "rb") as file,
    ):
        yield from _listed(file, path)


def _listed(file: BinaryIO, name: str) -> Iterator[tuple[str, ...]]:
    """Paths, one per line or, as from `find -print0`, each ended by a NUL byte; empty lines are skipped."""
    separator = None
    rest = b""
    for block in _utf8_blocks(file, name):
        rest += block
        if separator is None and (b"\0" in rest or b"\n" in rest):
            separator = b"\0" if b"\0" in rest else b"\n"
        if separator is None:
            if len(rest) > _LONGEST_LINE:
                raise DataError(f"{name}: not a list of paths; write one per line")
            continue
        *lines, rest = rest.split(separator)
        yield from _paths(lines, separator, name)
    # A list without any line end but those of old Macs is one of several lines.
    last = rest.split(b"\r") if separator is None else [rest]
    yield from _paths(last, separator or b"\n", name)


def _utf8_blocks(file: BinaryIO, name: str) -> Iterator[bytes]:
    """The bytes of a list, as UTF-8 without a byte order mark where they begin with one; else as they are."""
    read = file.read1 if hasattr(file, "read1") else file.read
    head = b""
    while len(head) < _SAMPLE and (block := read(2**16)):
        head += block
    encoding = _encoding(head, name)
    if encoding == "utf-16":
        decoder = codecs.getincrementaldecoder("utf-16")()
        try:
            while head:
                yield decoder.decode(head).encode("utf-8", "surrogatepass")
                head = read(2**16)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise DataError(
                f"{name}: breaks off, or is not UTF-16 throughout ({error.reason}); save it in UTF-8"
            ) from error
        return
    head = head.removeprefix(codecs.BOM_UTF8)
    while head:
        yield head
        head = read(2**16)


def _encoding(head: bytes, name: str) -> str:
    """The encoding of a text by its first bytes. Raises `DataError` for UTF-32, and UTF-16 without its mark."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise DataError(f"{name}: is UTF-32; save it as UTF-8")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if _LATIN_IN_UTF_16.search(head[:_SAMPLE]):
        raise DataError(f"{name}: seems to be UTF-16 without a byte order mark; save it as UTF-8")
    return "utf-8-sig"


def _paths(lines: Iterable[bytes], separator: bytes, name: str) -> Iterator[tuple[str, ...]]:
    for line in lines:
        if separator == b"\n":
            line = line.removesuffix(b"\r")
            if b"\0" in line:
                raise DataError(f"{name}: separates paths by line ends and by NUL bytes; use one of them")
        if line and (path := _checked(os.fsdecode(line), name)):
            yield (path,)


def _checked(path: str, name: str) -> str:
    """A path of a list, which may be a URL; raises `DataError` for one that holds a secret or cannot be read here.

    Spaces, returns and quotation marks around it belong to it only if there is a file of that name, as do the
    apostrophe and the escapes with which a report writes some names; a path of spaces alone is empty.
    """
    if is_url(path):
        try:
            parse_location(path)
        except LesionflowError as error:
            raise DataError(f"{name}: {error}") from error
        return path
    bare = path.strip()
    bare = bare[1:-1] if len(bare) > 2 and bare[0] == bare[-1] == '"' else bare
    in_report = without_escapes(as_written(bare))
    for name_meant in (bare, in_report):
        if name_meant != path and not os.path.lexists(path) and (not name_meant or os.path.lexists(name_meant)):
            return name_meant
    return path


def _table(path: str) -> Source:
    """A table with a column `path`; its other columns are carried through."""
    rows = _whole_rows(path) if path.lower().endswith(WHOLE_SUFFIXES) else _table_rows(path)
    header = next(rows, ())
    if not header:
        raise DataError(f"{path}: the table is empty; give one with rows")
    column = _path_column(header)
    if column is None:
        _check_text(header, path, 1)
        raise DataError(
            f"{path}: a table of images needs one column '{PATH_COLUMN}', this has: {', '.join(header)}; rename the "
            "one that names the files"
        )
    if len(set(header)) != len(header) or "" in header:
        raise DataError(f"{path}: columns without a name, or with another's; give each a name of its own")

    carried = (*header[:column], *header[column + 1 :])
    _check_text(carried, path, 1)

    def inputs() -> Iterator[tuple[str, ...]]:
        for number, row in enumerate(rows, 2):
            if len(row) != len(header):
                # Guessing which value is missing could carry one patient's data to another's image.
                raise DataError(
                    f"{path}: record {number} has {len(row)} values, the header {len(header)}; correct the table"
                )
            if not (found := _checked(row[column], path)):
                raise DataError(f"{path}: record {number} has no path; correct the table")
            values = (*row[:column], *row[column + 1 :])
            _check_text(values, path, number)
            yield (found, *values)

    return Source(_found_from_here(inputs(), path), carried, if_empty=f"{path}: no rows below the header")


def _check_text(values: Sequence[str], path: str, number: int) -> None:
    """Refuse values that are not UTF-8. A path may be so, since names of files are bytes; what else is said may not."""
    if not (text := "".join(values)).isascii() and _NOT_UTF_8(text):
        raise DataError(f"{path}: record {number} is not UTF-8 text; save the table as CSV in UTF-8")


def _path_column(header: Sequence[str]) -> int | None:
    """The column of paths: the one with exactly that name, or else the only one with a similar spelling."""
    exact = [index for index, name in enumerate(header) if name == PATH_COLUMN]
    alike = [index for index, name in enumerate(header) if name.strip().lower() == PATH_COLUMN]
    found = exact or alike
    return found[0] if len(found) == 1 else None


def _whole_rows(path: str) -> Iterator[tuple[str, ...]]:
    """The header and the rows of a table. Raises `DataError` for a workbook that has more than one table to see."""
    from lesionflow.datasets.label_table import holds_images, read_table, workbook_notes

    with os_errors_as(DataError, f"{path}: the table cannot be read"), local_copy(parse_location(path)) as copy:
        try:
            table = read_table(copy)
            if holds_images(copy):  # its paths are below the table, and those of a list where the command is run
                if is_url(path):
                    raise DataError(f"{path}: holds the images, which are not read in a store; copy it to this machine")
                table["path"] = [os.path.join(os.path.dirname(path), row) for row in table["path"]]
            if notes := workbook_notes(copy):
                raise DataError(f"{'; '.join(notes)}: which images are meant is not clear; save the table as CSV")
        except DataError as error:  # which names the copy
            raise DataError(str(error).replace(str(copy), path)) from error
    yield tuple(map(str, table.columns))
    yield from table.itertuples(index=False, name=None)


def _table_rows(path: str) -> Iterator[tuple[str, ...]]:
    try:
        with local_copy(parse_location(path)) as copy:
            with open(copy, "rb") as file:
                encoding = _encoding(file.read(_SAMPLE), path)
            with open(copy, encoding=encoding, errors=_UNDECODABLE[encoding], newline="") as text:
                delimiter = _delimiter(text)
                yield from (tuple(row) for row in csv.reader(text, delimiter=delimiter, strict=True) if row)
    except OSError as error:
        raise DataError(f"{path}: the table cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: breaks off, or is not UTF-16 throughout ({error.reason}); save it in UTF-8"
        ) from error
    except csv.Error as error:
        cut = "unexpected end of data" in str(error)
        reason = "its last record breaks off within quotation marks" if cut else f"not a CSV file ({error})"
        raise DataError(f"{path}: {reason}; restore it from a copy, or save it again") from error


def _delimiter(text: TextIO) -> str:
    """The separator of a table: comma, semicolon or tab, whichever gives a column of paths.

    The text is then where the header begins: behind the line `sep=;` that spreadsheets write, if it is there.
    """
    start, line = text.tell(), text.readline()
    if re.fullmatch(r"sep=[,;\t]\r?\n?", line):
        return line[4]
    text.seek(start)
    for delimiter in ",;\t":
        with contextlib.suppress(csv.Error):  # said when the table is read
            if _path_column(next(csv.reader([line], delimiter=delimiter), ())) is not None:
                return delimiter
    return ","


_MAGIC = frozenset("*?[")


def is_pattern(text: str) -> bool:
    """Whether a text contains a wildcard."""
    return not _MAGIC.isdisjoint(text)


def expand_url(pattern: Url) -> Iterator[str]:
    """The objects that match, in the order of their URLs' bytes, as they are listed.

    All below the last folder before the first such sign are listed. Raises `DataError` where they cannot be.
    """
    parts = pattern.key.split("/")
    fixed = next(index for index, part in enumerate(parts) if is_pattern(part))
    folder = Url(pattern.scheme, pattern.bucket, "".join(part + "/" for part in parts[:fixed]))
    with os_errors_as(DataError, f"{folder}: cannot be listed"):
        for url in listed(folder):
            if _fits(url.removeprefix(str(folder)).split("/"), parts[fixed:]):
                yield url


def _fits(names: Sequence[str], parts: Sequence[str]) -> bool:
    if not parts or not names:
        return not parts and not names
    name, part = names[0], parts[0]
    hidden = is_hidden(name) and not part.startswith(".")
    if part == "**":
        if len(parts) == 1:
            return not any(is_hidden(name) for name in names)
        return _fits(names, parts[1:]) or (not hidden and _fits(names[1:], parts))
    if is_pattern(part) and hidden:
        return False
    return fnmatch.fnmatchcase(name, part) and _fits(names[1:], parts[1:])


def expand(pattern: str) -> list[str]:
    """The files that match, and matching folders that cannot be listed, in the order of their paths' bytes.

    Python's `glob` passes over these. Raises `DataError` where it is the one that the pattern begins with.
    """
    root = os.sep if pattern.startswith(os.sep) else ""
    return sorted(set(_matches(root, [part for part in pattern.split(os.sep) if part])), key=os.fsencode)


def _matches(folder: str, parts: list[str], below: bool = False) -> Iterator[str]:
    """below: whether the folder itself is one of those that match."""
    part, rest = parts[0], parts[1:]
    if not is_pattern(part):
        path = os.path.join(folder, part)
        if below and not os.access(folder, os.X_OK):
            yield folder
        elif rest and os.path.isdir(path):
            yield from _matches(path, rest, below)
        elif not rest and os.path.lexists(path) and not os.path.isdir(path):
            yield path
        return
    anywhere = part == "**"
    if anywhere and rest:
        yield from _matches(folder, rest, below)
    try:
        with os.scandir(folder or os.curdir) as entries:
            found = [entry for entry in entries if part.startswith(".") or not is_hidden(entry.name)]
    except OSError as error:
        if not below:
            raise unlisted(folder, error) from error
        yield folder
        return
    for entry in found:
        path = os.path.join(folder, entry.name)
        if anywhere and entry.is_dir(follow_symlinks=False):
            yield from _matches(path, parts, below=True)
        elif anywhere and rest:
            continue
        elif anywhere or fnmatch.fnmatchcase(entry.name, part):
            if rest and (entry.is_dir(follow_symlinks=False) or os.path.isdir(path)):
                yield from _matches(path, rest, below=True)
            elif not rest and (os.path.isfile(path) or not os.path.exists(path)):
                yield path
