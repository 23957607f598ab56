"""MLflow runs: where they are kept, and what is written into one."""

from __future__ import annotations

import contextlib
import io
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lesionflow import __version__
from lesionflow.bundle.card import Card, Estimate
from lesionflow.data.labelled import LabelledImages
from lesionflow.data.split import PARTS, Split
from lesionflow.diagnoses import DIAGNOSES
from lesionflow.errors import RegistryError
from lesionflow.registry.origin import git_commit, package_versions

if TYPE_CHECKING:
    from lesionflow.evaluation.figures import Picture
    from lesionflow.evaluation.report import EvaluationReport

# Medical users must not send usage reports by default; who wants MLflow's telemetry can still set the variable.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
# By default MLflow asks an unreachable server for many minutes. Both stay the user's to set.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

# What the compare view lines up: more of them, and nobody sees the ones that decide.
COMPARED = (
    "accuracy", "accuracy_of_always_nv", "balanced_accuracy", "macro_auc", "macro_f1", "log_loss", "ece",
    "malignant_auc", "malignant_sensitivity", "malignant_specificity", "referred", "accuracy_of_trusted",
    *(f"sensitivity_{diagnosis}" for diagnosis in DIAGNOSES),
)  # fmt: skip
COMPARED_PICTURES = ("confusion_matrix", "malignant_roc", "reliability")


@contextlib.contextmanager
def registry_errors(doing: str) -> Iterator[None]:
    """Turn what MLflow, its HTTP client and its database raise into `RegistryError`."""
    import mlflow
    import requests
    import sqlalchemy.exc

    try:
        yield
    except (
        mlflow.MlflowException,
        requests.RequestException,
        sqlalchemy.exc.SQLAlchemyError,
        OSError,
        ImportError,  # a database whose driver is not installed
    ) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        address = without_password(str(mlflow.get_tracking_uri()))
        raise RegistryError(f"{doing} failed at {address}: {without_password(reason)}") from error


def without_password(text: str) -> str:
    """Text for a message, without the user and password that an address in it may hold."""
    return re.sub(r"(?<=://)[^/@\s]*@", "", text)


def connect(tracking_uri: str | None = None) -> str:
    """Choose the tracking store and make sure that it and the registry answer; returns its address.

    Without an address, MLflow's own choice counts: MLFLOW_TRACKING_URI, else SQLite in the working directory. Raises
    `RegistryError` within seconds where nothing answers.
    """
    import logging

    import mlflow

    # Schema migrations and the like are MLflow's own affair, not output of ours.
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    if tracking_uri:
        mlflow.set_tracking_uri(tracking_uri)
    with registry_errors("reaching the tracking store"):
        client = mlflow.MlflowClient()
        client.search_experiments(max_results=1)
        client.search_registered_models(max_results=1)
    return str(mlflow.get_tracking_uri())


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
        if not resumed:
            mlflow.set_tag("mlflow.runName", name)  # a run that `mlflow run` began has a name of its own
        try:
            yield active.info.run_id
        except BaseException as error:
            with contextlib.suppress(Exception):  # a server that is gone must not hide what went wrong
                mlflow.end_run("KILLED" if isinstance(error, KeyboardInterrupt) else "FAILED")
            raise


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


def log_picture(picture: Picture, name: str | None = None) -> None:
    """Log a picture so that it shows among the run's artifacts and in the compare view's image grid."""
    import mlflow
    from PIL import Image

    name, content = name or picture.name, picture.png()
    with registry_errors(f"logging the picture {name}"), Image.open(io.BytesIO(content)) as opened:
        image = opened.convert("RGB")
        mlflow.log_image(image, artifact_file=f"{name}.png")
        mlflow.log_image(image, key=name, step=0)


def log_evaluation(report: EvaluationReport, part: str) -> None:
    """Log an evaluation: all of it as files under `evaluation/`, and its telling pictures where runs are compared."""
    import mlflow

    from lesionflow.evaluation.examine import write_evaluation

    with tempfile.TemporaryDirectory() as folder, registry_errors("logging the evaluation"):
        write_evaluation(report, Path(folder))
        mlflow.log_artifacts(folder, f"evaluation/{part}")
    for picture in report.pictures:
        if picture.name in COMPARED_PICTURES:
            log_picture(picture, f"{picture.name}_{part}")
        elif picture.name == "learning_curves" and part != "validation":  # once is enough
            log_picture(picture)


def log_description(files: Sequence[Path]) -> None:
    """Log what a data set's description came to, under `data/`."""
    import mlflow

    with registry_errors("logging the data's description"):
        for file in files:
            mlflow.log_artifact(str(file), "data")


def log_card(card: Card, description: str) -> None:
    """Log a bundle's card and its model card where they can be read without loading the model."""
    import mlflow

    with registry_errors("logging the card"):
        mlflow.log_dict(asdict(card), "card.json")
        mlflow.log_text(description, "model_card.md")
