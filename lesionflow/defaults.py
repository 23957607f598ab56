"""Defaults that more than one room needs, and how work uses the cores of this process."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

    from threadpoolctl import ThreadpoolController

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
DEFAULT_NAME = "lesionflow"  # of the registered model, and of the experiment
DEFAULT_MODEL = f"models:/{DEFAULT_NAME}@champion"
SHIPPED_LICENCE = "trained on HAM10000, BCN_20000, ISIC 2017 and MSK, whose licence, CC BY-NC 4.0, binds its use"
BATCH_SIZES = {"cpu": 16, "cuda": 64}  # images, by the device that scores


def usable_cores() -> int:
    """Return the number of cores this process may use, or that of the machine if unknown."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_map(function: Callable[[_Item], _Result], items: Iterable[_Item], threads: int) -> Iterator[_Result]:
    """Apply a function to each item in threads; results come in order, and two for each thread wait at most.

    A caller that stops early does not wait for threads that are at work.
    """
    from collections import deque
    from concurrent.futures import ThreadPoolExecutor

    waiting: deque[Future[_Result]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="lesionflow")
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


@functools.cache
def _libraries() -> ThreadpoolController | None:
    import numpy as np  # noqa: F401 (which brings the library that its products are computed by)
    from threadpoolctl import ThreadpoolController

    try:
        return ThreadpoolController()
    except OSError:  # where /proc is not mounted: products take as many threads as they do
        return None


_blocks, _changing = [0], threading.Lock()  # how many are limited now, and the lock for changing that
_limited = contextlib.ExitStack()  # what the last of them puts back


@contextlib.contextmanager
def one_thread_a_product() -> Iterator[None]:
    """Have NumPy multiply matrices in one thread in the block; also for decorating a function.

    Of small products, as of a few resamples, threads that wait for each other take several times the CPU of the work,
    and no less time; where other processes are busy, twenty times. The number is the whole process's: of blocks in
    several threads, the first sets it and the last puts it back.
    """
    libraries = _libraries()
    with _changing:
        if not _blocks[0] and libraries is not None:
            _limited.enter_context(libraries.limit(limits=1, user_api="blas"))
        _blocks[0] += 1
    try:
        yield
    finally:
        with _changing:
            _blocks[0] -= 1
            if not _blocks[0]:
                _limited.close()


@contextlib.contextmanager
def kept_variables(names: Iterable[str]) -> Iterator[None]:
    """Restore environment variables after the block."""
    before = {name: os.environ.get(name) for name in names}
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextlib.contextmanager
def no_collection() -> Iterator[None]:
    """Turn off Python's cyclic garbage collector in the block.

    It takes a sixth of the time of work that creates many objects and no reference cycles, such as imports.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@contextlib.contextmanager
def new_objects_collected() -> Iterator[None]:
    """Let Python's cyclic garbage collector look only at objects created from here on, until the end.

    After a training there are a million others, nearly all of which stay: each search through them takes most of a
    second. It looks once in 20,000 new objects instead of 700, since TensorFlow's tracing of a step creates hundreds of
    thousands that stay: a sixth of its time. Objects that a caller has set aside already are not taken back in.
    """
    before, frozen = gc.get_threshold(), gc.get_freeze_count()
    gc.set_threshold(20_000, *before[1:])
    if not frozen:
        gc.freeze()
    try:
        yield
    finally:
        gc.set_threshold(*before)
        if not frozen:
            gc.unfreeze()
