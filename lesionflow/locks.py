"""A lock that ends with the process which holds it, however that ends."""

from __future__ import annotations

import errno
import importlib.util
from typing import BinaryIO

_HELD = {errno.EAGAIN, errno.EWOULDBLOCK, errno.EACCES}  # by somebody else


def can_lock() -> bool:
    """Whether this system has locks; on Windows, and on some network shares, commands go without."""
    return importlib.util.find_spec("fcntl") is not None


def take_lock(file: BinaryIO, *, shared: bool = False, wait: bool = False) -> bool:
    """Take the lock of an open file, until it is closed; False where somebody else holds it.

    shared: whether others who share it may hold it as well; wait: until it is free. Where there are no locks, as on
    Windows and on some network shares, one goes without: True.
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
