"""The worst mistakes of a model, as a sheet of thumbnails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.errors import counted
from lesionflow.evaluation.plots import SMALL, TEXT, canvas, printable, say
from lesionflow.model.prediction import LabelledPredictions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 4
LONGEST_ID = 20  # characters below a thumbnail


@dataclass(frozen=True)
class Mistake:
    """An image on which a model is wrong."""

    index: int  # among the predictions
    image_id: str
    true: str
    called: str
    probability: float  # of the diagnosis that is called
    malignant_probability: float
    missed: bool  # malignant, and below the operating point


def worst_mistakes(predictions: LabelledPredictions, count: int = 12) -> list[Mistake]:
    """Malignant images missed at the operating point, most confident first, then the most confident wrong calls.

    Either kind takes half of the sheet, more only where there are too few of the other.
    """
    malignant, names = predictions.is_malignant, predictions.label_set.names
    missed = np.flatnonzero(malignant & ~predictions.malignant)
    missed = missed[np.argsort(predictions.malignant_probability[missed], kind="stable")]
    wrong = np.setdiff1d(np.flatnonzero(predictions.called != predictions.labels), missed)
    wrong = wrong[np.argsort(-predictions.confidence[wrong], kind="stable")]
    first = missed[: max(count - count // 2, count - len(wrong))]
    others = wrong[: count - len(first)]
    return [
        Mistake(
            int(index), str(predictions.image_ids[index]), names[predictions.labels[index]],
            names[predictions.called[index]], float(predictions.confidence[index]),
            float(predictions.malignant_probability[index]),
            bool(malignant[index] and not predictions.malignant[index]),
        )
        for index in (*first, *others)
    ]  # fmt: skip


def contact_sheet(
    about: str, predictions: LabelledPredictions, mistakes: Sequence[Mistake], thumbnails: Sequence[np.ndarray]
) -> Figure:
    """Thumbnails, (height, width, 3) uint8, in the order of the mistakes, each with its true and called diagnosis.

    Images that are missed have a thick frame.
    """
    rows = max(1, -(-len(mistakes) // COLUMNS))
    figure, panels = canvas(0.9 + 1.85 * rows, rows, COLUMNS)
    for axes in panels.flat:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for axes, mistake, thumbnail in zip(panels.flat, mistakes, thumbnails, strict=False):
        axes.imshow(thumbnail)
        axes.spines[:].set(visible=mistake.missed, linewidth=3)
        chance = f"malignant {mistake.malignant_probability:.1%}" if mistake.missed else f"at {mistake.probability:.0%}"
        heading = f"{'MISSED ' if mistake.missed else ''}{mistake.true}"
        axes.set_title(f"{heading}\ncalled {mistake.called}", fontsize=TEXT, fontweight="bold", pad=4, y=1.0)
        axes.set_xlabel(f"{chance}\n{shortened(mistake.image_id)}", fontsize=SMALL, parse_math=False)
    say(figure, _message(predictions), about)
    return figure


def shortened(name: str) -> str:
    """The end of an image's id, where it differs from its neighbours', in as many characters as there is room for."""
    name = printable(name)
    return name if len(name) <= LONGEST_ID else "…" + name[1 - LONGEST_ID :]


def _message(predictions: LabelledPredictions) -> str:
    malignant = predictions.is_malignant
    missed = int((malignant & ~predictions.malignant).sum())
    wrong = int((predictions.called != predictions.labels).sum())
    images = f"Called wrongly: {counted(wrong, 'image', of=len(predictions))}"
    if not malignant.any():
        return f"{images}, none of which is malignant"
    return f"Missed at the operating point: {counted(missed, 'malignant image', of=malignant.sum())}. {images}"
