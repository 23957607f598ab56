"""Slices side by side with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from lesionflow.evaluation.metrics import Place, shown_at
from lesionflow.evaluation.plots import GREY, PALE, SMALL, TEXT, canvas, printable, say
from lesionflow.evaluation.slices import Gap, Slice, attribute_in_words, gap_sentence
from lesionflow.model.card import Estimate

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
                continue
            found = each.metrics[metric]
            axes.plot([found.low, found.high], [line, line], color="black", linewidth=1.2,
                      linestyle=":" if each.small else "-")  # fmt: skip
            axes.plot(found.value, line, "o", color="black", markersize=5,
                      markerfacecolor="white" if each.small else "black", clip_on=False)  # fmt: skip
        axes.set(xlim=(-0.03, 1.03), xticks=(0, 0.5, 1), ylim=(max(line - 0.6, 1), -0.8))
        axes.set_xlabel(label, fontsize=TEXT)
    panels[0, 0].set_yticks(lines, [printable(name) for name in names], fontsize=SMALL, parse_math=False)
    for line, attribute in heads:
        panels[0, 0].text(
            -0.02, line, printable(attribute), transform=panels[0, 0].get_yaxis_transform(), ha="right", va="center",
            fontsize=SMALL, fontweight="bold", parse_math=False,
        )  # fmt: skip
    gap = next((gap for gap in gaps if gap.metric in shown), None)
    say(figure, gap_sentence(gap) if gap else "No two groups are large enough to be compared", about)
    return figure
