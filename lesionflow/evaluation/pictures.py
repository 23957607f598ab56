"""The figures of an evaluation, each with its message and how to read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.errors import counted
from lesionflow.evaluation.curves import coverage_picture, malignant_roc, reliability_picture, roc_by_diagnosis
from lesionflow.evaluation.measure import confusion_matrix
from lesionflow.evaluation.metrics import Place, shown_at
from lesionflow.evaluation.plots import (
    GREY,
    PALE,
    SMALL,
    TEXT,
    Picture,
    canvas,
    caption,
    confusion_picture,
    joined,
    message_of,
    printable,
    shortened,
)
from lesionflow.evaluation.result import Evaluation
from lesionflow.evaluation.slices import Gap, Slice, attribute_in_words, gap_sentence
from lesionflow.model.card import Estimate
from lesionflow.model.prediction import LabelledPredictions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HOW_TO_READ = {
    "roc_by_diagnosis":
        "Each curve is one diagnosis against all others: the nearer it comes to the upper left corner, the better "
        "the probability of that diagnosis ranks its images above the rest. 0.5 would be chance, 1 perfect.",
    "confusion_matrix":
        "A row contains all images of one true diagnosis, its columns are the calls: share of the row, and "
        "number of images. The diagonal is each diagnosis's sensitivity.",
    "reliability":
        "Each point is a bin of images whose most probable diagnosis has about the same probability, 15 bins of "
        "equal width: on the diagonal, calls with 80% are right in 80 of 100 cases. Points below it are too sure. "
        "Hollow points have fewer than ten images; the thin lines are 95% intervals. The bars count the images "
        "in each bin.",
    "malignant_roc":
        "The circle is the operating point: the threshold on the malignant probability that decides what is "
        "called malignant. Another threshold gives another point on the curve.",
    "coverage":
        "From right to left, more and more of the least certain calls are referred to a person; the curve is the "
        "accuracy of the remaining calls. The circle is the chosen point; it can be off the curve, because images "
        "unlike the training images are referred, too.",
    "slices":
        "A line is one group of images, with its 95% interval; the grey line is all images. Groups marked small, "
        "hollow and dotted, have too few images for conclusions. If intervals overlap widely, a gap may be "
        "chance.",
    "worst_mistakes":
        "Malignant images below the operating point (thick frame), those with the lowest malignant probability "
        "first; then the most confident wrong calls.",
    "heatmaps":
        "For each diagnosis, the correct call of median confidence and the most confident wrong one. Beside each, "
        "lines around the parts that the call depends on: a patch of the image's mean colour, a quarter as wide as the "
        "image, covers each part in turn (occlusion sensitivity); within the thin line this costs the call at least "
        "half of the greatest loss, within the thick one 80%. Above it, the call's probability without the patch and "
        "with the one that costs most.",
    "learning_curves":
        "Training metrics are measured on augmented images, with rare diagnoses oversampled and dropout on, and so "
        "look worse than they are. The marks are the weights that are kept, measured without all this: triangle, "
        "training images; circle, validation images.",
}  # fmt: skip


def numeric_pictures(evaluation: Evaluation) -> tuple[Picture, ...]:
    """The figures that need only the evaluation."""
    predictions, about = evaluation.predictions, evaluation.about
    drawn = {
        "roc_by_diagnosis": roc_by_diagnosis(about, predictions),
        "confusion_matrix": confusion_picture(about, confusion_matrix(predictions), predictions.label_set.names),
        "reliability": reliability_picture(about, predictions, evaluation.before),
        "malignant_roc": malignant_roc(about, predictions, evaluation.calibration.malignant_threshold),
        "coverage": coverage_picture(about, predictions),
    }
    if evaluation.slices:
        drawn["slices"] = slices_picture(about, evaluation.slices, evaluation.gaps, evaluation.metrics)
    return tuple(picture_of(name, figure) for name, figure in drawn.items())


def picture_of(name: str, figure: Figure) -> Picture:
    """A figure as a picture, with how to read it; name: of `HOW_TO_READ`."""
    return Picture(name, message_of(figure), HOW_TO_READ[name], figure)


SHEET_COLUMNS = 4


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
    rows = max(1, -(-len(mistakes) // SHEET_COLUMNS))
    figure, panels = canvas(0.9 + 1.85 * rows, rows, SHEET_COLUMNS)
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
    caption(figure, _mistakes_told(predictions), about)
    return figure


def _mistakes_told(predictions: LabelledPredictions) -> str:
    malignant = predictions.is_malignant
    missed = int((malignant & ~predictions.malignant).sum())
    wrong = int((predictions.called != predictions.labels).sum())
    images = f"Called wrongly: {counted(wrong, 'image', of=len(predictions))}"
    if not malignant.any():
        return f"{images}, none of which is malignant"
    return f"Missed at the operating point: {counted(missed, 'malignant image', of=malignant.sum())}. {images}"


LONGEST = 18  # characters of a slice's name


def slices_picture(about: str, slices: Sequence[Slice], gaps: Sequence[Gap], overall: Mapping[str, Estimate]) -> Figure:
    """Balanced accuracy and the operating point's two sides in each slice, with intervals; small slices are hollow."""
    shown = {metric.name: metric.short.replace(" ", "\n") for metric in shown_at(Place.GROUPS_PLOT)}
    names, heads, lines = [], [], []
    line = 0.0
    for attribute, members in groupby(slices, key=lambda each: each.attribute):
        heads.append((line, attribute_in_words(attribute)))
        for each in members:
            line += 1
            lines.append(line)
            value = each.value if len(each.value) <= LONGEST else each.value[: LONGEST - 1] + "…"
            names.append(f"{value} ({each.images}{', small' if each.small else ''})")
        line += 1.6
    figure, panels = canvas(1.3 + 0.19 * max(line, 4), 1, len(shown), sharey=True)
    for axes, (metric, label) in zip(panels[0], shown.items(), strict=True):
        if metric in overall:
            axes.axvline(overall[metric].value, color=PALE, linewidth=1)
        for line, each in zip(lines, slices, strict=True):
            if metric not in each.metrics:
                axes.text(0.5, line, "not defined", fontsize=7, color=GREY, ha="center", va="center")
        for small, style, filling in ((False, "-", "black"), (True, ":", "white")):
            found = {
                line: each.metrics[metric]
                for line, each in zip(lines, slices, strict=True)
                if each.small == small and metric in each.metrics
            }
            if found:  # the layout of a figure with points that are nowhere fails
                ends, heights = joined((each.low, each.high) for each in found.values()), joined((y, y) for y in found)
                axes.plot(ends, heights, color="black", linewidth=1.2, linestyle=style)
                axes.plot([each.value for each in found.values()], list(found), "o", color="black", markersize=5,
                          markerfacecolor=filling, clip_on=False)  # fmt: skip
        axes.set(xlim=(-0.03, 1.03), xticks=(0, 0.5, 1), ylim=(max(lines, default=0) + 1, -0.8))
        axes.set_xlabel(label, fontsize=TEXT)
    panels[0, 0].set_yticks(lines, [printable(name) for name in names], fontsize=SMALL, parse_math=False)
    for line, attribute in heads:
        panels[0, 0].text(
            -0.02, line, printable(attribute), transform=panels[0, 0].get_yaxis_transform(), ha="right", va="center",
            fontsize=SMALL, fontweight="bold", parse_math=False,
        )  # fmt: skip
    gap = next((gap for gap in gaps if gap.metric in shown), None)
    caption(figure, gap_sentence(gap) if gap else "No two groups are large enough to be compared", about)
    return figure
