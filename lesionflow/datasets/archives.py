"""Labelled images in a zip archive, read where they lie: its names become a folder that any layout is read from."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from lesionflow.datasets.label_table import TABLE_SUFFIXES
from lesionflow.errors import DataError, ImageError
from lesionflow.images.containers import MAXIMUM_BYTES, archive_members, read_member


@contextlib.contextmanager
def as_folder(archive: Path) -> Iterator[Path]:
    """A folder with the tables of an archive, and in place of each image a few bytes that tell it from others.

    Of an archive with one folder at its top, it is that one. `within` gives the path of an image in the archive.

    Raises
    ------
    DataError
        For an archive that cannot be read; where the block raises one, it names the archive.
    """
    with tempfile.TemporaryDirectory(prefix="lesionflow-archive-") as temporary:
        root = Path(temporary) / archive.name
        root.mkdir()
        for member in archive_members(archive):
            unpacked = root / member.filename
            unpacked.parent.mkdir(parents=True, exist_ok=True)
            if unpacked.suffix.lower() not in TABLE_SUFFIXES:
                unpacked.write_text(f"{member.CRC} {member.file_size}")
                continue
            if member.file_size > MAXIMUM_BYTES:
                raise DataError(f"{archive}: {member.filename} has more than {MAXIMUM_BYTES // 2**20} MiB; unpack it")
            try:
                unpacked.write_bytes(read_member(archive / member.filename))
            except ImageError as error:
                raise DataError(f"{archive}: {member.filename}: {error.detail}") from error
        try:
            yield _without_wrapping(root)
        except DataError as error:
            raise DataError(str(error).replace(str(root), str(archive))) from error


def within(archive: Path, path: str) -> str:
    """The path of an image in the archive from that in its folder."""
    return os.path.join(archive, path.partition(f"{os.sep}{archive.name}{os.sep}")[2])


def _without_wrapping(root: Path) -> Path:
    entries = list(root.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else root
