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

    After a broken pipe, as behind `| head`, output is dropped and the exit code is unaffected. A full disk behind
    standard output is an `OutputError`; behind standard error it is ignored. Characters that its encoding has not got,
    as in a name or in the lines of a table, are escaped.
    """

    def __init__(self, stream: Any, *, must_be_read: bool):
        self._stream, self._must_be_read = stream, must_be_read
        self._reason = ""  # why nothing can be written: Click swallows the first error

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with self._guarded():
            try:
                self._stream.write(text)
            except UnicodeEncodeError as error:  # nothing of it is written yet
                self._stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
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
    """Guard standard output and standard error in the block; a closed one is replaced by the null device."""
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
    """SIGTERM raises `Terminated` in the block, if this is the main thread.

    own: whether this process runs the command and nothing else; Ctrl-C then raises `KeyboardInterrupt`, unless it is
    ignored, as in the background. Python ignores exceptions in destructors and in callbacks of weak references, and the
    command would continue: the signal is then sent again.
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
    """Print in one line that a command was stopped, and exit with the code of the signal.

    A second Ctrl-C while the first one ends the work says nothing itself: the first one has what to tell.
    """
    told = ""
    cause: BaseException | None = stopped
    while isinstance(cause, KeyboardInterrupt) and not told:
        told, cause = str(cause), cause.__context__
    click.echo(told or "stopped", err=True)
    raise click.exceptions.Exit(STOPPED[1 if isinstance(stopped, Terminated) else 0])


def end_soon(code: int) -> None:
    """End this process after `PATIENCE` seconds, unless Python has ended it before.

    Python waits for threads, one of which may hang on a lost share or a silent server; but MLflow's threads must be
    able to finish writing a run. A second Ctrl-C, which would end that wait with a traceback, is ignored.
    """
    with contextlib.suppress(ValueError):  # another thread than the main one
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    timer = threading.Timer(PATIENCE, os._exit, [code])
    timer.daemon = True
    timer.start()
