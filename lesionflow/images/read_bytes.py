"""Reads the bytes of an image file or object, up to a limit."""

from __future__ import annotations

import hashlib
import os
import stat

from lesionflow.errors import ImageError, StoreError
from lesionflow.images.containers import MAXIMUM_BYTES, is_member, read_member
from lesionflow.storage.location import Url, file_path, is_file_url, is_url

NO_MEMORY = "too_large", "there is not enough memory to decode it"


def read_image_bytes(source: str | os.PathLike[str] | bytes) -> bytes:
    """The bytes of an image file or of an object in a store; bytes are returned as they are.

    Raises `ImageError`, and `StoreError` where a store is out of reach.
    """
    try:
        data = source if isinstance(source, bytes) else _read(source)
    except MemoryError as error:
        raise ImageError(*NO_MEMORY) from error
    if not data:
        raise ImageError("empty", "the file has no bytes")
    if len(data) > MAXIMUM_BYTES:
        raise ImageError("too_large", f"more than {MAXIMUM_BYTES // 2**20} MiB")
    return data


def named_frame(path: str) -> tuple[str, int] | None:
    """The file and the frame, from 0, that a path such as `two.dcm#2` may name, as reports do; None for another one."""
    file, mark, number = path.rpartition("#")
    return (file, int(number) - 1) if mark and number.isascii() and number.isdecimal() and int(number) > 0 else None


def read_named(source: str | os.PathLike[str] | bytes) -> tuple[bytes, int | None]:
    """What `read_image_bytes` reads, and the frame that the path names, unless there is a file of that name.

    Raises what that raises.
    """
    try:
        return read_image_bytes(source), None
    except ImageError as error:
        named = None if isinstance(source, bytes) else named_frame(os.fspath(source))
        if error.reason != "not_found" or named is None:
            raise
    return read_image_bytes(named[0]), named[1]


def file_and_frame(path: str) -> tuple[str, int]:
    """The file of a path on this machine, and the frame, from 0, where it names one and no file is called so."""
    named = named_frame(path)
    return (path, 0) if named is None or os.path.isfile(path) or is_member(path) else named


def digest_of_frame(content: hashlib._Hash, frame: int) -> str:
    """The SHA-256 of a frame from that of its file, which is that of its first frame."""
    digest = content.copy()
    digest.update(b"#%d" % frame if frame else b"")
    return digest.hexdigest()


def _read(path: str | os.PathLike[str]) -> bytes:
    if isinstance(path, str) and is_url(path):
        if not is_file_url(path):
            return _fetch(path)
        path = file_path(path)
    try:
        with open(path, "rb", buffering=0, opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ImageError("unreadable", "not a file but a pipe, a socket or a device")
            if status.st_size > MAXIMUM_BYTES:
                raise ImageError("too_large", f"more than {MAXIMUM_BYTES // 2**20} MiB")
            return file.readall()
    except FileNotFoundError as error:
        raise ImageError("not_found", "no such file") from error
    except NotADirectoryError:  # a path that goes on below a file
        return read_member(path)
    except OSError as error:
        denied = isinstance(error, PermissionError)
        told = "permission denied" if denied else error.strerror or type(error).__name__
        told = f"a folder, whose images are not scored ({told})" if os.path.isdir(path) else told
        raise ImageError("no_permission" if denied else "unreadable", told) from error
    except ValueError as error:  # a null byte in the path
        raise ImageError("unreadable", str(error)) from error


def _fetch(url: str) -> bytes:
    from lesionflow.storage.objects import read

    try:
        return read(Url.of(url), end=MAXIMUM_BYTES + 1)  # a byte more than `read_image_bytes` allows
    except StoreError:  # not a failure of this image
        raise
    except FileNotFoundError as error:
        raise ImageError("not_found", str(error.strerror)) from error
    except PermissionError as error:
        raise ImageError("no_permission", str(error.strerror)) from error
    except OSError as error:
        raise ImageError("unreadable", str(error.strerror)) from error


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting for a pipe that nobody writes to."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
