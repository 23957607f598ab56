"""Engines that score the shards of a job: this machine, or a Ray cluster. The shards are the same, to the byte."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Iterable, Iterator
from typing import Protocol

from lesionflow.scoring.config import RAY, ScoringConfig
from lesionflow.scoring.engines.local import LocalEngine, ScoringModel, Step
from lesionflow.scoring.shards import Job


class Engine(Protocol):
    """Scores shards and keeps each as a file of the job."""

    def score(self, job: Job, shards: Iterable[int]) -> Generator[Step, None, None]:
        """Score shards of a job; a caller that closes the generator leaves the shard of the last step to be done."""


@contextlib.contextmanager
def open_engine(config: ScoringConfig, model: ScoringModel) -> Iterator[Engine]:
    """Yield the engine that a configuration asks for, ready to score.

    Raises
    ------
    EngineError
        The Ray cluster cannot be joined.
    """
    if config.engine != RAY:
        yield LocalEngine(model, config.workers)
        return
    from lesionflow.scoring.engines.ray import RayEngine, join_cluster

    cpus, gpus = config.cpus_per_task or 1, config.gpus_per_task or 0
    with join_cluster(config.ray_address, cpus, gpus, quiet=config.quiet) as cluster:
        yield RayEngine(cluster, model, config.workers)
