"""Running under `mlflow run`, which works in the project's folder: for a git or zip project a temporary one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_SHELLS = ("bash", "sh", "dash", "zsh")  # with which MLflow starts the command


def work_where_mlflow_run_was_typed() -> None:
    """Change to the folder that `mlflow run` was typed in, so that paths mean there what they mean anywhere else."""
    project = Path.cwd()
    if "MLFLOW_RUN_ID" not in os.environ or not (project / "MLproject").is_file():
        return
    import psutil

    try:
        mlflow_run = next(process for process in psutil.Process().parents() if process.name() not in _SHELLS)
        typed_in = mlflow_run.cwd()
        os.chdir(typed_in)
    except (StopIteration, OSError, psutil.Error):  # then paths are the project's, as MLflow has it
        return
    sys.path[:] = [str(project) if entry == "" else entry for entry in sys.path]
    if Path(__file__).is_relative_to(project):  # processes that are started from here must find lesionflow, too
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(project), os.environ.get("PYTHONPATH", "")]))
