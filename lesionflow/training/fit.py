"""The fit: one network, from fresh weights to the weights of its best epoch."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from lesionflow.data.sampling import epoch_indices
from lesionflow.data.split import Split
from lesionflow.diagnoses import DIAGNOSES
from lesionflow.errors import TrainingError
from lesionflow.training.augmentation import Augmentation
from lesionflow.training.config import TrainingConfig
from lesionflow.training.networks import build_network
from lesionflow.training.table import KeepBest, PixelTable

WARM_UP_SHARE = 0.05  # of all steps


@dataclass(frozen=True)
class EpochResult:
    """One epoch's figures; training figures are of augmented, oversampled images, with dropout on."""

    epoch: int  # from 1
    train_loss: float
    train_accuracy: float
    train_balanced_accuracy: float
    validation_loss: float
    validation_accuracy: float
    validation_balanced_accuracy: float

    @property
    def figures(self) -> dict[str, float]:
        """The figures by name, without the epoch's number."""
        return {name: value for name, value in dataclasses.asdict(self).items() if name != "epoch"}


@dataclass(frozen=True)
class Fitted:
    """A trained network in float32, with the weights of its best epoch, and how it came about."""

    network: keras.Model
    history: tuple[EpochResult, ...]
    best_epoch: int
    seconds: float
    precision: str


def fit(
    config: TrainingConfig,
    name: str,
    pixels: np.ndarray,
    labels: np.ndarray,
    split: Split,
    on_epoch: Callable[[EpochResult], None] = lambda result: None,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
) -> Fitted:
    """Train the network `name` on the split's training part; the validation part picks the epoch.

    pixels: (images, height, width, 3) uint8; labels: (images,) int64. The test part is not touched. `on_epoch` is
    called after every epoch. Raises `TrainingError` where the loss stops being a number.
    """
    started = time.monotonic()
    precision = _precision(config.precision)
    keras.utils.set_random_seed(config.seed)
    height, width = pixels.shape[1:3]
    members = np.concatenate([split.train, split.validation])  # the test part stays outside
    table, labels = pixels[members], labels[members]
    train, validation = np.split(np.arange(len(members), dtype=np.int32), [len(split.train)])
    batch_size = min(config.batch_size, len(train))
    steps = len(train) // batch_size  # an epoch; what is left over stays out, so that all steps have one shape
    generator = np.random.default_rng(config.seed)
    # What each epoch shows, drawn beforehand: (epochs * steps * batch_size,) int32.
    shown = np.concatenate(
        [
            train[epoch_indices(labels[train], config.balance, generator)[: steps * batch_size]]
            for _ in range(config.epochs)
        ]
    )

    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        network = build_network(name, height, width)
        # The learner is the network and what only training needs before it.
        indices = keras.Input((), dtype="int32")
        images = PixelTable(table)(indices)  # (batch, height, width, 3)
        learner = keras.Model(indices, network(Augmentation(config.augmentation, seed=config.seed)(images)))
    finally:
        keras.config.set_dtype_policy(before)
    learner.compile(
        optimizer=_optimizer(config, steps * config.epochs),
        loss=keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=config.label_smoothing),
        metrics=[
            keras.metrics.CategoricalAccuracy(name="accuracy"),
            BalancedAccuracy(name="balanced_accuracy"),
        ],
        # TensorFlow's XLA has no kernel for the affine resampling of the augmentation; JAX always compiles.
        jit_compile=False if keras.backend.backend() == "tensorflow" else "auto",
    )

    history: list[EpochResult] = []
    best = KeepBest(network, config.patience)

    def record(epoch: int, logs: dict[str, float]) -> None:
        history.append(_epoch_result(epoch, logs))
        on_epoch(history[-1])

    learner.fit(
        shown,
        one_hot(labels[shown]),
        batch_size=batch_size,
        steps_per_epoch=steps,
        epochs=config.epochs,
        shuffle=False,
        validation_data=(validation, one_hot(labels[validation])),
        validation_batch_size=2 * batch_size,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=record), best, *callbacks],
        verbose=0,
    )

    # The bundle's network is in float32 whatever the training was in: exported graphs have to be.
    trained = build_network(name, height, width)
    trained.set_weights(best.weights)
    return Fitted(trained, tuple(history), best.best_epoch, time.monotonic() - started, precision)


def one_hot(labels: np.ndarray) -> np.ndarray:
    """(images,) int64 to (images, 7) float32."""
    return np.eye(len(DIAGNOSES), dtype=np.float32)[labels]


def _epoch_result(epoch: int, logs: dict[str, float]) -> EpochResult:
    figures = {
        key.replace("val_", "validation_") if key.startswith("val_") else f"train_{key}": float(value)
        for key, value in logs.items()
        if key != "learning_rate"
    }
    if not math.isfinite(figures["train_loss"]):
        raise TrainingError(
            f"the loss is no longer a number in epoch {epoch + 1}; lower --learning-rate, or use --precision float32"
        )
    return EpochResult(epoch + 1, **figures)


def _optimizer(config: TrainingConfig, steps: int) -> keras.optimizers.Optimizer:
    warm_up = max(1, round(WARM_UP_SHARE * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=config.learning_rate / 100,
        warmup_target=config.learning_rate,
        warmup_steps=warm_up,
        decay_steps=max(1, steps - warm_up),
    )
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay)
    # Decay is for what multiplies; pulling scales and offsets to zero only harms (arXiv:1812.01187).
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer


def _precision(choice: str) -> str:
    if choice != "auto":
        return choice
    return "mixed_float16" if has_gpu() else "float32"


def has_gpu() -> bool:
    """Whether Keras's backend sees a GPU."""
    if keras.backend.backend() == "torch":  # Keras lists no devices for this backend
        import torch

        return bool(torch.cuda.is_available())
    try:
        return bool(keras.distribution.list_devices("gpu"))
    except RuntimeError:  # JAX raises where the platform is missing
        return False


class BalancedAccuracy(keras.metrics.Metric):
    """The mean over diagnoses of the share of images recognised; diagnoses without images are left out."""

    def __init__(self, name: str = "balanced_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.recognised = self.add_variable((len(DIAGNOSES),), initializer="zeros", name="recognised")
        self.seen = self.add_variable((len(DIAGNOSES),), initializer="zeros", name="seen")

    def update_state(self, y_true, y_pred, sample_weight=None) -> None:
        """y_true: (batch, 7) one-hot; y_pred: (batch, 7) logits or probabilities."""
        right = ops.cast(ops.equal(ops.argmax(y_true, axis=-1), ops.argmax(y_pred, axis=-1)), y_true.dtype)
        self.recognised.assign(self.recognised + ops.sum(y_true * right[:, None], axis=0))
        self.seen.assign(self.seen + ops.sum(y_true, axis=0))

    def result(self):
        """The value so far, a scalar."""
        present = ops.cast(self.seen > 0, self.seen.dtype)
        recall = self.recognised / ops.maximum(self.seen, 1.0)
        return ops.sum(recall * present) / ops.maximum(ops.sum(present), 1.0)
