"""Images inside a file: `images.zip/a/1.jpg` in a zip archive, `images.hdf5/ISIC_0000001` in an HDF5 file.

In a Parquet file, as Hugging Face packs images, a row's number from 0 names its image: `train.parquet/17`.
"""

from __future__ import annotations

import bisect
import contextlib
import errno
import functools
import itertools
import os
import struct
import threading
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from lesionflow.errors import DataError, ImageError
from lesionflow.images.signatures import HEAD, sniff

if TYPE_CHECKING:
    import h5py
    from pyarrow import ChunkedArray, DataType, Scalar
    from pyarrow.parquet import ParquetFile

ZIP_SUFFIX, HDF5_SUFFIXES, PARQUET_SUFFIXES = ".zip", (".hdf5", ".h5"), (".parquet", ".pq")
MAXIMUM_BYTES = 256 * 2**20  # of an image or a table, unpacked
# What zipfile raises where an archive is damaged, by what it is packed with and by where its bytes are wrong.
_DAMAGE: tuple[type[Exception], ...] = (zipfile.BadZipFile, zlib.error, EOFError, UnicodeDecodeError)
with contextlib.suppress(ImportError):  # not in every Python
    from lzma import LZMAError

    _DAMAGE = (*_DAMAGE, LZMAError)
# What also stands in the way: another compression, HDF5 that is damaged, a package that is not there.
_NOT_READ: tuple[type[Exception], ...] = (ImageError, OSError, RuntimeError, *_DAMAGE)
MAXIMUM_GROUP_BYTES = 2**30  # of a row group of Parquet, whose images are read as a whole
_LOCK = threading.Lock()  # h5py's own lock does not guard the cache


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Whether a path is that of a zip archive."""
    return os.fspath(path).lower().endswith(ZIP_SUFFIX) and os.path.isfile(path)


def archive_entries(file: str | os.PathLike[str]) -> list[zipfile.ZipInfo]:
    """All entries of a zip archive's directory, in order.

    Raises `DataError` for a file that is no zip archive, or a broken one.
    """
    try:
        return _opened_zip(os.fspath(file)).infolist()
    except _NOT_READ as error:
        raise DataError(f"{file}: cannot be read as a zip archive ({error}); download it again") from error


def entry_head(file: str | os.PathLike[str], entry: zipfile.ZipInfo, length: int) -> bytes:
    """The first bytes of a file in an archive; empty if it cannot be unpacked."""
    try:
        with _opened_zip(os.fspath(file)).open(entry) as content:
            return content.read(length)
    except _NOT_READ:
        return b""


def archive_members(file: str | os.PathLike[str]) -> list[zipfile.ZipInfo]:
    """The files in a zip archive, except leftovers of Macs and names that lead out of it.

    Raises `DataError` for a file that is no zip archive, or a broken one.
    """
    members = archive_entries(file)
    parts = [(member, PurePosixPath(member.filename).parts) for member in members if not member.is_dir()]
    return [
        member
        for member, folders in parts
        if folders and not {"..", "/", "__MACOSX"} & set(folders) and not any(name.startswith(".") for name in folders)
    ]


def is_member(path: str | os.PathLike[str]) -> bool:
    """Whether a path is that of an image inside a container file."""
    try:
        file, name = _parted(path)
        with _LOCK:
            if file.lower().endswith(PARQUET_SUFFIXES):
                return _position_of_row(file, name) is not None
            return name in (_opened_zip(file).NameToInfo if file.lower().endswith(ZIP_SUFFIX) else _opened_hdf5(file))
    except _NOT_READ:
        return False


def holder_of(path: str | os.PathLike[str]) -> str | None:
    """The container file in a path that goes on below it, whether or not it has the image; None if there is none."""
    try:
        return _parted(path)[0]
    except ImageError:
        return None


def read_member(path: str | os.PathLike[str]) -> bytes:
    """The bytes of an image inside a container file.

    Raises
    ------
    ImageError
        `not_found` where the file holds nothing of that name, `unsupported` where an extra is missing, `damaged` where
        its checksum differs, `too_large` beyond `MAXIMUM_BYTES`.
    """
    file, name = _parted(path)
    holder = os.path.basename(file)
    try:
        if file.lower().endswith(ZIP_SUFFIX):
            with _LOCK:
                archive = _opened_zip(file)
            member = archive.NameToInfo.get(name)
            if member is None or member.is_dir():
                raise ImageError("not_found", f"{holder} holds no {name}")
            if member.flag_bits & 1:
                raise ImageError("unsupported", f"{holder}: {name} is encrypted; unpack it with its password")
            if member.file_size > MAXIMUM_BYTES:
                raise ImageError("too_large", f"more than {MAXIMUM_BYTES // 2**20} MiB")
            return archive.read(member)
        if file.lower().endswith(PARQUET_SUFFIXES):
            return _read_row(file, name)
        with _LOCK:
            opened = _opened_hdf5(file)
            try:
                if name not in opened:
                    raise ImageError("not_found", f"{holder} holds no {name}")
                return bytes(opened[name][()].tobytes())
            except (RuntimeError, KeyError) as error:  # of an index with wrong bytes
                raise ImageError("damaged", f"{holder}: {error}") from error
            except (TypeError, AttributeError) as error:  # of a group, or of text
                raise ImageError("not_an_image", f"{holder}: {name} holds no file") from error
    except _DAMAGE as error:
        raise ImageError("damaged", f"{holder}: {error}") from error
    except (RuntimeError, NotImplementedError) as error:  # of another compression
        raise ImageError("unsupported", f"{holder}: {error}") from error
    except (OSError, ValueError) as error:
        # bz2 raises it without a number; a place in front of the file is an invalid argument.
        damaged = isinstance(error, OSError) and error.errno in (None, errno.EINVAL)
        raise ImageError("damaged" if damaged else "unreadable", f"{holder}: {error}") from error


def is_packed_image(kind: DataType) -> bool:
    """Whether a type of pyarrow is a record with `bytes`, beside which `path` may be, as `datasets` writes images."""
    from pyarrow import types

    return bool(types.is_struct(kind)) and any(inner.name == "bytes" and holds_bytes(inner.type) for inner in kind)


def holds_bytes(kind: DataType) -> bool:
    """Whether values of a type of pyarrow are bytes."""
    from pyarrow import types

    return bool(types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind))


def columns_of_images(file: str | os.PathLike[str]) -> tuple[str, ...]:
    """The columns of a Parquet file that hold images, or masks, say.

    They are records of which at least one has bytes, and bytes of which the first begin like an image. Raises what
    pyarrow raises where one is damaged or encrypted.
    """
    return _columns_of_images(os.fspath(file), os.stat(file).st_mtime_ns)


@functools.lru_cache(maxsize=1024)  # it reads a page of each column, and is asked a dozen times of each part of a set
def _columns_of_images(file: str, changed: int) -> tuple[str, ...]:
    # Asking the footer for statistics of columns instead would end the process where it is damaged or encrypted.
    with parquet_file(file) as parquet:
        footer = parquet.metadata
        groups = map(footer.row_group, range(footer.num_row_groups))
        if any(group.total_byte_size > MAXIMUM_GROUP_BYTES for group in groups):  # reading an image says what to do
            return tuple(each.name for each in parquet.schema_arrow if is_packed_image(each.type))
        return tuple(
            each.name
            for each in parquet.schema_arrow
            if (is_packed_image(each.type) and _first_bytes(parquet, f"{each.name}.bytes") is not None)
            or (holds_bytes(each.type) and sniff((_first_bytes(parquet, each.name) or b"")[:HEAD]) is not None)
        )


def _first_bytes(parquet: ParquetFile, leaf: str) -> bytes | None:
    """The first bytes that there are in a column; None if all of its rows are empty."""
    batches = parquet.iter_batches(16, columns=[leaf], use_threads=False)
    values = (_bytes_of(value) for batch in batches for value in batch.column(0))
    return next((found for found in values if found is not None), None)


def _bytes_of(value: Scalar) -> bytes | None:
    """The bytes in a value of a column of images; None where there are none."""
    found = value.as_py()
    return found.get("bytes") if isinstance(found, dict) else found


def images_in(file: str | os.PathLike[str]) -> str | None:
    """The column of a Parquet file that holds its images; None where there is none, or which of several is not clear.

    It is the only one, or the one named `image`, beside which there may be masks.
    """
    found = columns_of_images(file)
    named = [name for name in found if name.lower() == "image"] or found
    return named[0] if len(named) == 1 else None


def row_order(path: str) -> tuple[str, int]:
    """A key that sorts images of Parquet files by their rows, and leaves the order of all others as it is.

    A row group is read as a whole, so images in any other order would each cost one.
    """
    file, _, row = path.rpartition(os.sep)
    return (file, int(row)) if file.lower().endswith(PARQUET_SUFFIXES) and row.isdecimal() else ("", 0)


def _read_row(file: str, name: str) -> bytes:
    """The bytes of the image in a row of a Parquet file. Raises `ImageError`."""
    holder = os.path.basename(file)
    with _LOCK:
        if (position := _position_of_row(file, name)) is None:
            raise ImageError("not_found", f"{holder} holds no image {name}")
        group, row = position
        values = _row_group(file, os.stat(file).st_mtime_ns, os.getpid(), group)
    found = _bytes_of(values[row])
    if found is None:
        raise ImageError("not_found", f"{holder} holds no bytes of an image in row {name}")
    if len(found) > MAXIMUM_BYTES:
        raise ImageError("too_large", f"more than {MAXIMUM_BYTES // 2**20} MiB")
    return bytes(found)


def _position_of_row(file: str, name: str) -> tuple[int, int] | None:
    """The row group of a row of a Parquet file, and its position in it; None if there are no such row or images."""
    _, images, starts = _open_parquet(file, os.stat(file).st_mtime_ns, os.getpid())
    if images is None or not name.isdecimal() or str(row := int(name)) != name or row >= starts[-1]:
        return None
    group = bisect.bisect_right(starts, row) - 1
    return group, row - starts[group]


def _parted(path: str | os.PathLike[str]) -> tuple[str, str]:
    """The container of an image, and the image's name in it. Raises `ImageError` if there is no such file."""
    text = os.fspath(path)
    parts = text.split(os.sep)
    for count in range(len(parts) - 1, 0, -1):
        file = os.sep.join(parts[:count])
        if file.lower().endswith((ZIP_SUFFIX, *HDF5_SUFFIXES, *PARQUET_SUFFIXES)) and os.path.isfile(file):
            return file, "/".join(parts[count:])
    raise ImageError("not_found", "no such file")


def _opened_zip(file: str) -> zipfile.ZipFile:
    return _open_zip(file, os.stat(file).st_mtime_ns, os.getpid())


def _opened_hdf5(file: str) -> h5py.File:
    return _open_hdf5(file, os.stat(file).st_mtime_ns, os.getpid())


# Each file is opened once per process, and again when it has changed.
@functools.lru_cache(maxsize=4)
def _open_zip(file: str, changed: int, process: int) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(file)
    for member in archive.infolist():
        name = _unicode_name(member).replace("\\", "/")  # some archives made on Windows have its separators
        if name not in archive.NameToInfo:
            member.filename, archive.NameToInfo[name] = name, member
    return archive


def _unicode_name(member: zipfile.ZipInfo) -> str:
    """The name of a file in an archive, which zipfile takes for code page 437 where no flag says UTF-8."""
    if member.flag_bits & 0x800 or member.orig_filename.isascii():
        return member.filename
    raw = member.orig_filename.encode("cp437")
    extra = member.extra
    while len(extra) >= 4:  # records of an id, a length and a content
        kind, length = struct.unpack("<HH", extra[:4])
        content, extra = extra[4 : 4 + length], extra[4 + length :]
        # Info-ZIP's Unicode Path: a version, the checksum of the name that it stands for, and the name in UTF-8.
        if kind == 0x7075 and content[:5] == struct.pack("<BL", 1, zlib.crc32(raw)):
            raw = content[5:]
    try:
        # As Macs and Linux write names; those with umlauts in another code page are no UTF-8.
        return raw.decode().partition("\0")[0]
    except UnicodeDecodeError:
        return member.filename


@functools.lru_cache(maxsize=4)
def _open_hdf5(file: str, changed: int, process: int) -> h5py.File:
    try:
        import h5py
    except ImportError as error:
        raise ImageError("unsupported", "HDF5 needs the extra tables (h5py)") from error
    return h5py.File(file, "r")


@functools.lru_cache(maxsize=4)
def _open_parquet(file: str, changed: int, process: int) -> tuple[ParquetFile, str | None, list[int]]:
    """A Parquet file, its column of images, and the number of rows before each row group and after the last."""
    with _damage_told(file):
        opened = parquet_file(file)
        images = images_in(file)
    footer = opened.metadata
    rows = (footer.row_group(group).num_rows for group in range(footer.num_row_groups))
    return opened, images, [0, *itertools.accumulate(rows)]


def parquet_file(file: str | os.PathLike[str]) -> ParquetFile:
    """Open a Parquet file, to be read with the checksums of its pages, where it has some. Raises what pyarrow does."""
    try:
        import pyarrow.parquet
    except ImportError as error:
        raise ImageError("unsupported", "Parquet needs pyarrow (pip install pyarrow)") from error
    # Through a small buffer: the packed bytes of a whole row group need not be in memory beside the unpacked ones.
    return pyarrow.parquet.ParquetFile(file, buffer_size=2**20, pre_buffer=False, page_checksum_verification=True)


@functools.lru_cache(maxsize=2)  # images are read row after row, by several threads at once
def _row_group(file: str, changed: int, process: int, group: int) -> ChunkedArray:
    opened, column, _ = _open_parquet(file, changed, process)
    size = opened.metadata.row_group(group).total_byte_size
    if size > MAXIMUM_GROUP_BYTES:
        told = f"row groups of {size // 2**20:,} MiB, at most {MAXIMUM_GROUP_BYTES // 2**20:,} are read"
        raise ImageError("too_large", f"{told}; write the table with row_group_size=100")
    leaf = column if holds_bytes(opened.schema_arrow.field(column).type) else f"{column}.bytes"
    with _damage_told(file):
        return opened.read_row_group(group, columns=[leaf], use_threads=False).column(0)


@contextlib.contextmanager
def _damage_told(file: str) -> Iterator[None]:
    """Inside of the block, errors of Arrow about a file's content, some of which are `OSError`, are `ImageError`."""
    from pyarrow import ArrowException

    try:
        yield
    except (OSError, ArrowException) as error:
        if isinstance(error, OSError) and error.errno:  # of the system
            raise
        name, said = os.path.basename(file), " ".join(str(error).split())
        if is_encrypted(error):
            raise ImageError("unsupported", f"{name} is encrypted; write it again without encryption") from error
        raise ImageError("damaged", f"{name}: {said}") from error


def is_encrypted(error: Exception) -> bool:
    """Whether what pyarrow says of a Parquet file is that it is encrypted."""
    return "decrypt" in str(error)
