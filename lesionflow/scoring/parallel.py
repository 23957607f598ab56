"""The report of a large job, encoded by several processes: each does every n-th piece, the first puts them in order.

The processes are plain ones that speak through pipes: a pool of Python's `multiprocessing` would run a user's program
once more in each. A full pipe holds a process back, so that memory does not grow with the number of rows.
"""

from __future__ import annotations

import contextlib
import gc
import io
import itertools
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from lesionflow.errors import LesionflowError, ReportError
from lesionflow.model.prediction import Row
from lesionflow.scoring.report import ReportOptions, report_encoder, write_rows
from lesionflow.scoring.shards import Job
from lesionflow.scoring.summary import Counts

_PROGRAM = "from lesionflow.scoring.parallel import serve; serve()"
_LENGTH = 8  # bytes that say how long the next piece is

Piece = tuple[Counts, bytes]


@dataclass(frozen=True)
class Encoding:
    """What is to be encoded, and how."""

    job: Job
    options: ReportOptions
    whole_files: bool  # whether each piece is a file of its own

    def pieces(self, groups: Sequence[range]) -> Iterator[Piece]:
        """The rows of groups of shards as bytes, each with what they come to."""
        encoder = report_encoder(self.options)
        for shards in groups:
            with _no_collection():
                counts = Counts.of(self.job.labels)
                if self.whole_files:
                    stream = io.BytesIO()
                    write_rows(counts.counting(self.job.rows(shards)), stream, self.options)
                    content = stream.getvalue()
                else:
                    rows = list(self.job.rows(shards))
                    counts.add(rows)
                    content = encoder.encode(rows)
                    del rows
            yield counts, content


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Rows refer to nothing that refers to them: looking for circles takes a sixth of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def encode_rows(rows: Iterable[Row], options: ReportOptions, whole_file: bool) -> Iterator[Piece]:
    """Encode rows in this process: a piece for some of them at a time, or one that is a file of its own."""
    if whole_file:
        counts, stream = Counts.of(options.labels), io.BytesIO()
        write_rows(counts.counting(rows), stream, options)
        yield counts, stream.getvalue()
        return
    encoder, waiting = report_encoder(options), iter(rows)
    while batch := list(itertools.islice(waiting, encoder.rows_at_once)):
        counts = Counts.of(options.labels)
        counts.add(batch)
        yield counts, encoder.encode(batch)


def shard_groups(job: Job, rows: int) -> list[range]:
    """Return a job's shards in groups of about so many rows."""
    step = max(1, rows // job.shard_size)
    return [job.shards[first : first + step] for first in range(0, len(job.shards), step)]


def encode_job(encoding: Encoding, groups: Sequence[range], processes: int) -> Iterator[Piece]:
    """Encode a finished job in pieces, in order.

    Parameters
    ----------
    encoding
        The job and its format.
    groups
        Shards whose rows are a piece.
    processes
        How many work at once, of which this one is the first.

    Raises
    ------
    ReportError
        A shard is missing, altered or another job's, or a process ended.
    """
    processes = min(processes, len(groups)) if sys.executable else 1
    with contextlib.ExitStack() as stack:
        turns = [encoding.pieces(groups[::processes])]
        for first in range(1, processes):
            turns.append(_received(stack.enter_context(_worker(encoding, groups[first::processes]))))
        for number in range(len(groups)):
            yield next(turns[number % processes])


@contextlib.contextmanager
def _worker(encoding: Encoding, groups: Sequence[range]) -> Iterator[subprocess.Popen[bytes]]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", _PROGRAM]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
    assert process.stdin is not None and process.stdout is not None
    try:
        with contextlib.suppress(BrokenPipeError), process.stdin as stream:  # what ends early is noticed below
            pickle.dump((encoding, groups), stream)
        yield process
    finally:
        process.stdout.close()
        process.kill()
        process.wait()


def _received(process: subprocess.Popen[bytes]) -> Iterator[Piece]:
    """The pieces of another process, as long as they are asked for."""
    assert process.stdout is not None
    while True:
        length = process.stdout.read(_LENGTH)
        content = process.stdout.read(int.from_bytes(length, "big"))
        if len(length) < _LENGTH or len(content) < int.from_bytes(length, "big"):
            raise ReportError(f"a process that writes the report ended (exit code {process.wait()}); is memory short?")
        piece: Piece | LesionflowError = pickle.loads(content)
        if isinstance(piece, LesionflowError):
            raise piece
        yield piece


def serve() -> None:
    """Encode what standard input asks for: the whole life of a process that `encode_job` starts."""
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the process that started this one, and ends both
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no piece
    encoding, groups = pickle.load(sys.stdin.buffer)
    with contextlib.suppress(BrokenPipeError):
        try:
            for piece in encoding.pieces(groups):
                _send(out, piece)
        except LesionflowError as error:
            _send(out, error)
        out.close()


def _send(out: BinaryIO, piece: Piece | LesionflowError) -> None:
    content = pickle.dumps(piece)
    out.write(len(content).to_bytes(_LENGTH, "big"))
    out.write(content)
    out.flush()
