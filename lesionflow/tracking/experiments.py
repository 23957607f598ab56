"""The experiment that a new run goes into, made where it is not there."""

from __future__ import annotations

from lesionflow.errors import RegistryError
from lesionflow.tracking.client import mlflow
from lesionflow.tracking.tracking_store import explain_moved


def find_or_create_experiment(name: str) -> str:
    """Return the id of an experiment, made where it is not there. MLflow's global choice of one stays as it is.

    Raises
    ------
    RegistryError
        The experiment was deleted, or its artifacts are gone.
    """
    client = mlflow.MlflowClient()
    found = client.get_experiment_by_name(name)
    if found is None:
        try:
            return str(client.create_experiment(name))
        except mlflow.MlflowException as error:  # somebody else made it in between
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            found = client.get_experiment_by_name(name)
            assert found is not None
    if found.lifecycle_stage == "deleted":
        raise RegistryError(
            f"experiment {name} was deleted; 'mlflow experiments restore --experiment-id {found.experiment_id}' brings "
            "it back, or name another with --experiment"
        )
    if moved := explain_moved(str(found.artifact_location), str(mlflow.get_tracking_uri())):
        raise RegistryError(f"the artifacts of experiment {name} are gone: {moved}")
    return str(found.experiment_id)
