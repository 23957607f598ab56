"""Folders for temporary and unfinished files: removed when they are no longer needed.

Those of a process that was killed are removed by the next one that works in the same place.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import os
import platform
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from lesionflow.errors import StoreError, os_errors_as

PREFIX = "lesionflow-"
_LOCK, _FILES = "in-use", "files"  # the first is locked for as long as its process lives, and has its machine's name
_ROOM = 2**20  # bytes: with less, it is this disk that is full


@contextlib.contextmanager
def temporary_folder(kind: str = "") -> Iterator[Path]:
    """A folder in the system's temporary folder (`TMPDIR`); it is removed after the block.

    kind: what it is for, a part of its name. Raises `StoreError` where none can be made, and where the disk is full.
    """
    with contextlib.ExitStack() as held:
        with os_errors_as(StoreError, "no folder for temporary files can be written", "set TMPDIR to one"):
            parent = Path(tempfile.gettempdir())
            _sweep_once(parent)
            folder = held.enter_context(claimed_folder(parent, f"{PREFIX}{kind}-" if kind else PREFIX))
        try:
            yield folder
        except OSError as error:
            if told := told_if_full(error):
                raise StoreError(told) from error
            raise


@contextlib.contextmanager
def claimed_folder(parent: Path, start: str) -> Iterator[Path]:
    """A new folder whose name starts with a text; it is removed after the block.

    Where the process is killed before, `remove_left_behind` removes it. Raises `OSError`.
    """
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=start))
    lock = None
    try:
        lock = _locked(folder)
        (folder / _FILES).mkdir()
        yield folder / _FILES
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            lock.close()


def told_if_full(error: BaseException) -> str:
    """What to do about an error for want of room, where it is the disk of temporary files that is full; else empty."""
    if not isinstance(error, OSError) or error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return ""
    return no_room() if error.errno == errno.EDQUOT or is_full() else ""


def is_full() -> bool:
    """Whether the disk of temporary files has no room, as for libraries that do not say why they cannot write."""
    return shutil.disk_usage(tempfile.gettempdir()).free < _ROOM


def no_room() -> str:
    """What to do about it."""
    return (
        f"no room for temporary files in {tempfile.gettempdir()}; make room there, or set TMPDIR to a folder with more"
    )


def _locked(folder: Path) -> BinaryIO | None:
    """Mark a folder as this process's until it ends, however it ends; None where that cannot be done."""
    with contextlib.suppress(ImportError, OSError):  # a system without such locks, or a full disk
        import fcntl

        file = open(folder / f"{_LOCK}-new", "xb")  # noqa: SIM115  # until the folder is removed
        try:
            file.write(platform.node().encode())
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.rename(file.name, folder / _LOCK)  # only now do other processes look at it
        except OSError:
            file.close()
            raise
        return file
    return None


def remove_left_behind(parent: Path, pattern: str) -> None:
    """Remove the claimed folders of processes of this user on this machine that were killed, by pattern of names."""
    with contextlib.suppress(ImportError, OSError):
        import fcntl

        for lock in parent.glob(f"{pattern}/{_LOCK}"):
            with contextlib.suppress(OSError):
                there = os.lstat(lock)
                if there.st_uid == os.getuid() and stat.S_ISREG(there.st_mode):  # others may put anything here
                    with open(lock, "r+b") as file:
                        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails where the process lives
                        if file.read() == platform.node().encode():  # locks may hold on one machine only
                            shutil.rmtree(lock.parent, ignore_errors=True)


@functools.cache  # once in a process, which makes many
def _sweep_once(parent: Path) -> None:
    remove_left_behind(parent, f"{PREFIX}*")
