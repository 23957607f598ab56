import dataclasses

import keras
import numpy as np
import pytest

from lesionflow.errors import RegistryError, TrainingError
from lesionflow.training.augmentation import Augmentation
from lesionflow.training.callbacks import CheckpointCallback, EarlyStopping, restore
from lesionflow.training.checkpoint import Checkpoint, Checkpoints, EpochResult, from_bytes, to_bytes
from lesionflow.training.fit import Examples, fit, one_hot
from lesionflow.training.objective import BalancedAccuracy
from lesionflow.training.pixel_store import PixelLookup
from tests.training.test_fit import CONFIG, coloured

pytestmark = pytest.mark.usefixtures("light")
STEPS, BATCH = 5, 14


class Small:
    """What `fit` puts together, with a network that is traced in a moment; averaged weights and a loss scale in it."""

    def __init__(self, checkpoints: Checkpoints):
        keras.utils.set_random_seed(1)
        self.pixels, self.labels, _ = coloured()
        image = keras.Input((16, 16, 3))
        head = keras.layers.Dense(7)(keras.layers.Dropout(0.5)(keras.layers.GlobalAveragePooling2D()(image)))
        self.network = keras.Model(image, head)
        indices, self.table = keras.Input((), dtype="int32"), PixelLookup(self.pixels)
        self.learner = keras.Model(indices, self.network(Augmentation(seed=1)(self.table(indices)) / 255))
        schedule = keras.optimizers.schedules.CosineDecay(0.1, 4 * STEPS)
        self.learner.compile(
            keras.optimizers.LossScaleOptimizer(
                keras.optimizers.AdamW(schedule, use_ema=True, ema_momentum=0.7), dynamic_growth_steps=3
            ),
            keras.losses.CategoricalCrossentropy(from_logits=True),
            metrics=[BalancedAccuracy(np.ones(7))],
        )
        self.best, self.averaging = EarlyStopping(self.network, 9), keras.callbacks.SwapEMAWeights(swap_on_epoch=True)
        self.losses: list[float] = []
        self.checkpoints = checkpoints
        if checkpoints.last:
            restore(checkpoints.last, self.learner, self.table, self.best, averaged=True)

    def fit(self) -> None:
        """Train from the checkpoint's epoch to the fourth."""
        history = [
            EpochResult(epoch, *[0.0] * 6) for epoch in range(1, 1 + len(self.checkpoints.last.history))
        ] if self.checkpoints.last else []  # fmt: skip
        done, shown = len(history) * STEPS * BATCH, np.arange(4 * STEPS * BATCH, dtype=np.int32) % len(self.pixels)

        def record(epoch: int, logs: dict[str, float]) -> None:
            history.append(EpochResult(epoch + 1, *[0.0] * 6))
            self.losses += [logs["loss"], logs["val_loss"]]

        with CheckpointCallback(self.checkpoints, {}, "float32", self.table, self.best, history) as saving:
            self.learner.fit(
                shown[done:], one_hot(self.labels[shown[done:]], 7), batch_size=BATCH, steps_per_epoch=STEPS, epochs=4,
                initial_epoch=len(history), shuffle=False, verbose=0,
                validation_data=(np.arange(70, dtype=np.int32), one_hot(self.labels[:70], 7)),
                callbacks=[self.averaging, keras.callbacks.LambdaCallback(on_epoch_end=record), self.best, saving],
            )  # fmt: skip


def test_goes_on_as_if_nothing_had_happened() -> None:
    kept: list[bytes] = []
    undisturbed = Small(Checkpoints(lambda checkpoint: kept.append(to_bytes(checkpoint))))
    undisturbed.fit()
    assert len(kept) == 4 and len(set(undisturbed.losses)) == 8
    assert len(kept[0]) < undisturbed.pixels.nbytes / 2, "the pixels are no part of it"

    second = from_bytes(kept[1])
    resumed = Small(Checkpoints(last=second))
    resumed.fit()
    assert resumed.losses == pytest.approx(undisturbed.losses[4:], rel=1e-6)
    assert resumed.best.best_epoch == undisturbed.best.best_epoch
    for one, other in zip(resumed.best.weights, undisturbed.best.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    # Random generators, moments, step counters and the loss scale: all of it.
    for one, other in zip(resumed.learner.variables, undisturbed.learner.variables, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-7)
    pairs = zip(resumed.learner.optimizer.variables, undisturbed.learner.optimizer.variables, strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-5, atol=1e-7)

    assert second is not None
    shorter = {"optimizer": second.optimizer[:-1], "optimizer_names": second.optimizer_names[:-1]}
    with pytest.raises(TrainingError, match=r"variable \d+ of the optimizer is missing there and dense_bias_vel"):
        Small(Checkpoints(last=dataclasses.replace(second, **shorter)))  # type: ignore[arg-type]
    renamed = ("dense/other", *second.learner_names[1:])
    with pytest.raises(TrainingError, match=r"variable 0 of the model is dense/other of shape \(2,\) there"):
        Small(Checkpoints(last=dataclasses.replace(second, learner_names=renamed)))


def test_a_checkpoint_that_cannot_be_kept_stops_the_training() -> None:
    def full(checkpoint: Checkpoint) -> None:
        raise RegistryError("the disk is full")

    small = Small(Checkpoints(full))
    with pytest.raises(RegistryError, match="disk is full"):
        small.fit()
    assert len(small.losses) == 2 * 2  # it is noticed when the second one is to be written


def test_what_a_stopped_training_had_finished_is_kept() -> None:
    kept: list[int] = []
    small = Small(Checkpoints(lambda checkpoint: kept.append(checkpoint.epoch)))

    def stop(epoch: int, logs: object) -> None:
        if epoch == 2:
            raise KeyboardInterrupt

    small.best.on_epoch_begin = stop  # the third epoch, counted from 0
    with pytest.raises(KeyboardInterrupt):
        small.fit()
    assert kept == [1, 2]


def test_after_the_last_epoch_there_is_nothing_left_to_train() -> None:
    pixels, labels, split = coloured()
    config = dataclasses.replace(CONFIG, epochs=1)
    kept: list[Checkpoint] = []
    trained = fit(config, Examples(pixels, labels, split), checkpoints=Checkpoints(kept.append, data_digest="these"))
    seen: list[EpochResult] = []
    last = Checkpoints(last=kept[0], data_digest="these")
    again = fit(config, Examples(pixels, labels, split), on_epoch=seen.append, checkpoints=last)
    assert not seen and again.history == trained.history and again.seconds > kept[0].seconds
    for one, other in zip(again.network.get_weights(), trained.network.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)

    with pytest.raises(TrainingError, match=r"another training: data \(these then, others now\)"):
        fit(config, Examples(pixels, labels, split), checkpoints=Checkpoints(last=kept[0], data_digest="others"))


@pytest.mark.parametrize(("epochs", "best_epoch", "ends"), [(4, 4, True), (5, 4, False), (9, 2, True), (9, 3, False)])
def test_a_training_ends_with_its_epochs_or_its_patience(epochs: int, best_epoch: int, ends: bool) -> None:
    history = ({"train_loss": 1.0},) * 4
    checkpoint = Checkpoint({}, history, 1.0, "float32", 0.5, best_epoch, (), (), (), (), ())
    assert checkpoint.ends(epochs, patience=2) is ends
