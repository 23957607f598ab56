"""A checkpoint: everything that a training needs to continue after an epoch, as bytes.

A file begins with the digest of the rest, which is an .npz that holds no pickles. A file that was cut off, or of which
a byte changed, is no checkpoint: nothing of it is looked at.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from lesionflow.errors import TrainingError

CHECKPOINT_FORMAT = 2  # raise it whenever the same bytes come to mean something else
_MAGIC = b"lesionflow checkpoint\n"
_GROUPS = ("learner", "optimizer", "best_weights")


@dataclass(frozen=True)
class EpochResult:
    """The metrics of one epoch; on training, they are measured on augmented, oversampled images with dropout."""

    epoch: int  # from 1
    train_loss: float
    train_accuracy: float
    train_balanced_accuracy: float
    validation_loss: float
    validation_accuracy: float
    validation_balanced_accuracy: float

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics by name, without the epoch's number."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "epoch"}


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training after an epoch."""

    belongs_to: Mapping[str, str | int | float]  # what training it is of: settings, data, split, backend
    history: tuple[Mapping[str, float], ...]  # `EpochResult.metrics` of every epoch so far
    seconds: float  # of training so far
    precision: str
    best: float  # validation balanced accuracy of the best epoch
    best_epoch: int  # from 1
    best_weights: tuple[np.ndarray, ...]
    learner: tuple[np.ndarray, ...]  # variables of the fitted model, with the states of its random generators
    optimizer: tuple[np.ndarray, ...]
    learner_names: tuple[str, ...]  # of the variables, as `callbacks.model_names` gives them
    optimizer_names: tuple[str, ...]

    @property
    def epoch(self) -> int:
        """The last epoch in it, from 1."""
        return len(self.history)

    def ends(self, epochs: int, patience: int) -> bool:
        """Whether training was finished."""
        return self.epoch >= epochs or self.epoch - self.best_epoch >= patience

    def check(self, belongs_to: Mapping[str, str | int | float]) -> None:
        """Raise `TrainingError` if it belongs to another training, or to a version with other settings."""
        if strange := sorted(self.belongs_to.keys() ^ belongs_to.keys()):
            raise TrainingError(
                f"the checkpoint is of another version of lesionflow, which has other settings: "
                f"{', '.join(strange)}; resume with that version, or train again"
            )
        differing = [
            f"{name} ({then} then, {belongs_to[name]} now)"
            for name, then in sorted(self.belongs_to.items())
            if then != belongs_to[name]
        ]
        if differing:
            raise TrainingError(
                f"the checkpoint is of another training: {', '.join(differing)}; put that back, or train again"
            )


@dataclass(frozen=True)
class Checkpoints:
    """Where the checkpoints of a training are saved, and the one that it resumes from."""

    keep: Callable[[Checkpoint], None] | None = None  # called in a thread of its own; None: none are taken
    last: Checkpoint | None = None
    data_digest: str = ""


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """The content of a checkpoint's file."""
    about = {
        "format": CHECKPOINT_FORMAT,
        "belongs_to": dict(checkpoint.belongs_to),
        "history": [dict(metrics) for metrics in checkpoint.history],
        "seconds": checkpoint.seconds,
        "precision": checkpoint.precision,
        "best": checkpoint.best,
        "best_epoch": checkpoint.best_epoch,
        "learner_names": checkpoint.learner_names,
        "optimizer_names": checkpoint.optimizer_names,
    }
    arrays = {
        f"{group}/{index:05}": array for group in _GROUPS for index, array in enumerate(getattr(checkpoint, group))
    }
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)
    content = stream.getbuffer()
    return b"".join((_MAGIC, hashlib.sha256(content).hexdigest().encode(), b"\n", content))


def from_bytes(content: bytes) -> Checkpoint | None:
    """The checkpoint in a file's content; None if it is damaged.

    Raises `TrainingError` for a whole one that another version of lesionflow wrote.
    """
    start = len(_MAGIC) + 65
    body = memoryview(content)[start:]
    if content[:start] != _MAGIC + hashlib.sha256(body).hexdigest().encode() + b"\n":
        return None
    with np.load(io.BytesIO(body), allow_pickle=False) as stored:
        arrays = dict(stored)
    about = json.loads(arrays["about"].tobytes())
    if about.pop("format") != CHECKPOINT_FORMAT:
        raise TrainingError("the checkpoint is of another version of lesionflow; resume with that one, or train again")
    groups = {
        group: tuple(arrays[name] for name in sorted(arrays) if name.startswith(f"{group}/")) for group in _GROUPS
    }
    listed = {name: tuple(about[name]) for name in ("history", "learner_names", "optimizer_names")}
    return Checkpoint(**(about | listed | groups))


def newest(contents: list[bytes]) -> Checkpoint | None:
    """The checkpoint of the latest epoch among files, some of which may be damaged."""
    whole = [checkpoint for checkpoint in map(from_bytes, contents) if checkpoint is not None]
    return max(whole, key=lambda checkpoint: checkpoint.epoch, default=None)
