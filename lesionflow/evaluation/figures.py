"""Pictures of how a training went and what a model confuses; legible in black and white."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.diagnoses import DIAGNOSES

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def learning_curves(
    title: str, curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], best_epoch: int
) -> Figure:
    """Training and validation by epoch, a panel a metric: curves maps the metric's name to the two sequences."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    figure = Figure(figsize=(4.2 * len(curves), 3.4), dpi=120, layout="constrained")
    for axes, (metric, (train, validation)) in zip(
        figure.subplots(1, len(curves), squeeze=False)[0], curves.items(), strict=True
    ):
        epochs = range(1, len(train) + 1)
        axes.plot(epochs, train, "--", color="0.45", label="training (augmented)")
        axes.plot(epochs, validation, "-", color="black", label="validation")
        axes.axvline(best_epoch, color="0.7", linewidth=1, label=f"epoch kept: {best_epoch}")
        axes.set(xlabel="epoch", title=metric)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(fontsize="small")
    figure.suptitle(title)
    return figure


def confusion_picture(title: str, matrix: np.ndarray) -> Figure:
    """The confusion matrix by row share, with numbers of images: matrix (7, 7), row the truth."""
    from matplotlib.figure import Figure

    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure = Figure(figsize=(6, 5.4), dpi=120, layout="constrained")
    axes = figure.subplots()
    axes.imshow(share, cmap="Greys", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        colour = "white" if share[row, column] > 0.55 else "black"
        axes.text(
            column,
            row,
            f"{share[row, column]:.0%}\n{count}",
            ha="center",
            va="center",
            fontsize=7,
            color=colour,
        )
    axes.set_xticks(range(len(DIAGNOSES)), DIAGNOSES)
    axes.set_yticks(range(len(DIAGNOSES)), DIAGNOSES)
    axes.set(xlabel="most probable diagnosis", ylabel="true diagnosis", title=title)
    return figure
