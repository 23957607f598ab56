"""The style shared by all figures, and simple plots; legible in black and white and 400 pixels wide."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lesionflow.errors import counted
from lesionflow.pages import png

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

WIDTH = 4.6  # inches: on a telephone's 375 pixels, 8 points are still 9 pixels high
DPI = 200
SMALL, TEXT, TITLE = 8, 9, 10.5  # points
GREY, PALE = "0.35", "0.75"
LONGEST_ID = 20  # characters below a thumbnail
FEW = 10  # images: a metric of fewer is mostly chance, and no title rests on it if there are others


@dataclass(frozen=True)
class Picture:
    """A figure for reports: drawn, or the bytes of a PNG."""

    name: str  # of its file, without the ending
    message: str  # what the figure shows, as its title says it
    how_to_read: str
    content: Figure | bytes

    def png(self) -> bytes:
        """The picture as a file's bytes."""
        return self.content if isinstance(self.content, bytes) else png(self.content)


def canvas(height: float, rows: int = 1, columns: int = 1, **options: Any) -> tuple[Figure, np.ndarray]:
    """An empty figure, `height` inches high, and its axes: (rows, columns)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH, height), dpi=DPI, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, **options)
    for axes in panels.flat:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=SMALL)
        axes.xaxis.label.set_size(TEXT)
        axes.yaxis.label.set_size(TEXT)
    return figure, panels


def caption(figure: Figure, message: str, about: str) -> None:
    """Set a figure's message as title, and below the axes its subject: the model, the data and the part."""
    _fit(figure, figure.suptitle("", x=0.01, ha="left", fontsize=TITLE, fontweight="bold"), message)
    if about:
        _fit(figure, figure.supxlabel("", x=0.01, ha="left", fontsize=7, color=GREY), about)


def legend_above(axes: Axes, abreast: int = 1) -> None:
    """What the labelled lines and points are, where nothing of them can be covered; abreast: how many in a row."""
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=abreast, frameon=False, fontsize=SMALL, borderpad=0)


def _fit(figure: Figure, written: Text, text: str) -> None:
    """Wrap a text into as few lines as the figure's width allows."""
    from matplotlib.font_manager import findfont

    written.set_parse_math(False)  # a dollar in a name begins no formula
    lines, most = [printable(line) for line in text.split("\n")], 0.97 * figure.bbox.width
    font, size = findfont(written.get_fontproperties()), float(written.get_fontsize()) * figure.dpi / 72  # pixels
    for width in range(90, 20, -2):  # characters
        wrapped = [each for line in lines for each in textwrap.wrap(line, width) or [""]]
        written.set_text("\n".join(wrapped))
        # To measure a text takes ten times as long as to estimate its width, and most that are tried are far too wide.
        if max(sum(_advance(character, font) for character in line) for line in wrapped) * size > 1.05 * most:
            continue
        if written.get_window_extent().width <= most:
            return


@functools.cache
def _advance(character: str, font: str) -> float:
    """The width of a character in multiples of the font's size, as it is before hinting and kerning move it."""
    from matplotlib.font_manager import get_font

    loaded = get_font(font)
    loaded.set_size(1000, 72)
    return float(loaded.load_char(ord(character)).linearHoriAdvance / 2**16 / 1000)


def joined(lines: Iterable[Sequence[float]]) -> list[float]:
    """Coordinates of several lines as those of one, with a gap behind each: Matplotlib's time is spent by the line."""
    return [coordinate for line in lines for coordinate in (*line, np.nan)]


def message_of(figure: Figure) -> str:
    """The message of a figure, on one line."""
    return figure.get_suptitle().replace("\n", " ")


def printable(text: str) -> str:
    """The text with a question mark for each character that Matplotlib's font cannot draw, as in some files' names."""
    return "".join(character if ord(character) in _drawable() else "?" for character in text)


def shortened(name: str) -> str:
    """The end of an image's id, where it differs from its neighbours', in as many characters as there is room for."""
    name = printable(name)
    return name if len(name) <= LONGEST_ID else "…" + name[1 - LONGEST_ID :]


@functools.cache
def _drawable() -> frozenset[int]:
    from matplotlib.font_manager import findfont, get_font

    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())  # it comes with Matplotlib


def confusion_picture(about: str, matrix: np.ndarray, names: Sequence[str]) -> Figure:
    """The confusion matrix by row share, with numbers of images: matrix (diagnoses, diagnoses), row the truth."""
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure, panels = canvas(4.7)
    axes = panels[0, 0]
    axes.spines[["top", "right"]].set_visible(True)
    axes.imshow(share, cmap="Greys", vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(matrix):
        if not matrix[row].sum():
            continue
        axes.text(
            column, row, f"{share[row, column]:.0%}\n{count}", ha="center", va="center", fontsize=SMALL,
            color="white" if share[row, column] > 0.55 else "black",
            fontweight="bold" if row == column else "normal",
        )  # fmt: skip
    axes.set_xticks(range(len(names)), names, fontsize=TEXT)
    axes.set_yticks(range(len(names)), names, fontsize=TEXT)
    axes.set(xlabel="called diagnosis", ylabel="true diagnosis")
    caption(figure, _worst_confusion(matrix, names), about)
    return figure


def _worst_confusion(matrix: np.ndarray, names: Sequence[str]) -> str:
    """The largest share of a diagnosis that is called one specific other."""
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(share, 0)
    if not matrix.sum():
        return "No images"
    if not share.any():
        return f"All {matrix.sum()} images are called correctly"
    enough = matrix.sum(axis=1) >= FEW
    of_enough = ""
    if share[enough].any():
        share[~enough] = 0
        of_enough = f" (of {counted(FEW, 'image')} or more)" if not enough[matrix.any(axis=1)].all() else ""
    row, column = np.unravel_index(share.argmax(), share.shape)
    return (
        f"Most often confused{of_enough}: {share[row, column]:.0%} of {names[row]} images "
        f"({matrix[row, column]} of {matrix[row].sum()}) are called {names[column]}"
    )
