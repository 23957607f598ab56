"""A server that is not there, hangs, fails or refuses: at every step an error that says so, and nothing is lost."""

import os
import shlex
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest
from mlflow.store.artifact.http_artifact_repo import HttpArtifactRepository

from lesionflow.api.train import _promote_best
from lesionflow.errors import RegistryError
from lesionflow.model.card import ONNX_FILE, read_card
from lesionflow.model.files import PRETRAINED
from lesionflow.registry.versions import register_bundle
from lesionflow.tracking import client, runs
from lesionflow.tracking.resume import FOLDER
from lesionflow.tracking.tracking_store import connect, kept_addresses
from lesionflow.training.callbacks import TrainingDisplay
from tests.conftest import PLAIN, error_line, invoke, light_networks
from tests.registry.serving import Door, door

COMMANDS = (
    ("train", "--data", "nothing"),
    ("register", "bundle"),
    ("promote", "lesionflow", "1"),
    ("rollback", "lesionflow"),
    ("history", "lesionflow"),
    ("compare", "models:/lesionflow/1"),
    ("score", "nothing", "--out", "results.csv"),
    ("evaluate", "models:/lesionflow@champion", "nothing"),
)


@pytest.fixture
def front(store: Path, served: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Door]:
    """A door to a server, which is the one that is asked; `store` is the working directory, and tidies up."""
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")  # what an address is rid of is put there, and this brings back what was
    with door(served) as opened:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", opened.address)
        mlflow.set_tracking_uri(opened.address)
        yield opened


def kept_in(message: str) -> tuple[Path, list[str]]:
    """Where a message says that a training is kept, and the command that registers it."""
    command = shlex.split(message.partition("to register it later: lesionflow ")[2])
    return Path(command[1]), command


@pytest.mark.parametrize("command", [("history", "lesionflow"), ("promote", "lesionflow", "1")])
def test_a_page_in_place_of_an_answer_is_named(command: tuple[str, ...], own_store: None) -> None:
    with door("http://127.0.0.1:1") as proxy:
        proxy.answers = 200  # with a text that is no JSON
        result = invoke(*command, "--tracking-uri", proxy.address)
    assert result.exit_code == 1 and "what answers there is not MLflow" in error_line(result), result.output


@pytest.mark.parametrize(
    "command",
    [command for command in COMMANDS if command[0] not in ("train", "register")] + [("register", PRETRAINED)],
)
def test_an_answer_without_content_is_not_taken_for_an_empty_registry(
    command: tuple[str, ...], own_store: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("nothing").mkdir()
    with door("http://127.0.0.1:1") as proxy:
        proxy.answers, proxy.says = 200, b"{}"
        result = invoke(*command, "--tracking-uri", proxy.address)
    assert result.exit_code == 1 and "what answers there is not MLflow" in error_line(result), result.output


def test_other_servers_are_told_from_mlflow(own_store: None) -> None:
    with door("http://127.0.0.1:1") as proxy:
        proxy.answers, proxy.says = 404, b"<!doctype html>\n<title>404</title>"
        missing = invoke("history", "--tracking-uri", proxy.address)
        proxy.leads_to = ""  # back to where it came from
        led = invoke("history", "--tracking-uri", proxy.address)
    for result in missing, led:
        assert result.exit_code == 1 and "what answers there is not MLflow" in error_line(result), result.output


def test_a_list_of_files_that_is_a_page_is_named(own_store: None) -> None:
    """MLflow's client for artifacts leaves it to the JSON parser to say so."""
    with door("http://127.0.0.1:1") as proxy:
        proxy.answers = 200
        with pytest.raises(RegistryError, match="what answers there is not MLflow"), client.registry_errors("listing"):
            HttpArtifactRepository(f"{proxy.address}/api/2.0/mlflow-artifacts/artifacts").list_artifacts("model")


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: str(command[0]))
def test_every_command_says_at_once_what_is_wrong(
    command: tuple[str, ...], front: Door, trained_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_bundle.rename("bundle")
    Path("nothing").mkdir()
    for status, told in (500, "the server failed"), (401, "authentication failed; set "), (403, "no permission for it"):
        front.answers = status
        result = invoke(*command)
        assert result.exit_code == 1 and told in error_line(result), (status, result.output)
        assert front.address in error_line(result)
    front.hangs = True
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
    result = invoke(*command)
    assert result.exit_code == 1 and "no answer within 1 s" in error_line(result)
    with socket.socket() as taken:  # and not listened to
        taken.bind(("127.0.0.1", 0))
        refusing = f"http://127.0.0.1:{taken.getsockname()[1]}"
        result = invoke(*command, "--tracking-uri", refusing)
    assert result.exit_code == 1 and f"at {refusing}: nothing answers there" in error_line(result)
    assert not Path("results.csv").exists()


def test_a_name_that_nobody_has(front: Door) -> None:
    result = invoke("history", "lesionflow", "--tracking-uri", "http://nowhere.invalid:5000")
    assert result.exit_code == 1 and "unknown host; check the address" in error_line(result)


@pytest.mark.parametrize("password", ["secret", "se/cr et@#?", "se%2Fcret"])
def test_a_password_in_an_address_is_used_and_gets_into_no_message(password: str, front: Door) -> None:
    front.answers = 401
    address = front.address.replace("://", f"://ana:{password}@")
    with kept_addresses():
        with pytest.raises(RegistryError) as failed:
            connect(address)
        assert "secr" not in str(failed.value) and password not in str(failed.value) and "ana" not in str(failed.value)
        assert mlflow.get_tracking_uri() == front.address
        assert os.environ["MLFLOW_TRACKING_PASSWORD"] == password.replace("%2F", "/")
    assert not os.environ["MLFLOW_TRACKING_PASSWORD"], "it was for one call, also where the address is the usual one"
    assert (front.asked[-1][1] or "").startswith("Basic ")


def test_patience_is_the_users_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    retries, timeout = "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"
    client.set_variables()
    client.unset_variables({timeout, retries})
    monkeypatch.setenv(retries, "7")  # also after lesionflow was imported, and used
    client.set_variables()
    assert (os.environ[retries], os.environ[timeout]) == ("7", "10")
    with client.patient():
        assert (os.environ[retries], os.environ[timeout]) == ("7", "30")
    assert (os.environ[retries], os.environ[timeout]) == ("7", "10")


def test_a_training_goes_on_without_the_server_and_what_it_left_is_registered_into_its_run(
    front: Door, demo_folder: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runs, "RETRY_AFTER", 0)
    shown = TrainingDisplay.on_epoch_end

    def fail_in_between(self: TrainingDisplay, epoch: int, logs: object = None) -> None:
        shown(self, epoch, logs)
        front.answers = {0: 500, 1: None, 2: 503}.get(epoch, front.answers)  # after the first epoch, and the third

    with monkeypatch.context() as patch, light_networks():
        patch.setattr(TrainingDisplay, "on_epoch_end", fail_in_between)
        lost = invoke(
            "train", "--data", str(demo_folder), "--cache", str(cache), "--model", "vgg", "--epochs", "4",
            "--image-size", "16", "--registered-model", "moles", *PLAIN,
        )  # fmt: skip
    assert lost.exit_code == 1, lost.output
    told = " ".join(lost.stderr.split())
    assert told.count("WARNING: ") >= 2 and "WARNING: WARNING" not in told
    assert "the store takes writes again, after" in told and "WARNING: the store takes" not in told
    assert "logging epoch 2 failed" in told or "keeping the checkpoint of epoch" in told  # which is written in a thread
    assert "epoch 4/4" in told
    kept, command = kept_in(lost.stderr.splitlines()[-1])
    assert kept.parent == tmp_path / "lesionflow-kept" and command[-1] == front.address

    refused = invoke(*command)
    assert refused.exit_code == 1 and "reaching the tracking store failed" in error_line(refused)
    assert "no such bundle" not in refused.stderr and kept.is_dir()

    front.answers = None
    done = invoke(*command)
    assert done.exit_code == 0, done.output
    run_id = kept.name.removeprefix("vgg-")
    assert f"registered as moles/1 (demo data) (vgg), in run {run_id}, which trained it" in done.stdout
    assert "moles/1 (demo data) (vgg) is the champion now" in done.stdout
    asked = mlflow.MlflowClient()
    run, version = asked.get_run(run_id), asked.get_model_version("moles", "1")
    assert version.run_id == run_id and run.info.status == "FINISHED"
    assert (version.description or "").startswith("# ") and version.tags["decision"] == "promoted"
    for metric in ("epoch/train_loss", "epoch/validation_balanced_accuracy"):
        assert [point.step for point in asked.get_metric_history(run_id, metric)] == [1, 2, 3, 4]
    metrics = {"deciding/ece", "test/balanced_accuracy", "gap/accuracy", "training/best_epoch", "training/seconds"}
    assert metrics <= set(run.data.metrics)
    names = {entry.path for entry in asked.list_artifacts(run_id)}
    assert {"card.json", "model_card.md", "evaluation", "learning_curves.png", "split.csv"} <= names
    assert FOLDER not in names
    pages = {entry.path for entry in asked.list_artifacts(run_id, "evaluation/test")}
    assert "evaluation/test/report.html" in pages

    again = invoke("register", str(kept / "bundle"))
    assert again.exit_code == 0 and "this bundle is already registered as moles/1 (demo data) (vgg)" in again.stdout
    assert len(asked.search_model_versions("name = 'moles'")) == 1
    scored = invoke("score", str(demo_folder), "--out", "results.csv", "--model", "models:/moles@champion")
    assert scored.exit_code == 0, scored.output
    shutil.rmtree(kept)


def test_a_promotion_that_the_server_does_not_take_after_a_training_is_named(front: Door, trained_bundle: Path) -> None:
    with mlflow.start_run():
        trained = register_bundle(trained_bundle, read_card(trained_bundle), "spots", b"an image")
    front.answers = 500
    with pytest.raises(RegistryError) as failed:
        _promote_best([trained])
    front.answers = None
    command = str(failed.value).partition("is registered, to ask whether it becomes champion: lesionflow ")[2]
    again = invoke(*shlex.split(command))
    assert again.exit_code == 0 and f"{trained.label} (cnn) is the champion now" in again.output


def test_an_altered_bundle_is_refused_before_the_server_is_asked(front: Door, trained_bundle: Path) -> None:
    with open(trained_bundle / ONNX_FILE, "ab") as file:
        file.write(b" ")
    result = invoke("register", str(trained_bundle))
    assert result.exit_code == 1 and "altered since it was trained" in error_line(result) and not front.asked
