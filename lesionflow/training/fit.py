"""Fits one network, from its initial weights to those of the epoch that is kept; errors name the option to change."""

from __future__ import annotations

import contextlib
import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar

import keras
import numpy as np

from lesionflow.datasets.sampling import epoch_indices, positive_shares
from lesionflow.datasets.split import Split
from lesionflow.diagnoses import HAM10000
from lesionflow.errors import LesionflowError, TrainingError
from lesionflow.training import devices
from lesionflow.training.augmentation import Augmentation, Mixup
from lesionflow.training.callbacks import CheckpointCallback, EarlyStopping, SmallFirst, fingerprint, restore
from lesionflow.training.checkpoint import Checkpoints, EpochResult
from lesionflow.training.config import TrainingConfig
from lesionflow.training.imagenet import PUBLISHED
from lesionflow.training.networks import build_network, freeze_early_stages, set_stem_to_components
from lesionflow.training.normalisation import AdaptNormalisation, NormalisationPass
from lesionflow.training.objective import BalancedAccuracy, Consistency, build_loss
from lesionflow.training.optimizer import build_optimizer
from lesionflow.training.pixel_store import PixelStore
from lesionflow.training.warm_start import STATISTICS_OF, Start, start_from

# The classes of TensorFlow and PyTorch; JAX has one class for everything and tells them apart in the message, as does
# PyTorch if it runs out of memory other than a GPU's.
_CLASSES = {"ResourceExhaustedError", "OutOfMemoryError"}
_MESSAGES = ("RESOURCE_EXHAUSTED", "DefaultCPUAllocator: can't allocate memory")

_Given = ParamSpec("_Given")
_Result = TypeVar("_Result")


def explain_out_of_memory(
    fit: Callable[Concatenate[TrainingConfig, _Given], _Result],
) -> Callable[Concatenate[TrainingConfig, _Given], _Result]:
    """Make a function of a configuration raise `TrainingError` when memory runs out."""

    @functools.wraps(fit)
    def fit_or_say(config: TrainingConfig, *given: _Given.args, **named: _Given.kwargs) -> _Result:
        try:
            return fit(config, *given, **named)
        except LesionflowError:
            raise
        except Exception as error:
            known = isinstance(error, MemoryError) or type(error).__name__ in _CLASSES
            if not (known or any(message in str(error) for message in _MESSAGES)):
                raise
            mixed = ", or use --precision mixed_float16" if devices.has_gpu() and config.precision == "float32" else ""
            raise TrainingError(
                f"out of memory; lower --batch-size ({config.batch_size} now) or --image-size ({config.image_size} "
                f"now){mixed}"
            ) from error

    return fit_or_say


def check_finite(epoch: int, metrics: Mapping[str, float]) -> None:
    """Raise `TrainingError` if a metric of an epoch, counted from 1, is not a number."""
    if not all(math.isfinite(value) for value in metrics.values()):
        raise TrainingError(
            f"the loss is no longer a number in epoch {epoch}; train again with a lower --learning-rate, or with "
            "--precision float32"
        )


@dataclass(frozen=True)
class Fitted:
    """A trained network in float32, with the weights of the epoch that is kept, and its history."""

    network: keras.Model
    history: tuple[EpochResult, ...]
    best_epoch: int
    seconds: float
    precision: str


@dataclass(frozen=True)
class Examples:
    """Images and their targets; the test part of the split is not used."""

    pixels: np.ndarray  # (images, height, width, 3) uint8
    labels: np.ndarray  # (images,) int64
    split: Split
    classes: int = len(HAM10000)  # how many diagnoses there are
    # Targets that replace the labels of the training images: (train, classes) float32 shares.
    soft_targets: np.ndarray | None = None


@dataclass(frozen=True)
class _Steps:
    """The images of all training steps, drawn beforehand: arrays have `batch_size` rows for each step of each epoch."""

    rows: np.ndarray  # int32 indices in the training part
    kept: np.ndarray  # float32, the share that an image keeps when it is blended with the one before it in its batch
    targets: np.ndarray  # (..., classes) float32, blended likewise
    batch_size: int
    in_epoch: int


@explain_out_of_memory
def fit(
    config: TrainingConfig,
    examples: Examples,
    *,
    on_epoch: Callable[[EpochResult], None] = lambda result: None,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    checkpoints: Checkpoints = Checkpoints(),  # noqa: B008 (frozen)
    start: Start | None = None,
) -> Fitted:
    """Train the network of a resolved configuration on the training part, and keep the epoch that it asks for.

    `on_epoch` is called after every epoch; `checkpoints` says what happens to the state after it, and where to resume
    from. start: weights to start from; None: ImageNet's for an EfficientNet, random ones for the others.
    Raises `TrainingError` where the loss stops being a number, memory runs out, or the checkpoint is another's.
    """
    started = time.monotonic()
    name, pixels, split, classes = config.model, examples.pixels, examples.split, examples.classes
    last, belongs_to = checkpoints.last, fingerprint(config, split.digest, checkpoints.data_digest)
    if config.deterministic:
        devices.make_deterministic()
    precision = last.precision if last else devices.chosen_precision(config.precision, name, config.image_size)
    keras.utils.set_random_seed(config.seed)
    members = np.concatenate([split.train, split.validation])  # the test part stays outside
    labels = examples.labels[members]
    train, validation = np.split(np.arange(len(members), dtype=np.int32), [len(split.train)])
    told = one_hot(labels[train], classes) if examples.soft_targets is None else examples.soft_targets
    steps = _drawn_steps(config, labels[train], told)

    with devices.across_devices(), _number_format(precision):
        store = PixelStore(pixels, members)
        network = _built(config, examples, any_size=config.small_first > 0)
        if name in PUBLISHED and last:
            freeze_early_stages(network)  # its weights come from the checkpoint
        elif start or name in PUBLISHED:
            start_from(start, network, store, train, labels[train], config.balance)
        elif name == "cnn" and not last:
            some = np.linspace(0, len(train) - 1, STATISTICS_OF, dtype=int)
            set_stem_to_components(network, store.look_up(train[some]))
        augmentation = Augmentation(config.augmentation, config.quality, seed=config.seed)
        learner = _learner(config, network, store, augmentation)
        averaging = _averaging(config, network, store, train, labels[train])

    history = [EpochResult(epoch, **metrics) for epoch, metrics in enumerate(last.history if last else (), start=1)]
    best = EarlyStopping(network, config.patience, keep_last=config.keep == "last")

    def record(epoch: int, logs: dict[str, float]) -> None:
        history.append(_epoch_result(epoch, logs))
        on_epoch(history[-1])

    # Other devices can mean other steps, and with them another schedule and another order.
    belongs_to |= {"images in a step": steps.batch_size, "steps in an epoch": steps.in_epoch}
    if last:
        last.check(belongs_to)
    recording = keras.callbacks.LambdaCallback(on_epoch_end=record)
    with (
        devices.across_devices(),
        CheckpointCallback(checkpoints, belongs_to, precision, store.table, best, history) as checkpointing,
    ):
        _compile(learner, config, labels[train], classes, steps.in_epoch)
        if last:
            restore(last, learner, store.table, best, averaged=bool(averaging))
        if not (last and last.ends(config.epochs, config.patience)):
            epochs, small_first = range(len(history), config.epochs), SmallFirst(augmentation, config.small_epochs)
            in_order = [small_first, *averaging, recording, best, checkpointing, *callbacks]
            _run_epochs(learner, store, steps, validation, one_hot(labels, classes), epochs, in_order)

    # The bundle's network is in float32 whatever the training was in: exported graphs have to be.
    trained = _built(config, examples)
    trained.set_weights(best.weights)
    seconds = time.monotonic() - started + (last.seconds if last else 0.0)
    return Fitted(trained, tuple(history), best.best_epoch, seconds, precision)


def _built(config: TrainingConfig, examples: Examples, any_size: bool = False) -> keras.Model:
    height, width = (None, None) if any_size else examples.pixels.shape[1:3]
    return build_network(config.model, height, width, config.width, examples.classes)


def _learner(
    config: TrainingConfig, network: keras.Model, store: PixelStore, augmentation: Augmentation
) -> keras.Model:
    """The network, and the layers around it that only training needs."""
    rows, kept = store.input(), keras.Input((), dtype="float32")
    images = augmentation(store.images(rows))  # (batch, height, width, 3)
    if config.mixup:
        images = Mixup(_views(config))([images, kept])
    logits = network(images)
    if config.consistency:
        logits = Consistency(config.consistency)(logits)
    return keras.Model([rows, kept], logits)


def _compile(learner: keras.Model, config: TrainingConfig, labels: np.ndarray, classes: int, steps: int) -> None:
    """Labels: of the training part, (images,) int64; steps: of an epoch."""
    positive = positive_shares(labels, config.balance, classes)
    learner.compile(
        optimizer=build_optimizer(config, steps * config.epochs),
        loss=build_loss(config.loss, config.label_smoothing, positive),
        weighted_metrics=[
            keras.metrics.CategoricalAccuracy(name="accuracy"),
            BalancedAccuracy(config.believed_prior(labels, classes)),
        ],
        steps_per_execution=devices.steps_at_once(steps),
    )
    # If created in the first step, the optimizer's variables would make TensorFlow trace that step twice.
    learner.optimizer.build(learner.trainable_variables)


def _averaging(
    config: TrainingConfig, network: keras.Model, store: PixelStore, rows: np.ndarray, labels: np.ndarray
) -> list[keras.callbacks.Callback]:
    """The callbacks that make validation, and so the choice of the epoch, use the averaged weights."""
    if not config.averaging:
        return []
    adapting = NormalisationPass(network, store, rows, labels, config.balance)
    return [keras.callbacks.SwapEMAWeights(swap_on_epoch=True), AdaptNormalisation(adapting)]


@contextlib.contextmanager
def _number_format(precision: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _views(config: TrainingConfig) -> int:
    """The number of views of each image in a batch."""
    return 2 if config.consistency else 1


def _drawn_steps(config: TrainingConfig, labels: np.ndarray, soft_targets: np.ndarray) -> _Steps:
    """Labels: of the training part, (images,) int64, by which it is sampled; soft_targets: (images, classes)."""
    generator, views = np.random.default_rng(config.seed), _views(config)
    batch_size = devices.divisible(min(config.batch_size, len(labels)), devices.device_count() * views)
    in_epoch = len(labels) // batch_size  # the rest is left out, so that all steps have the same shape
    in_epoch -= in_epoch % devices.steps_at_once(in_epoch)
    shown = batch_size // views  # different images in a step
    # With two views, an epoch has half of the images; the next one continues with the others.
    rounds = -(-config.epochs // views)
    drawn = [epoch_indices(labels, config.balance, generator)[: in_epoch * batch_size] for _ in range(rounds)]
    indices = np.concatenate(drawn)[: config.epochs * in_epoch * shown].astype(np.int32)
    targets, kept = soft_targets[indices], np.ones(len(indices), np.float32)
    if config.mixup:
        kept = generator.beta(config.mixup, config.mixup, len(indices)).astype(np.float32)
        before = np.roll(targets.reshape(-1, shown, targets.shape[1]), 1, axis=1).reshape(targets.shape)
        targets = kept[:, None] * targets + (1 - kept[:, None]) * before

    def in_views(values: np.ndarray) -> np.ndarray:
        batches = values.reshape(-1, 1, shown, *values.shape[1:])
        return np.repeat(batches, views, axis=1).reshape(-1, *values.shape[1:])

    return _Steps(in_views(indices), in_views(kept), in_views(targets), batch_size, in_epoch)


def _run_epochs(
    learner: keras.Model,
    store: PixelStore,
    steps: _Steps,
    validation: np.ndarray,
    truth: np.ndarray,
    epochs: range,
    callbacks: list[keras.callbacks.Callback],
) -> None:
    """Train for some epochs, counted from 0; validation: rows of the store; truth: of all of its rows, one hot."""
    done, size = epochs.start * steps.in_epoch * steps.batch_size, steps.batch_size
    rows, weights = devices.in_whole_parts(validation, devices.device_count())
    kept = np.ones(len(rows), np.float32)
    learner.fit(
        *store.batches(steps.rows[done:], (steps.kept[done:],), steps.targets[done:], size)[:2],
        batch_size=size,
        steps_per_epoch=steps.in_epoch,
        initial_epoch=epochs.start,
        epochs=epochs.stop,
        shuffle=False,
        validation_data=store.batches(rows, (kept,), truth[rows], 2 * size, weights),
        validation_batch_size=2 * size,
        callbacks=callbacks,
        verbose=0,
    )


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """(images,) int64 to (images, classes) float32."""
    return np.eye(classes, dtype=np.float32)[labels]


def _epoch_result(epoch: int, logs: dict[str, float]) -> EpochResult:
    metrics = {
        key.replace("val_", "validation_") if key.startswith("val_") else f"train_{key}": float(value)
        for key, value in logs.items()
        if key != "learning_rate"
    }
    check_finite(epoch + 1, metrics)
    return EpochResult(epoch + 1, **metrics)
