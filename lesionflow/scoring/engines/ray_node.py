"""What a node of a Ray cluster does for a job: it scores a shard, or finds the images that end its process."""

from __future__ import annotations

import socket
import zlib
from collections.abc import Iterable, Sequence
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

RETRIES = 3  # of a shard whose task died, before its images are looked at one by one
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


# A process has one job at a time; its model is only loaded for the first shard.
_loaded: dict[str, tuple[Work, Sequence[Predictor]]] = {}


def _load_work(key: str, depends: Fingerprint, work: Sequence[Any]) -> tuple[Work, Sequence[Predictor]]:
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
        raise EngineError(f"{_node()}: has another {differing[0]}; install the same on all nodes")
    if not sent.job.is_visible():
        raise ReportError(
            f"{_node()}: does not see {sent.job.folder}; --out has to be on storage that all nodes see under this path"
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


def _unseen(work: Work) -> SourceUnseen:
    path = "" if work.probe is None else located(work.probe.path, work.within)
    return SourceUnseen(
        f"{_node()}: does not see the images as they were listed, such as {ascii(path)[1:-1]}; "
        "make the source visible to all nodes under the same path"
    )


def _node() -> str:
    return f"node {socket.gethostname()}"


def score_shard(
    key: str, depends: Any, work: list[Any], shard: int, known: dict[int, tuple[str, str]], threads: int
) -> Step:
    """A task: score a shard and keep it as a file, as `LocalEngine` does.

    known: what is wrong with some of its images, by their index in it. Raises `SourceUnseen` rather than keep rows
    that say `not_found` where the source is not there as a whole.
    """
    loaded, predictors = _load_work(key, depends, work)
    rows: list[tuple[int, Row]] = []
    batches = shard_batches(loaded.job, shard, loaded.batch_size, known)
    for _, scored in score_batches(predictors, batches, threads, loaded.within):
        rows += scored
    failed = [row for _, row in rows if row.prediction is None]
    if any(row.reason == "not_found" for row in failed) and not is_visible(loaded.probe, loaded.within):
        raise _unseen(loaded)
    loaded.job.write_shard(shard, rows)
    return Step(loaded.job.shard_length(shard), len(failed), failed[0] if failed else None)


def _decode(key: str, depends: Any, work: list[Any], shard: int, indices: list[int]) -> None:
    """A task: decode some images of a shard and keep nothing; what is wrong with one does not matter.

    Without indices, that the process can load and run the model is all.
    """
    loaded, predictors = _load_work(key, depends, work)
    sizes = [(card.height, card.width) for card in loaded.cards]
    for predictor, size in zip(predictors, sizes, strict=True):
        predictor.predict(np.zeros((1, *size, 3), np.uint8))
    inputs = loaded.job.shard_inputs(shard)
    for index in indices:
        for _ in decode_all_in_sizes(located(inputs[index][0], loaded.within), sizes):
            pass


def find_fatal_images(
    key: str, depends: Any, work: list[Any], shard: int, cpus: int, gpus: float
) -> dict[int, tuple[str, str]]:
    """A task: find the images of a shard that end the process which decodes them. Returns word and detail by index."""
    import ray

    loaded, _ = _load_work(key, depends, work)
    died = death_errors(ray)
    decode = ray.remote(_decode).options(num_cpus=cpus, num_gpus=gpus, max_retries=0)

    def survives(indices: list[int], tries: int = 1) -> bool:
        for _ in range(tries):
            try:
                ray.get(decode.remote(key, depends, work, shard, indices))
                return True
            except died:
                continue
        return False

    if not survives([], tries=RETRIES):
        raise EngineError("tasks die before they open an image; Ray's logs on the nodes say more")
    guilty, groups = {}, [list(range(loaded.job.shard_length(shard)))]
    while groups:
        indices = groups.pop()
        if survives(indices, tries=RETRIES if len(indices) == 1 else 1):
            continue
        if len(indices) == 1:
            guilty[indices[0]] = "crash", f"decoding it ended the process, {RETRIES} times of {RETRIES}"
        else:
            middle = len(indices) // 2
            groups += [indices[:middle], indices[middle:]]
    return guilty


def death_errors(ray: Any) -> tuple[type[Exception], ...]:
    """Ray's errors for a process or node that has ended, or a result that was lost with them."""
    kinds = ray.exceptions
    return (
        kinds.WorkerCrashedError, kinds.NodeDiedError, kinds.LocalRayletDiedError, kinds.OutOfMemoryError,
        kinds.ObjectLostError,
    )  # fmt: skip
