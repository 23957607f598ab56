import mlflow
import pytest

from lesionflow.errors import RegistryError, UsageError
from lesionflow.tracking.runs import read_configuration_text


@pytest.mark.usefixtures("contenders")
def test_a_runs_configuration_is_fetched_from_a_server(served: str) -> None:
    client = mlflow.MlflowClient(served)
    run_id = client.create_run("0").info.run_id
    with pytest.raises(RegistryError, match=f"run {run_id} kept no config.yaml, as trainings do"):
        read_configuration_text(f"runs:/{run_id}/config.yaml", served)
    client.log_text(run_id, "epochs: 3\n", "config.yaml")
    for address in (f"runs:/{run_id}/config.yaml", f"runs:/{run_id}"):
        assert read_configuration_text(address, served) == "epochs: 3\n"
    with pytest.raises(RegistryError, match=f"{'0' * 32}.* not found"):
        read_configuration_text(f"runs:/{'0' * 32}", served)
    with pytest.raises(UsageError, match=r"write runs:/RUN_ID/config\.yaml"):
        read_configuration_text("runs:/", served)
