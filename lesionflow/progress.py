"""Progress on stderr: a live bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress, ProgressColumn

PLAIN_SECONDS = 5.0  # between two plain lines
STANDARD_ERROR = 2  # its file descriptor

Advance = Callable[[int, int], None]  # told of images done and of failures among them


def stderr_console() -> Console:
    """Return a console on stderr; not a terminal in a notebook, which would keep every refresh."""
    from rich.console import Console

    console = Console(stderr=True)
    return Console(stderr=True, force_jupyter=False, force_terminal=False) if console.is_jupyter else console


@contextlib.contextmanager
def logging_at(level: int, logger: logging.Logger) -> Iterator[None]:
    """Inside of the block, a logger drops what is below a level; a filter, as blocks of several threads overlap."""

    def is_told(record: logging.LogRecord) -> bool:
        return record.levelno >= level

    logger.addFilter(is_told)
    try:
        yield
    finally:
        logger.removeFilter(is_told)


@contextlib.contextmanager
def without_notices(beginnings: tuple[bytes, ...]) -> Iterator[None]:
    """Drop lines on standard error that begin so, which libraries of C++ write past `sys.stderr`.

    Whatever else is written there inside of the block comes after it.
    """
    if sys.stderr is None:
        yield
        return
    sys.stderr.flush()
    with tempfile.TemporaryFile() as written:
        standard_error = os.dup(STANDARD_ERROR)
        os.dup2(written.fileno(), STANDARD_ERROR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(standard_error, STANDARD_ERROR)
            os.close(standard_error)
            written.seek(0)
            with contextlib.suppress(OSError):  # the reader is gone, or its disk is full
                for line in written:
                    if not line.startswith(beginnings):
                        os.write(STANDARD_ERROR, line)


@contextlib.contextmanager
def show_progress(
    total: int, done: int = 0, failed: int = 0, *, quiet: bool = False, console: Console | None = None
) -> Iterator[Advance]:
    """Show progress until the block ends, on stderr by default; yields a function to call as images are done.

    done, failed: what an earlier run has brought; it counts towards the total, not towards the speed.
    """
    if quiet or (console is not None and console.quiet):
        yield lambda images, failures: None
    elif console.is_terminal if console is not None else sys.stderr.isatty() and stderr_console().is_terminal:
        with _live_bar(total, done, failed, console) as advance:
            yield advance
    else:
        yield _plain_lines(total, done, failed, sys.stderr if console is None else console.file)


@contextlib.contextmanager
def show_status(text: str, console: Console | None = None) -> Iterator[Callable[[str], None]]:
    """Show what is being done until the block ends, on stderr by default; yields a function to call with what is next.

    A terminal has a line that changes; elsewhere one is printed every few seconds if it has changed.
    """
    console = console or stderr_console()
    if console.is_terminal or console.quiet:
        from rich.markup import escape

        with console.status(escape(text)) as status:
            yield lambda following: status.update(escape(following))
        return
    ended = threading.Event()

    def begin(following: str) -> None:
        nonlocal text
        text = following

    def tell() -> None:
        told = ""
        while not ended.wait(PLAIN_SECONDS):
            if text != told:
                say(told := text, console=console)

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield begin
    finally:
        ended.set()
        teller.join()


def live_bars(console: Console, *columns: ProgressColumn) -> Progress:
    """Return progress bars that disappear at their end, on a terminal; elsewhere they show nothing."""
    from rich.progress import Progress

    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def say(text: str, *, console: Console | None = None, warning: bool = False) -> None:
    """Print a line unchanged where progress is shown, on stderr by default; a warning is marked as one.

    Names in brackets or between colons are not markup or emoji, which Rich would replace.
    """
    text = f"WARNING: {text}" if warning else text
    if console is None:
        print(text, file=sys.stderr, flush=True)
    else:
        style = "yellow" if warning else None
        console.print(text, style=style, highlight=False, markup=False, emoji=False, soft_wrap=True)


@contextlib.contextmanager
def _live_bar(total: int, done: int, failed: int, console: Console | None) -> Iterator[Advance]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn

    columns = (TextColumn("scoring"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"))
    with live_bars(console or stderr_console(), *columns) as bar:
        task = bar.add_task("scoring", total=total, completed=done, told="")
        yield _telling(total, done, failed, 0.0, lambda done, told: bar.update(task, completed=done, told=told))


def _plain_lines(total: int, done: int, failed: int, file: IO[str]) -> Advance:
    def tell(done: int, told: str) -> None:
        print(f"scoring: {done:,} of {total:,} images, {told}", file=file, flush=True)

    return _telling(total, done, failed, PLAIN_SECONDS, tell)


def _telling(total: int, done: int, failed: int, every: float, tell: Callable[[int, str], None]) -> Advance:
    """Report progress, speed, time left and failures, at most once in a number of seconds."""
    begun = last = time.monotonic()
    before = done

    def advance(images: int, failures: int) -> None:
        nonlocal done, failed, last
        done, failed = done + images, failed + failures
        if (now := time.monotonic()) - last >= every:
            last = now
            speed = (done - before) / max(now - begun, 1e-9)
            left = (total - done) / max(speed, 1e-9)
            tell(done, f"{speed:,.0f} a second, {duration(left)} left, {failed:,} failed")

    return advance


def duration(seconds: float) -> str:
    """Format seconds: `42 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
