"""Callbacks after each epoch (progress, early stopping, checkpoints), and restoring a checkpoint."""

from __future__ import annotations

import dataclasses
import itertools
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from lesionflow.errors import TrainingError
from lesionflow.progress import live_bars, say
from lesionflow.training.augmentation import Augmentation
from lesionflow.training.checkpoint import Checkpoint, Checkpoints, EpochResult
from lesionflow.training.config import LOCATIONS, TrainingConfig
from lesionflow.training.pixel_store import PixelLookup


class EarlyStopping(keras.callbacks.Callback):
    """Keep the weights of the epoch with the best validation balanced accuracy; stop when it no longer improves.

    With `keep_last`, those of the latest epoch are kept, as if each were better than all before: where the rate falls
    to 0 and weights are averaged, which epoch is best is chance, and the last one has learnt most.
    """

    def __init__(self, network: keras.Model, patience: int, keep_last: bool = False):
        super().__init__()
        self.network, self.patience, self.keep_last = network, patience, keep_last
        self.best, self.best_epoch = -1.0, 0
        self.weights: list[np.ndarray] = []

    def on_epoch_end(self, epoch, logs=None) -> None:
        """Keep the weights if they are the best, or stop."""
        if self.keep_last or logs["val_balanced_accuracy"] > self.best:
            self.best, self.best_epoch = logs["val_balanced_accuracy"], epoch + 1
            self.weights = self.network.get_weights()
        elif epoch + 1 - self.best_epoch >= self.patience:
            self.model.stop_training = True


class SmallFirst(keras.callbacks.Callback):
    """Train the first epochs on smaller images; validation always has whole ones."""

    def __init__(self, augmentation: Augmentation, epochs: int):
        super().__init__()
        self.augmentation, self.epochs = augmentation, epochs

    def on_epoch_begin(self, epoch, logs=None) -> None:
        """Set the size, and have the step compiled again if it is another one."""
        small = epoch < self.epochs
        if small != self.augmentation.small:
            self.augmentation.small = small
            self.model.make_train_function(force=True)


class CheckpointCallback(keras.callbacks.Callback):
    """Save a checkpoint after every epoch; used in a `with` block around the fit, as the last callback but the display.

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
        """Make the checkpoint, and write it."""
        if self.checkpoints.keep is not None:
            self._wait()
            self.writing = self.writer.submit(self.checkpoints.keep, self._take())

    def _wait(self) -> None:
        if self.writing is not None:
            self.writing.result()

    def _take(self) -> Checkpoint:
        learner = _variables(self.model, self.table)
        return Checkpoint(
            belongs_to=self.belongs_to,
            history=tuple(result.metrics for result in self.history),
            seconds=time.monotonic() - self.started,
            precision=self.precision,
            best=float(self.best.best),
            best_epoch=self.best.best_epoch,
            best_weights=tuple(self.best.weights),
            learner=tuple(variable.numpy() for variable in learner),
            optimizer=tuple(variable.numpy() for variable in self.model.optimizer.variables),
            learner_names=model_names(learner),
            optimizer_names=optimizer_names(self.model.optimizer.variables),
        )


def restore(
    checkpoint: Checkpoint, learner: keras.Model, table: PixelLookup | None, best: EarlyStopping, averaged: bool
) -> None:
    """Give a compiled model, its optimizer and the best epoch's weights the state of a checkpoint.

    averaged: whether the fit swaps averaged weights in for validation: at an epoch's end, when the checkpoint was
    taken, they stood in the model and the others in the optimizer. Raises `TrainingError`, which names the first
    variable that the checkpoint has otherwise.
    """
    learner.optimizer.build(learner.trainable_variables)
    model, optimizer = _variables(learner, table), learner.optimizer.variables
    for kind, variables, now, then, values in (
        ("model", model, model_names(model), checkpoint.learner_names, checkpoint.learner),
        ("optimizer", optimizer, optimizer_names(optimizer), checkpoint.optimizer_names, checkpoint.optimizer),
    ):
        here = [(name, tuple(variable.shape)) for name, variable in zip(now, variables, strict=True)]
        there = [(name, value.shape) for name, value in zip(then, values, strict=True)]
        for index, (ours, its) in enumerate(itertools.zip_longest(here, there)):
            if ours != its:
                raise TrainingError(
                    f"the checkpoint is of another network: variable {index} of the {kind} is {_told(its)} there and "
                    f"{_told(ours)} here; resume with the version of lesionflow that wrote it, or train again"
                )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    if averaged:
        in_optimizer = {variable.path.rpartition("/")[2]: variable for variable in learner.optimizer.variables}
        for variable in learner.trainable_variables:
            average = in_optimizer[f"{variable.path.replace('/', '_')}_average"]
            mean, last = variable.numpy(), average.numpy()
            variable.assign(last)
            average.assign(mean)
    best.best, best.best_epoch, best.weights = checkpoint.best, checkpoint.best_epoch, list(checkpoint.best_weights)


def model_names(variables: Sequence[keras.Variable]) -> tuple[str, ...]:
    """The paths of variables without the numbers by which Keras distinguishes layers of one process."""
    return tuple(re.sub(r"_\d+", "", variable.path) for variable in variables)


def optimizer_names(variables: Sequence[keras.Variable]) -> tuple[str, ...]:
    """As `model_names`, without folders: those of a loss-scaling optimizer depend on who built it."""
    return tuple(name.rpartition("/")[2] for name in model_names(variables))


def _told(variable: tuple[str, tuple[int, ...]] | None) -> str:
    return f"{variable[0]} of shape {variable[1]}" if variable else "missing"


def fingerprint(config: TrainingConfig, split_digest: str, data_digest: str) -> dict[str, Any]:
    """The identity of a training, which does not depend on where its files are."""
    settings = {field: value for field, value in dataclasses.asdict(config).items() if field not in LOCATIONS}
    return settings | {
        "network": config.model, "split": split_digest, "data": data_digest, "KERAS_BACKEND": keras.backend.backend(),
        "Keras": keras.version(),
    }  # fmt: skip


def _variables(learner: keras.Model, table: PixelLookup | None) -> list[keras.Variable]:
    """The variables of the learner, with the random generators' of augmentation and dropout, without the pixels."""
    pixels = {id(variable) for variable in table.variables} if table else set()
    return [variable for variable in learner.variables if id(variable) not in pixels]


class TrainingDisplay(keras.callbacks.Callback):
    """Epoch, step, loss, accuracy and time left, on the console it is given."""

    # On JAX, Keras then reads a step's metrics in another thread; otherwise every step would wait for the one before.
    async_safe = True

    def __init__(self, name: str, console: Console):
        super().__init__()
        self.name, self.console = name, console
        self.bar = live_bars(
            console,
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("step {task.fields[step]}  loss {task.fields[loss]:.3f}  accuracy {task.fields[accuracy]:.3f}"),
            TimeRemainingColumn(),
        )
        self.epoch = 0

    def on_train_begin(self, logs=None) -> None:
        """Open the bar over all epochs."""
        total = self.params["epochs"] * self.params["steps"]
        self.task = self.bar.add_task(self.name, total=total, step="", loss=0.0, accuracy=0.0)
        self.bar.start()

    def on_epoch_begin(self, epoch, logs=None) -> None:
        """Name the epoch."""
        self.epoch = epoch
        self.bar.update(self.task, description=f"{self.name} epoch {epoch + 1}/{self.params['epochs']}")

    def on_train_batch_end(self, batch, logs=None) -> None:
        """Move the bar."""
        if self.bar.disable:
            return
        steps = self.params["steps"]
        done = self.epoch * steps + batch + 1
        if done < self.bar.tasks[self.task].completed:  # threads overtake each other
            return
        self.bar.update(
            self.task,
            completed=done,
            step=f"{batch + 1}/{steps}",
            loss=float(logs["loss"]),
            accuracy=float(logs["accuracy"]),
        )

    def on_epoch_end(self, epoch, logs=None) -> None:
        """Print the epoch's line, above the bar if there is one."""
        say(
            f"{self.name} epoch {epoch + 1}/{self.params['epochs']}: "
            f"loss {logs['loss']:.3f}, accuracy {logs['accuracy']:.3f}, "
            f"validation loss {logs['val_loss']:.3f}, "
            f"accuracy of the most probable diagnosis {logs['val_accuracy']:.3f}, "
            f"balanced accuracy {logs['val_balanced_accuracy']:.3f} as if all were equally frequent",
            console=self.console,
        )

    def on_train_end(self, logs=None) -> None:
        """Close the bar."""
        self.close()

    def close(self) -> None:
        """Close the bar if it is open: Keras does not end a training that was stopped or failed."""
        if self.bar.live.is_started:
            self.bar.stop()
