"""Run trials of `trials.toml`, on validation only, each an MLflow run below its group's; print them as a table.

    python experiments/run.py ablation --data /path/to/HAM10000 --seeds 0 1 2

A trial that has run with the same seed, settings and data is not run again, so a group can be run in pieces;
one with other settings, for example because a default has changed, is no longer in the table. The split is that of
seed 0 for all seeds: seeds are of the weights, the sampler and the augmentation. The test part is never looked at.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import statistics
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))  # the code beside the trials is tried, not another that is installed

from lesionflow.datasets.labelled import LabelledImages, read_labelled_images  # noqa: E402
from lesionflow.datasets.sampling import positive_shares  # noqa: E402
from lesionflow.datasets.split import Split, split_by_lesion  # noqa: E402
from lesionflow.diagnoses import HAM10000  # noqa: E402
from lesionflow.evaluation.calibration import fit_calibration  # noqa: E402
from lesionflow.evaluation.measure import measure  # noqa: E402
from lesionflow.images.pixel_cache import decoded_pixels  # noqa: E402
from lesionflow.model.card import Estimate  # noqa: E402
from lesionflow.model.decision import decide  # noqa: E402
from lesionflow.model.prediction import with_labels  # noqa: E402
from lesionflow.training.config import TrainingConfig  # noqa: E402
from lesionflow.training.devices import chosen_preset  # noqa: E402

EXPERIMENT = "trials"
SHOWN = {"balanced_accuracy": "balanced accuracy", "macro_auc": "macro AUC", "sensitivity_mel": "mel sensitivity"}


@dataclass(frozen=True)
class Trial:
    """One configuration under a name."""

    group: str
    name: str
    config: TrainingConfig  # resolved, but for the seed
    study: bool = False
    taught: float = 0.0  # the share that a teacher has in what is said of each training image

    @property
    def settings(self) -> str:
        """A digest of all that the trial's metrics depend on, besides seed, data and teachers."""
        told = self.config.parameters() | {"study": self.study, "taught": self.taught}
        told = {name: value for name, value in told.items() if name not in ("seed", "data")}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def read_trials(group: str, data: str) -> list[Trial]:
    """The trials of a group of `trials.toml`."""
    stated = tomllib.loads((HERE / "trials.toml").read_text())[group]
    trials = []
    for name, changes in stated["trials"].items():
        options = {"data": data, **stated["common"], **changes}
        other = {key: options.pop(key) for key in ("study", "taught") if key in options}
        config = TrainingConfig(**options)
        trials.append(Trial(group, name, config.resolved(config.model, chosen_preset(config.preset)), **other))
    return trials


def measure_on_validation(
    config: TrainingConfig, logits: np.ndarray, images: LabelledImages, split: Split
) -> dict[str, Estimate]:
    """The metrics of a network's answers, calibrated as a bundle's are; logits: (validation images, 7)."""
    labels, table = images.labels, images.table.iloc[split.validation]
    prior = positive_shares(labels[split.train], "none", len(HAM10000))
    nowhere = np.full(len(logits), np.nan)  # no distances: who is referred is not asked here
    calibration = fit_calibration(
        (logits, nowhere), labels[split.validation], config.believed_prior(labels[split.train], len(HAM10000)), prior
    )
    said = decide(logits, nowhere, calibration, tuple(prior))
    return measure(
        with_labels(
            said, table["image_id"].to_numpy(), table["lesion_id"].to_numpy(), labels[split.validation]
        )
    )  # fmt: skip


def taught_by(
    config: TrainingConfig, teachers: list[str], images: LabelledImages, split: Split, cache: Path | None
) -> np.ndarray:
    """What bundles say of the training images, the mean of several, mixed with the labels: (train, 7) float32."""
    from lesionflow.api.train_network import averaged_answers, soft_targets

    said = np.mean([averaged_answers(Path(teacher), images, split.train, cache) for teacher in teachers], axis=0)
    return soft_targets(config, said[split.train], images.labels[split.train])


def run_trial(trial: Trial, seed: int, images: LabelledImages, cache: Path | None, teachers: list[str]) -> None:
    """Train, measure on validation, and log, below the run that is active."""
    import dataclasses

    import mlflow

    from lesionflow.training.fit import Examples, fit

    config = dataclasses.replace(trial.config, seed=seed)
    split = split_by_lesion(images.table["image_id"], images.table["lesion_id"], images.labels, config.fractions, 0)
    size = config.image_size
    pixels = decoded_pixels(*images.files, size, size, cache)
    with mlflow.start_run(run_name=f"{trial.name}, seed {seed}", nested=True, tags=_tags(trial, seed, images)):
        mlflow.log_params(config.parameters())
        if trial.study:
            from study import fit_as_the_study

            fitted = fit_as_the_study(config, pixels, images.labels, split)
        else:
            taught = None
            if trial.taught:
                told = dataclasses.replace(config, teacher=", ".join(teachers), teacher_share=trial.taught)
                taught = taught_by(told, teachers, images, split, cache)
            fitted = fit(config, Examples(pixels, images.labels, split, soft_targets=taught))
        for result in fitted.history:
            mlflow.log_metrics({f"epoch/{name}": value for name, value in result.metrics.items()}, step=result.epoch)
        logits = fitted.network.predict(np.asarray(pixels[split.validation], np.float32), verbose=0)
        log_trial(measure_on_validation(config, logits, images, split), fitted.best_epoch, fitted.seconds)


def log_trial(metrics: dict[str, Estimate], best_epoch: int, seconds: float) -> None:
    """Log what a trial found into the active run."""
    import mlflow

    for name, estimate in metrics.items():
        mlflow.log_metrics(
            {
                f"validation/{name}": estimate.value,
                f"validation_low/{name}": estimate.low,
                f"validation_high/{name}": estimate.high,
            }
        )
    mlflow.log_metrics({"best_epoch": best_epoch, "seconds": seconds})
    mlflow.set_tag("trial.done", "yes")


def _tags(trial: Trial, seed: int, images: LabelledImages) -> dict[str, str]:
    return {
        "trial.group": trial.group, "trial.name": trial.name, "trial.seed": str(seed), "trial.data": images.digest[:36],
        "trial.settings": trial.settings,
    }  # fmt: skip


def finished(group: str) -> list[Any]:
    """The finished trials of a group, as MLflow runs."""
    import mlflow

    query = f"tags.`trial.group` = '{group}' and tags.`trial.done` = 'yes'"
    return mlflow.search_runs(experiment_names=[EXPERIMENT], filter_string=query, output_format="list")


def table(group: str, trials: list[Trial]) -> Iterator[str]:
    """The finished trials as a Markdown table: the mean over seeds, and each seed's own interval where there is one."""
    yield f"| {group} | seeds | {' | '.join(SHOWN.values())} | seconds |"
    yield "| --- " * (len(SHOWN) + 3) + "|"
    runs = finished(group)
    for trial in trials:
        wanted = {"trial.name": trial.name, "trial.settings": trial.settings}
        mine = [run.data.metrics for run in runs if wanted.items() <= run.data.tags.items()]
        if mine:
            cells = [_cell(mine, metric) for metric in SHOWN]
            seconds = statistics.mean(metrics["seconds"] for metrics in mine)
            yield f"| {trial.name} | {len(mine)} | {' | '.join(cells)} | {seconds:.0f} |"


def _cell(runs: list[dict[str, float]], metric: str) -> str:
    values = [run[f"validation/{metric}"] for run in runs]
    low = statistics.mean(run[f"validation_low/{metric}"] for run in runs)
    high = statistics.mean(run[f"validation_high/{metric}"] for run in runs)
    spread = f"; {min(values):.3f} to {max(values):.3f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.3f} ({low:.3f}–{high:.3f}{spread})"


def main() -> None:
    """Run what has not been run, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("group", choices=tomllib.loads((HERE / "trials.toml").read_text()))
    parser.add_argument("--data", required=True, help="HAM10000's folder")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--teachers", nargs="+", default=[], help="folders of bundles, for trials that have a teacher")
    parser.add_argument("--only", help="run those trials alone whose name contains this")
    parser.add_argument("--tracking-uri", help="MLflow's store")
    parser.add_argument("--cache", type=Path, help="folder for decoded pixels")
    options = parser.parse_args()

    import mlflow

    from lesionflow.tracking.tracking_store import connect

    connect(options.tracking_uri, writes=True)
    mlflow.set_experiment(EXPERIMENT)
    images = read_labelled_images(options.data, options.cache)
    trials = read_trials(options.group, options.data)
    if any(trial.taught for trial in trials) and not options.teachers:
        parser.error(f"{options.group} has trials with a teacher; give --teachers")
    with mlflow.start_run(run_name=options.group):
        for seed in options.seeds:
            for trial in trials:
                wanted = _tags(trial, seed, images)
                done = any(wanted.items() <= run.data.tags.items() for run in finished(options.group))
                if not done and (options.only or "") in trial.name:
                    print(f"{trial.name}, seed {seed}", file=sys.stderr)
                    run_trial(trial, seed, images, options.cache, options.teachers)
    print("\n".join(table(options.group, trials)))


if __name__ == "__main__":
    main()
