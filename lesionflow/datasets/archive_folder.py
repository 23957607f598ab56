"""Reads a data set in a zip archive where it lies: its names become a folder that any layout is read from."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from lesionflow.datasets.class_names import CARD
from lesionflow.datasets.label_table import TABLE_SUFFIXES
from lesionflow.errors import DataError, ImageError, first_few
from lesionflow.images.containers import (
    HDF5_SUFFIXES,
    MAXIMUM_BYTES,
    ZIP_SUFFIX,
    archive_members,
    holder_of,
    is_archive,
    read_member,
)
from lesionflow.storage.temporary import temporary_folder, told_if_full


def archive_of(path: Path) -> Path | None:
    """The zip archive that is, or has, a data set; None if it lies in none."""
    return next((Path(each) for each in (path, holder_of(path) or "") if is_archive(each)), None)


@contextlib.contextmanager
def as_folder(archive: Path) -> Iterator[Path]:
    """A folder with the tables of an archive, and a unique placeholder for each image.

    `path_within` gives the path of an image in the archive. Raises `DataError` for an archive that cannot be read;
    where the block raises one, it names the archive.
    """
    with temporary_folder("archive") as temporary:
        root = temporary / archive.name
        root.mkdir()
        there: dict[str, tuple[int, int]] = {}
        holders: list[str] = []
        for member in archive_members(archive):
            content = member.CRC, member.file_size
            if there.setdefault(member.filename, content) != content:
                raise DataError(
                    f"{archive}: contains {member.filename} twice with different content; pack it again with one"
                )
            unpacked = root / member.filename
            if unpacked.suffix.lower() in (ZIP_SUFFIX, *HDF5_SUFFIXES):
                holders.append(member.filename)
                continue
            is_table = unpacked.suffix.lower() in TABLE_SUFFIXES or unpacked.name == CARD
            if is_table and member.file_size > MAXIMUM_BYTES:
                raise DataError(f"{archive}: {member.filename} has more than {MAXIMUM_BYTES // 2**20} MiB; unpack it")
            try:
                unpacked.parent.mkdir(parents=True, exist_ok=True)
                unpacked.write_bytes(read_member(archive / member.filename) if is_table else repr(content).encode())
            except ImageError as error:
                raise DataError(f"{archive}: {member.filename}: {error.detail}") from error
            except OSError as error:  # of its name, or a full disk
                told = told_if_full(error) or f"{error.strerror}; unpack it, and give the folder"
                raise DataError(f"{archive}: {member.filename}: {told}") from error
        try:
            yield root
        except DataError as error:
            told = f"; images in {first_few(sorted(holders))} are read where the archive is unpacked" if holders else ""
            raise DataError(str(error).replace(str(root), str(archive)) + told) from error


def path_within(archive: Path, path: str) -> str:
    """The path of an image in the archive from that in its folder."""
    return os.path.join(archive, os.path.normpath(path.partition(f"{os.sep}{archive.name}{os.sep}")[2]))
