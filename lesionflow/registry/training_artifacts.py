"""The artifacts of a finished training in a folder: whether they are complete, and which are not registered yet.

The folder is written before anything is sent. Where sending fails, the folder is kept, and `lesionflow register` does
the rest later.
"""

from __future__ import annotations

import contextlib
import datetime
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lesionflow.atomic import atomic_folder
from lesionflow.errors import BundleError, RegistryError
from lesionflow.evaluation.evaluate import write_evaluation
from lesionflow.evaluation.learning import History
from lesionflow.evaluation.model_card import fitting
from lesionflow.model.card import CARD_FILE, DIGESTED_FILES, Card, read_card
from lesionflow.registry.versions import Version, find_version, register_bundle
from lesionflow.storage.temporary import temporary_folder
from lesionflow.tracking import runs as tracking
from lesionflow.tracking.client import active_run_id, found_or_none, mlflow, registry_errors, set_again
from lesionflow.tracking.resume import delete_checkpoints, find_run, logged_epochs, mark_finished
from lesionflow.tracking.tracking_store import command_line
from lesionflow.training.finalize import MODEL_CARD_FILE, FinalizedModel, kept_model_card
from lesionflow.version import __version__

KEPT = Path("lesionflow-kept")  # in the working directory: unlike a temporary folder it is there after a restart
ARTIFACTS_FORMAT = 1
BUNDLE_FILES = (CARD_FILE, MODEL_CARD_FILE, *DIGESTED_FILES)
BUNDLE = "bundle"
_ABOUT, _EXAMPLE, _ARTIFACTS, _PICTURES = "training.json", "example", "artifacts", "pictures"
_DESCRIPTION = "model_card.md"  # among the run's artifacts


@dataclass(frozen=True)
class TrainingArtifacts:
    """A bundle that is not registered yet, with the results of its training."""

    bundle: Path
    folder: Path | None = None  # with the rest; None for a bundle alone
    run_id: str | None = None  # of the run that trained it
    registered_model: str | None = None  # the name to register it under
    epochs: Sequence[Mapping[str, float]] = ()  # the metrics of each

    @property
    def example(self) -> bytes | None:
        """The bytes of an image for trying out the model."""
        file = self.folder / _EXAMPLE if self.folder else None
        return file.read_bytes() if file and file.is_file() else None

    @property
    def description(self) -> str:
        """The model card, Markdown; empty if the bundle has none."""
        return kept_model_card(self.bundle)


def write_artifacts(
    folder: Path, finished: FinalizedModel, run_id: str, registered_model: str, history: History, example: np.ndarray
) -> TrainingArtifacts:
    """Write the files needed for registering a bundle beside it; example: the pixels of an image."""
    epochs = [dict(metrics) for metrics in history.epochs]
    (folder / _EXAMPLE).write_bytes(_as_png(example))
    artifacts, pictures = folder / _ARTIFACTS, folder / _PICTURES
    pictures.mkdir()
    for part, evaluation in finished.evaluations.items():
        kept = artifacts / "evaluation" / part
        kept.mkdir(parents=True)
        write_evaluation(evaluation, kept)
        for name, content in tracking.compared_pictures(evaluation, part).items():
            (pictures / f"{name}.png").write_bytes(content)
    about = {"format": ARTIFACTS_FORMAT, "run_id": run_id, "registered_model": registered_model, "epochs": epochs}
    (folder / _ABOUT).write_text(json.dumps(about, indent=2) + "\n")
    return TrainingArtifacts(folder / BUNDLE, folder, run_id, registered_model, epochs)


def is_kept(folder: Path) -> bool:
    """Whether a training kept its unregistered artifacts in a folder."""
    return os.path.isfile(folder / _ABOUT)


def read_artifacts(folder: Path) -> TrainingArtifacts:
    """Read a kept training, from its folder or its bundle's, or a single bundle. Raises `BundleError`."""
    for kept in (folder, folder.absolute().parent):
        bundle = kept / BUNDLE
        if is_kept(kept) and (kept == folder or bundle.absolute() == folder.absolute()):
            try:
                told = json.loads((kept / _ABOUT).read_text())
                if told["format"] != ARTIFACTS_FORMAT:
                    raise ValueError(f"format {told['format']!r}")
                epochs = [{str(name): float(value) for name, value in epoch.items()} for epoch in told["epochs"]]
                for file in filter(Path.is_file, kept.rglob("*")):  # before anything is sent
                    with open(file, "rb") as stream:
                        stream.read(1)
                return TrainingArtifacts(bundle, kept, str(told["run_id"]), str(told["registered_model"]), epochs)
            except (ValueError, KeyError, TypeError, AttributeError, OSError) as error:
                raise BundleError(
                    f"{kept / _ABOUT}: not what a training leaves ({error}); copy {BUNDLE} out of the folder and "
                    "register that"
                ) from error
    return TrainingArtifacts(folder)


def register_artifacts(outcome: TrainingArtifacts, name: str) -> Version:
    """Log the results of a training into the active run, and register its bundle as the next version of `name`.

    What the run has already stays as it is there.
    """
    card = read_card(outcome.bundle)
    known = logged_epochs(active_run_id()) if outcome.epochs else {}
    for epoch, metrics in enumerate(outcome.epochs, start=1):
        missing = {name: value for name, value in metrics.items() if name not in known.get(epoch, {})}
        if missing:
            tracking.log_epoch(epoch, missing)
    tracking.log_card_metrics(card)
    with temporary_folder() as folder:  # where both can be read without loading the model
        shutil.copy(outcome.bundle / CARD_FILE, folder)
        (folder / _DESCRIPTION).write_text(outcome.description, encoding="utf-8")
        tracking.log_files(folder)
    if outcome.folder:
        tracking.log_files(outcome.folder / _ARTIFACTS)
        for picture in sorted((outcome.folder / _PICTURES).glob("*.png")):
            tracking.log_picture(picture.stem, picture.read_bytes())
    example = outcome.example or _as_png(np.zeros((card.height, card.width, 3), np.uint8))
    _delete_unregistered(active_run_id())
    return register_bundle(outcome.bundle, card, name, example, outcome.description)


def _delete_unregistered(run_id: str) -> None:
    """Delete the models that a run logged before it was interrupted, unless it has registered one."""
    client = mlflow.MlflowClient()
    if find_of_run(run_id):
        return
    with contextlib.suppress(mlflow.MlflowException):  # a store may let this user write only
        experiment = client.get_run(run_id).info.experiment_id
        for left in client.search_logged_models([experiment], f"source_run_id = '{run_id}' AND name = 'model'"):
            client.delete_logged_model(left.model_id)


def keep_artifacts(folder: Path, name: str) -> Path:
    """Move the folder of a training below `KEPT` and return its path, or the old one if it cannot be moved.

    It replaces what was kept of the same training before it was resumed, unless that is more complete.
    """
    kept = before = KEPT.absolute() / name
    number = 1
    while kept.exists():
        number += 1
        kept = KEPT.absolute() / f"{name}-{number}"
    try:
        with atomic_folder(kept) as partial:
            shutil.copytree(folder, partial, dirs_exist_ok=True)
        if kept != before and _finished(folder) >= _finished(before):
            shutil.rmtree(before)
            kept = kept.replace(before)
    except OSError:  # a working directory that takes no files, or a full disk
        return folder
    shutil.rmtree(folder)
    return kept


def _finished(folder: Path) -> list[bool]:
    """Whether the bundle of a training is complete, and what registering it needs besides."""
    return [(folder / file).is_file() for file in (f"{BUNDLE}/{MODEL_CARD_FILE}", _ABOUT)]


def how_to_register(kept: Path) -> str:
    """The command that registers a folder from `keep_artifacts`."""
    whole = kept if (kept / _ABOUT).is_file() else kept / BUNDLE
    return command_line("register", str(whole))


def _as_png(pixels: np.ndarray) -> bytes:
    """A PNG file as example of a request: pixels alone, and nothing else that a patient's file holds."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def copy_bundle(bundle: Path, folder: Path) -> Path:
    """Copy a bundle into a folder, without any other files beside it; returns the folder."""
    folder.mkdir(exist_ok=True)
    for name in BUNDLE_FILES:
        if (bundle / name).is_file():
            shutil.copyfile(bundle / name, folder / name)
    return folder


def check_may_register(name: str) -> None:
    """Raise `RegistryError` if this user may not register versions of `name`.

    A training asks before it starts. This can only be tried: a tag of the registered model records when it was.
    """
    client, now = mlflow.MlflowClient(), datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    doing = f"asking whether a version of {name} may be registered"
    if found_or_none(doing, lambda: client.get_registered_model(name)) is not None:
        with registry_errors(doing):
            set_again(lambda: client.set_registered_model_tag(name, "training_begun_at", now))


def find_registered(name: str, digest: str) -> Version | None:
    """The version of `name` that a bundle was registered as, by the digest of its card, or None."""
    with registry_errors(f"looking for the bundle among the versions of {name}"):
        found = mlflow.MlflowClient().search_model_versions(f"name = '{name}' and tags.card_digest = '{digest}'")
    return find_version(name, max(int(version.version) for version in found)) if found else None


def find_of_run(run_id: str) -> tuple[str, int] | None:
    """Name and number of the latest version that a run has registered; None where it has registered none."""
    with registry_errors(f"looking for the version of run {run_id}"):
        found = mlflow.MlflowClient().search_model_versions(f"run_id = '{run_id}'")
    return max(((each.name, int(each.version)) for each in found), key=lambda each: each[1], default=None)


def find_trained(run_id: str) -> tuple[Version, History] | None:
    """The version that a network's run registered, and its training's history; None if it registered none.

    To register is the last thing that such a run does. Where it ended before it could describe the version, this does.
    """
    run, found = find_run(run_id), find_of_run(run_id)
    if not found:
        if run.info.status == "FINISHED":
            raise RegistryError(f"the version that run {run_id} registered was deleted; train again without --resume")
        return None
    version, epochs = find_version(*found), logged_epochs(run_id)
    with registry_errors(f"reading the model card of run {run_id}"):
        description = mlflow.artifacts.load_text(f"runs:/{run_id}/{_DESCRIPTION}")
    complete_registration(version, description, None)
    return version, History([epochs[epoch] for epoch in sorted(epochs)], int(run.data.metrics["training/best_epoch"]))


def decided(version: Version) -> bool:
    """Whether a decision about a version's promotion has been made."""
    with registry_errors(f"looking {version.label} up"):
        return "decision" in mlflow.MlflowClient().get_model_version(version.name, str(version.number)).tags


def complete_registration(version: Version, description: str, run_id: str | None) -> None:
    """Finish the registration of a version that was interrupted: its description, and the end of its run."""
    client = mlflow.MlflowClient()
    with registry_errors(f"describing {version.label}"):
        if description and not client.get_model_version(version.name, str(version.number)).description:
            client.update_model_version(version.name, str(version.number), fitting(description))
    if run_id:
        mark_finished(run_id)
        delete_checkpoints(run_id)


def log_origin(card: Card) -> None:
    """Log what a bundle's card says about its training into the active run, which is a new one."""
    of_training = {name: value for name, value in card.training.items() if name not in ("best_epoch", "seconds")}
    tracking.log_parameters(of_training)
    with registry_errors("logging where the bundle comes from"):
        mlflow.set_tags(
            {
                "registered_from": "a bundle",
                "data": card.data_told,
                "data_digest": card.data_digest,
                "split_digest": card.split_digest,
                "demo": str(card.demo).lower(),
                "lesionflow_version": card.versions.get("lesionflow", __version__),
            }
        )
