"""Rows encoded into a report, piece by piece, in this process or in several.

In a large job each process encodes every n-th piece, and the first puts them in order. They are plain processes that
communicate through pipes: a pool of Python's `multiprocessing` would run a user's program again in each. A full pipe
holds a process back, so that memory does not grow with the number of rows.
"""

from __future__ import annotations

import contextlib
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

from lesionflow.defaults import no_collection
from lesionflow.errors import LesionflowError, ReportError
from lesionflow.model.prediction import Row
from lesionflow.scoring.report import Encoder, ReportLayout, report_encoder
from lesionflow.scoring.shards import Job
from lesionflow.scoring.summary import Counts

_PROGRAM = "from lesionflow.scoring.encoding import serve; serve()"

Piece = tuple[Counts, bytes]


@dataclass(frozen=True)
class Encoding:
    """A job and the format of its report."""

    job: Job
    options: ReportLayout
    whole_files: bool  # whether each piece is a file of its own

    def pieces(self, groups: Sequence[range]) -> Iterator[Piece]:
        """The rows of groups of shards as bytes, each with their counts."""
        encoder = report_encoder(self.options)
        for shards in groups:
            with no_collection():  # rows refer to nothing that refers to them
                rows = self.job.rows(shards)
                piece = (
                    encode_file(rows, self.options) if self.whole_files else _piece(list(rows), encoder, self.options)
                )
            yield piece


def encode_rows(rows: Iterable[Row], options: ReportLayout) -> Iterator[Piece]:
    """Encode rows in this process: a piece for some of them at a time."""
    encoder, waiting = report_encoder(options), iter(rows)
    while batch := list(itertools.islice(waiting, encoder.rows_at_once)):
        yield _piece(batch, encoder, options)


def write_pieces(pieces: Iterable[Piece], file: BinaryIO, options: ReportLayout) -> Counts:
    """Write a report into an open file; returns the totals of its rows."""
    counts = Counts.of(options.labels)
    with report_encoder(options).open(file) as write:
        for some, content in pieces:
            counts.update(some)
            write(content)
    return counts


def encode_file(rows: Iterable[Row], options: ReportLayout) -> Piece:
    """Encode rows as a file of its own."""
    stream = io.BytesIO()
    return write_pieces(encode_rows(rows, options), stream, options), stream.getvalue()


def _piece(rows: Sequence[Row], encoder: Encoder, options: ReportLayout) -> Piece:
    counts = Counts.of(options.labels)
    counts.add(rows)
    return counts, encoder.encode(rows)


def shard_groups(job: Job, rows: int) -> list[range]:
    """Return a job's shards in groups of about `rows` rows."""
    step = max(1, rows // job.shard_size)
    return [job.shards[first : first + step] for first in range(0, len(job.shards), step)]


def encode_job(encoding: Encoding, groups: Sequence[range], processes: int) -> Iterator[Piece]:
    """Encode a finished job in pieces, in order.

    encoding: the job and its format; groups: shards whose rows are a piece; processes: how many work at once, of which
    this one is the first. Raises `ReportError` where a shard is missing, altered or another job's, or a process ended.
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
    """Receive the pieces of another process."""
    assert process.stdout is not None
    while True:
        try:
            piece: Piece | LesionflowError = pickle.load(process.stdout)
        except (EOFError, pickle.UnpicklingError) as error:
            code = process.wait()
            raise ReportError(f"a process that writes the report ended (exit code {code}); is memory short?") from error
        if isinstance(piece, LesionflowError):
            raise piece
        yield piece


def serve() -> None:
    """Main function of a process that `encode_job` starts: encodes what standard input requests."""
    with contextlib.suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the process that started this one, and ends both
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no piece
    encoding, groups = pickle.load(sys.stdin.buffer)
    with contextlib.suppress(BrokenPipeError):
        try:
            for piece in encoding.pieces(groups):
                pickle.dump(piece, out)
                out.flush()
        except LesionflowError as error:
            pickle.dump(error, out)
        out.close()
