"""Atomic writing of files and objects, and file locks.

A lock ends with the process that holds it, however that ends. What is unfinished lies beside what it is to become, in
a hidden folder: that of a process that was killed is removed by the next one that writes there.
"""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import os
import secrets
import stat
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from lesionflow.errors import ReportError, first_few, os_errors_as
from lesionflow.storage.location import Location, Url
from lesionflow.storage.temporary import claimed_folder, remove_left_behind

_OTHER = "choose another name"
_PARTIAL = ".partial-"  # in the names of folders for what is unfinished
# Errors of file systems without hard links: FAT, and many network shares.
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def check_writable(out: Location, overwrite: bool) -> None:
    """Check before work starts that a file can be written in the end.

    Raises `ReportError` where the name is taken (unless by a file that may be overwritten) or its folder is not there
    or takes no new file; a store, no new object.
    """
    if isinstance(out, Url):
        _check_object(out, overwrite)
        return
    remove_unfinished(out.parent)
    _check_name(out, overwrite)
    # This can only be tried: permissions, read-only mounts and quotas all matter.
    with _write_errors(out), partial_file(out) as partial, open(partial, "xb"):
        pass


def _check_name(out: Path, overwrite: bool) -> None:
    """Check that a file can have a name; raises `ReportError`."""
    with _write_errors(out):
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.lstat(out)  # from Python 3.14 on, `Path.exists` is False for a name that is too long
        if out.is_dir():
            raise ReportError(f"{out}: a folder; name the file to write")
        if out.exists() and not out.is_file():  # also where a link leads to it, such as /dev/stdout
            raise ReportError(f"{out}: not an ordinary file; {_OTHER}")
        if out.is_symlink():  # to replace the link or its file would each surprise somebody
            raise ReportError(f"{out}: a link to {os.readlink(out)}; name that file, or {_OTHER}")
        if os.path.lexists(out):
            if not overwrite:
                raise ReportError(f"{out}: exists already; add --overwrite or choose another name")
            folder, there = os.stat(out.parent), os.stat(out)
            if folder.st_mode & stat.S_ISVTX and os.geteuid() not in (0, folder.st_uid, there.st_uid):
                raise ReportError(f"{out}: of another user, and this folder lets only its owner replace it; {_OTHER}")
        if not out.parent.is_dir():
            raise ReportError(f"{out}: no such folder to write into; make it first, or choose another place")


def _check_object(out: Url, overwrite: bool) -> None:
    from lesionflow.storage import objects

    if out.is_dir():
        raise ReportError(f"{out}: a folder; name the file to write")
    partial = out.with_name(f"{_start(out.name)}{secrets.token_hex(4)}")
    with _write_errors(out):
        if not overwrite and objects.is_file(out):
            raise ReportError(f"{out}: exists already; add --overwrite or choose another name")
        objects.write(partial, b"")
        objects.remove(partial)


def _write_errors(out: Location) -> contextlib.AbstractContextManager[None]:
    return os_errors_as(ReportError, f"{out}: cannot be written", "choose another place")


@contextlib.contextmanager
def made_folder(folder: Path) -> Iterator[None]:
    """Create a folder and its parents; if the block raises, created folders that are empty are removed again.

    Raises `OSError` where it cannot be made.
    """
    missing = [each for each in (folder, *folder.parents) if not os.path.lexists(each)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            for each in missing:
                each.rmdir()
        raise


@contextlib.contextmanager
def output_folder(folder: Path | None, names: Iterable[str], overwrite: bool) -> Iterator[None]:
    """A folder that the block writes files of these names into, checked before: what fails leaves no empty folder.

    folder: made where it is missing; None for a command that writes none. Raises `ReportError` where a name is taken,
    or the folder cannot be made or written into.
    """
    if folder is None:
        yield
        return
    with contextlib.ExitStack() as stack:
        with os_errors_as(ReportError, f"{folder}: cannot be made", "choose another place"):
            stack.enter_context(made_folder(folder))
        files = [folder / name for name in names]
        for file in files[:1]:  # whether the folder can be written into is the same for all, perhaps of thousands
            check_writable(file, overwrite)
        for file in files[1:]:
            _check_name(file, overwrite)
        yield


def check_own_folder(folder: Path | None, what: str, sign: str, names: Collection[str] = ()) -> None:
    """Refuse a folder that holds anything else than what a command writes, such as images. Raises `ReportError`.

    what: that is, in messages; sign: the file by which an earlier one is known, names: its other files. Hidden files,
    and what was added to an earlier one, may stay.
    """
    try:
        found = {each.name for each in folder.iterdir() if not each.name.startswith(".")} if folder else set()
    except OSError:  # missing, or what is wrong with it is told when it is made
        return
    strange = sorted(found - {*names})
    if strange and sign not in found:
        raise ReportError(
            f"{folder}: holds something other than {what} ({first_few(strange)}), among which its files would lie; "
            "name a new or empty folder (--overwrite replaces the files of an earlier one alone)"
        )


@contextlib.contextmanager
def atomic_file(out: Location, overwrite: bool) -> Iterator[BinaryIO]:
    """A file to write into; it is renamed to `out` if the block succeeds, and removed otherwise.

    An object of a store is such a file, in the folder for temporary ones, until it is uploaded. Raises `ReportError`
    where it cannot be written, or where `out` came into being meanwhile and may not be overwritten.
    """
    with _report_errors(out), partial_file(out) as partial:
        with _on_disk(partial) as file:
            yield file
        put_in_place(partial, out, overwrite)


@contextlib.contextmanager
def _on_disk(partial: Path) -> Iterator[BinaryIO]:
    """A new file that is on the disk after the block: only then is it known that there was room."""
    with open(partial, "xb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def _report_errors(out: Location) -> Iterator[None]:
    with _write_errors(out):
        try:
            yield
        except FileExistsError as error:
            told = f"{out}: was created by something else during the run; nothing was overwritten"
            raise ReportError(told) from error


def write_together(
    folder: Path, contents: Mapping[str, str | bytes], overwrite: bool, earlier: Collection[str] = ()
) -> list[Path]:
    """Write files with these names and contents; if one cannot be written, none gets its name.

    earlier: names of the files that an earlier one can have, of which those without contents are removed where it is
    overwritten. Raises `ReportError` as `atomic_file` does.
    """
    with files_together(overwrite) as begin:
        for name, content in contents.items():
            with begin(folder / name) as file:
                file.write(content.encode() if isinstance(content, str) else content)
    for name in {*earlier} - contents.keys() if overwrite else ():
        with os_errors_as(ReportError, f"{folder / name}: of an earlier one, cannot be removed", "remove it"):
            (folder / name).unlink(missing_ok=True)
    return [folder / name for name in contents]


@contextlib.contextmanager
def files_together(overwrite: bool) -> Iterator[Callable[[Location], contextlib.AbstractContextManager[BinaryIO]]]:
    """A function that begins a file to write into; all get their names when the block ends, none if it fails.

    If one cannot get its name, new files before it are removed again; replaced ones and objects of stores stay.
    Raises `ReportError` as `atomic_file` does.
    """
    written: dict[Location, Path] = {}

    @contextlib.contextmanager
    def begin(out: Location) -> Iterator[BinaryIO]:
        with _report_errors(out):
            written[out] = partials.enter_context(partial_file(out))
            with _on_disk(written[out]) as file:
                yield file

    with contextlib.ExitStack() as partials, contextlib.ExitStack() as undo:
        yield begin
        for out, partial in written.items():
            is_new = not isinstance(out, Url) and not os.path.lexists(out)
            with _report_errors(out):
                put_in_place(partial, out, overwrite)
            if is_new:
                undo.callback(Path(str(out)).unlink, missing_ok=True)
        undo.pop_all()


@contextlib.contextmanager
def partial_file(out: Location) -> Iterator[Path]:
    """A temporary path for `put_in_place` to rename to `out`; it is removed after the block.

    It lies beside `out`, since renaming is only atomic within a file system. Raises `OSError`.
    """
    if isinstance(out, Url):
        from lesionflow.storage.objects import temporary_file

        with temporary_file(out.suffix) as file:
            yield file
        return
    with claimed_folder(out.parent, _start(out.name)) as folder:
        yield folder / "whole"


def _start(name: str) -> str:
    """How names begin of what is to become a file or folder; a long name is truncated."""
    return f".{os.fsdecode(os.fsencode(name)[:200])}{_PARTIAL}"


def remove_unfinished(folder: Path) -> None:
    """Remove from a folder what processes that were killed left unfinished in it."""
    remove_left_behind(folder, f".*{_PARTIAL}*")


def put_in_place(partial: Path, out: Location, overwrite: bool) -> None:
    """Rename a finished file to `out`, or upload it; without `overwrite` only if `out` does not exist.

    Raises `FileExistsError` if it does, and `OSError`.
    """
    if isinstance(out, Url):
        from lesionflow.storage import objects

        objects.upload(partial, out, overwrite)
    elif overwrite:
        os.replace(partial, out)
    else:
        name_new(partial, out)


def atomic_write_bytes(file: Location, content: bytes, overwrite: bool = True) -> None:
    """Write a file under a temporary name, sync it to disk, then rename it.

    Raises OSError, without `overwrite` a `FileExistsError` where the name is taken.
    """
    if isinstance(file, Url):
        from lesionflow.storage import objects

        objects.write(file, content, overwrite)
        return
    with partial_file(file) as partial:
        with _on_disk(partial) as stream:
            stream.write(content)
        put_in_place(partial, file, overwrite)


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """A folder to write into, which gets the name of `folder` if the block succeeds, and is removed otherwise.

    An empty folder that is there already, such as a mount, is filled. Raises `OSError`.
    """
    beside = folder if folder.exists() else folder.parent
    remove_unfinished(beside)
    with made_folder(folder.parent), claimed_folder(beside, _start(folder.name)) as partial:
        yield partial
        if beside != folder:
            partial.replace(folder)
            return
        with contextlib.ExitStack() as undo:
            for entry in sorted(partial.iterdir()):
                undo.callback(entry.replace(folder / entry.name).replace, entry)
            undo.pop_all()


def name_new(partial: Path, out: Path) -> None:
    """Rename a finished file; raises `FileExistsError` if the name is taken. Raises `OSError` too."""
    try:
        os.link(partial, out)  # unlike a rename, this cannot hit a file that came into being meanwhile
    except (OSError, AttributeError) as error:  # the latter where the system has no links
        if isinstance(error, OSError) and error.errno not in _NO_LINKS:
            raise
        if os.path.lexists(out):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(out)) from error
        os.rename(partial, out)


@contextlib.contextmanager
def locked(file: Path, *, shared: bool = False, wait: bool = False) -> Iterator[bool]:
    """Hold the lock of a file, which is made for it, in the block; False where another process holds it.

    A lock file may be removed by who holds it. shared, wait: as for `take_lock`. Raises `OSError`.
    """
    while True:
        with open(file, "ab") as opened:
            held = take_lock(opened, shared=shared, wait=wait)
            if held and not _is_named(opened, file):  # removed by the one before, and others lock another one
                if wait:
                    continue
                held = False
            yield held
            return


def _is_named(opened: BinaryIO, file: Path) -> bool:
    """Whether an open file still has its name."""
    try:
        return os.path.samestat(os.fstat(opened.fileno()), file.stat())
    except FileNotFoundError:
        return False


_HELD = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}  # by another process


def can_lock() -> bool:
    """Whether this system has file locks; on Windows and some network shares, commands do without."""
    return importlib.util.find_spec("fcntl") is not None


def take_lock(file: BinaryIO, *, shared: bool = False, wait: bool = False) -> bool:
    """Lock an open file until it is closed; False if another process holds the lock.

    shared: whether others may hold a shared lock as well; wait: until it is free. True where there are no locks, as on
    Windows and some network shares.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except OSError as error:
        return error.errno not in _HELD
    return True
