"""MLflow runs: where they are kept, and what is written into one."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import numpy as np

from lesionflow.datasets.labelled import LabelledImages
from lesionflow.datasets.split import PARTS, Split
from lesionflow.diagnoses import DIAGNOSES
from lesionflow.model.card import Card, Estimate
from lesionflow.tracking.failures import registry_errors
from lesionflow.tracking.provenance import git_commit, package_versions
from lesionflow.tracking.timeouts import be_prompt
from lesionflow.version import __version__

if TYPE_CHECKING:
    from lesionflow.evaluation.report import EvaluationReport

# MLflow would print where a server shows a run, between the results.
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
be_prompt()

# What the compare view lines up: more of them, and nobody sees the ones that decide.
COMPARED = (
    "accuracy", "accuracy_of_always_nv", "balanced_accuracy", "macro_auc", "macro_f1", "log_loss", "ece",
    "malignant_auc", "malignant_sensitivity", "malignant_specificity", "referred", "accuracy_of_trusted",
    *(f"sensitivity_{diagnosis}" for diagnosis in DIAGNOSES),
)  # fmt: skip
# MLflow compares runs by a list in the order of names, of which it shows a handful: what promotion is decided by stands
# there once more under `deciding/`, before every other group. Of validation alone, as test decides nothing.
DECIDING_FIRST = ("balanced_accuracy", "macro_auc", "sensitivity_mel", "ece")
COMPARED_PICTURES = ("confusion_matrix", "malignant_roc", "reliability")


def connect(tracking_uri: str | None = None) -> str:
    """Choose the tracking store and make sure that it and the registry answer; returns its address.

    Without an address, MLflow's own choice counts: MLFLOW_TRACKING_URI, else SQLite in the working directory. User and
    password in the address are taken out of it. Raises `RegistryError` within seconds where nothing answers.
    """
    import logging

    import mlflow

    # Schema migrations and the like are MLflow's own affair, not output of ours.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    asked = tracking_uri or str(mlflow.get_tracking_uri())
    address = _without_credentials(asked)
    if tracking_uri or address != asked:
        mlflow.set_tracking_uri(address)
    with registry_errors("reaching the tracking store"):
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
    return str(mlflow.get_tracking_uri())


def _without_credentials(address: str) -> str:
    """A server's address without user and password, which MLflow then takes from where they get into no message."""
    scheme, separator, rest = address.partition("://")
    who, _, host = rest.rpartition("@")
    user, _, password = who.partition(":")
    if scheme not in ("http", "https") or not (user and password):
        return address
    os.environ["MLFLOW_TRACKING_USERNAME"], os.environ["MLFLOW_TRACKING_PASSWORD"] = unquote(user), unquote(password)
    return f"{scheme}{separator}{host}"


@contextlib.contextmanager
def run(
    name: str, experiment: str, *, nested: bool = False, system_metrics: bool = True, resumed: str | None = None
) -> Iterator[str]:
    """A run that ends as finished, failed or killed with the block; yields its id.

    Where `mlflow run` has begun a run already, that one is taken up, in its experiment; so is `resumed`, the id of a
    run that was interrupted.
    """
    import mlflow

    with registry_errors("starting a run"):
        if resumed:
            mlflow.set_experiment(experiment_id=mlflow.get_run(resumed).info.experiment_id)
        elif not nested and "MLFLOW_RUN_ID" not in os.environ:
            mlflow.set_experiment(experiment)
        mlflow.set_system_metrics_sampling_interval(5)
        active = mlflow.start_run(
            resumed, run_name=None if resumed else name, nested=nested, log_system_metrics=system_metrics
        )
    with active:
        try:
            if not resumed:
                with registry_errors("naming the run"):
                    mlflow.set_tag("mlflow.runName", name)  # a run that `mlflow run` began has a name of its own
            yield active.info.run_id
        except BaseException as error:
            with contextlib.suppress(Exception):  # a server that is gone must not hide what went wrong
                mlflow.end_run("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise
        with registry_errors("ending the run, which has all that belongs there,"):
            mlflow.end_run()


def log_setting(parameters: dict[str, Any], images: LabelledImages, split: Split) -> None:
    """Log how a training is set up: parameters, data set, split, code and package versions."""
    import mlflow
    from mlflow.data.dataset_source_registry import resolve_dataset_source
    from mlflow.data.meta_dataset import MetaDataset

    with registry_errors("logging the run's setting"):
        log_parameters(parameters)
        with warnings.catch_warnings():  # two kinds of local source fit, and either does
            warnings.simplefilter("ignore")
            source = resolve_dataset_source(images.folder.resolve().as_uri())
        mlflow.log_input(
            MetaDataset(  # type: ignore[abstract]  # its own documentation creates it so
                source, name=images.name, digest=images.digest[:36]
            ),
            context="training",
        )
        parts = np.empty(len(images.table), dtype=object)
        for part in PARTS:
            parts[split.part(part)] = part
        table = images.table[["image_id", "lesion_id", "dx"]].assign(part=parts)
        mlflow.log_text(table.to_csv(index=False), "split.csv")
        mlflow.log_dict(
            {
                "data": images.name,
                "data_digest": images.digest,
                "split_digest": split.digest,
                "seed": split.seed,
                "fractions": dict(zip(PARTS, split.fractions, strict=True)),
                "images": {part: len(split.part(part)) for part in PARTS},
                "lesions": {part: int(images.table["lesion_id"].iloc[split.part(part)].nunique()) for part in PARTS},
            },
            "split.json",
        )
        mlflow.log_dict(package_versions(), "versions.json")
        tags = {"data": images.description, "data_digest": images.digest, "split_digest": split.digest}
        tags |= {
            "demo": str(images.demo).lower(),
            "lesionflow_version": __version__,
            "git_commit": git_commit(),
        }
        mlflow.set_tags(tags)


def log_parameters(parameters: dict[str, Any]) -> None:
    """Log what a run was asked for."""
    import mlflow

    with registry_errors("logging the run's parameters"):
        active = mlflow.active_run()
        assert active is not None
        # `mlflow run` has logged its -P values as they were typed; the same key in another spelling would be refused.
        known = mlflow.get_run(active.info.run_id).data.params
        mlflow.log_params({key: value for key, value in parameters.items() if key not in known})


def log_epoch(epoch: int, figures: dict[str, float]) -> None:
    """Log one epoch's figures, under `epoch/`."""
    import mlflow

    with registry_errors(f"logging epoch {epoch}"):
        mlflow.log_metrics({f"epoch/{name}": value for name, value in figures.items()}, step=epoch)


def log_metrics(metrics: dict[str, float]) -> None:
    """Log final figures; those that the run has from before it was interrupted stay."""
    import mlflow

    with registry_errors("logging metrics"):
        active = mlflow.active_run()
        assert active is not None
        known = mlflow.get_run(active.info.run_id).data.metrics
        mlflow.log_metrics({name: value for name, value in metrics.items() if name not in known})


def log_estimates(part: str, metrics: Mapping[str, Estimate]) -> None:
    """Log the figures that runs are compared by; all of them, with their intervals, are in the evaluation."""
    shown = {name: metrics[name].value for name in COMPARED if name in metrics}
    log_metrics({f"{part}/{name}": value for name, value in shown.items()})


def log_picture(name: str, content: bytes) -> None:
    """Log a PNG so that it shows among the run's artifacts and in the compare view's image grid."""
    import mlflow
    from PIL import Image

    with registry_errors(f"logging the picture {name}"), Image.open(io.BytesIO(content)) as opened:
        image = opened.convert("RGB")
        mlflow.log_image(image, artifact_file=f"{name}.png")
        mlflow.log_image(image, key=name, step=0)


def log_evaluation(report: EvaluationReport, part: str) -> None:
    """Log an evaluation: all of it as files under `evaluation/`, and its telling pictures where runs are compared."""
    from lesionflow.evaluation.evaluate import write_evaluation

    with tempfile.TemporaryDirectory() as folder:
        write_evaluation(report, Path(folder))
        log_files(Path(folder), f"evaluation/{part}")
    for name, content in compared_pictures(report, part).items():
        log_picture(name, content)


def compared_pictures(report: EvaluationReport, part: str) -> dict[str, bytes]:
    """The pictures of an evaluation that runs are compared by, as PNG, under the names that they have there."""
    chosen = {f"{picture.name}_{part}": picture for picture in report.pictures if picture.name in COMPARED_PICTURES}
    if part != "validation":  # once is enough
        chosen |= {picture.name: picture for picture in report.pictures if picture.name == "learning_curves"}
    return {name: picture.png() for name, picture in chosen.items()}


def log_files(folder: Path, place: str | None = None) -> None:
    """Log all files of a folder among the run's artifacts, there or in a folder there."""
    import mlflow

    with registry_errors("logging files"):
        mlflow.log_artifacts(str(folder), place)


def log_description(files: Sequence[Path]) -> None:
    """Log what a data set's description came to, under `data/`."""
    import mlflow

    with registry_errors("logging the data's description"):
        for file in files:
            mlflow.log_artifact(str(file), "data")


def log_card_figures(card: Card) -> None:
    """Log the figures of a bundle's card, those that decide also in front, and how far training is from validation."""
    for part in card.metrics:
        log_estimates(part, card.metrics[part])
    train, validation = card.metrics.get("train", {}), card.metrics.get("validation", {})
    gaps = {
        f"gap/{metric}": train[metric].value - validation[metric].value
        for metric in ("accuracy", "balanced_accuracy", "macro_auc")
        if metric in train and metric in validation
    }
    deciding = {f"deciding/{name}": validation[name].value for name in DECIDING_FIRST if name in validation}
    told = {name: float(card.training[name]) for name in ("best_epoch", "seconds") if name in card.training}
    log_metrics(deciding | gaps | {f"training/{name}": value for name, value in told.items()})
