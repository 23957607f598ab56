"""Learning curves, and a diagnosis of the gap between training and validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.evaluation.plots import TEXT, canvas, caption, legend_above, printable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FEWEST_EPOCHS = 5
RISE = 0.05  # a loss that rises or falls by less than this share of itself is level
SLOPE = 0.01  # balanced accuracy gained, or gap opened: less is level


@dataclass(frozen=True)
class History:
    """The history of a network's training."""

    epochs: Sequence[Mapping[str, float]]  # `EpochResult.metrics` of each: train_loss, validation_loss, ...
    best_epoch: int  # from 1: the one whose weights are kept
    train: float | None = None  # balanced accuracy of these weights on the training images as they are,
    validation: float | None = None  # and on the validation images

    def curve(self, name: str) -> np.ndarray:
        """One metric by epoch: (epochs,)."""
        return np.array([metrics[name] for metrics in self.epochs], dtype=np.float64)


def diagnose_fit(history: History) -> str:
    """Describe the gap between training and validation in a few words.

    Decided on curves smoothed by a running median of five epochs, where a change counts only if it is larger than twice
    the curve's scatter (the median step between neighbouring epochs in its second half), in this order:
    - Too few: fewer than five epochs.
    - Overfits: the validation loss ends more than 5 % above its lowest point, and the training loss fell on meanwhile.
    - Still improving: in the last third the validation loss fell by more than 5 %, or validation balanced accuracy
      gained more than 0.01.
    - Widening: in the last third the gap in balanced accuracy grew by more than 0.01. Otherwise stable.
    The gap's size is that of the kept weights on images as they are, where it is known. The curves alone understate it:
    their training metrics are of augmented, oversampled images with dropout on.
    """
    if len(history.epochs) < FEWEST_EPOCHS:
        return f"too few epochs ({len(history.epochs)}) to tell"
    validation, training = history.curve("validation_loss"), history.curve("train_loss")
    smooth, smooth_training = smoothed(validation), smoothed(training)
    lowest = int(smooth.argmin())
    noise = 2 * _scatter(validation)
    rise = smooth[-1] - smooth[lowest]
    if rise > max(RISE * smooth[lowest], noise) and smooth_training[-1] < smooth_training[lowest]:
        told = f"overfits from epoch {lowest + 2}: validation loss rises while training loss falls"
        known = history.train is not None and history.validation is not None
        return told + (f"; the epoch kept has a gap of {_gap(history):.2f} in balanced accuracy" if known else "")
    if improving := _still_improving(history, smooth, noise):
        return improving
    gaps = history.curve("train_balanced_accuracy") - history.curve("validation_balanced_accuracy")
    opened = smoothed(gaps)[-1] - smoothed(gaps)[_last_third(history)]
    trend = "still widening" if opened > max(SLOPE, 2 * _scatter(gaps)) else "stable"
    gap = _gap(history)
    if gap < 0:
        return f"validation ahead of training by {-gap:.2f} in balanced accuracy, {trend}"
    return f"gap of {gap:.2f} in balanced accuracy, {trend}"


def smoothed(curve: np.ndarray) -> np.ndarray:
    """A running median of five epochs, of fewer at the ends: (epochs,)."""
    return np.array([np.median(curve[max(0, index - 2) : index + 3]) for index in range(len(curve))])


def _still_improving(history: History, smooth: np.ndarray, noise: float) -> str:
    start = _last_third(history)
    fall = smooth[start] - smooth[-1]
    if fall > max(RISE * smooth[start], noise):
        return (
            f"still improving when it stopped: validation loss fell by {fall / smooth[start]:.0%} "
            f"after epoch {start + 1}"
        )
    curve = history.curve("validation_balanced_accuracy")
    gain = smoothed(curve)[-1] - smoothed(curve)[start]
    if gain > max(SLOPE, 2 * _scatter(curve)):
        return f"still improving when it stopped: balanced accuracy rose by {gain:.2f} after epoch {start + 1}"
    return ""


def _last_third(history: History) -> int:
    return len(history.epochs) - 1 - max(1, len(history.epochs) // 3)


def _scatter(curve: np.ndarray) -> float:
    """The median step between neighbouring epochs in a curve's second half: early steps are progress."""
    return float(np.median(np.abs(np.diff(curve[len(curve) // 2 :]))))


def _gap(history: History) -> float:
    if history.train is not None and history.validation is not None:
        return history.train - history.validation
    kept = history.epochs[history.best_epoch - 1]
    return kept["train_balanced_accuracy"] - kept["validation_balanced_accuracy"]


def learning_curves(about: str, histories: Mapping[str, History]) -> Figure:
    """Loss and balanced accuracy by epoch, one column per network, with its gap described in the title."""
    from matplotlib.ticker import MaxNLocator

    rows = (("loss", "loss"), ("balanced_accuracy", "balanced accuracy"))
    figure, panels = canvas(4.9, len(rows), max(1, len(histories)), sharex="col", sharey="row")
    for column, (network, history) in enumerate(histories.items()):
        epochs = np.arange(1, len(history.epochs) + 1)
        for row, (name, label) in enumerate(rows):
            axes = panels[row, column]
            axes.axvline(history.best_epoch, color="0.8", linewidth=4, zorder=0)
            for part, style, words in (("train", "--", "training"), ("validation", "-", "validation")):
                curve = history.curve(f"{part}_{name}")
                axes.plot(epochs, curve, style, color="black", linewidth=1.4, label=words)
            if name == "balanced_accuracy":
                for value, marker, words in ((history.train, "^", "not augmented"), (history.validation, "o", "")):
                    if value is not None:
                        axes.plot(history.best_epoch, value, marker, color="black", markerfacecolor="white",
                                  clip_on=False, zorder=5, label=words or None)  # fmt: skip
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
            if not column:
                axes.set_ylabel(label)
        panels[0, column].set_title(printable(network), fontsize=TEXT, fontweight="bold", parse_math=False, y=1.0)
        panels[-1, column].set_xlabel(f"epoch (kept: {history.best_epoch})")
    legend_above(panels[1, 0], abreast=3 if len(histories) == 1 else 1)
    caption(figure, ";\n".join(f"{network}: {diagnose_fit(history)}" for network, history in histories.items()), about)
    return figure
