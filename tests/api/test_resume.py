"""A training that is killed and resumed ends as an undisturbed one."""

import dataclasses
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from unittest.mock import Mock

import mlflow
import pytest

from lesionflow.datasets.combined import read_data_sets, split_data_sets
from lesionflow.datasets.demo.demo_set import draw_demo_set
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.errors import DataError, RegistryError
from lesionflow.storage.temporary import PREFIX
from lesionflow.tracking import resume
from lesionflow.tracking.client import active_run_id
from lesionflow.tracking.resume import CHECKPOINT_FILES, FOLDER, LOCK_FILE, InterruptedRun, held_training
from lesionflow.tracking.runs import log_setting, run
from lesionflow.training.callbacks import TrainingDisplay
from lesionflow.training.checkpoint import from_bytes
from lesionflow.training.config import TrainingConfig
from tests.conftest import PLAIN, error_line, invoke, light_networks, without_pictures

ROOT = Path(__file__).parents[2]
EPOCHS = 8
TRAINS = """
import sys
from lesionflow.tracking.resume import held_training
from lesionflow.tracking.tracking_store import connect
connect(sys.argv[2])
with held_training(sys.argv[1]):
    print("holds it", flush=True)
    sys.stdin.read()
"""
SMALL = ("--epochs", "1", "--image-size", "16", *PLAIN)


def start(arguments: list[str], folder: Path, cache: Path, told: str) -> subprocess.Popen[bytes]:
    """Run the command line in a process of its own; what it says goes to a file."""
    python_path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    with open(folder / told, "wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", "lesionflow", *arguments],
            cwd=folder, env=os.environ | {"PYTHONPATH": python_path, "LESIONFLOW_CACHE": str(cache)},
            stdout=file, stderr=subprocess.STDOUT,
        )  # fmt: skip


def resume_command(said: str) -> list[str]:
    """What a message says after `lesionflow`."""
    line = next(line for line in said.splitlines() if "lesionflow train --resume" in line)
    return shlex.split(line.partition("lesionflow ")[2])


def figures(run: mlflow.entities.Run) -> dict[str, list[tuple[int, float]]]:
    """All that is logged of a run's quality, by step."""
    client = mlflow.MlflowClient()
    return {
        name: [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)]
        for name in run.data.metrics
        if not name.startswith("system/") and name != "training/seconds"
    }


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty store in the test's folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    address = f"sqlite:///{tmp_path}/mlflow.db"
    mlflow.set_tracking_uri(address)
    return address


@pytest.mark.slow
def test_killed_and_resumed_it_ends_as_an_undisturbed_training(
    address: str, demo_folder: Path, cache: Path, tmp_path: Path
) -> None:
    """Two processes, one of them killed: this is also what says that --deterministic keeps its word.

    The one that is killed has the configuration that the first one's run has kept.
    """
    command = [
        "train", "--data", str(demo_folder), "--model", "vgg", "--epochs", str(EPOCHS), "--image-size", "24",
        "--batch-size", "8", "--averaging", "0.9", "--mixup", "0.2", "--small-first", "0.5", "--deterministic",
        "--tracking-uri", address,
    ]  # fmt: skip
    assert start(command, tmp_path, cache, "undisturbed.txt").wait() == 0, (tmp_path / "undisturbed.txt").read_text()

    (first,) = mlflow.search_runs(experiment_names=["lesionflow"], output_format="list")
    repeat = ["train", "--config", f"runs:/{first.info.run_id}/config.yaml", "--tracking-uri", address]
    killed = start(repeat, tmp_path, cache, "killed.txt")
    files: list[Path] = []
    while len(files) < 2:
        time.sleep(0.005)
        assert killed.poll() is None, (tmp_path / "killed.txt").read_text()
        files = [*tmp_path.glob(f"mlruns/*/*/artifacts/{FOLDER}/*.checkpoint")]
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL
    assert sorted(file.name for file in files) == sorted(CHECKPOINT_FILES)

    # What no file system promises to prevent when the power fails: the newest checkpoint is there in part.
    epochs = {}
    for file in files:
        checkpoint = from_bytes(file.read_bytes())
        assert checkpoint is not None
        epochs[checkpoint.epoch] = file
    latest = max(epochs)
    assert latest < EPOCHS
    epochs[latest].write_bytes(epochs[latest].read_bytes()[:-1000])

    again = resume_command((tmp_path / "killed.txt").read_text())
    assert start(again, tmp_path, cache, "resumed.txt").wait() == 0, (tmp_path / "resumed.txt").read_text()
    assert f"resumes after epoch {latest - 1} of {EPOCHS}" in (tmp_path / "resumed.txt").read_text()

    found = mlflow.search_runs(experiment_names=["lesionflow"], output_format="list", order_by=["start_time ASC"])
    undisturbed, resumed = found
    assert resumed.info.run_id in again and resumed.info.status == "FINISHED"
    assert resumed.data.tags["resumed_after_epoch"] == str(latest - 1)
    assert [step for step, _ in figures(resumed)["epoch/train_loss"]] == list(range(1, EPOCHS + 1))
    assert figures(resumed) == figures(undisturbed)
    kept = [mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/config.yaml") for run in found]
    assert kept[1] == kept[0].replace(undisturbed.info.run_id, resumed.info.run_id)
    assert mlflow.MlflowClient().get_model_version("lesionflow", "2").run_id == resumed.info.run_id
    assert not [*tmp_path.rglob("*.checkpoint")], "a finished run has its model and needs no checkpoint"


def test_a_run_whose_artifacts_are_elsewhere_is_locked_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Mock(**{"info.artifact_uri": "mlflow-artifacts:/1/abc/artifacts"})
    monkeypatch.setattr(resume, "find_run", lambda _: run)
    with held_training("abc", tmp_path / "cache"):
        assert [file.name for file in (tmp_path / "cache").iterdir()] == [".abc.training.lock"]
        with pytest.raises(RegistryError, match="is being trained"), held_training("abc", tmp_path / "cache"):
            pass
    assert not list((tmp_path / "cache").iterdir())
    (tmp_path / "file").touch()
    with (
        pytest.raises(RegistryError, match="choose another folder with --cache"),
        held_training("abc", tmp_path / "file"),
    ):
        pass


def test_ctrl_c_while_a_compiled_module_is_imported_names_the_command_that_resumes(
    address: str, demo_folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def imported(*given: object) -> None:  # as such modules answer it
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise ImportError("initialization failed")  # noqa: B904

    monkeypatch.setattr("lesionflow.api.train.write_description", imported)
    store = ("--tracking-uri", address, "--cache", str(cache))
    stopped = invoke("train", "--data", str(demo_folder), "--model", "cnn", *SMALL, *store)
    assert stopped.exit_code == 130, stopped.output
    assert stopped.stderr.splitlines()[-1].startswith("stopped; to continue: lesionflow train --resume ")
    assert resume_command(stopped.stderr)[3:5] == ["--cache", str(cache)]


def test_of_several_networks_the_finished_are_kept_and_the_rest_is_trained(
    address: str, demo_folder: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ("--tracking-uri", address, "--cache", str(cache))
    data = Path(shutil.copytree(demo_folder, tmp_path / "before"))

    begin = TrainingDisplay.on_train_begin

    def preempt(self: TrainingDisplay, logs: object = None) -> None:
        begin(self, logs)
        if self.name == "cnn":
            parent = mlflow.get_run(active_run_id()).data.tags["mlflow.parentRunId"]
            with pytest.raises(RegistryError, match="is being trained by another process"), held_training(parent):
                pass
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch, without_pictures(), light_networks("vgg", "cnn"):
        patch.setattr(TrainingDisplay, "on_train_begin", preempt)
        stopped = invoke(
            "train", "--data", str(data), "--model", "vgg,cnn", *SMALL, "--registered-model", "moles", *store,
        )  # fmt: skip
    assert stopped.exit_code == 143, stopped.output
    assert stopped.stderr.splitlines()[-1].startswith("stopped; to continue: lesionflow train --resume ")
    run_id = resume_command(stopped.stderr)[2]
    runs = {
        run.info.run_name: run.info for run in mlflow.search_runs(search_all_experiments=True, output_format="list")
    }
    assert {name: info.status for name, info in runs.items()} == {
        "vgg": "FINISHED", "cnn": "KILLED", "vgg and cnn": "KILLED",
    }  # fmt: skip
    assert runs["vgg and cnn"].run_id == run_id

    refused = invoke("train", "--resume", "abc", *store)
    assert refused.exit_code == 1 and "no run abc in the store" in error_line(refused)
    refused = invoke("train", "--resume", runs["cnn"].run_id, *store)
    assert refused.exit_code == 1 and f"resume that one: {run_id}" in error_line(refused)

    client, experiment = mlflow.MlflowClient(), runs["cnn"].experiment_id
    described = client.get_model_version("moles", "1").description or ""
    client.update_model_version("moles", "1", "")  # killed before it was described
    for _ in range(2):  # killed while the model was logged
        client.create_logged_model(experiment, name="model", source_run_id=runs["cnn"].run_id)
    data.rename(tmp_path / "after")
    with without_pictures(), light_networks("vgg", "cnn"):
        resumed = invoke("train", "--resume", run_id, "--data", str(tmp_path / "after"), *store)
    assert resumed.exit_code == 0, resumed.output
    assert "vgg: registered already as moles/1" in resumed.stderr
    assert "vgg" in described and client.get_model_version("moles", "1").description == described
    for version, name in ("1", "vgg"), ("2", "cnn"):
        registered = client.get_model_version("moles", version)
        assert registered.run_id == runs[name].run_id
        logged = client.search_logged_models([experiment], f"source_run_id = '{runs[name].run_id}'")
        assert [f"models:/{model.model_id}" for model in logged] == [registered.source]
    after = {run.info.run_name: run for run in mlflow.search_runs(search_all_experiments=True, output_format="list")}
    assert {run.info.status for run in after.values()} == {"FINISHED"} and len(after) == 3
    assert after["vgg"].info.end_time == runs["vgg"].end_time
    assert all(run.inputs and len(run.inputs.dataset_inputs) == 1 for run in after.values())
    assert {"vgg/test_balanced_accuracy", "cnn/test_balanced_accuracy"} <= set(after["vgg and cnn"].data.metrics)

    finished = invoke("train", "--resume", run_id, *store)
    assert finished.exit_code == 1 and "has finished" in error_line(finished)


def test_what_cannot_be_resumed_is_refused_before_work_starts(
    store: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (parent,) = mlflow.search_runs(filter_string="tags.mlflow.runName = 'cnn and vgg'", output_format="list",
                                   search_all_experiments=True)  # fmt: skip
    run_id = parent.info.run_id
    unknown = invoke("train", "--resume", "0" * 32)
    assert unknown.exit_code == 1 and "0" * 32 in error_line(unknown)
    finished = invoke("train", "--resume", run_id)
    assert finished.exit_code == 1 and "has finished" in error_line(finished)

    client = mlflow.MlflowClient()
    client.set_terminated(run_id, "KILLED")
    draw_demo_set(tmp_path / "other", images=120, seed=4)
    files = read_labelled_images(tmp_path / "other").table
    files.rename(columns={"dx": "diagnosis"})[["path", "diagnosis", "lesion_id"]].to_csv(tmp_path / "second.csv")
    for data in ("other", "second.csv"):
        other = invoke("train", "--resume", run_id, "--data", str(tmp_path / data), "--cache", str(cache))
        assert other.exit_code == 1 and f"{data}: other images" in error_line(other)
    assert client.get_run(run_id).info.status == "KILLED"

    given = {"--last-layer": "refitted", "--teacher-share": "0.3"}  # which need another option elsewhere
    for option in ("--epochs", "--seed", "--registered-model", "--experiment", *given):
        result = invoke("train", "--resume", run_id, option, given.get(option, "3"))
        assert result.exit_code == 2 and f"leave out {option}" in error_line(result)
    assert client.get_run(run_id).info.status == "KILLED"

    with monkeypatch.context() as patch:  # what surrounds a resumed training does not count, but where the data are
        patch.setenv("LESIONFLOW_TRAIN_EPOCHS", "9")
        patch.setenv("LESIONFLOW_TRAIN_DATA", str(tmp_path / "other"))
        result = invoke("train", "--resume", run_id, "--cache", str(cache))
    assert result.exit_code == 1 and "other: other images" in error_line(result)

    foreign = client.create_run(parent.info.experiment_id).info.run_id
    assert "not a training" in error_line(invoke("train", "--resume", foreign))


def test_a_training_stopped_before_its_bundle_is_finished_keeps_none_and_is_resumed(
    address: str, demo_folder: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its run has the checkpoint of the last epoch; what is not calibrated yet is no model to find and use."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    store = ("--tracking-uri", address, "--cache", str(cache))

    def priors() -> list[list[float]]:
        return [json.loads(card.read_text())["prior"] for card in temporary.glob("lesionflow-vgg-*/files/*/card.json")]

    over = threading.Event()

    def stop_at_calibration() -> None:
        while not over.wait(0.01):
            if any(len(set(prior)) > 1 for prior in priors()):  # it begins with the prior
                os.kill(os.getpid(), signal.SIGTERM)
                return

    watching = threading.Thread(target=stop_at_calibration)
    watching.start()
    try:
        with light_networks():
            stopped = invoke("train", "--data", str(demo_folder), "--model", "vgg", *SMALL, *store)
    finally:
        over.set()  # no signal to whatever comes after a training that failed before
        watching.join()
    assert stopped.exit_code == 143 and "kept" not in stopped.stderr, stopped.output
    assert not list(temporary.glob(f"{PREFIX}*")) and not Path("lesionflow-kept").exists()  # TensorFlow leaves files

    run_id = resume_command(stopped.stderr)[2]
    trains = [sys.executable, "-c", TRAINS, run_id, address]
    with subprocess.Popen(trains, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdout.readline() == b"holds it\n"
        refused = invoke("train", "--resume", run_id, *store)
        told = f"run {run_id} is being trained by another process; wait for it, or stop it and resume the run then"
        assert refused.exit_code == 1 and error_line(refused) == f"Error: {told}"
        assert mlflow.MlflowClient().get_run(run_id).info.status == "KILLED"  # which is what the other one made of it
        other.kill()
    assert list(tmp_path.rglob(LOCK_FILE)), "a killed process leaves the file, which is not locked any more"
    with without_pictures(), light_networks():
        resumed = invoke("train", "--resume", run_id, *store)
    assert not list(tmp_path.rglob(LOCK_FILE))
    assert resumed.exit_code == 0 and "resumes after epoch 1 of 1" in resumed.stderr, resumed.output


def test_data_that_changed_are_named_also_where_it_is_one_of_several_sets(
    address: str, demo_folder: Path, tmp_path: Path
) -> None:
    draw_demo_set(tmp_path / "extra", images=60, seed=4)
    for sets, told in (
        ([], f"{demo_folder}: other images"),
        ([str(tmp_path / "extra")], "demo and .*/extra: other images"),
    ):
        images = read_data_sets([str(demo_folder)], sets)
        split = split_data_sets(images)
        with run("begun", "tests", system_metrics=False) as run_id:
            log_setting({}, images, split)
        begun = InterruptedRun(
            run_id, TrainingConfig(data=str(demo_folder)), "moles", mlflow.get_run(run_id).data.tags, {}
        )
        begun.check(images, split)
        ids = images.table["image_id"].tolist()
        table = images.table.drop(index=[0, 1]).replace({"image_id": {ids[2]: "added"}}).reset_index(drop=True)
        table.loc[1, "dx"], table.loc[[2, 3], "lesion_id"], table.loc[4, "content"] = "another", "another", "another"
        changed = dataclasses.replace(images, table=table, digest="another")
        which = (
            f"; 3 images are gone: {', '.join(ids[:3])}; 1 image is new: added; 1 image is of another diagnosis: "
            f"{ids[3]}; 2 images are of another lesion: {ids[4]}, {ids[5]}; 1 image is of other bytes: {ids[6]}; give"
        )
        with pytest.raises(DataError, match=f"^{told}.*{re.escape(which)}.* --data, --extra and --labels"):
            begun.check(changed, split)
        lost = dataclasses.replace(begun, run_id="1")
        with pytest.raises(DataError, match=f"^{told}.* than run 1 was started with; give"):
            lost.check(changed, split)


def test_what_a_training_names_may_have_moved_and_nothing_else_may_take_its_place(
    address: str, demo_folder: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ("--tracking-uri", address, "--cache", str(cache))
    trains = ("train", "--data", str(demo_folder), "--model", "vgg", *SMALL, *store)
    with without_pictures(), light_networks():
        assert invoke(*trains).exit_code == 0
    (file,) = tmp_path.rglob("model.onnx")
    before, after = tmp_path / "before", tmp_path / "after"
    shutil.copytree(file.parent, before / "bundle")
    draw_demo_set(before / "extra", images=60, seed=4)
    (before / "words.yaml").write_text("dark one: mel\n")
    named = {
        "--extra": "extra", "--start-from": "bundle", "--teacher": "bundle", "--labels": "words.yaml",
    }  # fmt: skip
    places = {option: str(before / name) for option, name in named.items()}

    def stop(self: TrainingDisplay, logs: object = None) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch, without_pictures(), light_networks():
        patch.setattr(TrainingDisplay, "on_train_begin", stop)
        given = [text for pair in places.items() for text in pair]
        stopped = invoke(*trains, *given)
    assert stopped.exit_code == 143, stopped.output
    again = ("train", "--resume", resume_command(stopped.stderr)[2], *store)

    before.rename(after)
    assert "before/bundle" in (told := error_line(invoke(*again)))
    assert told.endswith("give its new location beside --resume, with --start-from and --teacher")
    moved = {option: str(after / name) for option, name in named.items()}
    others = {
        "--start-from": "pretrained", "--teacher": "pretrained", "--diagnoses": "isic2019",
        "--extra": str(demo_folder), "--labels": str(after / "missing.yaml"),
    }  # fmt: skip
    for option, other in others.items():
        given = [text for pair in (moved | {option: other}).items() for text in pair]
        refused = invoke(*again, *given)
        told = refused.stderr.splitlines()[-1]
        assert refused.exit_code in (1, 2) and told.startswith("Error: ") and (option in told or other in told), option
        assert option != "--start-from" or "--start-from: not the model that run" in told

    for option in "--extra", "--labels":
        told = error_line(invoke(*again, *(text for pair in moved.items() if pair[0] != option for text in pair)))
        assert told.endswith(f"give its new location beside --resume, with {option}")
    for option in "--start-from", "--teacher":  # a version that was deleted
        for gone, why in (
            ("models:/lesionflow/99", "no version 99 of lesionflow"),
            (f"models:/m-{'0' * 32}", "no such logged model"),
        ):
            given = [text for pair in (moved | {option: gone}).items() for text in pair]
            told = error_line(invoke(*again, *given))
            assert why in told and told.count("beside --resume") == 1
            assert told.endswith(f"; if it has moved, give its new location beside --resume, with {option}")

    with without_pictures(), light_networks():
        resumed = invoke(*again, *(text for pair in moved.items() for text in pair))
    assert resumed.exit_code == 0, resumed.output
