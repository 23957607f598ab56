"""Folds: every lesion is measured once, by a model that has not seen it, and no figure of them is the model's own."""

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import keras
import mlflow
import numpy as np
import pandas as pd
import pytest

from lesionflow.api.train_network import ANSWERS_FILE, Material, card_of
from lesionflow.datasets.combined import read_data_sets, split_data_sets
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.errors import UsageError
from lesionflow.evaluation.measure import metric_values
from lesionflow.evaluation.metrics import DECIDING
from lesionflow.evaluation.model_card import model_card, sources_of
from lesionflow.model.card import read_card
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.progress import stderr_console
from lesionflow.tracking.resume import log_checkpoint
from lesionflow.tracking.runs import read_arrays
from lesionflow.training.callbacks import TrainingDisplay
from lesionflow.training.checkpoint import Checkpoint, from_bytes
from lesionflow.training.config import TrainingConfig
from lesionflow.training.fit import Fitted
from tests.conftest import PLAIN, invoke, light_networks, without_pictures
from tests.datasets.test_combined import FRACTIONS, Row, many, of_patients, write_set


def test_folds_are_measured_together_and_stopped_ones_are_gone_on_with(
    demo_folder: Path, cache: Path, own_store: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    address = f"sqlite:///{tmp_path}/mlflow.db"
    store = ("--tracking-uri", address, "--cache", str(cache))
    begin, begun = TrainingDisplay.on_train_begin, list[str]()

    def note(self: TrainingDisplay, logs: object = None) -> None:
        begin(self, logs)
        begun.append(self.name)
        if len(begun) == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(TrainingDisplay, "on_train_begin", note)
    options = ("--data", str(demo_folder), "--model", "vgg", "--epochs", "1", "--image-size", "16", *PLAIN)
    with without_pictures(), light_networks():
        stopped = invoke("train", *options, "--folds", "3", *store)
        assert stopped.exit_code == 143, stopped.output
        again = shlex.split(stopped.stderr.splitlines()[-1].partition("lesionflow ")[2])
        done = invoke(*again, "--cache", str(cache))
    assert done.exit_code == 0, done.output
    names = [f"vgg, fold {number} of 3" for number in (1, 2, 3)]
    assert begun == [names[0], names[1], names[1], names[2], "vgg"]

    mlflow.set_tracking_uri(address)
    runs = mlflow.search_runs(experiment_names=["lesionflow"], output_format="list", order_by=["start_time ASC"])
    parent, *folds = runs
    assert [run.info.run_name for run in folds] == names
    assert {run.data.tags["mlflow.parentRunId"] for run in folds} == {parent.info.run_id}
    assert {run.info.status for run in runs} == {"FINISHED"}

    said = [read_arrays(run.info.run_id, ANSWERS_FILE) for run in folds]
    pooled = {name: np.concatenate([each[name] for each in said]) for name in said[0]}
    images = read_labelled_images(str(demo_folder), cache)
    assert sorted(pooled["image_ids"]) == sorted(images.table["image_id"])
    for run, answers in zip(folds, said, strict=True):
        table = pd.read_csv(mlflow.artifacts.download_artifacts(f"runs:/{run.info.run_id}/split.csv"))
        assert sorted(table["image_id"][table["part"] == "test"]) == sorted(answers["image_ids"])
        seen = set(table["lesion_id"][table["part"] != "test"])
        assert not seen & set(answers["lesion_ids"])

    client = mlflow.MlflowClient()
    (version,) = client.search_model_versions("name = 'lesionflow'")
    assert version.run_id == parent.info.run_id
    (bundle,) = {file.parent for file in tmp_path.rglob("model.onnx")}
    card = read_card(bundle)
    expected = metric_values(LabelledPredictions(**pooled, label_set=images.label_set))[DECIDING]
    assert card.metrics["cross_validation"][DECIDING].value == pytest.approx(expected)
    assert parent.data.metrics[f"cross_validation/{DECIDING}"] == pytest.approx(expected)
    text = (bundle / "README.md").read_text()
    lesions = images.table["lesion_id"].nunique()
    assert "Not this model's metrics: 3 others were trained with its settings" in text
    assert f"{len(images.table)} images of {lesions} lesions in all" in text
    assert set(card.metrics) == {"train", "validation", "test", "stability", "cross_validation"}


def test_without_room_for_checkpoints_a_training_ends_at_once_and_not_where_only_a_later_one_has_none(
    demo_folder: Path, cache: Path, own_store: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place, saved = tmp_path / "place", list[int]()
    place.mkdir()

    def log_one(run_id: str, checkpoint: Checkpoint) -> None:
        log_checkpoint(run_id, checkpoint)
        saved.append(checkpoint.epoch)
        small.setattr(tempfile, "tempdir", str(place))  # from the second on, there is no room

    options = ("--data", str(demo_folder), "--model", "vgg", "--epochs", "2", "--image-size", "16", *PLAIN)
    arguments = ("train", *options, "--cache", str(cache), "--tracking-uri", f"sqlite:///{tmp_path}/mlflow.db")
    mount = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system is not allowed here")
    try:
        with pytest.MonkeyPatch.context() as small, without_pictures():
            small.setattr(tempfile, "tempdir", str(place))
            ended = invoke(*arguments)
            assert ended.exit_code == 1 and "epoch 2/2" not in ended.stderr, ended.output
            assert f"no room for temporary files in {place}" in ended.stderr.splitlines()[-1]
        with pytest.MonkeyPatch.context() as small, without_pictures():
            small.setattr("lesionflow.api.train_network.log_checkpoint", log_one)
            goes_on = invoke(*arguments)
            assert "continues, without a checkpoint of epoch 2\n" in goes_on.stderr, goes_on.output
            assert "epoch 2/2" in goes_on.stderr and saved == [1]
            assert goes_on.exit_code == 1 and "lesionflow train --resume" in goes_on.stderr.splitlines()[-1]
        (odd,) = tmp_path.rglob("odd.checkpoint")  # of the second training, from which it is resumed
        checkpoint = from_bytes(odd.read_bytes())
        assert checkpoint is not None and checkpoint.epoch == 1
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--folds", "1"), "0, or 3 to 20"), (("--folds", "2"), "0, or 3 to 20"),
        (("--folds", "3", "--validation-fraction", "0.6"), "--folds and --validation-fraction leave less than a tenth"),
    ],
)  # fmt: skip
def test_folds_that_leave_nothing_to_train_on_are_refused(options: tuple[str, ...], told: str) -> None:
    refused = invoke("train", *options)
    assert refused.exit_code == 2 and told in refused.stderr


def test_no_folds_are_a_number_of_folds() -> None:
    assert TrainingConfig(folds=0).folds == 0 and TrainingConfig(folds=3).folds == 3
    with pytest.raises(UsageError, match="--folds 2: must be 0, or 3 to 20"):
        TrainingConfig(folds=2)


_SOME_KNOWN: list[Row] = [(*row[:4], {"patient_id": f"P{i}" * (i > 4)}) for i, row in enumerate(many("a", 0))]
_NO_LESIONS: list[Row] = [(row[0], "", *row[2:]) for row in many("a", 0)]


@pytest.mark.parametrize(
    ("rows", "by", "unknown"),
    [
        (of_patients("a", 0), "patient", 0), (_SOME_KNOWN, "patient", 5),
        (many("a", 0), "lesion", 0), (_NO_LESIONS, "lesion", 70),
    ],
)  # fmt: skip
def test_the_card_says_what_the_split_keeps_on_one_side(rows: list[Row], by: str, unknown: int, tmp_path: Path) -> None:
    images = read_data_sets([str(write_set(tmp_path / "one", rows))], cache=tmp_path)
    split = split_data_sets(images, FRACTIONS, 0)
    fitted = Fitted(keras.Sequential(), (), 1, 0.0, "float32")
    config = TrainingConfig(model="cnn").resolved("cnn", "quick")
    card = card_of(config, Material(images, split, "moles", None, stderr_console()), split, fitted)
    assert card.split_by == split.by == by
    assert card.split_limit == (f" as far as known (of {unknown} images the {by} is not)" if unknown else "")


def test_the_card_tells_sources_of_one_name_apart_and_counts_images_without_a_licence(tmp_path: Path) -> None:
    own = [(*row[:4], {"source": "Derm ward", "licence": "CC0" if i % 2 else ""}) for i, row in enumerate(many("a", 0))]
    first = write_set(tmp_path / "clinic1" / "data", own)
    second = write_set(tmp_path / "clinic2" / "data", many("b", 5000, {"source": "Derm ward"}))
    images = read_data_sets([str(first), str(second.parent)], cache=tmp_path)
    split = split_data_sets(images, FRACTIONS, 0)
    assert images.table["source"].value_counts().to_dict() == {"Derm ward (clinic1)": 70, "Derm ward (clinic2)": 70}
    fitted = Fitted(keras.Sequential(), (), 1, 0.0, "float32")
    config = TrainingConfig(model="cnn").resolved("cnn", "quick")
    card = card_of(config, Material(images, split, "moles", None, stderr_console()), split, fitted)
    text = model_card(card)
    assert card.licence == "CC0, some not known"
    assert (
        "Sources: Derm ward (clinic1), 70 images, CC0, licence not known of 35 images; "
        "Derm ward (clinic2), 70 images, licence not known." in text
    )
    assert (
        "Training images are under CC0, which binds the use of this model. Of 105 images the licence is not known: "
        "ask the owner of Derm ward (clinic1), Derm ward (clinic2) what may be done with them." in text
    )
    assert sources_of(card) == [
        {"name": "Derm ward (clinic1)", "licence": "CC0"},
        {"name": "Derm ward (clinic1)", "licence": ""},
        {"name": "Derm ward (clinic2)", "licence": ""},
    ]
