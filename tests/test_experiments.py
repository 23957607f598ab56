"""The trials are ones that can be run, and their table says what was logged."""

import dataclasses
import sys
import tomllib
from pathlib import Path

import mlflow
import numpy as np
import pytest

from lesionflow.datasets.demo.demo_set import draw_demo_set
from lesionflow.datasets.labelled import read_labelled_images
from lesionflow.datasets.split import split_by_lesion
from lesionflow.images.decode import decode
from lesionflow.model.card import Calibration
from lesionflow.model.decision import decide
from lesionflow.model.prediction import LabelledPredictions, with_labels
from lesionflow.model.predictor import load_predictor
from lesionflow.training.config import TrainingConfig

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
sys.path.insert(0, str(EXPERIMENTS))

import ensemble  # noqa: E402
import run as trials  # noqa: E402


@pytest.mark.parametrize("group", tomllib.loads((EXPERIMENTS / "trials.toml").read_text()))
def test_every_trial_is_one_that_training_takes(group: str) -> None:
    stated = trials.read_trials(group, "demo")
    assert len({trial.name for trial in stated}) == len(stated) > 1
    assert len({(trial.config, trial.study, trial.taught) for trial in stated}) == len(stated)  # no two the same
    settings = [vars(trial.config) | {"labels": ""} for trial in stated]  # whose words are the usual ones
    assert all(None not in values.values() for values in settings)


def test_the_table_says_what_was_logged(store: Path) -> None:
    mlflow.set_experiment(trials.EXPERIMENT)
    draw_demo_set(store / "set", images=90, seed=1)
    images = read_labelled_images(store / "set")
    trial, other = trials.read_trials("ablation", str(store / "set"))[:2]
    config = trial.config
    split = split_by_lesion(images.table["image_id"], images.table["lesion_id"], images.labels, config.fractions, 0)
    right = 4.0 * np.eye(7)[images.labels[split.validation]]
    metrics = trials.measure_on_validation(config, right, images, split)
    assert metrics["balanced_accuracy"].value == 1.0
    for seed in (0, 1):
        with mlflow.start_run(tags=trials._tags(trial, seed, images)):
            trials.log_trial(metrics, best_epoch=1, seconds=10.0 + 20 * seed)
    with mlflow.start_run(tags=trials._tags(other, 0, images)):  # interrupted: never done
        pass
    before = dataclasses.replace(trial, config=dataclasses.replace(config, epochs=config.epochs + 1))
    with mlflow.start_run(tags=trials._tags(before, 2, images)):  # of the same name, but with other settings
        trials.log_trial(metrics, best_epoch=1, seconds=1000.0)
    head, rule, row = trials.table("ablation", [trial, other])
    assert head.count("|") == rule.count("|") == row.count("|")
    assert row.startswith("| recipe | 2 | 1.000 (") and row.endswith("| 20 |")


def test_a_trial_without_a_teacher_is_trained_and_measured(store: Path) -> None:
    draw_demo_set(store / "set", images=90, seed=1)
    images = read_labelled_images(store / "set")
    trial = trials.read_trials("ablation", str(store / "set"))[0]
    small = dataclasses.replace(trial.config, image_size=16, epochs=1, patience=1, width=0.25)
    mlflow.set_experiment(trials.EXPERIMENT)
    trials.run_trial(dataclasses.replace(trial, config=small), 0, images, store / "cache", [])
    (run,) = trials.finished("ablation")
    assert 0 <= run.data.metrics["validation/balanced_accuracy"] <= 1 and run.data.metrics["best_epoch"] == 1


def test_a_teacher_says_its_share_of_each_training_image(trained_bundle: Path, tmp_path: Path) -> None:
    draw_demo_set(tmp_path / "set", images=90, seed=1)
    images = read_labelled_images(tmp_path / "set")
    split = split_by_lesion(images.table["image_id"], images.table["lesion_id"], images.labels, (0.7, 0.15, 0.15), 0)
    labels = np.eye(7)[images.labels[split.train]]

    def taught(share: float) -> np.ndarray:
        config = TrainingConfig(teacher="pretrained", teacher_share=share, balance="oversample")
        return trials.taught_by(config, [str(trained_bundle)] * 2, images, split, tmp_path / "cache")

    whole, half = taught(1.0), taught(0.5)
    assert whole.shape == labels.shape and whole.dtype == np.float32
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(half, (whole + labels) / 2, atol=1e-6)
    predictor = load_predictor(trained_bundle, averaged=True)
    pixels = decode(images.table["path"].iloc[split.train[3]], predictor.card.height, predictor.card.width)
    said = predictor.predict(pixels[None])  # the call is the greatest at equal frequencies, and so is it here
    assert whole[3].argmax() == said.called[0]


def test_an_average_is_better_than_members_that_err_apart() -> None:
    generator = np.random.default_rng(0)
    labels = np.arange(350) % 7
    prior = np.full(7, 1 / 7)

    def member() -> LabelledPredictions:
        logits = 2.0 * np.eye(7)[labels] + generator.normal(0, 1.5, (350, 7))
        said = decide(logits, np.full(350, np.nan), Calibration(), tuple(prior))
        ids = np.arange(350).astype(str)
        return with_labels(said, ids, ids, labels)

    members = [member() for _ in range(4)]
    mean = ensemble.average(members, prior)
    recognised = [(said.called == labels).mean() for said in (*members, mean)]
    assert recognised[-1] > max(recognised[:-1]) + 0.05
    np.testing.assert_allclose(mean.probabilities.sum(axis=1), 1)
