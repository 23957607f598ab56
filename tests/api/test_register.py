"""Registering a bundle that is on disk; what a training left is in `tests.tracking.test_server_lost`."""

import dataclasses
import json
import os
from pathlib import Path

import mlflow
import pytest

from lesionflow.api.register import register
from lesionflow.model.card import TRAINED_ON_FILE, VALIDATION_FILE, read_card, write_card
from lesionflow.model.files import pretrained_folder, read_bundle
from lesionflow.registry.training_artifacts import keep_artifacts
from lesionflow.registry.versions import find_version
from tests.conftest import error_line, invoke


def test_a_bundle_from_elsewhere_gets_a_run_of_its_own_and_is_asked_by_the_gates(
    store: Path, trained_bundle: Path, demo_folder: Path
) -> None:
    (trained_bundle / "notes.txt").write_text("not of the bundle")
    card = read_card(trained_bundle)
    result = invoke("register", str(trained_bundle), "--registered-model", "moles", "--experiment", "brought along")
    assert result.exit_code == 0, result.output
    assert f"moles/1 (demo data) ({card.network}) is the champion now" in result.stdout
    version = mlflow.MlflowClient().get_model_version("moles", "1")
    assert version.tags["decision"] == "promoted" and version.tags["card_digest"] == card.digest
    assert version.run_id and version.description
    run = mlflow.get_run(version.run_id)
    assert run.info.status == "FINISHED" and f"in run {version.run_id}\n" in result.stdout
    assert mlflow.get_experiment(run.info.experiment_id).name == "brought along"
    assert run.data.params["epochs"] == str(card.training["epochs"])
    assert run.data.tags["data_digest"] == card.data_digest and run.data.tags["demo"] == "true"
    figures = {name: run.data.metrics[f"test/{name}"] for name in ("balanced_accuracy", "ece")}
    assert figures == {name: pytest.approx(card.metrics["test"][name].value) for name in figures}
    assert version.description.startswith("# ")
    assert not [*Path("mlruns").rglob("notes.txt")] and [*Path("mlruns").rglob(VALIDATION_FILE)]

    scored = invoke("score", str(demo_folder), "--out", "results.csv", "--model", "models:/moles@champion")
    assert scored.exit_code == 0, scored.output
    again = invoke("register", str(trained_bundle), "--registered-model", "moles")
    assert again.exit_code == 0 and "this bundle is already registered as" in again.stdout
    assert len(mlflow.MlflowClient().search_model_versions("name = 'moles'")) == 1


def test_without_a_challenge_nobody_is_asked_until_somebody_does(store: Path, trained_bundle: Path) -> None:
    done = register(trained_bundle, registered_model="moles", challenge=False)
    assert not done.already and done.verdict is None and not done.of_training
    client = mlflow.MlflowClient()
    assert "decision" not in client.get_model_version("moles", "1").tags
    client.update_model_version("moles", "1", "")  # as where the registry failed in between
    again = register(trained_bundle, registered_model="moles")
    assert again.already and again.version == find_version("moles", 1)
    assert again.verdict is not None and again.verdict.promote
    assert (client.get_model_version("moles", "1").description or "").startswith("# ")


def test_what_was_trained_into_another_store_gets_a_run_of_its_own(store: Path, trained_bundle: Path) -> None:
    kept = store / "lesionflow-kept" / "vgg-elsewhere"
    kept.mkdir(parents=True)
    trained_bundle.rename(kept / "bundle")
    about = {"format": 1, "run_id": "0" * 32, "registered_model": "moles", "epochs": [{"train_loss": 1.5}]}
    (kept / "training.json").write_text(json.dumps(about))
    done = register(kept / "bundle")
    assert done.version.label == "moles/1 (demo data)" and not done.of_training
    assert done.run_id and done.run_id != "0" * 32
    assert mlflow.get_run(done.run_id).data.metrics["epoch/train_loss"] == 1.5


def test_the_bundle_that_ships_is_registered_promoted_and_exported(store: Path, tmp_path: Path) -> None:
    registered = invoke("register", "pretrained", "--registered-model", "shipped")
    assert registered.exit_code == 0 and "shipped/1 (efficientnet) is the champion now" in registered.stdout
    assert "UserWarning" not in registered.stderr
    exported = invoke("export", "models:/shipped@champion", str(tmp_path / "bundle"))
    assert exported.exit_code == 0 and read_bundle(tmp_path / "bundle") == read_bundle(pretrained_folder())
    again = invoke("register", str(tmp_path / "bundle"), "--registered-model", "shipped")
    assert again.exit_code == 0 and "is already registered as" in again.stdout


def test_what_is_no_whole_bundle_is_refused(store: Path, trained_bundle: Path, tmp_path: Path) -> None:
    address = invoke("register", "models:/shipped/1")
    assert address.exit_code == 2 and "is registered already; to ask whether it becomes the champion" in address.stderr
    assert "lesionflow promote shipped 1" in address.stderr and "export models:/shipped/1 FOLDER" in address.stderr
    logged = f"models:/m-{'0' * 32}"  # of a run, and not registered
    assert f"make one, which registers, with lesionflow export {logged} FOLDER" in invoke("register", logged).stderr
    card = read_card(trained_bundle)
    for damage, told in (
        (lambda: write_card(trained_bundle, dataclasses.replace(card, metrics={})), "training did not finish"),
        (lambda: (trained_bundle / TRAINED_ON_FILE).unlink(), f"{TRAINED_ON_FILE}: cannot be read"),
        (lambda: (trained_bundle / "card.json").unlink(), "card.json: cannot be read"),
    ):
        damage()
        result = invoke("register", str(trained_bundle), "--registered-model", "moles")
        assert result.exit_code == 1 and told in error_line(result)
    missing = invoke("register", str(tmp_path / "nowhere"))
    assert missing.exit_code == 1 and "no such bundle folder" in error_line(missing)
    about = {"format": 1, "run_id": "0" * 32, "registered_model": "moles", "epochs": []}
    for text, told in (
        ('{"format": 9}', "format 9"),
        ("[]", "list indices"),
        (json.dumps(about | {"epochs": ["first"]}), "no attribute 'items'"),
        (json.dumps(about | {"epochs": [{"train_loss": "low"}]}), "could not convert"),
    ):
        (tmp_path / "training.json").write_text(text)
        later = invoke("register", str(tmp_path))
        assert later.exit_code == 1 and "training.json: not what a training leaves (" in error_line(later)
        assert told in error_line(later)
    assert not mlflow.MlflowClient().search_registered_models("name = 'moles'")


def test_keeping_overwrites_only_what_is_no_more_complete_and_stays_where_it_cannot_move(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    whole = ("bundle/model_card.md", "training.json")
    for number, (files, name) in enumerate(
        (((), "vgg-run"), (whole[:1], "vgg-run"), (whole, "vgg-run"), (whole, "vgg-run"), ((), "vgg-run-2"))
    ):
        left = tmp_path / f"left {number}"
        (left / "bundle").mkdir(parents=True)
        for file in ("bundle/model.json", *files):
            (left / file).write_text(str(number))
        assert keep_artifacts(left, "vgg-run") == tmp_path / "lesionflow-kept" / name and not left.exists()
    kept = {str(file.relative_to("lesionflow-kept")) for file in Path("lesionflow-kept").rglob("*.*")}
    assert kept == {"vgg-run/bundle/model.json", "vgg-run-2/bundle/model.json", *(f"vgg-run/{file}" for file in whole)}
    assert Path("lesionflow-kept/vgg-run/bundle/model.json").read_text() == "3"
    left.mkdir()
    (tmp_path / "taken").mkdir()
    os.chdir("taken")
    Path("lesionflow-kept").write_text("a file, where the folder should go")
    assert keep_artifacts(left, "vgg-run") == left and left.is_dir()


@pytest.mark.skipif(not os.path.exists("/proc/self/mem"), reason="a file of Linux that cannot be read from its start")
@pytest.mark.parametrize("name", ["training.json", "example", "pictures/roc.png"])
def test_a_kept_training_is_refused_before_anything_is_sent_where_a_file_cannot_be_read(
    store: Path, trained_bundle: Path, name: str
) -> None:
    kept = store / "lesionflow-kept"
    (kept / "pictures").mkdir(parents=True)
    trained_bundle.rename(kept / "bundle")
    about = {"format": 1, "run_id": "0" * 32, "registered_model": "moles", "epochs": []}
    (kept / "training.json").write_text(json.dumps(about))
    (kept / name).unlink(missing_ok=True)
    (kept / name).symlink_to("/proc/self/mem")
    refused = invoke("register", str(kept))
    assert refused.exit_code == 1 and "copy bundle out of the folder and register that" in error_line(refused)
    assert not mlflow.MlflowClient().search_registered_models("name = 'moles'")
