"""What a person sees while a network trains: a live bar on a terminal, plain lines otherwise."""

from __future__ import annotations

import keras
from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn

from lesionflow.progress import live_bars, tell


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
        """Print the epoch's line, above the bar where there is one."""
        tell(
            self.console,
            f"{self.name} epoch {epoch + 1}/{self.params['epochs']}: "
            f"loss {logs['loss']:.3f}, accuracy {logs['accuracy']:.3f}, "
            f"validation loss {logs['val_loss']:.3f}, accuracy of the most probable {logs['val_accuracy']:.3f}, "
            f"balanced accuracy {logs['val_balanced_accuracy']:.3f} as if all were equally frequent",
        )

    def on_train_end(self, logs=None) -> None:
        """Close the bar."""
        self.close()

    def close(self) -> None:
        """Close the bar if it is open: Keras does not end a training that was stopped or failed."""
        if self.bar.live.is_started:
            self.bar.stop()
