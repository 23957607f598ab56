"""Closed pipes and full disks behind standard output and error, and signals that end a command."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import click

from lesionflow.errors import LesionflowError

STOPPED = (128 + signal.SIGINT, 128 + signal.SIGTERM)  # exit codes after Ctrl-C and SIGTERM, as shells have them
PATIENCE = 5.0  # seconds


class OutputError(LesionflowError):
    """Standard output cannot be written."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, treated like Ctrl-C."""


class _Stream:
    """A standard stream whose end is not the command's.

    What nobody reads any more, as behind `| head`, is dropped, and the command exits as its work deserves. A full disk
    behind standard output is an `OutputError`; behind standard error it is nothing that the work should end for.
    """

    def __init__(self, stream: Any, *, must_be_read: bool):
        self._stream, self._must_be_read = stream, must_be_read
        self._reason = ""  # why nothing can be written: Click tries a stream out, and hears of no error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._guarded():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with self._guarded():
            self._stream.flush()

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self.discard()
            if self._must_be_read and not isinstance(error, BrokenPipeError):
                self._reason = f"standard output: cannot be written ({error.strerror})"
        if self._reason:
            raise OutputError(self._reason)

    def discard(self) -> None:
        """Discard everything written from now on, also when Python ends."""
        with contextlib.suppress(OSError, ValueError):  # of a stream without a number
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextlib.contextmanager
def guarded_streams() -> Iterator[None]:
    """Guard standard output and standard error in the block; one that is closed takes what is written, as a null."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:  # or the next file would get what libraries write there
        os.set_inheritable(number, True)  # in processes that this one starts as well
    os.close(number)
    for name, mode in ("stdin", "r"), ("stdout", "w"), ("stderr", "w"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115  # until the process ends
    before = sys.stdout, sys.stderr
    sys.stdout = _Stream(sys.stdout, must_be_read=True)
    sys.stderr = _Stream(sys.stderr, must_be_read=False)
    try:
        yield
    finally:
        for stream in before:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def stoppable(own: bool) -> Iterator[None]:
    """SIGTERM raises `Terminated` in the block, where this thread may say what a signal does.

    own: whether this process runs the command and nothing else; Ctrl-C then raises `KeyboardInterrupt`, unless it is
    ignored, as in the background. Python passes over what is raised in a destructor or in the callback of a weak
    reference, and the command would go on: the signal is then given again.
    """

    def terminate(number: int, frame: object) -> None:
        raise Terminated

    def passed_over(about: sys.UnraisableHookArgs) -> None:
        if not issubclass(about.exc_type, KeyboardInterrupt):
            hook(about)
            return
        number = signal.SIGTERM if issubclass(about.exc_type, Terminated) else signal.SIGINT
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()

    handlers: dict[int, Any] = {signal.SIGTERM: terminate}
    if own and callable(signal.getsignal(signal.SIGINT)):
        handlers[signal.SIGINT] = signal.default_int_handler
    try:
        before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    except ValueError:  # another thread than the main one
        yield
        return
    hook, sys.unraisablehook = sys.unraisablehook, passed_over
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in handlers.items():
            if signal.getsignal(number) == handler:  # not one that the block has set
                signal.signal(number, before[number])


def warn(texts: Iterable[str]) -> None:
    """Print warnings to standard error."""
    for text in texts:
        click.secho(f"WARNING: {text}", err=True, fg="yellow", bold=True)


def stop(stopped: KeyboardInterrupt) -> NoReturn:
    """Say in one line that a command was stopped, and have Click end it with the exit code of the signal."""
    click.echo(str(stopped) or "stopped", err=True)
    raise click.exceptions.Exit(STOPPED[1 if isinstance(stopped, Terminated) else 0])


def end_soon(code: int) -> None:
    """End this process after `PATIENCE` seconds, unless Python has ended it before.

    Python waits for threads, one of which may hang in a file of a share that is gone or wait for a server that says
    nothing; but MLflow's have to write what is still to be kept of a run. Another Ctrl-C, which would break that
    wait off with a traceback, changes nothing any more.
    """
    with contextlib.suppress(ValueError):  # another thread than the main one
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    timer = threading.Timer(PATIENCE, os._exit, [code])
    timer.daemon = True
    timer.start()
