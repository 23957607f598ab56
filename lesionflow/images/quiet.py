"""Image libraries that talk: what they say of a broken file is in that file's row."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterator
from typing import Any

_LOGGERS = ("PIL", "pydicom")
_MODULES = r"(PIL|pydicom|pylibjpeg|libjpeg|openjpeg|jpeg_ls|gdcm)(\.|$)"

_lock = threading.Lock()
_inside = 0  # threads in `quietly`
_added: list[Any] = []  # the filter of warnings, while there are some
_silent = logging.NullHandler()


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Warnings and log lines of Pillow and pydicom do not reach stderr, where they would run through a progress bar.

    Filters of warnings belong to the whole process: one is there as long as any thread is in such a block, and never
    because of an import. `warnings.catch_warnings` would put back in one thread what another has just changed.
    """
    global _inside
    with _lock:
        _inside += 1
        if _inside == 1:
            warnings.filterwarnings("ignore", module=_MODULES)
            _added[:] = warnings.filters[:1]
            for name in _LOGGERS:
                logging.getLogger(name).addHandler(_silent)
    try:
        yield
    finally:
        with _lock:
            _inside -= 1
            if _inside == 0:
                with contextlib.suppress(ValueError):  # all filters were reset in the meantime
                    warnings.filters.remove(_added[0])  # type: ignore[attr-defined]
                for name in _LOGGERS:
                    logging.getLogger(name).removeHandler(_silent)
