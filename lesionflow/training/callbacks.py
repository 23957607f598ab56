"""Taking a checkpoint of a training that runs, and putting one back."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import keras

from lesionflow.errors import TrainingError
from lesionflow.training.checkpoint import Checkpoint, Checkpoints
from lesionflow.training.config import TrainingConfig
from lesionflow.training.pixel_store import EarlyStopping, PixelLookup

if TYPE_CHECKING:
    from lesionflow.training.fit import EpochResult


LOCATIONS = ("data", "extra", "start_from", "teacher")  # fields of the configuration


class CheckpointCallback(keras.callbacks.Callback):
    """Take a checkpoint after every epoch; used in a `with` block around the fit, and last but for display.

    It is encoded and written in a thread, so that the next epoch does not wait for a disk or a server. What went wrong
    there is raised at the next epoch's end, or at the block's.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        belongs_to: Mapping[str, str | int | float],
        precision: str,
        table: PixelLookup | None,
        best: EarlyStopping,
        history: Sequence[EpochResult],
    ):
        super().__init__()
        self.checkpoints, self.belongs_to, self.precision = checkpoints, belongs_to, precision
        self.table, self.best, self.history = table, best, history
        earlier = checkpoints.last.seconds if checkpoints.last else 0.0
        self.started = time.monotonic() - earlier
        self.writer = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self.writing: Future[None] | None = None

    def __enter__(self) -> CheckpointCallback:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self.writer.shutdown()  # also of a training that was stopped: the epoch that it had finished is worth keeping
        if error is None:
            self._wait()

    def on_epoch_end(self, epoch, logs=None) -> None:
        """Take the checkpoint, and have it written."""
        if self.checkpoints.keep is not None:
            self._wait()
            self.writing = self.writer.submit(self.checkpoints.keep, self._take())

    def _wait(self) -> None:
        if self.writing is not None:
            self.writing.result()

    def _take(self) -> Checkpoint:
        return Checkpoint(
            belongs_to=self.belongs_to,
            history=tuple(result.figures for result in self.history),
            seconds=time.monotonic() - self.started,
            precision=self.precision,
            best=float(self.best.best),
            best_epoch=self.best.best_epoch,
            best_weights=tuple(self.best.weights),
            learner=tuple(variable.numpy() for variable in _variables(self.model, self.table)),
            optimizer=tuple(variable.numpy() for variable in self.model.optimizer.variables),
        )


def restore(
    checkpoint: Checkpoint,
    learner: keras.Model,
    table: PixelLookup | None,
    best: EarlyStopping,
    averaging: Sequence[keras.callbacks.SwapEMAWeights],
) -> None:
    """Give a compiled model, its optimizer and the callbacks of its fit the state of a checkpoint."""
    learner.optimizer.build(learner.trainable_variables)
    for callback in averaging:
        # At an epoch's end the averaged weights are in the model, and the callback has to know: it brings the others
        # back when the next one begins.
        callback.set_model(learner)
        callback.on_test_begin()
    for variables, values in (
        (_variables(learner, table), checkpoint.learner),
        (learner.optimizer.variables, checkpoint.optimizer),
    ):
        if [tuple(variable.shape) for variable in variables] != [value.shape for value in values]:
            raise TrainingError(
                "the checkpoint is of another network; resume with the version of lesionflow that wrote it, or train "
                "anew"
            )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    best.best, best.best_epoch, best.weights = checkpoint.best, checkpoint.best_epoch, list(checkpoint.best_weights)


def fingerprint(config: TrainingConfig, name: str, split_digest: str, data_digest: str) -> dict[str, Any]:
    """What tells one training from another; where its data and its start lie does not."""
    settings = {field: value for field, value in dataclasses.asdict(config).items() if field not in LOCATIONS}
    return settings | {
        "network": name, "split": split_digest, "data": data_digest, "KERAS_BACKEND": keras.backend.backend(),
    }  # fmt: skip


def _variables(learner: keras.Model, table: PixelLookup | None) -> list[keras.Variable]:
    """The variables of the learner, with the random generators' of augmentation and dropout, without the pixels."""
    pixels = {id(variable) for variable in table.variables} if table else set()
    return [variable for variable in learner.variables if id(variable) not in pixels]
