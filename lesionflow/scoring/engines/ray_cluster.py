"""Joining a Ray cluster, or saying in seconds why not."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lesionflow.defaults import usable_cores
from lesionflow.errors import EngineError, UsageError

_SECONDS_TO_REACH = 5.0
_SECONDS_BETWEEN_LOOKS = 5.0
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

    def most_pending(self) -> int:
        """How many tasks are worth being handed out: as many again as run, so that none waits for the next."""
        return max(_LEAST_PENDING, 2 * self.slots())

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
