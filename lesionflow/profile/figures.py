"""Pictures of a data set, each with its message as the title; legible in black and white."""

from __future__ import annotations

import hashlib
import io
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from lesionflow.errors import ImageError
from lesionflow.images.decode import decode
from lesionflow.pages import pixels_of
from lesionflow.profile.attributes import COLUMN_TITLES, UNKNOWN, Crosstab, shares, widest_gap
from lesionflow.profile.description import Description

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAXIMUM_VALUES = 20  # of a column, in a picture; the rest are summed up
MAXIMUM_SIZES = 10
SAMPLES = 6  # images a diagnosis
MAXIMUM_PAIRS_SHOWN = 12
TILE = 120  # pixels a side of an image on a contact sheet
_WIDTH = 5.8  # inches: at 125 dots each a page shows it as it is, and a telephone at half the size


def diagnoses_picture(description: Description) -> Figure:
    """Images and lesions of each diagnosis."""
    counts = description.diagnoses
    order = sorted(counts, key=lambda dx: -counts[dx]["images"])
    total = len(description.images.table)
    common, rare = order[0], [dx for dx in order if counts[dx]["images"]][-1]
    figure, axes = _figure(
        4.2,
        f"{common} is {counts[common]['images'] / total:.0%} of the images, "
        f"{rare} {counts[rare]['images'] / total:.1%}",
    )
    rows = np.arange(len(order))
    for offset, name, look in ((-0.2, "images", _FILLED), (0.2, "lesions", _HATCHED)):
        numbers = [counts[dx][name] for dx in order]
        bars = axes.barh(rows + offset, numbers, 0.38, label=name, **look)
        axes.bar_label(bars, [f"{number:,}" for number in numbers], padding=3, fontsize=9)
    axes.set_yticks(rows, order)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel("number")
    axes.legend(loc="best")  # said, or Matplotlib warns where a busy machine takes a second for it
    return figure


def images_a_lesion_picture(description: Description) -> Figure:
    """How many lesions have one image, two, and so on."""
    lesions: Counter[int] = Counter()
    for by_number in description.images_a_lesion.values():
        lesions.update(by_number)
    several = sum(count for number, count in lesions.items() if number > 1)
    message = f"{several / description.lesions:.0%} of the lesions have several images, at most {max(lesions)}"
    figure, axes = _figure(3.2, message if several else "No lesion has several images")
    numbers = sorted(lesions)
    bars = axes.bar([str(number) for number in numbers], [lesions[number] for number in numbers], color="0.3")
    axes.bar_label(bars, [f"{lesions[number]:,}" for number in numbers], padding=2, fontsize=9)
    axes.margins(y=0.12)
    axes.set(xlabel="images of the lesion", ylabel="lesions")
    return figure


def ages_picture(description: Description) -> Figure | None:
    """Ages by diagnosis, as boxes from quartile to quartile; None where no age is known."""
    quartiles = description.ages.quartiles
    if not quartiles:
        return None
    order = sorted(quartiles, key=lambda dx: quartiles[dx][2])
    young, old = order[0], order[-1]
    figure, axes = _figure(
        3.6, f"Half of {young} is at most {quartiles[young][2]:.0f} years old, of {old} at most {quartiles[old][2]:.0f}"
    )
    names = ("whislo", "q1", "med", "q3", "whishi")
    boxes = [dict(zip(names, quartiles[dx], strict=True)) | {"label": dx} for dx in order]
    axes.bxp(boxes, showfliers=False, patch_artist=True, boxprops={"facecolor": "0.85"},
             medianprops={"color": "black", "linewidth": 2})  # fmt: skip
    axes.set(xlabel="box: half of the images; line: median; whiskers: all", ylabel="age in years", ylim=(0, None))
    return figure


def shares_picture(description: Description, column: str) -> Figure | None:
    """The share of each value among a diagnosis's images, as a table in shades of grey; None without known values."""
    cells = _commonest(description.columns[column])
    by_value = shares(cells)
    gap = widest_gap({value: counts for value, counts in cells.items() if value != _OTHERS})
    if not by_value:
        return None
    value, high, most, low, least = gap or (next(iter(by_value)), "", 0.0, "", 0.0)
    message = f"{_cut(value)} is {most:.0%} of {high}, {least:.0%} of {low}" if gap else f"{_cut(value)} is common"
    values = list(by_value)
    figure, axes = _figure(1.3 + 0.27 * len(values), f"{COLUMN_TITLES[column].capitalize()}: {message}")
    names = description.images.label_set.names
    table = np.array([[by_value[value].get(dx, np.nan) for dx in names] for value in values])  # (values, diagnoses)
    axes.imshow(table, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for (row, group), share in np.ndenumerate(table):
        text = "–" if np.isnan(share) else f"{share:.0%}"
        axes.text(group, row, text, ha="center", va="center", fontsize=9, color="white" if share > 0.55 else "black")
    axes.set_xticks(range(len(names)), names)
    axes.set_yticks(range(len(values)), [_cut(value) for value in values])
    axes.set_xlabel("share of a diagnosis's images whose value is known")
    return figure


def missing_picture(description: Description) -> Figure | None:
    """How much of each column is missing; None where nothing is."""
    total, missing = len(description.images.table), description.missing
    if not any(missing.values()):
        return None
    order = sorted(missing, key=lambda column: -missing[column])
    figure, axes = _figure(
        2.6, f"{COLUMN_TITLES[order[0]].capitalize()} is missing most: for {missing[order[0]]:,} images"
    )
    percentages = [100 * missing[column] / total for column in order]
    bars = axes.barh([COLUMN_TITLES[column] for column in order], percentages, color="0.3")
    labels = [f"{missing[column]:,} ({share:.1f}%)" for column, share in zip(order, percentages, strict=True)]
    axes.bar_label(bars, labels, padding=3, fontsize=9)
    axes.invert_yaxis()
    axes.margins(x=0.3)
    axes.set_xlabel("% of images without a value")
    return figure


def sizes_picture(description: Description) -> Figure | None:
    """The commonest image sizes; None where there are not several."""
    sizes = description.sizes
    if len(sizes) < 2:
        return None
    names = {f"{width} x {height}": count for (width, height), count in sizes.items()}
    shown = dict(list(names.items())[:MAXIMUM_SIZES])
    first, readable = next(iter(names)), sum(names.values())
    if len(names) > MAXIMUM_SIZES:
        shown[f"{len(names) - MAXIMUM_SIZES} others"] = readable - sum(shown.values())
    message = f"Images have {len(names)} sizes; {names[first] / readable:.0%} are of {first} pixels"
    figure, axes = _figure(1.4 + 0.25 * len(shown), message)
    bars = axes.barh(list(shown), list(shown.values()), color="0.3")
    axes.bar_label(bars, [f"{count:,}" for count in shown.values()], padding=3, fontsize=9)
    axes.invert_yaxis()
    axes.margins(x=0.15)
    axes.set_xlabel("images")
    return figure


def samples_picture(description: Description) -> bytes:
    """A few images of each diagnosis, each of another lesion, as a JPEG."""
    from matplotlib.figure import Figure

    table = description.images.table
    table = table[~table["image_id"].isin(list(description.unreadable))]
    figure = Figure(figsize=(_WIDTH, 0.8 * len(description.images.label_set)), dpi=125, layout="constrained")
    figure.suptitle("What each diagnosis looks like: images of lesions drawn at random", fontsize=10)
    names = description.images.label_set.names
    for row, dx in zip(figure.subplots(len(names), SAMPLES), names, strict=True):
        lesions = table[table["dx"] == dx].drop_duplicates("lesion_id")
        # The same ones whatever else is in the table.
        drawn = sorted(
            zip(lesions["lesion_id"], lesions["path"], strict=True),
            key=lambda lesion: hashlib.sha256(lesion[0].encode()).digest(),
        )
        row[0].set_ylabel(dx, rotation=0, ha="right", va="center", fontsize=9)
        _show(row, [path for _, path in drawn[:SAMPLES]])
    return _jpeg(figure)


def pairs_picture(description: Description) -> bytes | None:
    """The closest pairs of images of different lesions, side by side, as a JPEG; None where none are close."""
    from matplotlib.figure import Figure

    pairs = [copy for copy in description.copies if copy.across][:MAXIMUM_PAIRS_SHOWN]
    if not pairs:
        return None
    path_of = dict(zip(description.images.table["image_id"], description.images.table["path"], strict=True))
    rows = (len(pairs) + 1) // 2
    figure = Figure(figsize=(_WIDTH, 0.5 + 1.75 * rows), dpi=125, layout="constrained")
    copies = len(description.duplicates_across)
    found = "none counts as a copy" if not copies else "1 pair is a copy" if copies == 1 else f"{copies:,} are copies"
    figure.suptitle(f"The closest pairs of different lesions: {found}", fontsize=10)
    panels = figure.subplots(rows, 4, squeeze=False).reshape(-1, 2)
    for panel in panels[len(pairs) :]:
        _show(list(panel), [])
    for panel, pair in zip(panels, pairs, strict=False):
        _show(list(panel), [path_of[image_id] for image_id in pair.image_ids])
        for axes, image_id, dx in zip(panel, pair.image_ids, pair.diagnoses, strict=True):
            axes.set_title(f"{_cut(image_id, 16)}\n{dx}", fontsize=8)
        kind = f"COPY: {pair.kind}" if pair.duplicate else "no copy"
        where = "" if pair.parts is None else f"\n{' / '.join(pair.parts)}"
        panel[0].set_xlabel(f"{kind}, {pair.correlation:.3f}{where}", fontsize=8, loc="left")
    return _jpeg(figure)


_FILLED: dict[str, Any] = {"color": "0.3"}
_HATCHED: dict[str, Any] = {"color": "white", "edgecolor": "0.3", "hatch": "////"}
_OTHERS = "others"


def _figure(height: float, message: str) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), dpi=125, layout="constrained")
    figure.suptitle(textwrap.fill(message, 62), fontsize=10)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _commonest(cells: Crosstab) -> Mapping[str, Mapping[str, int]]:
    """The commonest values, and the sum of the others."""
    known = [value for value in cells if value != UNKNOWN]
    if len(known) <= MAXIMUM_VALUES:
        return cells
    rest = known[MAXIMUM_VALUES:]
    kept: dict[str, Mapping[str, int]] = {value: cells[value] for value in known[:MAXIMUM_VALUES]}
    return kept | {_OTHERS: {dx: sum(cells[value][dx] for value in rest) for dx in cells[known[0]]}}


def _show(row: Sequence[Axes], paths: Sequence[str]) -> None:
    """Draw images from left to right; frames left over or of undecodable images stay empty."""
    for axes in row:
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    for axes, path in zip(row, paths, strict=False):
        try:
            axes.imshow(decode(path, TILE * 3 // 4, TILE))
        except ImageError:
            axes.text(0.5, 0.5, "?", ha="center", transform=axes.transAxes)


def _cut(text: str, length: int = 22) -> str:
    """Short, and taken as it stands: Matplotlib would read what is between dollar signs as a formula."""
    short = text if len(text) <= length else text[: length - 1] + "…"
    return short.replace("$", r"\$")


def _jpeg(figure: Figure) -> bytes:
    stream = io.BytesIO()
    pixels_of(figure).convert("RGB").save(stream, "JPEG", quality=88)
    return stream.getvalue()
