"""Check an installation: packages, devices, the tracking store, disks, the environment."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from lesionflow.defaults import DEFAULT_NAME
from lesionflow.health.check import PROBLEM, Check
from lesionflow.health.machine import check_disks, check_environment, check_machine
from lesionflow.health.packages import check_keras, check_onnxruntime, check_packages
from lesionflow.health.store import check_store, find_store


def doctor(
    *,
    tracking_uri: str | None = None,
    registered_model: str = DEFAULT_NAME,
    cache: Path | None = None,
    known_variables: Iterable[str] = (),
) -> list[Check]:
    """Check this installation.

    Nothing is changed or created, and no check contains a password. Problems are reported, never raised.

    Parameters
    ----------
    tracking_uri
        MLflow tracking store and registry.
    registered_model
        The model whose champion is looked for.
    cache
        Folder for decoded pixels and the demo set, whose disk is looked at.
    known_variables
        Names of the environment's variables that set an option; without them, others are not looked for.

    Returns
    -------
    list[Check]
        The checks in reading order.
    """
    at_once = ThreadPoolExecutor(3)  # each waits for a process that imports much
    try:
        store = at_once.submit(check_store, find_store(tracking_uri), registered_model)
        keras, onnxruntime = at_once.submit(check_keras), at_once.submit(check_onnxruntime)
        checks = [*_looked_at(check_packages), *_looked_at(check_machine)]
        checks += [*keras.result(), *onnxruntime.result()]
        of_store, artifacts = store.result()
    finally:
        at_once.shutdown(wait=False)  # after Ctrl-C, do not wait for a server that hangs
    return [
        *checks,
        *of_store,
        *_looked_at(check_disks, cache, artifacts),
        *_looked_at(check_environment, known_variables),
    ]


def _looked_at(look: Callable[..., list[Check]], *given: Any) -> list[Check]:
    """Run a check; one that fails itself becomes a problem, not an exception."""
    try:
        return look(*given)
    except Exception as error:
        return [Check(look.__name__, f"failed: {type(error).__name__}: {error}", PROBLEM, "report it, it is a mistake")]
