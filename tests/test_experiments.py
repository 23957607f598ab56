"""The trials are ones that can be run, and their table says what was logged."""

import sys
from pathlib import Path

import mlflow
import numpy as np
import pytest

from lesionflow.data.demo import draw_demo_set
from lesionflow.data.labelled import read_labelled_images
from lesionflow.data.split import split_by_lesion

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
sys.path.insert(0, str(EXPERIMENTS))

import run as trials  # type: ignore[import-not-found]  # noqa: E402


@pytest.mark.parametrize("group", ["ablation", "imagenet", "gpu"])
def test_every_trial_is_one_that_training_takes(group: str) -> None:
    stated = trials.read_trials(group, "demo")
    assert len({trial.name for trial in stated}) == len(stated) > 1
    assert len({(trial.config, trial.study) for trial in stated}) == len(stated)  # no two the same
    assert all(None not in vars(trial.config).values() for trial in stated)


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
    head, rule, row = trials.table("ablation", [trial.name, other.name])
    assert head.count("|") == rule.count("|") == row.count("|")
    assert row.startswith("| recipe | 2 | 1.000 (") and row.endswith("| 20 |")
