"""HAM10000 from where it is published into a folder that training takes, several files at a time."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from lesionflow.datasets.ham10000 import AUTHORS, LICENCE
from lesionflow.dataverse.listing import SERVER, check_server
from lesionflow.dataverse.plan import PARTS, UNFINISHED, DownloadManifest, Step, given_archive
from lesionflow.dataverse.transfer import Advance, fetch
from lesionflow.dataverse.unpacking import unpack
from lesionflow.dataverse.web import Cancelled, Web
from lesionflow.errors import DownloadError
from lesionflow.locks import take_lock
from lesionflow.options import check_options, option

TERMS = (
    f"HAM10000 is licensed {LICENCE}, https://creativecommons.org/licenses/by-nc/4.0/: for no commercial use, and its "
    f"authors are to be cited: {AUTHORS}, doi:10.1038/sdata.2018.161"
)
_GRACE = 1.0  # seconds that somebody who stops a download waits for threads to end, one of which may hang
_BETWEEN_LOOKS = 0.5  # seconds in which a signal is noticed at the latest


@dataclass(frozen=True)
class DownloadConfig:
    """What to download and how. Values out of range raise `UsageError`."""

    part: str = option(
        "training",
        "The 10,015 images of HAM10000, or the test images of ISIC 2018 Task 3, published beside them.",
        choices=tuple(PARTS),
    )
    accept_licence: bool = option(False, f"Accept the licence, {LICENCE}, without being asked.")
    keep_archives: bool = option(False, "Keep the zip archives when they are unpacked.")
    parallel: int = option(3, "Files to download at a time.", low=1, high=16)
    server: str = option(
        None,
        "Dataverse installation to download from, such as a mirror.",
        kind=str,
        unset=SERVER,
        metavar="URL",
    )
    tries: int = option(7, "Tries in a row that bring nothing before giving up.", low=1, high=1000)

    def __post_init__(self) -> None:
        """Check what can be known without asking anybody."""
        check_options(self)
        check_server(self.address)

    @property
    def address(self) -> str:
        """The installation to ask, without a slash at its end."""
        return (self.server or SERVER).rstrip("/")


def run_steps(
    steps: list[Step],
    folder: Path,
    receipt: DownloadManifest,
    web: Web,
    config: DownloadConfig,
    advance: Callable[[Step], Advance],
    unpacking: Callable[[Step], None],
) -> None:
    """Fetch and unpack, several files at a time; tables get their place when all images have theirs.

    advance: gives what is told of a step's bytes; unpacking: told that a step's archive is whole. The first failure
    ends the others. Raises `DownloadError` and `OSError`.
    """
    work = folder / UNFINISHED

    def arrive(step: Step) -> None:
        given = given_archive(folder, step.file)
        archive = given or fetch(step.file, work, web, advance(step))
        if not step.archive:
            return
        unpacking(step)
        contents = unpack(archive, work / step.becomes, web.go_on)
        receipt.add(step, contents)  # first: what has its name but is not on the receipt would be taken for another's
        os.rename(work / step.becomes, folder / step.becomes)
        if config.keep_archives and not given:
            os.replace(archive, folder / step.file.name)
        elif not given:
            archive.unlink()

    pool = ThreadPoolExecutor(config.parallel, thread_name_prefix="download")
    futures: list[Future[None]] = []
    try:
        futures += [pool.submit(arrive, step) for step in steps]
        # Not in one wait: a signal that arrives just before it would be noticed only at its end.
        while not _ended(*wait(futures, timeout=_BETWEEN_LOOKS, return_when=FIRST_EXCEPTION)):
            pass
        web.stop()  # the others, where one has failed
        pool.shutdown(cancel_futures=True)
    except KeyboardInterrupt:
        web.stop()
        pool.shutdown(wait=False, cancel_futures=True)
        wait(futures, timeout=_GRACE)
        raise
    _raise_first(futures)
    for step in steps:
        if not step.archive:
            os.replace(work / step.file.name, folder / step.becomes)
            receipt.add(step)


def _ended(done: set[Future[None]], pending: set[Future[None]]) -> bool:
    return not pending or any(future.exception() for future in done)


def _raise_first(futures: list[Future[None]]) -> None:
    failed = [error for future in futures if not future.cancelled() and (error := future.exception())]
    for error in failed:
        if not isinstance(error, Cancelled):
            raise error
    if failed:
        raise failed[0]


@contextlib.contextmanager
def working_folder(folder: Path) -> Iterator[None]:
    """The folder for what is not whole yet, to whoever comes first; it is removed if the block ends well.

    Raises `DownloadError` where another process has it, and `OSError`.
    """
    work = folder / UNFINISHED
    work.mkdir(parents=True, exist_ok=True)
    with open(work / "lock", "ab") as lock:
        if not take_lock(lock):
            raise DownloadError(f"{folder}: another download into it is at work; wait for it or stop it")
        if not _is_named(lock.fileno(), work / "lock"):
            raise DownloadError(f"{folder}: another download into it has just ended; run the command again")
        yield
        shutil.rmtree(work, ignore_errors=True)


def _is_named(descriptor: int, path: Path) -> bool:
    """Whether an open file still has its name: whoever had the lock before may have removed it."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
