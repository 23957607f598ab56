"""Scoring on this machine: threads that each decode a batch and send it through the network.

While one thread infers, the others decode: both release the interpreter's lock, so every core is busy without a queue
between the two, and a thread's pixels are still in its core's cache when the network reads them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np

from lesionflow.defaults import thread_map, usable_cores
from lesionflow.errors import ImageError
from lesionflow.images.decode import Decoded, decode_frames_in_sizes
from lesionflow.model.card import Card
from lesionflow.model.prediction import IndexedPrediction, Row
from lesionflow.model.predictor import Predictor
from lesionflow.scoring.shards import Job
from lesionflow.storage.location import is_url

REMOTE_WORKERS = 64  # beyond that, the client of a store, one thread, has no more to give
FRAMES_IN_BATCH = 16  # of one file, from its second on


@dataclass(frozen=True)
class ScoringModel:
    """A model, or two that see the same images, and how they are run."""

    predictors: tuple[Predictor, ...]  # on this machine: the model's, and the second one's where one is asked
    graphs: tuple[bytes, ...]
    device: str  # of the scoring machine
    batch_size: int

    @property
    def card(self) -> Card:
        """The model's card."""
        return self.predictors[0].card


@dataclass(frozen=True)
class Batch:
    """Inputs that go through the network together: neighbours within a shard."""

    shard: int
    first: int  # index of the first of them within the shard
    paths: tuple[str, ...]
    known: Mapping[int, tuple[str, str]] = field(default_factory=dict)  # word and detail by index: it is not opened


@dataclass(frozen=True)
class Step:
    """So many images more have their rows."""

    images: int
    failed: int
    last: Row | None  # one of those that failed


class LocalEngine:
    """Scores in this process; a step a batch, in order."""

    def __init__(self, model: ScoringModel, workers: int | None = None):
        self.model, self.workers = model, workers

    def score(self, job: Job, shards: Iterable[int]) -> Generator[Step, None, None]:
        """Score shards of a job; a caller that closes the generator leaves the shard of the last step to be done."""
        batches = (batch for shard in shards for batch in shard_batches(job, shard, self.model.batch_size))
        workers = self.workers or default_workers(remote=has_remote_images(job))
        rows: list[tuple[int, Row]] = []
        with closing(score_batches(self.model.predictors, batches, workers)) as scoring:
            for batch, scored in scoring:
                rows += scored
                failed = [row for _, row in scored if row.prediction is None]
                yield Step(len(batch.paths), len(failed), failed[0] if failed else None)
                if batch.first + len(batch.paths) == job.shard_length(batch.shard):
                    job.write_shard(batch.shard, rows)
                    rows = []


def shard_batches(
    job: Job, shard: int, batch_size: int, known: Mapping[int, tuple[str, str]] | None = None
) -> Iterator[Batch]:
    """Batches never cross a shard's end: a row's neighbours are the same in a resumed run and an undisturbed one.

    known: word and detail of what is wrong with some of the images, by their index in the shard.
    """
    paths = [path for path, *_ in job.shard_inputs(shard)]
    for first in range(0, len(paths), batch_size):
        wrong = {index - first: error for index, error in (known or {}).items() if 0 <= index - first < batch_size}
        yield Batch(shard, first, tuple(paths[first : first + batch_size]), wrong)


Scored = tuple[Batch, list[tuple[int, Row]]]  # rows with the index of their input within the shard


def score_batches(
    predictors: Sequence[Predictor], batches: Iterable[Batch], workers: int, within: str = ""
) -> Generator[Scored, None, None]:
    """Score batches, in their order; a file that cannot be decoded gives a row that says so.

    predictors: the model's, and that of a second one, whose word of each image goes beside the first one's; within: the
    folder that relative paths start from, the working directory unless given. Two batches a worker are in memory at
    most, however many there are. The predictors should have one thread each. What a row says depends on nothing but its
    file, its place in the batch and the batch's length.
    """
    stop = threading.Event()

    def score(batch: Batch) -> Scored:
        return batch, _score_batch(predictors, batch, stop, within)

    try:
        yield from thread_map(score, batches, workers)
    finally:
        stop.set()


def _score_batch(
    predictors: Sequence[Predictor], batch: Batch, stop: threading.Event, within: str
) -> list[tuple[int, Row]]:
    sizes = list(dict.fromkeys(_input_size(predictor) for predictor in predictors))
    # What cannot be decoded stays black: left out, it would change the batch's length and, in the last bits, its rows.
    pixels = [np.zeros((len(batch.paths), *size, 3), np.uint8) for size in sizes]
    found: list[tuple[int, Row]] = []  # index in the batch, and the row but for its prediction
    # Further frames of a file go through the networks in separate batches, which are returned in order.
    later: list[list[np.ndarray]] = []  # by frame, then by size
    further: list[tuple[IndexedPrediction, ...]] = []
    for index, path in enumerate(batch.paths):
        known = batch.known.get(index)
        frames: Iterable[tuple[int, list[Decoded] | ImageError]] = [(0, ImageError(*known))] if known else ()
        for frame, images in frames or decode_all_in_sizes(located(path, within), sizes):
            if stop.is_set():
                return []
            if isinstance(images, ImageError):
                found.append((index, Row(path, None, images.reason, images.detail, frame)))
                continue
            found.append((index, Row(path, None, frame=frame, format=images[0].format, note=images[0].note)))
            if frame == 0:
                for own, image in zip(pixels, images, strict=True):
                    own[index] = image.pixels
                continue
            later.append([image.pixels for image in images])
            if len(later) == FRAMES_IN_BATCH:
                further += _predict_each(predictors, sizes, [np.stack(own) for own in zip(*later, strict=True)])
                later = []
        if later:
            further += _predict_each(predictors, sizes, [np.stack(own) for own in zip(*later, strict=True)])
            later = []
    firsts, others = _predict_each(predictors, sizes, pixels), iter(further)
    rows = []
    for index, row in found:
        if not row.reason:
            said = firsts[index] if row.frame == 0 else next(others)
            row = row._replace(prediction=said[0], also=said[1] if len(said) > 1 else None)
        rows.append((batch.first + index, row))
    return rows


def _input_size(predictor: Predictor) -> tuple[int, int]:
    return predictor.card.height, predictor.card.width


def _predict_each(
    predictors: Sequence[Predictor], sizes: Sequence[tuple[int, int]], pixels: Sequence[np.ndarray]
) -> list[tuple[IndexedPrediction, ...]]:
    """The predictions of each model for the same images, given once in each size, image by image."""
    by_size = dict(zip(sizes, pixels, strict=True))
    said = [predictor.predict(by_size[_input_size(predictor)]).one_by_one() for predictor in predictors]
    return list(zip(*said, strict=True))


def located(path: str, within: str) -> str:
    """A path or URL as this process opens it, where relative paths start from a folder; "" is the working directory."""
    return path if is_url(path) else os.path.join(within, path)


def decode_all_in_sizes(
    file: str | bytes, sizes: Sequence[tuple[int, int]]
) -> Iterator[tuple[int, list[Decoded] | ImageError]]:
    """The frames of a file or of its bytes in each (height, width) of some, or what is wrong: at least one of them."""
    frame = -1
    try:
        for frame, images in decode_frames_in_sizes(file, sizes):
            yield frame, images
    except ImageError as error:
        yield frame + 1, error


def has_remote_images(job: Job) -> bool:
    """Whether the images are objects of a store, for which threads mostly wait."""
    return is_url(job.shard_inputs(0)[0][0])


def default_workers(remote: bool = False) -> int:
    """Return the number of threads that score: two a core, for while one waits for a disk, another has its core."""
    workers = 2 * usable_cores()
    return max(workers, REMOTE_WORKERS) if remote else workers
