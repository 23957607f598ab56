"""Interrupted trainings: what their runs have logged, and their checkpoints.

Checkpoints are artifacts of the run, since the machine that wrote them may be gone. Two names alternate: while one
file is written, the other one is complete.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lesionflow.atomic import locked, made_folder
from lesionflow.datasets.labelled import LabelledImages
from lesionflow.datasets.split import Split
from lesionflow.errors import (
    DataError,
    LesionflowError,
    RegistryError,
    UsageError,
    add_to_message,
    counted,
    enumerated,
    first_few,
    os_errors_as,
)
from lesionflow.images.discovery import cache_folder
from lesionflow.options import SEPARATOR, option_name
from lesionflow.storage.location import local_path
from lesionflow.storage.temporary import temporary_folder
from lesionflow.tracking.client import active_run_id, found_or_none, mlflow, registry_errors, without_password
from lesionflow.tracking.runs import SPLIT_FILE
from lesionflow.training.config import LOCATIONS, TrainingConfig

if TYPE_CHECKING:
    import pandas as pd
    from mlflow.entities import Run

    from lesionflow.training.checkpoint import Checkpoint

FOLDER = "checkpoint"
LOCK_FILE = "training.lock"
CHECKPOINT_FILES = ("even.checkpoint", "odd.checkpoint")
# Tags that record, besides the parameters, how the training was begun.
MODEL_TAG, PRESET_TAG = "registered_model", "preset"
RESUMED_TAG = "resumed_after_epoch"
DIGEST_TAGS = {name: f"{name}_digest" for name in ("diagnoses", "start_from", "teacher")}  # by option

IF_MOVED = "if it has moved, give its new location beside --resume, with {}"
_NAMED = {"diagnoses": "the diagnoses that", "start_from": "the model that", "teacher": "the teacher that"}


@dataclass(frozen=True)
class InterruptedRun:
    """An interrupted training."""

    run_id: str
    config: TrainingConfig
    registered_model: str
    tags: dict[str, str]
    networks: dict[str, str]  # each network that was begun -> its run, where it has one of its own
    moved: frozenset[str] = frozenset()  # options that are given again

    def check_named(self, digests: Mapping[str, str]) -> None:
        """Raise `UsageError` if a model or diagnoses differ from those the training was begun with; by option."""
        for name, now in digests.items():
            option, then = option_name(name), self.tags.get(DIGEST_TAGS[name])
            if then is None and name in self.moved:
                raise UsageError(
                    f"{option}: run {self.run_id} was started by an earlier version, which did not record its digest; "
                    f"leave {option} out and move the files back, or train again"
                )
            if then not in (None, now):
                raise UsageError(
                    f"{option}: not {_NAMED[name]} run {self.run_id} was started with; give the same with {option}, or "
                    "train again"
                )

    def check(self, images: LabelledImages, split: Split) -> None:
        """Raise `DataError` if images or split differ from those the training was begun with."""
        # of several sets, any can be the one that changed
        data = images.name if "data_set" in images.table.columns else self.config.data.split(SEPARATOR)[0]
        for tag, now in (("data_digest", images.digest), ("split_digest", split.digest)):
            if self.tags[tag] != now:
                told = "; ".join(["", *_changes(_images_of_run(self.run_id), images.table)])
                raise DataError(
                    f"{data}: other images, diagnoses or lesions than run {self.run_id} was started with{told}; "
                    "give the same data with --data, --extra and --labels, or train again"
                )


_CHANGED = {"dx": "of another diagnosis", "lesion_id": "of another lesion", "content": "of other bytes"}  # by column


def _images_of_run(run_id: str) -> pd.DataFrame | None:
    """The images that a training was begun with; None where the store has lost them."""
    import pandas as pd

    with temporary_folder() as folder, contextlib.suppress(Exception):  # the error that asks for them says enough
        file = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=SPLIT_FILE, dst_path=str(folder))
        return pd.read_csv(file, dtype=str, keep_default_na=False)
    return None


def _changes(then: pd.DataFrame | None, now: pd.DataFrame) -> Iterator[str]:
    """How the images of a data set differ from those of the same ids that a training was begun with."""
    if then is None:
        return
    then, now = then.set_index("image_id"), now.set_index("image_id")
    both = then.index.intersection(now.index)
    found = {"gone": then.index.difference(now.index), "new": now.index.difference(then.index)}
    for column, told in _CHANGED.items():
        if column in then.columns:  # of earlier versions, without `content`
            found[told] = both[(then.loc[both, column] != now.loc[both, column]).to_numpy()]
    for told, ids in found.items():
        if len(ids):
            yield f"{counted(len(ids), 'image', 'is', 'are')} {told}: {first_few(list(ids))}"


@contextlib.contextmanager
def telling_what_moved(named: Mapping[str, Any]) -> Iterator[None]:
    """Add to an error about a missing path how to give resuming the new one; named: by option."""
    try:
        yield
    except LesionflowError as error:
        paths = {name: str(named.get(name) or "").split(SEPARATOR) for name in LOCATIONS}
        gone = [
            option_name(name)
            for name in LOCATIONS
            if any(path and path in str(error) and not os.path.exists(path) for path in paths[name])
        ]
        if gone:
            add_to_message(error, IF_MOVED.format(enumerated(gone)))
        raise


@contextlib.contextmanager
def held_training(run_id: str, cache: Path | None = None) -> Iterator[None]:
    """Keep other processes from training the same run in the block.

    The lock ends with this process, and lies beside the run's artifacts, or in the cache where those are elsewhere than
    on this machine. Raises `RegistryError` where another process holds it, or there is no such run.
    """
    artifacts = local_path(find_run(run_id).info.artifact_uri)
    file = Path(artifacts).parent / LOCK_FILE if artifacts else cache_folder(cache) / f".{run_id}.{LOCK_FILE}"
    advice = "give its folder write permission" if artifacts else "choose another folder with --cache"
    with contextlib.ExitStack() as held:
        with os_errors_as(RegistryError, f"{file.parent}: cannot be written", advice):
            held.enter_context(made_folder(file.parent))
            is_held = held.enter_context(locked(file))
        if not is_held:
            raise RegistryError(
                f"run {run_id} is being trained by another process; wait for it, or stop it and resume the run then"
            )
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                file.unlink()


def mark_begun(config: TrainingConfig, registered_model: str, digests: Mapping[str, str]) -> None:
    """Keep in the active run what resuming it needs besides the run's parameters; digests: of what options name."""
    # `mlflow run` logs parameters as they were typed: there, the preset may be `auto`, which is another elsewhere.
    with registry_errors("marking the run"):
        named = {DIGEST_TAGS[name]: digest for name, digest in digests.items()}
        mlflow.set_tags({MODEL_TAG: registered_model, PRESET_TAG: config.preset, **named})


def find_interrupted(run_id: str, moved: Mapping[str, str] = MappingProxyType({})) -> InterruptedRun:
    """Find the training to resume. Raises `RegistryError` if the run is missing, finished or of another kind.

    moved: options that are given again because their files have moved.
    """
    run = find_run(run_id)
    if run.info.lifecycle_stage == "deleted":
        raise RegistryError(f"run {run_id} was deleted; 'mlflow runs restore --run-id {run_id}' brings it back")
    over = run
    while parent := over.data.tags.get("mlflow.parentRunId"):  # folds lie below their network
        over = find_run(parent)
        if MODEL_TAG in over.data.tags:
            raise RegistryError(f"run {run_id} is one network or fold of a training; resume that one: {parent}")
    if run.info.status == "FINISHED":
        raise RegistryError(f"run {run_id} has finished; nothing is left to resume, train again without --resume")
    if MODEL_TAG not in run.data.tags:
        raise RegistryError(f"run {run_id} is not a training that had begun; train again without --resume")
    given = {**run.data.params, **moved, "preset": run.data.tags[PRESET_TAG]}
    with telling_what_moved(given):
        config = TrainingConfig.from_parameters(given)
    networks = {config.networks[0]: run_id}
    if len(config.networks) > 1:
        children = _children(run)
        networks = {child.data.params.get("model", child.info.run_name): child.info.run_id for child in children}
    tags = dict(run.data.tags)
    return InterruptedRun(run_id, config, tags[MODEL_TAG], tags, networks, frozenset(moved))


def find_folds(run_id: str) -> dict[int, Run]:
    """The runs of a network's folds that were begun, by the number of the fold, from 1."""
    return {int(each.data.params["fold"]): each for each in _children(find_run(run_id)) if "fold" in each.data.params}


def _children(run: Run) -> list[Run]:
    with registry_errors(f"looking for the runs below run {run.info.run_id}"):
        found = mlflow.MlflowClient().search_runs(
            [run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'", order_by=["start_time ASC"]
        )
    return list(found)


@dataclass(frozen=True)
class Begun:
    """The run of one network, whose model may not be registered yet."""

    run_id: str
    parent: str | None  # the run of the training of several networks that it was one of, if that has not finished


def find_begun(run_id: str) -> Begun | None:
    """A network's run; None if this store does not have it."""
    run = found_or_none(f"looking run {run_id} up", lambda: mlflow.get_run(run_id))
    if run is None or run.info.lifecycle_stage == "deleted":
        return None
    parent = run.data.tags.get("mlflow.parentRunId")
    over = find_run(parent) if parent else None
    waits = over is not None and MODEL_TAG in over.data.tags and over.info.status != "FINISHED"
    return Begun(run_id, parent if waits else None)


def mark_resumed(epoch: int) -> None:
    """Note in the active run that it was interrupted after an epoch, besides earlier ones."""
    with registry_errors("noting the resumption"):
        before = mlflow.get_run(active_run_id()).data.tags.get(RESUMED_TAG)
        mlflow.set_tag(RESUMED_TAG, f"{before}, {epoch}" if before else str(epoch))


def mark_finished(run_id: str) -> None:
    """Mark a run as finished."""
    with registry_errors(f"ending run {run_id}"):
        if find_run(run_id).info.status != "FINISHED":
            mlflow.MlflowClient().set_terminated(run_id, "FINISHED")


def logged_epochs(run_id: str) -> dict[int, dict[str, float]]:
    """The metrics of every logged epoch, by its number from 1."""
    client, epochs = mlflow.MlflowClient(), dict[int, dict[str, float]]()
    with registry_errors(f"reading the epochs of run {run_id}"):
        for metric in client.get_run(run_id).data.metrics:
            if metric.startswith("epoch/"):
                for point in client.get_metric_history(run_id, metric):
                    epochs.setdefault(point.step, {})[metric.removeprefix("epoch/")] = point.value
    return epochs


def log_checkpoint(run_id: str, checkpoint: Checkpoint) -> None:
    """Log a checkpoint into a run; it replaces the one before the last.

    Raises `StoreError` where there is no room for temporary files, and `RegistryError`.
    """
    from lesionflow.training.checkpoint import to_bytes

    with temporary_folder() as folder:
        file = folder / CHECKPOINT_FILES[checkpoint.epoch % 2]
        file.write_bytes(to_bytes(checkpoint))
        with registry_errors(f"keeping the checkpoint of epoch {checkpoint.epoch}"):
            mlflow.MlflowClient().log_artifact(run_id, str(file), FOLDER)


def last_checkpoint(run_id: str) -> Checkpoint | None:
    """The latest intact checkpoint in a run."""
    from lesionflow.training.checkpoint import newest

    contents = []
    with temporary_folder() as folder, registry_errors(f"reading the checkpoints of run {run_id}"):
        for path in _checkpoints(run_id):
            file = mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path, dst_path=str(folder))
            contents.append(Path(file).read_bytes())
    return newest(contents)


def has_checkpoint(run_id: str) -> bool:
    """Whether a run has a checkpoint; also False where its store does not answer."""
    with contextlib.suppress(Exception):  # asked about a training that failed: only that error counts
        return bool(_checkpoints(run_id))
    return False


def _checkpoints(run_id: str) -> list[str]:
    """The paths of a run's checkpoints among its artifacts."""
    found = mlflow.MlflowClient().list_artifacts(run_id, FOLDER)
    return [entry.path for entry in found if Path(entry.path).name in CHECKPOINT_FILES]


def delete_checkpoints(run_id: str) -> None:
    """Remove the checkpoints of a run that has its model: they are several times its size and no longer needed.

    Where the store cannot delete, or lets this user write only, they are emptied.
    """
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    with contextlib.suppress(Exception):  # the model is registered: nothing that happens here may spoil that
        artifacts = get_artifact_repository(mlflow.get_run(run_id).info.artifact_uri)
        try:
            artifacts.delete_artifacts(FOLDER)
        except Exception:
            for entry in artifacts.list_artifacts(FOLDER):
                with temporary_folder() as folder:
                    file = folder / Path(entry.path).name
                    file.touch()
                    artifacts.log_artifact(str(file), FOLDER)


def find_run(run_id: str) -> Run:
    """Look up a run. Raises `RegistryError` if it does not exist."""
    # what cannot be an id is INVALID_PARAMETER_VALUE
    run = found_or_none(f"looking run {run_id} up", lambda: mlflow.get_run(run_id), "INVALID_PARAMETER_VALUE")
    if run is None:
        store = without_password(mlflow.get_tracking_uri())
        raise RegistryError(
            f"no run {run_id} in the store {store}; 'mlflow ui' lists runs, --tracking-uri names another store"
        )
    return run
