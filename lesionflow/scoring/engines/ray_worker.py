"""What a node of a Ray cluster does: score a shard at a time, with a model that its process loads once."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lesionflow.errors import DataError, EngineError, ReportError
from lesionflow.model.card import Card
from lesionflow.model.prediction import Row
from lesionflow.model.predictor import Predictor, row_fingerprint
from lesionflow.scoring.engines.local import Step, decode_all_in_sizes, located, score_batches, shard_batches
from lesionflow.scoring.shards import Fingerprint, Job
from lesionflow.storage.location import file_path, is_file_url, is_url

_PROBE_BYTES = 2**16
_TRIED = 1000  # images, in search of one that can be read


@dataclass(frozen=True)
class ProbeFile:
    """An image that the machine which listed the source can read: who cannot see it does not see the source."""

    path: str
    checksum: int  # of its first bytes


@dataclass(frozen=True)
class Work:
    """All that a node has to know of a job, the model's bytes among it."""

    key: str  # another one for every run
    job: Job
    cards: tuple[Card, ...]  # of the model, and of the second one where one is asked
    graphs: tuple[bytes, ...]
    device: str
    averaged: bool
    batch_size: int
    threads: int  # that decode and infer
    depends: Fingerprint  # what a row depends on, as the machine that began the job has it
    within: str  # the folder that relative paths start from
    probe: ProbeFile | None


class SourceUnseen(DataError):  # noqa: N818 (named for what is wrong, and an error by its base)
    """This node does not see the images that were listed."""


def find_probe_file(paths: Iterable[str], within: str) -> ProbeFile | None:
    """The first of the paths that can be read here; None if none can, or they are of a store, which all see alike."""
    for _, path in zip(range(_TRIED), paths, strict=False):
        if is_url(path) and not is_file_url(path):
            return None
        if checksum := _checksum(located(path, within)):
            return ProbeFile(path, checksum)
    return None


def is_visible(probe: ProbeFile | None, within: str) -> bool:
    """Whether this machine sees the probe file as the one that chose it did; True where it could choose none."""
    return probe is None or _checksum(located(probe.path, within)) == probe.checksum


def _checksum(path: str) -> int | None:
    try:
        with open(file_path(path), "rb") as file:
            return zlib.crc32(file.read(_PROBE_BYTES)) or 1
    except (OSError, ValueError):
        return None


# A process has one job at a time; a model is loaded for its first shard only.
_loaded: dict[str, tuple[Work, Sequence[Predictor]]] = {}


def load_work(key: str, depends: Fingerprint, work: Sequence[Any]) -> tuple[Work, Sequence[Predictor]]:
    """The job and its model, or both of them, from the cluster's memory at the first call of a process.

    depends: what a row depends on; work: the one reference of a `Work`. Raises `EngineError` where this node would
    give other rows, `ReportError` and `SourceUnseen` where it sees another storage.
    """
    if key in _loaded:
        return _loaded[key]
    import onnxruntime
    import PIL
    import ray

    from lesionflow.version import __version__

    # Said before anything is taken apart that another version may have put together otherwise.
    versions = {"lesionflow": __version__, "ONNX Runtime": onnxruntime.__version__, "Pillow": PIL.__version__}
    for name, here in versions.items():
        if (there := depends[f"version of {name}"]) != here:
            raise EngineError(f"{_node()}: has {name} {here}, where {there} is needed; install the same on all nodes")
    sent: Work = ray.get(work[0])
    here_too = row_fingerprint(sent.cards[0], sent.device, sent.averaged, sent.batch_size)
    if differing := [name for name in depends if here_too.get(name) != depends[name]]:
        raise EngineError(f"{_node()}: {differing[0]} is another one; install the same on all nodes")
    if not sent.job.is_visible():
        raise ReportError(
            f"{_node()}: does not see {sent.job.folder}; --out has to be on storage that all nodes see by this name"
        )
    if not is_visible(sent.probe, sent.within):
        raise _unseen(sent)
    predictors = [
        Predictor(card, graph, 1, sent.device, sent.averaged)
        for card, graph in zip(sent.cards, sent.graphs, strict=True)
    ]
    _loaded.clear()
    _loaded[key] = sent, predictors
    return sent, predictors


def score_shard(
    work: Work, predictors: Sequence[Predictor], shard: int, known: Mapping[int, tuple[str, str]], threads: int
) -> Step:
    """Score a shard and keep it as a file, as `LocalEngine` does.

    known: what is wrong with some of its images, by their index in it. Raises `SourceUnseen` rather than keep rows
    that say `not_found` where the source is not there as a whole.
    """
    batches = shard_batches(work.job, shard, work.batch_size, known)
    rows: list[tuple[int, Row]] = []
    for _, scored in score_batches(predictors, batches, threads, work.within):
        rows += scored
    failed = [row for _, row in rows if row.prediction is None]
    if any(row.reason == "not_found" for row in failed) and not is_visible(work.probe, work.within):
        raise _unseen(work)
    work.job.write_shard(shard, rows)
    return Step(work.job.shard_length(shard), len(failed), failed[0] if failed else None)


def decode_only(work: Work, predictors: Sequence[Predictor], shard: int, indices: Sequence[int]) -> None:
    """Decode some images of a shard and keep nothing; what is wrong with one does not matter, nor does the network.

    A call without indices shows that this process can load and run the model.
    """
    sizes = [(card.height, card.width) for card in work.cards]
    for predictor, size in zip(predictors, sizes, strict=True):
        predictor.predict(np.zeros((1, *size, 3), np.uint8))
    inputs = work.job.shard_inputs(shard)
    for index in indices:
        for _ in decode_all_in_sizes(located(inputs[index][0], work.within), sizes):
            pass


def _unseen(work: Work) -> SourceUnseen:
    path = "" if work.probe is None else located(work.probe.path, work.within)
    return SourceUnseen(
        f"{_node()}: does not see the images as they were listed, {ascii(path)[1:-1]} for one; "
        "make the source visible to all nodes by the same name"
    )


def _node() -> str:
    return f"node {socket.gethostname()}"
