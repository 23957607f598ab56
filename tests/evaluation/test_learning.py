import dataclasses

import numpy as np
import pytest

from lesionflow.evaluation.learning import History, diagnose_fit, learning_curves, smoothed
from lesionflow.evaluation.plots import message_of
from tests.evaluation.evaluations import drawn, texts

EPOCHS = np.arange(1, 31)


def history(
    train_loss: np.ndarray, validation_loss: np.ndarray, train: np.ndarray, validation: np.ndarray, noise: float = 0
) -> History:
    generator = np.random.default_rng(0)
    curves = {
        "train_loss": train_loss,
        "validation_loss": validation_loss,
        "train_balanced_accuracy": train,
        "validation_balanced_accuracy": validation,
    }
    noisy = {name: curve + generator.normal(0, noise, len(curve)) for name, curve in curves.items()}
    figures = [{name: float(curve[epoch]) for name, curve in noisy.items()} for epoch in range(len(train_loss))]
    return History(figures, best_epoch=len(figures))


FALLING = 2 * np.exp(-EPOCHS / 10)  # the training loss
LEVEL = 1 + np.exp(-EPOCHS / 2)
REACHED = 0.6 - 0.3 * np.exp(-EPOCHS / 2)


@pytest.mark.parametrize("noise", [0, 0.01])
def test_overfitting_is_named_with_the_epoch_from_which_validation_loss_rises(noise: float) -> None:
    turning = np.where(EPOCHS < 12, 2 - 0.1 * EPOCHS, 0.9 + 0.04 * (EPOCHS - 11))
    named = diagnose_fit(history(FALLING, turning, REACHED + 0.1, REACHED, noise))
    assert named.endswith("validation loss rises while training loss falls")
    assert abs(int(named.removeprefix("overfits from epoch ").partition(":")[0]) - 12) <= 2


def test_overfitting_names_the_gap_of_the_kept_weights_where_it_is_known() -> None:
    turning = np.where(EPOCHS < 12, 2 - 0.1 * EPOCHS, 0.9 + 0.04 * (EPOCHS - 11))
    overfitted = history(FALLING, turning, REACHED, REACHED)
    named = diagnose_fit(dataclasses.replace(overfitted, train=0.9, validation=0.6))
    assert named.endswith("falls; the epoch kept has a gap of 0.30 in balanced accuracy")


def test_a_loss_that_rises_with_the_training_loss_is_no_overfitting() -> None:
    diverging = np.where(EPOCHS < 12, 2 - 0.1 * EPOCHS, 0.9 + 0.04 * (EPOCHS - 11))
    assert "overfits" not in diagnose_fit(history(diverging, diverging, REACHED, REACHED))


def test_a_rise_within_the_scatter_is_no_overfitting() -> None:
    slight = LEVEL + np.where(EPOCHS > 20, 0.07, 0)  # 7 %, but epochs differ by 0.15
    assert "overfits" not in diagnose_fit(history(FALLING, slight, REACHED, REACHED, noise=0.15))


def test_still_improving() -> None:
    loss = diagnose_fit(history(FALLING, FALLING + 0.5, REACHED, REACHED))
    assert loss.startswith("still improving when it stopped: validation loss fell by ")
    assert loss.endswith("% after epoch 20")
    rising = diagnose_fit(history(FALLING, LEVEL, EPOCHS / 50, EPOCHS / 60))
    assert rising == "still improving when it stopped: balanced accuracy rose by 0.15 after epoch 20"


def test_a_stable_gap_is_that_of_the_kept_weights_not_of_the_augmented_curves() -> None:
    flat = history(LEVEL, LEVEL, REACHED + 0.05, REACHED, noise=0.005)
    assert diagnose_fit(flat) == "gap of 0.05 in balanced accuracy, stable"
    kept = History(flat.epochs, flat.best_epoch, 0.80, 0.66)
    assert diagnose_fit(kept) == "gap of 0.14 in balanced accuracy, stable"
    behind = history(LEVEL, LEVEL, REACHED - 0.05, REACHED)
    assert diagnose_fit(behind) == "validation ahead of training by 0.05 in balanced accuracy, stable"


def test_a_gap_that_opens() -> None:
    opening = history(FALLING, LEVEL, REACHED + EPOCHS / 100, REACHED)
    assert diagnose_fit(opening) == "gap of 0.30 in balanced accuracy, still widening"


def test_too_few_epochs() -> None:
    assert diagnose_fit(history(*np.ones((4, 3)))) == "too few epochs (3) to tell"


def test_smoothing_drops_a_single_epoch() -> None:
    curve = np.ones(9)
    curve[4] = 100
    assert (smoothed(curve) == 1).all()


def test_curves_of_both_networks_stand_side_by_side() -> None:
    flat = dataclasses.replace(history(LEVEL, LEVEL, REACHED + 0.05, REACHED), train=0.80, validation=0.66)
    short = history(*np.ones((4, 1)))
    figure = learning_curves("on clinic", {"cnn": flat, "$vgg": short})
    assert message_of(figure) == ("cnn: gap of 0.14 in balanced accuracy, stable; $vgg: too few epochs (1) to tell")
    assert len(figure.axes) == 4 and "epoch (kept: 30)" in texts(figure)
    assert {line.get_linestyle() for line in figure.axes[0].lines} >= {"-", "--"}  # not told apart by colour
    assert drawn(figure).std() > 10
    assert not any(axes.texts for axes in figure.axes)  # nothing covers a curve
    legend = figure.axes[2].get_legend()
    assert legend and figure.axes[2].bbox.y1 <= legend.get_window_extent().y0
    assert legend.get_window_extent().y1 <= figure.axes[0].bbox.y0
