"""Scores on a Ray cluster: each shard is a task and a file, and any task may be lost and repeated.

Ray's part is to find a free core and to say that a process or its node has died. What is done about it is decided
here: a task that dies is handed out again, and where tasks of one shard keep dying, the images are decoded in ever
smaller groups until those are found that end the process; each becomes a row that says so.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import time
import zlib
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lesionflow.defaults import usable_cores
from lesionflow.errors import DataError, EngineError, LesionflowError, ReportError, UsageError
from lesionflow.model.card import Card
from lesionflow.model.prediction import Row
from lesionflow.model.predictor import Predictor, row_fingerprint
from lesionflow.scoring.engines.local import (
    ScoringModel,
    Step,
    decode_all_in_sizes,
    default_workers,
    has_remote_images,
    located,
    score_batches,
    shard_batches,
)
from lesionflow.scoring.shards import Fingerprint, Job
from lesionflow.storage.location import file_path, is_file_url, is_url

_SECONDS_TO_REACH = 5.0
_SECONDS_BETWEEN_LOOKS = 5.0
_LEAST_PENDING = 8  # of tasks: a cluster that grows with what waits for it begins with no node at all
_PROBE_BYTES = 2**16
_TRIED = 1000  # images, in search of one that can be read


@dataclass
class Cluster:
    """A cluster that was joined, and what one task of a job takes of it."""

    ray: Any  # the module
    cpus: int
    gpus: float
    left_at_the_end: bool = True  # else it is the caller's, who may go on with it
    _looked: float = 0.0
    _slots: int = 0

    def slots(self) -> int:
        """How many tasks can run at once, as of the last few seconds: nodes come and go."""
        if time.monotonic() - self._looked > _SECONDS_BETWEEN_LOOKS or not self._looked:
            nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
            self._slots = sum(map(self._tasks_on, nodes))
            self._looked = time.monotonic()
        return self._slots

    def _tasks_on(self, resources: dict[str, float]) -> int:
        tasks = int(resources.get("CPU", 0) // self.cpus)
        return min(tasks, int(resources.get("GPU", 0) / self.gpus + 1e-9)) if self.gpus else tasks


@contextlib.contextmanager
def join_cluster(address: str | None, cpus: int, gpus: float, *, quiet: bool = False) -> Iterator[Cluster]:
    """Be part of a cluster until the block ends; one that this process has joined already is used as it is.

    address: `HOST:PORT`, `auto`, `local`, or None for `RAY_ADDRESS` or `auto`. What Ray prints goes nowhere, for
    standard output is for data; its logs on the nodes have it. Raises `EngineError` where there is no cluster.
    """
    ray = _import_ray()
    if ray.is_initialized():
        yield _told(Cluster(ray, cpus, gpus, left_at_the_end=False), quiet)
        return
    address = address or os.environ.get("RAY_ADDRESS") or "auto"
    if "://" in address:
        raise UsageError(
            f"--ray-address {address}: Ray Client is not supported; run this on a node of the cluster, or with "
            "`ray job submit`"
        )
    own: dict[str, Any] = {}
    if address == "local":
        own = {"num_cpus": usable_cores(), "include_dashboard": False}
    elif address != "auto":
        _check_answers(address)
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        try:
            with _signals_kept():
                ray.init(address, logging_level=logging.ERROR, log_to_driver=False, **own)
        except Exception as error:  # of Ray's own, of the network's, and for other versions of Ray or Python
            if address == "auto" and isinstance(error, ConnectionError):
                raise EngineError(
                    "this machine belongs to no Ray cluster; name one with --ray-address HOST:PORT, begin one with "
                    "`ray start --head`, or use --ray-address local"
                ) from error
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise EngineError(f"{address}: the Ray cluster cannot be joined ({reason})") from error
        try:
            yield _told(Cluster(ray, cpus, gpus), quiet)
        finally:
            ray.shutdown()


def _import_ray() -> Any:
    # Read when Ray is imported: no warning of what a later version will do.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError as error:
        raise EngineError("--engine ray needs Ray: pip install 'lesionflow[ray]'") from error
    return ray


def _told(cluster: Cluster, quiet: bool) -> Cluster:
    if not cluster.slots() and not quiet:
        wanted = f"{cluster.cpus} cores" + (f" and {cluster.gpus:g} GPUs" if cluster.gpus else "")
        print(f"no node has {wanted} for a task at present; waiting for one", file=sys.stderr)
    return cluster


def _check_answers(address: str) -> None:
    """Raise `EngineError` where nothing answers: Ray itself would try for many minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"--ray-address {address}: write HOST:PORT, auto or local")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_SECONDS_TO_REACH).close()
    except (OSError, OverflowError) as error:
        raise EngineError(f"{address}: no Ray cluster answers there ({error}); is it running?") from error


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray puts handlers of its own in the place of those that let a command end in order."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


RETRIES = 3  # of a shard whose task died, before its images are looked at one by one
_SECONDS_TO_WAIT = 1.0  # before the cluster is looked at again


@dataclass(frozen=True)
class _Attempt:
    """A shard to score, and what is known of it from attempts before."""

    shard: int
    deaths: int = 0
    known: Mapping[int, tuple[str, str]] = field(default_factory=dict)
    carefully: bool = False  # after a search: one image at a time
    searching: bool = False  # for the images that end the process
    sent: Work | None = None  # what went along with the attempt that ended


class RayEngine:
    """Scores on a cluster that was joined; a step a shard, in the order of their end."""

    def __init__(self, cluster: Cluster, model: ScoringModel, workers: int | None = None):
        self.cluster, self.model, self.workers = cluster, model, workers

    def score(self, job: Job, shards: Iterable[int]) -> Generator[Step, None, None]:
        """Score shards of a job; a caller that closes the generator leaves the shard of the last step to be done.

        However many shards there are, about twice as many are handed out as run at once.

        Raises
        ------
        EngineError
            Tasks die that no image can be blamed for.
        """
        tasks, waiting = _Tasks(self.cluster, self._work(job)), iter(shards)
        died = _deaths(self.cluster.ray)
        try:
            while True:
                for shard in itertools.islice(waiting, tasks.room()):
                    tasks.hand_out(_Attempt(shard))
                if not tasks.pending:
                    return
                for attempt, outcome in tasks.ended():
                    if isinstance(outcome, died):
                        tasks.hand_out(_after_death(attempt))
                    elif isinstance(outcome, Exception):
                        tasks.hand_out(tasks.after_error(attempt, _cause(outcome)))
                    elif attempt.searching:
                        tasks.hand_out(dataclasses.replace(attempt, deaths=0, known=outcome, searching=False))
                    else:
                        try:
                            yield outcome
                        except GeneratorExit:
                            job.discard_shard(attempt.shard)
                            raise
        finally:
            tasks.cancel()

    def _work(self, job: Job) -> Work:
        within = os.getcwd()
        if isinstance(job.folder, Path):  # another machine's processes begin elsewhere
            job = dataclasses.replace(job, folder=Path(os.path.abspath(job.folder)))
        model, averaged = self.model, self.model.predictors[0].averaged
        threads = self.workers or (default_workers(remote=True) if has_remote_images(job) else 2 * self.cluster.cpus)
        return Work(
            secrets.token_hex(8), job, tuple(predictor.card for predictor in model.predictors), model.graphs,
            model.device, averaged, model.batch_size, threads,
            row_fingerprint(model.card, model.device, averaged, model.batch_size),
            within, _find_probe_file(job.paths(), within),
        )  # fmt: skip


class _Tasks:
    """The tasks that are running, and what is sent with them."""

    def __init__(self, cluster: Cluster, work: Work):
        self.cluster, self.ray, self.work = cluster, cluster.ray, work
        self.sent = self.ray.put(work)
        self.pending: dict[Any, tuple[_Attempt, Work]] = {}
        # A task that dies is handed out again here: Ray itself would go on for ever where memory runs out.
        self.score = self.ray.remote(_score).options(num_cpus=cluster.cpus, num_gpus=cluster.gpus, max_retries=0)
        self.search = self.ray.remote(_search).options(num_cpus=0, max_retries=0)

    def room(self) -> int:
        """How many more to hand out: as many again as are running, so that no task waits for the next."""
        return max(0, max(_LEAST_PENDING, 2 * self.cluster.slots()) - len(self.pending))

    def hand_out(self, attempt: _Attempt) -> None:
        """Let the cluster work on a shard."""
        arguments = (self.work.key, self.work.depends, [self.sent], attempt.shard)
        if attempt.searching:
            reference = self.search.remote(*arguments, self.cluster.cpus, self.cluster.gpus)
        else:
            threads = 1 if attempt.carefully else self.work.threads
            reference = self.score.remote(*arguments, dict(attempt.known), threads)
        self.pending[reference] = attempt, self.work

    def ended(self) -> Iterator[tuple[_Attempt, Any]]:
        """Wait a while; the attempts that have ended meanwhile, each with its result or with what it raised."""
        done, _ = self.ray.wait(list(self.pending), timeout=_SECONDS_TO_WAIT)
        for reference in done:
            try:
                outcome = self.ray.get(reference)
            except self.ray.exceptions.RayError as error:
                outcome = error
            attempt, work = self.pending.pop(reference)
            yield dataclasses.replace(attempt, sent=work), outcome

    def after_error(self, attempt: _Attempt, error: Exception) -> _Attempt:
        """The next attempt, with another probe if the failure was only that the probe image was removed."""
        assert attempt.sent is not None
        if not isinstance(error, SourceUnseen) or _is_visible(attempt.sent.probe, self.work.within):
            raise error
        if attempt.sent is self.work:
            probe = _find_probe_file(self.work.job.paths(), self.work.within)
            if probe is None:
                raise DataError("the images were removed after they were listed; put them back")
            self.work = dataclasses.replace(self.work, key=self.work.key + "+", probe=probe)
            self.sent = self.ray.put(self.work)
        return attempt

    def cancel(self) -> None:
        """End what is still being worked on.

        Leaving a cluster ends this process's tasks anyway. To cancel them by force before that would now and then end
        the process itself: Ray 2.60 takes the answer of a task that it has given up meanwhile for a fault of its own.
        """
        if not self.cluster.left_at_the_end:
            for reference in self.pending:
                self.ray.cancel(reference)


def _deaths(ray: Any) -> tuple[type[Exception], ...]:
    """Ray's errors for a process or node that has ended, or a result that was lost with them."""
    kinds = ray.exceptions
    return (
        kinds.WorkerCrashedError, kinds.NodeDiedError, kinds.LocalRayletDiedError, kinds.OutOfMemoryError,
        kinds.ObjectLostError,
    )  # fmt: skip


def _after_death(attempt: _Attempt) -> _Attempt:
    deaths = attempt.deaths + 1
    if deaths <= RETRIES:
        return dataclasses.replace(attempt, deaths=deaths)
    if attempt.carefully or attempt.searching:
        raise EngineError(
            f"shard {attempt.shard}: {deaths} tasks in a row died, and no image is to blame; Ray's logs on the nodes "
            "say more, and more --cpus-per-task leave more memory for each"
        )
    return _Attempt(attempt.shard, carefully=True, searching=True)


def _cause(error: Exception) -> Exception:
    """The error of a task, without the stack of another machine."""
    cause: Any = error
    while getattr(cause, "cause", None) is not None:  # of a task that a task waited for
        cause = cause.cause
    if isinstance(cause, LesionflowError):
        return cause
    if isinstance(cause, ImportError) or "No module named" in str(error):
        return EngineError(
            f"a node cannot import what scoring needs ({str(cause).strip().splitlines()[-1]}); install "
            "lesionflow on all nodes, or name it in the runtime environment"
        )
    return error


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


def _find_probe_file(paths: Iterable[str], within: str) -> ProbeFile | None:
    """The first of the paths that can be read here; None if none can, or they are of a store, which all see alike."""
    for _, path in zip(range(_TRIED), paths, strict=False):
        if is_url(path) and not is_file_url(path):
            return None
        if checksum := _checksum(located(path, within)):
            return ProbeFile(path, checksum)
    return None


def _is_visible(probe: ProbeFile | None, within: str) -> bool:
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
    if not _is_visible(sent.probe, sent.within):
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


def _score(
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
    if any(row.reason == "not_found" for row in failed) and not _is_visible(loaded.probe, loaded.within):
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


def _search(key: str, depends: Any, work: list[Any], shard: int, cpus: int, gpus: float) -> dict[int, tuple[str, str]]:
    """A task: find the images of a shard that end the process which decodes them. Returns word and detail by index."""
    import ray

    loaded, _ = _load_work(key, depends, work)
    died = _deaths(ray)
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
