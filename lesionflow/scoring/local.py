"""Scoring on this machine: decoding in threads, ahead of the inference that runs meanwhile."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice

import numpy as np

from lesionflow.data.pixels import decode
from lesionflow.errors import ImageError
from lesionflow.scoring.predictor import Predictor

Scored = tuple[str, "np.ndarray | ImageError"]  # a path, and probabilities (7,) or what is wrong with the image


def score_images(
    predictor: Predictor, paths: Iterable[str], batch_size: int = 32, workers: int | None = None
) -> Iterator[Scored]:
    """Score images in order, each exactly once; an image that cannot be decoded yields its `ImageError`.

    At most four batches of pixels are in memory, however many paths there are.
    """
    decoded = _decode_ahead(predictor, paths, workers or os.cpu_count() or 1, 3 * batch_size)
    while batch := list(islice(decoded, batch_size)):
        images = [content for _, content in batch if isinstance(content, np.ndarray)]
        probabilities = iter(predictor.predict(np.stack(images)) if images else ())
        for path, content in batch:
            yield path, content if isinstance(content, ImageError) else next(probabilities)


def _decode_ahead(
    predictor: Predictor, paths: Iterable[str], workers: int, ahead: int
) -> Iterator[tuple[str, np.ndarray | ImageError]]:
    height, width = predictor.card.height, predictor.card.width

    def decode_one(path: str) -> np.ndarray | ImageError:
        try:
            return decode(path, height, width)
        except ImageError as error:
            return error

    waiting: deque[tuple[str, Future[np.ndarray | ImageError]]] = deque()
    with ThreadPoolExecutor(workers) as threads:
        try:
            for path in paths:
                waiting.append((path, threads.submit(decode_one, path)))
                if len(waiting) > ahead:
                    done, future = waiting.popleft()
                    yield done, future.result()
            while waiting:
                done, future = waiting.popleft()
                yield done, future.result()
        finally:
            threads.shutdown(wait=False, cancel_futures=True)
