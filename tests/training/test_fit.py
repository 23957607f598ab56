import dataclasses
from typing import Any

import keras
import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from lesionflow.datasets.split import Split
from lesionflow.errors import TrainingError
from lesionflow.training import augmentation
from lesionflow.training.callbacks import EarlyStopping
from lesionflow.training.checkpoint import Checkpoint, Checkpoints, EpochResult
from lesionflow.training.config import TrainingConfig
from lesionflow.training.fit import Examples, _drawn_steps, check_finite, explain_out_of_memory, fit, one_hot
from lesionflow.training.networks import build_network
from lesionflow.training.objective import BalancedAccuracy
from lesionflow.training.pixel_store import PixelLookup
from lesionflow.training.warm_start import Start

# Where the network does not matter, it is `vgg`, and that one convolution.
pytestmark = pytest.mark.usefixtures("light")
CONFIG = TrainingConfig(epochs=4, batch_size=16, image_size=16, augmentation=0.3).resolved("vgg", "quick")


def coloured(count: int = 210) -> tuple[np.ndarray, np.ndarray, Split]:
    """Images whose mean colour tells the diagnosis, and a split of them."""
    generator = np.random.default_rng(0)
    labels = np.arange(count) % 7
    colours = np.array([(r, g, b) for r in (60, 200) for g in (60, 200) for b in (60, 200)][:7])
    pixels = colours[labels][:, None, None] + generator.normal(0, 12, (count, 16, 16, 3))
    parts = np.split(np.arange(count), [140, 175])
    return pixels.clip(0, 255).astype(np.uint8), labels, Split(parts[0], parts[1], parts[2], 0, (0.7, 0.15, 0.15), "")


def test_learns_and_ends_with_the_weights_of_the_best_epoch() -> None:
    pixels, labels, split = coloured()
    seen: list[EpochResult] = []
    config = dataclasses.replace(CONFIG, model="cnn", epochs=5)
    fitted = fit(config, Examples(pixels, labels, split), on_epoch=seen.append)
    assert tuple(seen) == fitted.history
    assert [result.epoch for result in seen] == list(range(1, len(seen) + 1))
    best = max(seen, key=lambda result: result.validation_balanced_accuracy)
    assert fitted.best_epoch == best.epoch
    # The network that comes back, asked afresh, gives the best epoch's figure: nothing later leaked in.
    called = fitted.network.predict(pixels[split.validation].astype(np.float32), verbose=0).argmax(axis=1)
    figure = balanced_accuracy_score(labels[split.validation], called)
    assert figure == pytest.approx(best.validation_balanced_accuracy, abs=1e-6)
    assert figure > 0.6


def test_cnn_starts_with_components_of_training_images_unless_it_has_weights() -> None:
    pixels, labels, split = coloured()
    still = dataclasses.replace(CONFIG, model="cnn", epochs=1, learning_rate=1e-9, weight_decay=0.0)

    def stem(start: Start | None = None) -> np.ndarray:
        return np.array(fit(still, Examples(pixels, labels, split), start=start).network.weights[0])

    first = stem()
    np.testing.assert_allclose(first[..., 16:], -first[..., :16], atol=1e-4)
    weights = build_network("cnn", 16, 16).get_weights()
    np.testing.assert_allclose(stem(Start(weights)), weights[0], atol=1e-4)


def test_the_test_part_cannot_matter() -> None:
    pixels, labels, split = coloured()
    other_pixels, other_labels = pixels.copy(), labels.copy()
    other_pixels[split.test], other_labels[split.test] = 0, 0
    one = fit(dataclasses.replace(CONFIG, epochs=1), Examples(pixels, labels, split))
    other = fit(dataclasses.replace(CONFIG, epochs=1), Examples(other_pixels, other_labels, split))
    assert one.history[0].validation_loss == pytest.approx(other.history[0].validation_loss, rel=1e-3)


def test_stops_early_when_nothing_gets_better(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, labels, split = coloured()
    config = dataclasses.replace(CONFIG, epochs=30, patience=2, learning_rate=1e-9)
    fitted = fit(config, Examples(pixels, labels, split))
    assert len(fitted.history) < 30
    assert len(fitted.history) == fitted.best_epoch + 2


def test_a_loss_that_is_no_number_names_the_lever() -> None:
    pixels, labels, split = coloured()

    class Spoil(keras.callbacks.Callback):
        def on_train_begin(self, logs: object = None) -> None:
            for weight in self.model.trainable_weights:
                weight.assign(weight * float("nan"))

    with pytest.raises(TrainingError, match="--learning-rate"):
        fit(CONFIG, Examples(pixels, labels, split), callbacks=(Spoil(),))


def test_the_seed_says_what_is_shown_and_where_the_weights_begin() -> None:
    pixels, labels, split = coloured()

    class Begun(Exception):  # noqa: N818 (it is what the test waits for)
        pass

    def first_weights(seed: int) -> list[np.ndarray]:
        class Look(keras.callbacks.Callback):
            def on_train_begin(self, logs: object = None) -> None:
                raise Begun(*self.model.get_weights())

        with pytest.raises(Begun) as begun:
            fit(dataclasses.replace(CONFIG, seed=seed), Examples(pixels, labels, split), callbacks=(Look(),))
        return list(begun.value.args)

    one, same, other = first_weights(1), first_weights(1), first_weights(2)
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))

    def indices(seed: int) -> np.ndarray:
        return _drawn_steps(dataclasses.replace(CONFIG, seed=seed), labels[:140], one_hot(labels[:140], 7)).rows

    np.testing.assert_array_equal(indices(1), indices(1))
    assert (indices(1) != indices(2)).any()


def test_pixels_are_looked_up_by_index() -> None:
    pixels, _, _ = coloured()
    indices = np.array([3, 3, 200, 0], dtype=np.int32)
    np.testing.assert_array_equal(np.asarray(PixelLookup(pixels)(indices)), pixels[indices])


def test_balanced_accuracy_agrees_with_an_independent_one() -> None:
    generator = np.random.default_rng(1)
    labels = generator.choice([0, 1, 4, 5], 300, p=[0.1, 0.1, 0.1, 0.7])
    logits = generator.normal(size=(300, 7)) + 2 * one_hot(labels, 7)
    metric = BalancedAccuracy(np.ones(7))
    for part in np.array_split(np.arange(300), 7):
        metric.update_state(one_hot(labels[part], 7), logits[part].astype(np.float32))
    # scikit-learn warns of predicted diagnoses that never occur, and leaves them out as we do
    recalls = [(logits.argmax(axis=1)[labels == label] == label).mean() for label in (0, 1, 4, 5)]
    assert float(metric.result()) == pytest.approx(np.mean(recalls), abs=1e-6)


def test_keep_best_takes_the_first_of_equals() -> None:
    network = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    best = EarlyStopping(network, patience=2)
    best.set_model(network)
    network.stop_training = False
    for epoch, figure in enumerate([0.3, 0.5, 0.5, 0.4]):
        network.layers[0].kernel.assign([[float(epoch)]])
        best.on_epoch_end(epoch, {"val_balanced_accuracy": figure})
    assert best.best_epoch == 2 and best.weights[0].item() == 1.0
    assert network.stop_training


def test_the_last_epochs_weights_can_be_kept() -> None:
    network = keras.Sequential([keras.layers.Input((1,)), keras.layers.Dense(1, kernel_initializer="ones")])
    last = EarlyStopping(network, patience=2, keep_last=True)
    last.set_model(network)
    network.stop_training = False
    for epoch, figure in enumerate([0.5, 0.4, 0.3, 0.2]):
        network.layers[0].kernel.assign([[float(epoch)]])
        last.on_epoch_end(epoch, {"val_balanced_accuracy": figure})
    assert last.best_epoch == 4 and last.weights[0].item() == 3.0 and not network.stop_training


def test_first_epochs_are_of_small_images_and_the_last_of_whole_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, labels, split = coloured()
    pixels = pixels.repeat(2, axis=1).repeat(2, axis=2)  # 32 x 32, of which two thirds are 24 x 24
    sizes: list[tuple[int, ...]] = []
    whole = augmentation.resample

    def watched(*given: Any) -> Any:
        sizes.append(given[2:])
        return whole(*given)

    monkeypatch.setattr(augmentation, "resample", watched)
    config, kept = dataclasses.replace(CONFIG, small_first=0.5), list[Checkpoint]()
    fitted = fit(config, Examples(pixels, labels, split), checkpoints=Checkpoints(kept.append))
    assert sizes == [(24, 24), (32, 32)], "each size is traced once"
    assert fitted.network.input_shape == (None, 32, 32, 3)

    for resumed_after, traced in (1, [(24, 24), (32, 32)]), (2, [(32, 32)]):
        sizes.clear()
        again = fit(config, Examples(pixels, labels, split), checkpoints=Checkpoints(last=kept[resumed_after - 1]))
        assert sizes == traced
        for one, other in zip(again.history, fitted.history, strict=True):
            assert one.metrics == pytest.approx(other.metrics, rel=1e-3)


@pytest.mark.parametrize(
    ("epochs", "share", "small"), [(1, 0.9, 0), (4, 0.0, 0), (4, 0.9, 3), (8, 0.6, 5), (16, 0.9, 14)]
)
def test_the_last_epoch_is_never_small(epochs: int, share: float, small: int) -> None:
    assert dataclasses.replace(CONFIG, epochs=epochs, small_first=share).small_epochs == small


def test_memory_that_runs_out_names_the_levers() -> None:
    @explain_out_of_memory
    def fit(config: TrainingConfig) -> object:
        return keras.ops.ones((10**7, 10**8))  # four petabytes, asked of the backend itself

    with pytest.raises(TrainingError, match=r"--batch-size \(64 now\) or --image-size \(96 now\)"):
        fit(TrainingConfig(batch_size=64, image_size=96))


def test_other_errors_stay_what_they_are() -> None:
    @explain_out_of_memory
    def fit(config: TrainingConfig) -> object:
        return keras.ops.reshape(keras.ops.ones(3), (2, 2))

    with pytest.raises(Exception, match="3") as failed:
        fit(TrainingConfig())
    assert not isinstance(failed.value, TrainingError)


def test_a_figure_that_is_no_number_names_the_lever() -> None:
    check_finite(1, {"train_loss": 0.5, "validation_loss": 0.0})
    for figure in (float("nan"), float("inf")):
        with pytest.raises(TrainingError, match="epoch 3; train again with a lower --learning-rate"):
            check_finite(3, {"train_loss": 0.5, "validation_loss": figure})
