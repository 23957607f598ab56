"""Cross-validation: models trained with the same settings, each measured on a fold of lesions it has not seen.

The folds' models are thrown away; what is left of each is a run below the network's, with its answers. All answers
together are measured as those of one model, with intervals over lesions: what such a training comes to on these data,
not what the registered model does.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from lesionflow.api.train_network import CrossValidated, Material, card_of, fit_network
from lesionflow.datasets.combined import check_every_diagnosis_trains, split_data_sets
from lesionflow.datasets.split import Split
from lesionflow.errors import counted
from lesionflow.evaluation.metrics import DECIDING, measure, with_interval
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.progress import say
from lesionflow.tracking import runs as tracking
from lesionflow.tracking.resume import delete_checkpoints, find_folds
from lesionflow.training.config import TrainingConfig
from lesionflow.training.finalize import answers_on_test

ANSWERS_FILE = "answers.npz"  # among the artifacts of a fold's run


def cross_validate(config: TrainingConfig, run_id: str, material: Material) -> CrossValidated:
    """Train and measure the folds of a resolved configuration, each in a run below the active one.

    Parameters
    ----------
    config : TrainingConfig
        With the number of `folds`.
    run_id : str
        The active run; folds that it finished before an interruption are read from it.
    material : Material

    Returns
    -------
    CrossValidated

    Raises
    ------
    DataError
        If a diagnosis has too few lesions for the number of folds, before any is trained.
    """
    images, begun = material.images, find_folds(run_id)
    validation = config.validation_fraction
    shares = (1 - validation - 1 / config.folds, validation, 1 / config.folds)
    splits = [split_data_sets(images, shares, config.seed, fold=(k, config.folds)) for k in range(config.folds)]
    for split in splits:
        check_every_diagnosis_trains(images, split)
    answers: list[dict[str, np.ndarray]] = []
    for number, split in enumerate(splits, start=1):
        before = begun.get(number)
        if before and before.info.status == "FINISHED":
            answers.append(tracking.read_arrays(before.info.run_id, ANSWERS_FILE))
            continue
        title = f"{config.model}, fold {number} of {config.folds}"
        resumed = before.info.run_id if before else None
        with tracking.run(title, "", nested=True, system_metrics=False, resumed=resumed) as its_run:
            tracking.log_setting(config.parameters() | {"fold": number}, images, split)
            answers.append(_answers_of_fold(config, its_run, material, split, title))
    together = {name: np.concatenate([each[name] for each in answers]) for name in answers[0]}
    pooled = LabelledPredictions(**together, label_set=images.label_set)
    metrics, lesions = measure(pooled), len(np.unique(pooled.lesion_ids))
    measured = f"{counted(len(pooled.labels), 'image')} of {counted(lesions, 'lesion')}"
    say(
        f"{config.model}: trained so, each on {shares[0]:.0%} of the lesions, models come to a balanced accuracy of "
        f"{with_interval(metrics[DECIDING])} on folds that they have not seen, {config.folds} with {measured} in all; "
        "none of them is the one registered",
        console=material.console,
    )
    return CrossValidated(metrics, len(pooled.labels), lesions)


def _answers_of_fold(
    config: TrainingConfig, run_id: str, material: Material, split: Split, title: str
) -> dict[str, np.ndarray]:
    fitted, examples = fit_network(config, run_id, material, split, title)
    with material.console.status(f"{title}: measuring"), tempfile.TemporaryDirectory() as folder:
        card = card_of(config, material, split, fitted)
        said = answers_on_test(Path(folder) / "bundle", fitted, card, config, material.images, examples)
    tracking.log_arrays(ANSWERS_FILE, said.arrays())
    tracking.log_estimates("test", measure(said, resamples=100), said.label_set)
    delete_checkpoints(run_id)
    return said.arrays()
