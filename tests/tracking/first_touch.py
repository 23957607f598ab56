"""Processes that touch a store first, all of them at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# One process imports MLflow, which takes longer than all that follows, and those that touch are its children.
PROGRAM = """
import multiprocessing, os, sys
from lesionflow.tracking.client import mlflow
from lesionflow.tracking.runs import run
from lesionflow.tracking.tracking_store import connect

def touch(folder):
    os.chdir(folder)
    connect(writes=True)
    with run("first", "lesionflow", system_metrics=False):
        mlflow.log_metric("x", 1)

fork = multiprocessing.get_context("fork")
touching = [fork.Process(target=touch, args=[folder]) for folder in sys.argv[1:]]
for process in touching:
    process.start()
for process in touching:
    process.join()
sys.exit(any(process.exitcode for process in touching))
"""


def touch(*folders: Path, address: str | None = None) -> None:
    """Log a run from a process in each folder, into the folder's default store unless given another."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("MLFLOW_TRACKING_URI", None)
    if address is not None:
        environment["MLFLOW_TRACKING_URI"] = address
    done = subprocess.run([sys.executable, "-c", PROGRAM, *folders], env=environment, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
