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
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lesionflow.defaults import usable_cores
from lesionflow.errors import DataError, EngineError, LesionflowError, UsageError
from lesionflow.model.predictor import row_fingerprint
from lesionflow.scoring.engines.local import ScoringModel, Step, default_workers, has_remote_images
from lesionflow.scoring.engines.ray_node import (
    RETRIES,
    SourceUnseen,
    Work,
    death_errors,
    find_fatal_images,
    find_probe_file,
    is_visible,
    score_shard,
)
from lesionflow.scoring.shards import Job

_SECONDS_TO_REACH = 5.0
_SECONDS_BETWEEN_LOOKS = 5.0
_SECONDS_TO_WAIT = 1.0  # before it is asked again which tasks have ended
_LEAST_PENDING = 8  # of tasks: a cluster that grows with what waits for it begins with no node at all


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
            "'ray job submit'"
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
                    "'ray start --head', or use --ray-address local"
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
        died = death_errors(self.cluster.ray)
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
            within, find_probe_file(job.paths(), within),
        )  # fmt: skip


class _Tasks:
    """The tasks that are running, and what is sent with them."""

    def __init__(self, cluster: Cluster, work: Work):
        self.cluster, self.ray, self.work = cluster, cluster.ray, work
        self.sent = self.ray.put(work)
        self.pending: dict[Any, tuple[_Attempt, Work]] = {}
        # A task that dies is handed out again here: Ray itself would go on for ever where memory runs out.
        self.score = self.ray.remote(score_shard).options(num_cpus=cluster.cpus, num_gpus=cluster.gpus, max_retries=0)
        self.search = self.ray.remote(find_fatal_images).options(num_cpus=0, max_retries=0)

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
        if not isinstance(error, SourceUnseen) or is_visible(attempt.sent.probe, self.work.within):
            raise error
        if attempt.sent is self.work:
            probe = find_probe_file(self.work.job.paths(), self.work.within)
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
