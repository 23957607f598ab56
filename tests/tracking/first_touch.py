"""Processes that touch a store first, all of them at once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
from lesionflow.tracking.client import mlflow
from lesionflow.tracking.runs import run
from lesionflow.tracking.tracking_store import connect
connect(writes=True)
with run("first", "lesionflow", system_metrics=False):
    mlflow.log_metric("x", 1)
"""


def touch(folder: Path, processes: int, address: str | None = None) -> None:
    """Log a run from each of some processes that begin in a folder, into its default store unless given another."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    environment.pop("MLFLOW_TRACKING_URI", None)
    if address is not None:
        environment["MLFLOW_TRACKING_URI"] = address
    started = [
        subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=folder, env=environment, stderr=subprocess.PIPE)
        for _ in range(processes)
    ]
    for process in started:
        _, said = process.communicate()
        assert process.returncode == 0, said.decode()
