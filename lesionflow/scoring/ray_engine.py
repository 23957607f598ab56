"""Scoring on a Ray cluster: a task a shard, each shard a file, and every task may be lost and done again.

Ray's part is to find a free core and to say that a process or its node has died. What is done about it is decided
here: a task that dies is handed out again, and where tasks of one shard keep dying, the images are decoded in ever
smaller groups until those are found that end the process; each becomes a row that says so.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lesionflow.errors import DataError, EngineError, LesionflowError
from lesionflow.scoring import ray_worker
from lesionflow.scoring.local import Step
from lesionflow.scoring.ray_cluster import Cluster
from lesionflow.scoring.ray_worker import SourceUnseen, Work, find_witness, is_seen, load_work

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


def score_on_cluster(cluster: Cluster, todo: Iterable[int], work: Work) -> Generator[Step, None, None]:
    """Score shards of a job on a cluster and keep each as a file; a step a shard, in the order of their end.

    However many shards there are, about twice as many are handed out as run at once. A caller that closes the
    generator instead of taking the next step leaves the shard of the last one to be done. Raises `EngineError` where
    tasks die that no image can be blamed for.
    """
    ray = cluster.ray
    died = _deaths(ray)
    waiting, again = iter(todo), deque[_Attempt]()
    pending: dict[Any, tuple[_Attempt, Work]] = {}
    sent = ray.put(work)
    tasks = {
        kind: ray.remote(function).options(num_cpus=cpus, num_gpus=gpus, max_retries=0)
        for kind, function, cpus, gpus in (
            (False, _score, cluster.cpus, cluster.gpus),
            (True, _search, 0, 0),  # it does no work itself
        )
    }
    try:
        while True:
            new = (_Attempt(shard) for shard in itertools.islice(waiting, max(0, _room(cluster, pending, again))))
            for attempt in [*again, *new]:
                arguments = (work.key, work.depends, [sent], attempt.shard)
                if attempt.searching:
                    extra: tuple[Any, ...] = (cluster.cpus, cluster.gpus)
                else:
                    extra = (dict(attempt.known), 1 if attempt.carefully else work.threads)
                pending[tasks[attempt.searching].remote(*arguments, *extra)] = attempt, work
            again.clear()
            if not pending:
                return
            done, _ = ray.wait(list(pending), timeout=_SECONDS_TO_WAIT)
            for reference in done:
                attempt, work_then = pending.pop(reference)
                try:
                    result = ray.get(reference)
                except died:
                    again.append(_after_death(attempt))
                    continue
                except ray.exceptions.RayError as error:
                    cause = _cause(error)
                    if not isinstance(cause, SourceUnseen) or is_seen(work_then.witness, work.within):
                        raise cause from error
                    # Somebody has removed the very image that all were to see; another one will do.
                    if work_then is work:
                        work = _with_another_witness(work)
                        sent = ray.put(work)
                    again.append(attempt)
                    continue
                if attempt.searching:
                    again.append(dataclasses.replace(attempt, deaths=0, known=result, searching=False))
                    continue
                try:
                    yield Step(*result)
                except GeneratorExit:
                    work.job.discard_shard(attempt.shard)
                    raise
    finally:
        for reference in pending:
            ray.cancel(reference, force=True)


def _room(cluster: Cluster, pending: Mapping[Any, object], again: Sequence[_Attempt]) -> int:
    return cluster.most_pending() - len(pending) - len(again)


def _deaths(ray: Any) -> tuple[type[Exception], ...]:
    """What Ray raises where a process or its node has ended, or the result was lost with them."""
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
    """What a task raised, without the stack of another machine."""
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


def _with_another_witness(work: Work) -> Work:
    witness = find_witness(work.job.paths(), work.within)
    if witness is None:
        raise DataError("the images are gone since they were listed; bring them back")
    return dataclasses.replace(work, key=work.key + "+", witness=witness)


def _score(
    key: str, depends: Any, work: list[Any], shard: int, known: dict[int, tuple[str, str]], threads: int
) -> tuple[Any, ...]:
    """A task: score a shard. Returns a `Step`'s fields."""
    loaded, predictor = load_work(key, depends, work)
    step = ray_worker.score_shard(loaded, predictor, shard, known, threads)
    return step.images, step.failed, step.last


def _decode(key: str, depends: Any, work: list[Any], shard: int, places: list[int]) -> None:
    """A task: decode some images of a shard."""
    ray_worker.decode_only(*load_work(key, depends, work), shard, places)


def _search(key: str, depends: Any, work: list[Any], shard: int, cpus: int, gpus: float) -> dict[int, tuple[str, str]]:
    """A task: find the images of a shard that end the process which decodes them. Returns word and detail by place."""
    import ray

    loaded, _ = load_work(key, depends, work)
    died = _deaths(ray)
    decode = ray.remote(_decode).options(num_cpus=cpus, num_gpus=gpus, max_retries=0)

    def survives(places: list[int], tries: int = 1) -> bool:
        for _ in range(tries):
            try:
                ray.get(decode.remote(key, depends, work, shard, places))
                return True
            except died:
                continue
        return False

    if not survives([], tries=RETRIES):
        raise EngineError("tasks die before they open an image; Ray's logs on the nodes say more")
    guilty, groups = {}, [list(range(loaded.job.shard_length(shard)))]
    while groups:
        places = groups.pop()
        if survives(places, tries=RETRIES if len(places) == 1 else 1):
            continue
        if len(places) == 1:
            guilty[places[0]] = "crash", f"decoding it ended the process, {RETRIES} times of {RETRIES}"
        else:
            middle = len(places) // 2
            groups += [places[:middle], places[middle:]]
    return guilty
