"""The picture that explains one image: occlusion map and probabilities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.diagnoses import LabelSet
from lesionflow.evaluation.heatmaps import Occlusion, draw_lines
from lesionflow.evaluation.metrics import short_full_name
from lesionflow.evaluation.plots import DPI, SMALL, WIDTH, caption
from lesionflow.model.card import Calibration, Card
from lesionflow.model.decision import rule_of_call
from lesionflow.model.prediction import TRUSTED, UNCERTAIN, UNFAMILIAR, IndexedPrediction

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Blue and yellow differ for every kind of colour vision, even without any, as one is dark and the other
# light; skin has neither.
FOR, AGAINST = (0.0, 0.3, 0.9), (1.0, 0.92, 0.1)
STRONGEST = 0.55  # opacity: the image has to be seen through it
FULL = math.log(10)  # log odds at which a colour is full, or more where the map has more: small effects stay pale
LEAST_LINED = math.log(2)  # of the greatest loss: lines around smaller ones would lie about noise
LONGEST_PATH = 44  # characters in the title
FACTORS = (2, 10, 100, 1000, 10_000, 1_000_000)  # of odds, on the map's scale


@dataclass(frozen=True)
class Explanation:
    """The explanation of one image."""

    name: str  # of the file
    model: str
    image: np.ndarray  # (height, width, 3) uint8: what the network sees of it, of any size
    cut: float  # share of the file's area that the network does not see
    said: IndexedPrediction
    occlusion: Occlusion


def explanation_picture(about: Explanation, card: Card, calibration: Calibration) -> Figure:
    """The image, the same under its map, and the probabilities beside the frequencies of training."""
    from matplotlib.figure import Figure

    explained = card.classes[about.occlusion.diagnosis]
    further = 0.3 * max(0, len(card.labels) - 8)  # inches, for bars that would else be too close
    figure = Figure(figsize=(WIDTH, 6.9 + further), dpi=DPI, layout="constrained")
    above, below = figure.subfigures(2, 1, squeeze=False, height_ratios=(1.2, 1 + further / 3))[:, 0]
    plain, mapped = above.subplots(1, 2)
    for axes in (plain, mapped):
        axes.imshow(about.image)
        axes.set(xticks=[], yticks=[], anchor="N")
        axes.spines[:].set_visible(False)
    seen = "the whole image" if about.cut < 0.005 else f"{about.cut:.0%}, at the edges, is cut off"
    plain.set_title(f"what the network sees:\n{seen}", fontsize=SMALL, loc="left")
    found = about.occlusion
    chances = f"{percent(found.probability)}, {percent(found.lowest)} to {percent(found.highest)} if covered"
    mapped.set_title(f"for and against {explained}:\n{chances}", fontsize=SMALL, loc="left")
    _draw_map(mapped, about.occlusion.drop, about.image.shape)
    _draw_bars(below.subplots(), about.said, card.prior)
    name = about.name if len(about.name) <= LONGEST_PATH else "…" + about.name[1 - LONGEST_PATH :]
    terms = " (DEMO DATA)" if card.demo else f" ({card.licence})" if card.licence else ""
    caption(
        figure,
        f"{name}\n{verdict(about.said, calibration)}",
        f"Blue: covered by a patch of the image's mean colour, this part makes {explained} less probable; yellow: "
        "more. Lines, where odds are halved and worse: half of the greatest loss, thick: 80%. The diagnosis "
        f"called is {rule_of_call(calibration.call_strength)}.\n"
        f"{about.model}, trained on {card.data_told}{terms}. For research, not a diagnosis.",
    )
    return figure


def verdict(said: IndexedPrediction, calibration: Calibration) -> str:
    """A decision in words, one line each: the call, whether it is malignant, whether a person should look."""
    share, limit = said.malignant_probability, calibration.malignant_threshold
    malignant = f"{'yes' if said.malignant else 'no'} ({percent(share)}, operating point {percent(limit)})"
    why = {
        TRUSTED: " as uncertain or unfamiliar: no",
        UNCERTAIN: ": yes, the call is uncertain",
        UNFAMILIAR: ": yes, it is unlike the training images",
    }
    likeliest = max(range(len(said.labels)), key=said.probabilities.__getitem__)
    # A call that is not the most probable diagnosis would look like a mistake without the other one beside it.
    call = _named(said.called, said.labels)
    if likeliest != said.called:
        chances = [percent(said.probabilities[index]) for index in (said.called, likeliest)]
        call += f", {chances[0]}\nMost probable: {_named(likeliest, said.labels)}, {chances[1]}"
    return f"Called: {call}\nMalignant: {malignant}\nRefer to a person{why[said.refer]}"


def _named(index: int, labels: LabelSet) -> str:
    name = labels.names[index]
    return f"{labels.full_names[name]} ({name})"


def percent(chance: float) -> str:
    """A probability as text, never rounded to 0% or 100%."""
    if 0 < chance < 0.0005:
        return "<0.1%"
    return ">99.9%" if 0.9995 <= chance < 1 else f"{chance:.1%}"


def _draw_map(axes: Axes, drop: np.ndarray, shape: tuple[int, ...]) -> None:
    """Lay a map over its image, and its scale below."""
    from matplotlib.colors import LinearSegmentedColormap

    full = max(FULL, float(np.abs(drop).max()))
    shades = LinearSegmentedColormap.from_list(
        "", [(0, (*AGAINST, STRONGEST)), (0.5, (*AGAINST, 0)), (0.5, (*FOR, 0)), (1, (*FOR, STRONGEST))]
    )
    height, width = shape[:2]
    laid = axes.imshow(
        drop, cmap=shades, vmin=-full, vmax=full, interpolation="bilinear",
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
    )  # fmt: skip
    if drop.max() >= LEAST_LINED:
        draw_lines(axes, drop, shape)
    factor = max(each for each in FACTORS if math.log(each) <= full + 1e-9)
    scale = axes.figure.colorbar(laid, cax=axes.inset_axes((0, -0.09, 1, 0.04)), orientation="horizontal")
    reached = math.log(factor)
    scale.set_ticks([-reached, 0, reached], labels=[f"× {factor:,}", "odds, if covered", f"÷ {factor:,}"])
    scale.ax.tick_params(labelsize=SMALL, length=2)


def _draw_bars(axes: Axes, said: IndexedPrediction, prior: tuple[float, ...]) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=SMALL)
    labels = said.labels
    rows = range(len(labels))
    dark, light = "0.25", "0.75"
    colours = [dark if row in labels.malignant_indices else light for row in rows]
    axes.barh(rows, said.probabilities, color=colours, height=0.7)
    for row, share in zip(rows, prior, strict=True):
        for colour, thickness in (("white", 3.0), ("black", 1.2)):
            axes.plot([share, share], [row - 0.45, row + 0.45], color=colour, linewidth=thickness)
    for row, chance in zip(rows, said.probabilities, strict=True):
        called = row == said.called
        axes.text(
            1.02, row, f"{percent(chance)}{'  called' if called else ''}", transform=axes.get_yaxis_transform(),
            va="center", fontsize=SMALL, fontweight="bold" if called else "normal",
        )  # fmt: skip
    names = [f"{short_full_name(labels, name)} ({name})" for name in labels.names]
    axes.set_yticks(rows, names, fontsize=SMALL)
    axes.get_yticklabels()[said.called].set_fontweight("bold")
    axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0%", "25%", "50%", "75%", "100%"])
    axes.set(xlim=(0, 1), ylim=(len(labels) - 0.4, -0.6))
    axes.legend(
        handles=[
            Patch(color=dark, label="malignant"),
            Patch(color=light, label="benign"),
            Line2D([], [], color="black", linewidth=1.2, marker="|", linestyle="", label="share in training"),
        ],
        loc="upper center", bbox_to_anchor=(0.3, -0.14), ncols=3, frameon=False, fontsize=SMALL, handlelength=1.2,
    )  # fmt: skip
