import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from PIL import Image

from lesionflow.datasets.combined import read_data_sets, split_data_sets
from lesionflow.errors import RegistryError
from lesionflow.tracking.resume import MODEL_TAG, find_interrupted
from lesionflow.tracking.runs import git_commit, log_picture, log_setting, package_versions, run
from lesionflow.tracking.tracking_store import connect


def runs() -> dict[str, mlflow.entities.Run]:
    """The runs of the trained store by name."""
    found = mlflow.search_runs(experiment_names=["lesionflow"], output_format="list")
    return {run.info.run_name: run for run in found}


def test_a_run_per_network_under_one_parent(store: Path) -> None:
    by_name = runs()
    assert set(by_name) == {"cnn", "vgg", "cnn and vgg"}
    parent = by_name["cnn and vgg"]
    for name in ("cnn", "vgg"):
        run = by_name[name]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.status == "FINISHED"
        assert run.data.params["model"] == name and run.data.params["balance"] == "oversample"
        assert run.data.tags["demo"] == "true" and "synthetic" in run.data.tags["data"]
        assert run.data.tags["git_commit"]
    assert parent.data.params["model"] == "cnn,vgg"
    assert not [name for name in parent.data.metrics if name.startswith("system/")]


def test_the_run_of_a_fold_names_the_training_to_resume(contenders: Path) -> None:
    """Its network's run, right above it, is none that can be resumed; a training in a run of somebody's is one."""
    with (
        run("study", "folds", system_metrics=False),
        run("cnn and vgg", "folds", nested=True, system_metrics=False) as whole,
    ):
        mlflow.set_tag(MODEL_TAG, "lesions")
        with run("cnn", "folds", nested=True, system_metrics=False) as network:
            with run("cnn, fold 1 of 3", "folds", nested=True, system_metrics=False) as fold:
                pass
            for part in (network, fold):
                with pytest.raises(RegistryError, match=f"network or fold of a training; resume that one: {whole}"):
                    find_interrupted(part)


def test_the_metrics_of_both_runs_line_up(store: Path) -> None:
    by_name = runs()
    cnn, vgg = by_name["cnn"].data.metrics, by_name["vgg"].data.metrics
    system = {name for name in cnn | vgg if name.startswith("system/")}
    assert set(cnn) - system == set(vgg) - system
    for part in ("train", "validation", "test"):
        for metric in (
            "accuracy", "accuracy_of_always_nv", "balanced_accuracy", "macro_auc", "malignant_sensitivity",
            "malignant_specificity", "ece", "sensitivity_mel", "sensitivity_nv",
        ):  # fmt: skip
            assert 0 <= cnn[f"{part}/{metric}"] <= 1
    first = sorted(cnn)[:4]
    assert first == [f"deciding/{name}" for name in ("balanced_accuracy", "ece", "macro_auc", "sensitivity_mel")]
    assert all(cnn[name] == cnn[name.replace("deciding/", "validation/")] for name in first)
    gap = cnn["train/balanced_accuracy"] - cnn["validation/balanced_accuracy"]
    assert cnn["gap/balanced_accuracy"] == pytest.approx(gap)


def test_every_epoch_is_there(store: Path) -> None:
    client, run = mlflow.MlflowClient(), runs()["cnn"]
    for side in ("train", "validation"):
        for metric in ("loss", "accuracy", "balanced_accuracy"):
            history = client.get_metric_history(run.info.run_id, f"epoch/{side}_{metric}")
            assert [point.step for point in history] == [1, 2]


def test_of_several_data_sets_each_is_there_with_its_folder(store: Path, demo_folder: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(demo_folder / "HAM10000_metadata.csv").sort_values("lesion_id")
    for name, own in (("clinic", rows[:80]), ("atlas", rows[80:])):
        (tmp_path / name).mkdir()
        for image_id in own["image_id"]:
            (file,) = demo_folder.rglob(f"{image_id}.*")
            shutil.copy(file, tmp_path / name)
        own.to_csv(tmp_path / name / "labels.csv", index=False)
    named_from_here = os.path.relpath(tmp_path / "clinic/labels.csv")
    images = read_data_sets([named_from_here], [str(tmp_path / "atlas/labels.csv")], tmp_path)
    with run("of two", "lesionflow", system_metrics=False) as run_id:
        log_setting({}, images, split_data_sets(images))
    inputs = mlflow.get_run(run_id).inputs
    logged = [entry.dataset for entry in inputs.dataset_inputs] if inputs else []
    found = {dataset.name: (json.loads(dataset.source)["uri"], dataset.digest) for dataset in logged}
    of_each = {"clinic/labels.csv": tmp_path / "clinic", "atlas/labels.csv": tmp_path / "atlas"}
    folders = {images.name: tmp_path} | of_each
    assert {name: uri for name, (uri, _) in found.items()} == {name: path.as_uri() for name, path in folders.items()}
    assert found[images.name][1] == images.digest[:36] and len({digest for _, digest in found.values()}) == 3
    split = pd.read_csv(mlflow.artifacts.download_artifacts(f"runs:/{run_id}/split.csv"))
    assert split["source"].tolist() == images.table["source"].tolist() and set(split["source"]) == set(of_each)


def test_data_set_split_pictures_and_versions_are_kept(store: Path, tmp_path: Path) -> None:
    run = runs()["vgg"]
    assert run.inputs
    (dataset,) = run.inputs.dataset_inputs
    assert dataset.dataset.name == "demo" and dataset.dataset.digest == run.data.tags["data_digest"][:36]
    folder = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=str(tmp_path / "artifacts")))
    split = pd.read_csv(folder / "split.csv")
    assert len(split) == 150 and set(split["part"]) == {"train", "validation", "test"}
    assert split.groupby("lesion_id")["part"].nunique().max() == 1
    assert json.loads((folder / "split.json").read_text())["data_digest"] == run.data.tags["data_digest"]
    assert json.loads((folder / "versions.json").read_text())["keras"]
    assert json.loads((folder / "card.json").read_text())["network"] == "vgg"
    assert "not a medical device" in (folder / "model_card.md").read_text().lower()
    for part in ("validation", "test"):
        evaluated = json.loads((folder / "evaluation" / part / "metrics.json").read_text())
        assert evaluated["provenance"]["bundle_digest"] == json.loads((folder / "card.json").read_text())["digest"]
        figures = evaluated["metrics"]
        assert run.data.metrics[f"{part}/balanced_accuracy"] == pytest.approx(figures["balanced_accuracy"]["value"])
        assert (folder / "evaluation" / part / "report.html").exists()
    for picture in ("learning_curves", "confusion_matrix_validation", "confusion_matrix_test", "reliability_test"):
        assert (folder / f"{picture}.png").read_bytes().startswith(b"\x89PNG")
        name, _, part = picture.rpartition("_")
        if part in ("validation", "test"):
            drawn = folder / "evaluation" / part / f"{name}.png"
            assert (folder / f"{picture}.png").read_bytes() == drawn.read_bytes(), "drawn once"
        assert list((folder / "images").glob(f"{picture}*")), "the compare view's image grid reads these"


def test_the_parent_tells_of_the_data_and_shows_both_networks_curves(store: Path, tmp_path: Path) -> None:
    run = runs()["cnn and vgg"]
    folder = Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, dst_path=str(tmp_path / "artifacts")))
    assert json.loads((folder / "data" / "description.json").read_text())["images"] == 150
    assert (folder / "data" / "description.html").exists() and (folder / "learning_curves.png").exists()


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:9", "postgresql://127.0.0.1:9/nothing", "sqlite:////dev/null/mlflow.db"]
)
def test_a_store_that_does_not_answer_is_an_error_within_seconds(store: Path, uri: str) -> None:
    started = time.monotonic()
    with pytest.raises(RegistryError, match="reaching the tracking store failed"):
        connect(uri)
    assert time.monotonic() - started < 60  # by default MLflow would ask for many minutes


def test_no_password_in_a_message(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.setenv(name, "")  # where they are put, and this takes them away again
    with pytest.raises(RegistryError, match=r"failed at http://127\.0\.0\.1:9") as failed:
        connect("http://ada:secret@127.0.0.1:9")
    assert "secret" not in str(failed.value) and "ada" not in str(failed.value)


def test_where_the_code_comes_from() -> None:
    assert git_commit() == "unknown" or len(git_commit().removesuffix("-dirty")) == 40
    assert {"python", "lesionflow", "mlflow", "onnxruntime"} <= set(package_versions())


def test_a_machine_without_git_hears_nothing_of_it(tmp_path: Path) -> None:
    program = (
        "from lesionflow.tracking import client\nclient.set_variables()\n"
        "from mlflow.utils.git_utils import get_git_commit\nget_git_commit('.')"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment | {"PATH": str(tmp_path)}, capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_picture_that_the_store_does_not_take_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    connect(None, writes=True)
    content = io.BytesIO()
    Image.new("RGB", (8, 8)).save(content, "PNG")
    with run("evaluation", "lesionflow") as run_id:
        log_picture("reliability", content.getvalue())
        logged = [found.path for found in mlflow.artifacts.list_artifacts(run_id=run_id, artifact_path="images")]
        assert len(logged) == 2  # the PNG, and a small one for the grid
        (image_folder,) = tmp_path.rglob("images")
        shutil.rmtree(image_folder)
        image_folder.write_text("a file where the store has its folder")
        with pytest.raises(RegistryError, match="logging the picture coverage failed"):
            log_picture("coverage", content.getvalue())
