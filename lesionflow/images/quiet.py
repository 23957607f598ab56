"""Image libraries that talk: what they say of a broken file is in that file's row."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator

_one_at_a_time = threading.Lock()


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Warnings and log lines of Pillow and pydicom do not reach stderr, where they would run through a progress bar.

    Filters of warnings belong to the whole process: they are set for as short as it takes to open a file, by one thread
    at a time, and never by an import.
    """
    loggers, silent = [logging.getLogger(name) for name in ("PIL", "pydicom")], logging.NullHandler()
    with _one_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.addHandler(silent)
        try:
            yield
        finally:
            for logger in loggers:
                logger.removeHandler(silent)
