"""Curves of an evaluation: reliability, operating points, and the gain from referring."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lesionflow.errors import counted
from lesionflow.evaluation.calibration import coverage_curve, reliability
from lesionflow.evaluation.plots import FEW, GREY, PALE, SMALL, TEXT, canvas, caption, joined, legend_above
from lesionflow.model.prediction import TRUSTED, LabelledPredictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

POINT: dict[str, Any] = {"color": "black", "markersize": 8, "markerfacecolor": "white", "markeredgewidth": 2}


def reliability_picture(about: str, after: LabelledPredictions, before: LabelledPredictions | None = None) -> Figure:
    """Reliability diagrams of the most probable diagnosis, before and after calibration."""
    panels_shown = [("as it is", after)] if before is None else [("before calibration", before), ("after", after)]
    figure, panels = canvas(4.4, 2, len(panels_shown), sharex=True, sharey="row", height_ratios=[3, 1])
    errors = []
    for (heading, predictions), (top, bottom) in zip(panels_shown, panels.T, strict=True):
        bins = reliability(predictions)
        errors.append(sum(each.images * abs(each.confidence - each.accuracy.value) for each in bins) / len(predictions))
        top.plot([0, 1], [0, 1], color=PALE, linewidth=1)
        top.plot([each.confidence for each in bins], [each.accuracy.value for each in bins], color="black", linewidth=1)
        top.plot(
            joined((each.confidence, each.confidence) for each in bins),
            joined((each.accuracy.low, each.accuracy.high) for each in bins), color=GREY, linewidth=0.8,
        )  # fmt: skip
        for few, filling in ((False, "black"), (True, "white")):
            shown = [(each.confidence, each.accuracy.value) for each in bins if (each.images < FEW) == few]
            if shown:  # the layout of a figure with points that are nowhere fails
                top.plot(*zip(*shown, strict=True), "o", color="black", markerfacecolor=filling, markersize=5,
                         clip_on=False)  # fmt: skip
        bottom.bar([each.low for each in bins], [each.images for each in bins],
                   [0.9 * (each.high - each.low) for each in bins], align="edge", color="white", edgecolor="black",
                   hatch="////", linewidth=0.6)  # fmt: skip
        top.set_title(f"{heading}: ECE {errors[-1]:.3f}", fontsize=TEXT, fontweight="bold", y=1.0)
        top.set(xlim=(0, 1), ylim=(0, 1.02))
        bottom.set_xlabel("probability of the\nmost probable diagnosis")
    panels[0, 0].set_ylabel("share that is right\n(below the line: too sure)")
    panels[1, 0].set_ylabel("images")
    if before is None:
        message = f"Probabilities are off by {errors[0]:.3f} on average (ECE)"
    else:
        verb = "lowers" if errors[1] < errors[0] else "does not lower"
        message = f"Calibration {verb} the calibration error (ECE): {errors[0]:.3f} before, {errors[1]:.3f} after"
    caption(figure, message, about)
    return figure


def roc_by_diagnosis(about: str, predictions: LabelledPredictions) -> Figure:
    """ROC curves of each diagnosis against the rest, each in a panel with the others in grey behind it."""
    names = predictions.label_set.names
    curves = {
        diagnosis: curve
        for index, diagnosis in enumerate(names)
        if (curve := roc(predictions.labels == index, predictions.probabilities[:, index])) is not None
    }
    rows = -(-(len(names) + 1) // 4)  # one is left over, for what the curves are
    figure, panels = canvas(1.8 * rows, rows, 4, sharex=True, sharey=True)
    for axes in panels.flat[len(names) :]:
        axes.set_axis_off()
    for axes, diagnosis in zip(panels.flat, names, strict=False):
        for other, (false, true, _) in curves.items():
            if other != diagnosis:
                axes.plot(false, true, color=PALE, linewidth=0.7)
        name = diagnosis
        if diagnosis in curves:
            false, true, area = curves[diagnosis]
            axes.plot(false, true, color="black", linewidth=1.6)
            name = f"{diagnosis}: {area:.2f}"
        else:
            words = "no others" if (predictions.labels == names.index(diagnosis)).any() else "no images"
            axes.text(0.97, 0.05, words, ha="right", fontsize=TEXT + 1, fontweight="bold")
        axes.set_title(name, fontsize=TEXT, fontweight="bold", y=1.0)
        axes.set(xlim=(0, 1), ylim=(0, 1.02), xticks=(0, 1), yticks=(0, 1))
    last = panels[-1, -1]
    last.text(0.0, 0.5, "black: this\ndiagnosis\ngrey: the others\nnumber: AUC", va="center", fontsize=SMALL)
    figure.supylabel("sensitivity", fontsize=TEXT)
    panels[-1, 1].set_xlabel("1 - specificity", fontsize=TEXT)
    areas = {diagnosis: area for diagnosis, (_, _, area) in curves.items()}
    if not areas:
        message = "Only one diagnosis: there is nothing to tell apart"
    else:
        counts = np.bincount(predictions.labels, minlength=len(names))
        enough = {dx: area for dx, area in areas.items() if counts[names.index(dx)] >= FEW}
        of_enough = (
            f"Of diagnoses with {counted(FEW, 'image')} or more, " if enough and len(enough) < len(areas) else ""
        )
        areas = enough or areas
        hardest, easiest = min(areas, key=areas.__getitem__), max(areas, key=areas.__getitem__)
        message = f"{of_enough}{hardest} is the hardest to tell from the rest (AUC {areas[hardest]:.2f})"
        if hardest != easiest:
            message += f", {easiest} the easiest ({areas[easiest]:.2f})"
    caption(figure, message, about)
    return figure


def malignant_roc(about: str, predictions: LabelledPredictions, threshold: float) -> Figure:
    """The ROC curve of malignant against benign, with the operating point marked."""
    malignant = predictions.is_malignant
    figure, panels = canvas(4.6)
    axes: Axes = panels[0, 0]
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="1 - specificity: benign images flagged",
             ylabel="sensitivity: malignant images found", aspect="equal")  # fmt: skip
    axes.plot([0, 1], [0, 1], color=PALE, linewidth=1)
    curve = roc(malignant, predictions.malignant_probability)
    if curve is None:
        kind = "malignant" if malignant.any() else "benign"
        caption(figure, f"All images are {kind}: there is nothing to tell apart", about)
        return figure
    false, true, area = curve
    axes.plot(false, true, color="black", linewidth=1.6, label=f"AUC {area:.2f}")
    sensitivity = float(predictions.malignant[malignant].mean())
    flagged = float(predictions.malignant[~malignant].mean())
    axes.plot([0, flagged, flagged], [sensitivity, sensitivity, 0], ":", color=GREY, linewidth=1.2)
    told = f"operating point: {threshold:.3g}\nsensitivity {sensitivity:.3f}, specificity {1 - flagged:.3f}"
    axes.plot(flagged, sensitivity, "o", label=told, **POINT)
    legend_above(axes)
    caption(
        figure,
        f"At the operating point {sensitivity:.0%} of {malignant.sum()} malignant images are found, "
        f"and {flagged:.0%} of {(~malignant).sum()} benign ones are flagged with them",
        about,
    )
    return figure


def roc(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray, float] | None:
    """False positive rates, true positive rates and the area under them; None if there is only one class.

    A point for each score, the highest first, from (0, 0) on; points in the middle of a straight line are left out.
    """
    if positive.all() or not positive.any():
        return None
    order = np.argsort(-score, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(score[order])), len(score) - 1)  # the last image of each score
    true = np.append(0, np.cumsum(positive[order])[ends])
    false = np.append(0, ends + 1) - true
    bends = np.ones(len(true), dtype=bool)
    bends[1:-1] = (np.diff(true, 2) != 0) | (np.diff(false, 2) != 0)
    area = float((np.diff(false) * (true[1:] + true[:-1])).sum() / 2 / true[-1] / false[-1])
    return false[bends] / false[-1], true[bends] / true[-1], area


def coverage_picture(about: str, predictions: LabelledPredictions) -> Figure:
    """Accuracy of the calls that are kept, when the least certain ones are referred, with the chosen point marked."""
    curve = coverage_curve(predictions)
    kept = predictions.refer == TRUSTED
    right = predictions.called == predictions.labels
    overall = float(right.mean())
    figure, panels = canvas(3.9)
    axes: Axes = panels[0, 0]
    axes.plot(curve.coverage, curve.accuracy, color="black", linewidth=1.6)
    axes.axhline(overall, color=PALE, linewidth=1, label="all images kept")
    axes.set(xlabel="share of images whose call is kept", ylabel="accuracy of the kept calls", xlim=(0, 1.02))
    # Of fewer than 20 images an accuracy is chance, which is most of the curve of few images, and shown there.
    steady = curve.coverage >= (20 / len(predictions) if len(predictions) >= 100 else 0)
    lowest = min(overall, float(curve.accuracy[steady].min()))
    axes.set_ylim(max(0, lowest - 0.1), 1.02)
    share = float(kept.mean())
    if not kept.any():
        legend_above(axes)
        caption(figure, "Every image is referred: the model trusts no call", about)
        return figure
    accuracy = float(right[kept].mean())
    axes.plot([share, share], [0, accuracy], ":", color=GREY, linewidth=1.2)
    axes.plot(share, accuracy, "o", label=f"chosen: {share:.1%} kept, accuracy {accuracy:.1%}", **POINT)
    legend_above(axes)
    if share == 1:
        message = f"No image is referred; accuracy is {overall:.1%}"
    else:
        verb = "raises" if accuracy > overall else "does not raise"
        message = (
            f"Referring {1 - share:.1%} of the images {verb} the accuracy of the others: "
            f"{overall:.1%} of all, {accuracy:.1%} of those kept"
        )
    caption(figure, message, about)
    return figure
