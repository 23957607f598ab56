"""Who scores the shards of a job: this machine, or a Ray cluster. The shards are the same, to the byte."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import secrets
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lesionflow.model.predictor import Predictor, row_fingerprint
from lesionflow.scoring.config import RAY, ScoringConfig
from lesionflow.scoring.job import Job
from lesionflow.scoring.local import Step, default_workers, score_here
from lesionflow.scoring.publish import distant_workers


@dataclass(frozen=True)
class Model:
    """A model, and how it is run."""

    predictor: Predictor  # on this machine
    graph: bytes
    device: str  # of whoever scores
    batch_size: int


Scorer = Callable[[Iterable[int]], Generator[Step, None, None]]  # scores and keeps the shards that it is told
Engine = Callable[[Job, Model], Scorer]


@contextlib.contextmanager
def open_engine(config: ScoringConfig) -> Iterator[Engine]:
    """Whoever is to score, ready to. Raises `EngineError` where that is a cluster which cannot be joined."""
    if config.engine != RAY:
        yield (
            lambda job, model: (
                lambda todo: score_here(
                    job,
                    todo,
                    model.predictor,
                    model.batch_size,
                    config.workers or distant_workers(job) or default_workers(),
                )
            )
        )
        return
    from lesionflow.scoring.ray_cluster import join_cluster
    from lesionflow.scoring.ray_engine import score_on_cluster
    from lesionflow.scoring.ray_worker import Work, find_probe_file

    cpus, within = config.cpus_per_task or 1, os.getcwd()
    with join_cluster(config.ray_address, cpus, config.gpus_per_task or 0, quiet=config.quiet) as cluster:

        def begin(job: Job, model: Model) -> Scorer:
            if isinstance(job.folder, Path):  # another machine's processes begin elsewhere
                job = dataclasses.replace(job, folder=Path(os.path.abspath(job.folder)))
            card, averaged = model.predictor.card, config.tta
            work = Work(
                secrets.token_hex(8), job, card, model.graph, model.device, averaged, model.batch_size,
                config.workers or distant_workers(job) or 2 * cpus,
                row_fingerprint(card, model.device, averaged, model.batch_size),
                within, find_probe_file(job.paths(), within),
            )  # fmt: skip
            return lambda todo: score_on_cluster(cluster, todo, work)

        yield begin
