"""The configuration that a run keeps of its training, and that another training can be given."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from lesionflow.errors import RegistryError, UsageError
from lesionflow.tracking.failures import registry_errors
from lesionflow.tracking.runs import connect
from lesionflow.training.config import TrainingConfig
from lesionflow.training.config_file import CONFIG_FILE, settings_text
from lesionflow.version import __version__

RUNS = "runs:/"


def log_configuration(config: TrainingConfig, registered_model: str) -> None:
    """Keep a configuration among the active run's artifacts; one that is there since before an interruption stays."""
    import mlflow

    with registry_errors("logging the configuration"):
        active, client = mlflow.active_run(), mlflow.MlflowClient()
        assert active is not None
        run_id = active.info.run_id
        if any(entry.path == CONFIG_FILE for entry in client.list_artifacts(run_id)):
            return
        experiment = client.get_experiment(active.info.experiment_id).name
        names = {"experiment": experiment, "registered_model": registered_model}
        about = f"lesionflow {__version__}; to repeat this run: lesionflow train --config {RUNS}{run_id}/{CONFIG_FILE}"
        client.log_text(run_id, settings_text(config, names, about), CONFIG_FILE)


def read_configuration_text(source: str, tracking_uri: str | None = None) -> str:
    """The text of a file, or of what the run of `runs:/RUN_ID/config.yaml` kept; `runs:/RUN_ID` is enough.

    Raises `UsageError` for a file that cannot be read, `RegistryError` for a run that is not there or kept none.
    """
    try:
        if not source.startswith(RUNS):
            return Path(source).read_text(encoding="utf-8-sig")
        return _fetch(source, tracking_uri)
    except UnicodeDecodeError:
        raise UsageError(f"{source}: not UTF-8 text; give a YAML file") from None
    except OSError as error:
        raise UsageError(
            f"{source}: {error.strerror or error}; give a YAML file, or {RUNS}RUN_ID/config.yaml"
        ) from None


def _fetch(source: str, tracking_uri: str | None) -> str:
    import mlflow

    matched = re.fullmatch(rf"{RUNS}([0-9A-Za-z_-]+)(?:/(.+))?", source)
    if not matched:
        raise UsageError(f"{source}: write {RUNS}RUN_ID/{CONFIG_FILE}")
    run_id, path = matched[1], matched[2] or CONFIG_FILE
    connect(tracking_uri)
    with tempfile.TemporaryDirectory() as folder, registry_errors(f"fetching {source}"):
        client = mlflow.MlflowClient()
        client.get_run(run_id)  # whose message is clear where there is none
        below = path.rpartition("/")[0]
        if not any(entry.path == path for entry in client.list_artifacts(run_id, below or None)):
            raise RegistryError(f"run {run_id} kept no {path}, as trainings do; give another run, or a file")
        file = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path, dst_path=folder)
        return Path(file).read_text(encoding="utf-8-sig")
