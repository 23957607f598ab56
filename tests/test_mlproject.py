"""`mlflow run`, as a user types it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pytest

from lesionflow.errors import UsageError
from lesionflow.tracking import runs

ROOT = Path(__file__).parents[1]


@pytest.fixture
def activated(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the project's entry points the present environment, as an activated one."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("LESIONFLOW_CACHE", str(cache))
    monkeypatch.delenv("MLFLOW_EXPERIMENT_ID", raising=False)  # set in this process when a test chooses an experiment


def mlflow_run(entry_point: str, **parameters: str) -> None:
    """Run one of the project's entry points as MLflow's command does, which takes seconds to begin."""
    mlflow.projects.run(str(ROOT), entry_point, parameters=parameters, env_manager="local", synchronous=True)


@pytest.mark.usefixtures("activated")
def test_mlflow_run_trains_into_the_run_that_it_began(store: Path, demo_folder: Path) -> None:
    command = [sys.executable, "-m", "mlflow", "run", str(ROOT), "--env-manager", "local"]
    for parameter in (
        f"data={demo_folder}", "model=vgg", "epochs=1", "image_size=16", "learning_rate=1e-3", "augmentation=0",
        "averaging=0",
    ):  # fmt: skip
        command += ["-P", parameter]
    done = subprocess.run(command, capture_output=True, text=True, cwd=store)
    assert done.returncode == 0, done.stderr
    (run,) = mlflow.search_runs(experiment_names=["Default"], output_format="list")
    assert run.info.status == "FINISHED" and run.info.run_name == "vgg"
    # MLflow kept the spelling that was typed; the rest of the configuration was added.
    assert run.data.params["learning_rate"] == "1e-3" and run.data.params["balance"] == "oversample"
    assert 0 <= run.data.metrics["test/balanced_accuracy"] <= 1
    kept = mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/config.yaml")
    assert "learning_rate: 0.001\n" in kept and "experiment: Default\n" in kept
    assert mlflow.MlflowClient().get_model_version("lesionflow", "3").tags["network"] == "vgg"


@pytest.mark.usefixtures("activated")
def test_mlflow_run_refuses_what_the_command_line_refuses(contenders: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A configuration file is named as it is from the folder where `mlflow run` is typed."""
    (contenders / "train.yaml").write_text("model: vgg\nepochs: many\n")
    with pytest.raises(mlflow.exceptions.ExecutionException):
        mlflow_run("config", config="train.yaml", seed="1")
    assert "train.yaml, line 2: epochs: 'many' is not a whole number" in capfd.readouterr().err


@pytest.mark.usefixtures("activated")
def test_paths_are_those_of_the_folder_where_mlflow_run_is_typed(contenders: Path, demo_folder: Path) -> None:
    (contenders / "images").mkdir()
    shutil.copy(min(demo_folder.rglob("*.jpg")), contenders / "images")
    mlflow_run("score", source="images", out="results.csv", model="pretrained")
    assert len((contenders / "results.csv").read_text().splitlines()) == 2
    assert not (ROOT / "results.csv").exists()


def test_what_mlflow_run_has_started_ends_with_it(tmp_path: Path) -> None:
    """When it is killed, it leaves its command running."""
    command = (
        "import time; from lesionflow.cli import work_where_mlflow_run_was_typed as work; work(); "
        "print('began', flush=True); time.sleep(20); print('went on')"
    )
    starting = f"import subprocess; subprocess.call([{sys.executable!r}, '-c', {command!r}], cwd={str(ROOT)!r})"
    environment = os.environ | {"MLFLOW_RUN_ID": "0" * 32, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", starting], stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path
    ) as mlflow_run:
        assert mlflow_run.stdout is not None and mlflow_run.stdout.readline() == "began\n"
        mlflow_run.kill()
        assert mlflow_run.stdout.read() == ""  # until the command, too, has ended


def test_another_experiment_than_that_of_the_run_that_mlflow_run_began_is_refused(
    contenders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = mlflow.MlflowClient()
    mlflow.set_experiment(experiment_id="0")  # another test of this process may have chosen one
    run_id = client.create_run("0").info.run_id
    monkeypatch.setenv("MLFLOW_RUN_ID", run_id)
    with (
        pytest.raises(UsageError, match=r"begun its run in Default; .*: mlflow run --experiment-name 'our moles'"),
        runs.run("vgg", "our moles", system_metrics=False),
    ):
        pass
    with runs.run("vgg", "Default", system_metrics=False) as taken_up:
        assert taken_up == run_id


def test_a_name_that_mlflow_made_up_is_replaced_and_one_of_the_user_stays(contenders: Path) -> None:
    client = mlflow.MlflowClient()
    mlflow.set_experiment(experiment_id="0")  # another test of this process may have chosen one
    for given, kept in (None, "vgg"), ("night shift 7", "night shift 7"), ("my-run-7", "my-run-7"):
        run_id = client.create_run("0", run_name=given).info.run_id
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_RUN_ID", run_id)
            with runs.run("vgg", "lesionflow", system_metrics=False) as taken_up:
                assert taken_up == run_id
        assert client.get_run(run_id).info.run_name == kept
