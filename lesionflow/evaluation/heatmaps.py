"""Occlusion maps: the odds of the call while a patch of the image is covered, from predictions alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lesionflow.evaluation.plots import SMALL, canvas, caption, shortened
from lesionflow.model.prediction import LabelledPredictions, Predictions

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Predict = Callable[[np.ndarray], Predictions]  # (batch, height, width, 3) uint8, as `Predictor.predict`
# Of the image's height and width: nine places each way. Their maps correlate with those of 25 places by 0.98 to 0.99 on
# average, as do those of eleven, of the shipped bundle and of a `vgg` at 64 pixels; of seven, by 0.02 less.
PATCH, STRIDE = 1 / 4, 3 / 32
NOTHING = 0.1  # log odds: below that no patch matters
PAIRS = 2  # images in a row of the sheet, each beside its map


@dataclass(frozen=True)
class Occlusion:
    """How covering each part of one image changes the probability of one diagnosis."""

    diagnosis: int  # index into the label set
    probability: float  # nothing covered
    lowest: float  # the same with the patch covered that speaks most for it
    highest: float  # and with the one covered that speaks most against it
    drop: np.ndarray  # (height, width) float64: the fall of its log odds, a mean over patches on a pixel


@dataclass(frozen=True)
class Heatmap(Occlusion):
    """How covering each part of one labelled image changes its call."""

    index: int  # among the predictions
    true: int  # an index into the label set, as the call's diagnosis is


def occlude(
    predict: Predict,
    pixels: np.ndarray,
    diagnosis: int | None = None,
    *,
    patch: float = PATCH,
    stride: float = STRIDE,
    batch_size: int = 64,
) -> Occlusion:
    """Occlusion sensitivity of an image, (height, width, 3) uint8 (Zeiler and Fergus 2014, arXiv:1311.2901).

    diagnosis: an index into the label set, the call's unless given.
    A patch of the image's mean colour slides over it in even steps of at most `stride`, both as shares of height and
    width, and the log odds of the diagnosis are compared with those of the whole image. Log odds, not probabilities:
    those of a sure call hardly move.
    """
    height, width = pixels.shape[:2]
    corners = [
        (top, left) for top in _starts(height, patch, stride) for left in _starts(width, patch, stride)
    ]  # (patches, 2)
    tall, wide = _length(height, patch), _length(width, patch)
    grey = pixels.reshape(-1, 3).mean(axis=0).round().astype(np.uint8)
    whole = predict(pixels[None])
    asked = int(whole.called[0]) if diagnosis is None else diagnosis
    chances = []
    for start in range(0, len(corners), batch_size):
        members = corners[start : start + batch_size]
        covered = np.repeat(pixels[None], len(members), axis=0)
        for copy, (top, left) in zip(covered, members, strict=True):
            copy[top : top + tall, left : left + wide] = grey
        chances.append(predict(covered).probabilities[:, asked])
    chance = np.concatenate(chances)
    probability = float(whole.probabilities[0, asked])
    falls = _log_odds(np.array([probability])) - _log_odds(chance)
    weight = np.outer(np.bartlett(tall + 2)[1:-1], np.bartlett(wide + 2)[1:-1])  # a patch speaks for its middle most
    total, weights = np.zeros((height, width)), np.zeros((height, width))
    for fall, (top, left) in zip(falls, corners, strict=True):
        total[top : top + tall, left : left + wide] += fall * weight
        weights[top : top + tall, left : left + wide] += weight
    lowest, highest = float(min(probability, chance.min())), float(max(probability, chance.max()))
    return Occlusion(asked, probability, lowest, highest, total / weights)


def occlusion_heatmap(predict: Predict, pixels: np.ndarray, index: int, true: int, **options: Any) -> Heatmap:
    """The map of a labelled image's call; options are those of `occlude`.

    index: where the image stands among the predictions; true: its diagnosis, an index into the label set.
    """
    return Heatmap(**vars(occlude(predict, pixels, **options)), index=index, true=true)


def _length(side: int, share: float) -> int:
    return max(1, min(side, round(side * share)))


def _starts(side: int, patch: float, stride: float) -> list[int]:
    """Where patches begin along a side: evenly, without gaps, and the last one ends with it."""
    last = side - _length(side, patch)
    steps = math.ceil(last / max(1, min(side * stride, _length(side, patch))))
    return [round(last * step / max(1, steps)) for step in range(steps + 1)]


def _log_odds(chance: np.ndarray) -> np.ndarray:
    chance = np.clip(chance, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(chance) - np.log1p(-chance))


def typical_images(predictions: LabelledPredictions) -> list[int]:
    """Two images per diagnosis, as indices: the correct call of median confidence, and the most confident wrong one.

    Chosen by rule, not by how their maps look; what a diagnosis has none of is left out.
    """
    indices = []
    for label in range(len(predictions.label_set)):
        of_it = predictions.labels == label
        for members, middle in ((predictions.called == label, True), (predictions.called != label, False)):
            found = np.flatnonzero(of_it & members)
            if len(found):
                ordered = found[np.argsort(predictions.confidence[found], kind="stable")]
                indices.append(int(ordered[len(ordered) // 2 if middle else -1]))
    return indices


def heatmap_sheet(
    about: str, predictions: LabelledPredictions, maps: Sequence[Heatmap], images: Sequence[np.ndarray]
) -> Figure:
    """Each image, (height, width, 3) uint8, beside itself with lines around the parts whose covering costs most.

    The thin line encloses where the call loses at least half, the thick one at least 80% of the greatest loss.
    """
    rows, names = max(1, -(-len(maps) // PAIRS)), predictions.label_set.names
    figure, panels = canvas(0.8 + 1.55 * rows, rows, 2 * PAIRS)
    for axes in panels.flat:
        axes.set_axis_off()  # an axis without marks would be laid out and drawn all the same
    for number, (found, image) in enumerate(zip(maps, images, strict=True)):
        plain, lined = panels[number // PAIRS, 2 * (number % PAIRS) : 2 * (number % PAIRS) + 2]
        plain.imshow(image)
        lined.imshow(image)
        draw_lines(lined, found.drop, image.shape)
        verdict = "correctly" if found.true == found.diagnosis else f"as {names[found.diagnosis]}"
        plain.set_title(
            f"{names[found.true]}, called {verdict}\n{shortened(predictions.image_ids[found.index])}",
            fontsize=SMALL, loc="left", parse_math=False, y=1.0,  # said, not looked for above all that is drawn
        )  # fmt: skip
        lined.set_title(f"{found.probability:.0%} → {found.lowest:.0%}", fontsize=SMALL, y=1.0)
    caption(figure, _message(maps), about)
    return figure


def draw_lines(axes: Axes, drop: np.ndarray, shape: tuple[int, ...]) -> None:
    """Draw the two lines of a map, `Occlusion.drop`, over an image of a shape, or say that there is none."""
    greatest = drop.max()
    if greatest < NOTHING or np.ptp(drop) == 0:
        below = axes.annotate("no patch matters", (0.5, 0), (0, -4), "axes fraction", "offset points", fontsize=SMALL)
        below.set(horizontalalignment="center", verticalalignment="top")
        return
    height, width = drop.shape
    # The map has the network's size, the image may have another.
    across = (np.arange(width) + 0.5) / width * shape[1] - 0.5
    down = (np.arange(height) + 0.5) / height * shape[0] - 0.5
    lines = {level * greatest: width for level, width in ((0.5, 1.0), (0.8, 2.4)) if drop.min() < level * greatest}
    # A white line with black edges is visible on any background.
    for colour, edge in (("black", 1.6), ("white", 0.0)) if lines else ():
        widths = [width + edge for width in lines.values()]
        axes.contour(across, down, drop, list(lines), colors=colour, linewidths=widths)


def central_share(maps: Sequence[Heatmap]) -> float | None:
    """The share of all loss that lies in the middle half of the images' area; None where nothing is lost anywhere."""
    shares = []
    for found in maps:
        loss = np.maximum(found.drop, 0)
        if found.drop.max() < NOTHING:
            continue
        height, width = loss.shape
        edge = (1 - np.sqrt(0.5)) / 2
        rows, columns = (slice(round(side * edge), side - round(side * edge)) for side in (height, width))
        shares.append(loss[rows, columns].sum() / loss.sum())
    return float(np.mean(shares)) if shares else None


def _message(maps: Sequence[Heatmap]) -> str:
    share = central_share(maps)
    if share is None:
        return "No covered patch changes a call by much"
    where = "the middle" if share > 0.6 else "the edges" if share < 0.4 else "the whole image"
    return f"The calls rest on {where}: {share:.0%} of what covering costs lies in the middle half of the area"
