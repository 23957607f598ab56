"""The page that compares nights, with a chart of each value over time, and its JSON."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from lesionflow import pages
from lesionflow.errors import counted, enumerated
from lesionflow.model.card import Estimate, strict_json
from lesionflow.monitoring.nights import Night
from lesionflow.monitoring.performance import ESTIMATES
from lesionflow.monitoring.watch import NIGHTS, Alarm, Watch, WatchedNight, is_share, value_in_words
from lesionflow.version import __version__

WIDTH, HEIGHT = 640, 150  # of a chart, in the page's units
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 8, 20  # beside what is drawn
_ABOUT_GROUPS = "A row of these reports stands for all images of one value of {column}."
EXPECTED_METRICS = "Expected metrics, without labels"  # the heading of their charts


@dataclass(frozen=True)
class Point:
    """The value of one night."""

    x: float
    y: float
    alarm: bool
    text: str  # what is shown of it when one points there


@dataclass(frozen=True)
class Chart:
    """The chart of a value over the nights."""

    title: str
    about: str  # its last value, and of which night
    points: tuple[Point, ...]
    line: str  # the points of a polyline
    band: str  # of a polygon: the intervals; empty where there are none
    ticks: tuple[tuple[float, str], ...]  # height and text of the horizontal lines
    names: tuple[tuple[float, str, str], ...]  # x, anchor and text below the axis
    reference_until: float  # x up to which nights are the reference; 0 where there is none
    alarms: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM  # of what is drawn


def charts(watch: Watch) -> dict[str, list[Chart]]:
    """Return the charts of a page, by heading."""
    nights = watch.nights
    of = _with_rows(watch)
    estimates = []
    for name in ESTIMATES:
        found = [each.night.estimates.get(name) for each in nights]
        values = [each.value if each else None for each in found]
        estimates.append(_chart(name, nights, values, of, intervals=found))
    shares = [name for name in _names(nights) if name.startswith("share/")]
    first = ["share/malignant", "share/unfamiliar", "share/uncertain"]
    others = [name for name in shares if name not in first]
    medians = [name for name in _names(nights) if name.startswith("median/")]
    shown = {
        EXPECTED_METRICS: [chart for chart in estimates if chart.points],
        "How many": [_value_chart(name, nights, of) for name in ("images", "failed")],
        "What was called": [_value_chart(name, nights, of) for name in [*first, *others]],
        "What the images are": [_value_chart(name, nights, of) for name in medians],
        "How far from the first nights": _distance_charts(nights, NIGHTS, of),
    }
    for kind in dict.fromkeys(each.against for night in nights for each in night.comparisons):
        if kind != NIGHTS:
            shown[f"How far from {kind}"] = _distance_charts(nights, kind, of)
    return {heading: some for heading, some in shown.items() if some}


def _names(nights: Sequence[WatchedNight]) -> list[str]:
    return list(dict.fromkeys(name for each in nights for name in each.night.values))


def _value_chart(name: str, nights: Sequence[WatchedNight], of: Night) -> Chart:
    values = [each.night.values.get(name) for each in nights]
    return _chart(name, nights, values, of)


def _distance_charts(nights: Sequence[WatchedNight], kind: str, of: Night) -> list[Chart]:
    compared = [{one.against: one.distances for one in each.comparisons}.get(kind, {}) for each in nights]
    names = dict.fromkeys(name for each in compared for name in each if not name.startswith("share/"))
    sizes = {name: [each[name].size if name in each else None for each in compared] for name in names}
    return [_chart(name, nights, values, of, against=kind) for name, values in sizes.items()]


def _chart(
    name: str, nights: Sequence[WatchedNight], values: Sequence[float | None], of: Night, *,
    intervals: Sequence[Estimate | None] = (), against: str | None = None,
) -> Chart:  # fmt: skip
    whole, percent = against is None and name == "images", against is None and is_share(name)
    known = [value for value in values if value is not None]
    ends = [end for each in intervals if each for end in (each.low, each.high)]
    drawn = [*known, *ends, *([0.0] if against or whole or percent else [])]
    digits = 10.0 ** (math.floor(math.log10(max(map(abs, drawn), default=1.0) or 1.0)) - 2)
    # The texts of two lines differ by one, 0.1 %, or the last of three digits at least.
    low, high, step = _axis(drawn, 1.0 if whole else 0.001 if percent else digits)
    told: Callable[[float], str] = "{:,.0f}".format if whole else "{:.1%}".format if percent else _short

    def x(index: int) -> float:
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (index + 0.5) / len(nights), 1)

    def y(value: float) -> float:
        return round(TOP + (HEIGHT - TOP - BOTTOM) * (high - value) / (high - low), 1)

    points = []
    for index, (each, value) in enumerate(zip(nights, values, strict=True)):
        if value is not None:
            alarms = [one for one in each.alarms if one.value in (name, name.removeprefix("median/"))]
            alarms = [one for one in alarms if against is None or one.against in (against, "")]
            points.append(Point(x(index), y(value), bool(alarms), f"{each.night.name}: {told(value)}"))
    there = [(index, each) for index, each in enumerate(intervals) if each]
    band = [(x(index), y(each.high)) for index, each in there] + [(x(i), y(each.low)) for i, each in reversed(there)]
    reference = sum(each.is_reference for each in nights)
    last = [(each.night.name, value) for each, value in zip(nights, values, strict=True) if value is not None][-1:]
    ends_shown = [(0, "start"), (len(nights) - 1, "end")][: len(nights)]
    ticks = [low + step * index for index in range(round((high - low) / step) + 1)]
    return Chart(
        title=value_in_words(name, of),
        about=" ".join(f"{told(value)} in {night}" for night, value in last),
        points=tuple(points),
        line=" ".join(f"{point.x},{point.y}" for point in points),
        band=" ".join(f"{left},{top}" for left, top in band),
        ticks=tuple((y(tick), f"{tick:.0%}" if percent and step >= 0.01 else told(tick)) for tick in ticks),
        names=tuple((x(index), anchor, nights[index].night.name[:24]) for index, anchor in ends_shown),
        reference_until=x(reference - 1) + (x(1) - x(0)) / 2 if reference and len(nights) > 1 else 0.0,
        alarms=sum(point.alarm for point in points),
    )


def _axis(values: Sequence[float], finest: float) -> tuple[float, float, float]:
    """The ends of an axis and the step of its lines: round numbers around the values, at most six steps."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    spread = max(high - low, abs(high) * 1e-3, 1e-6)
    power = 10 ** math.floor(math.log10(spread / 3))
    step = max(finest, next(power * factor for factor in (1, 2, 5, 10) if spread / (power * factor) <= 5))
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return low, high if high > low else low + step, step


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


NIGHTS_FORMAT = 1
_OF_THE_NIGHT = ("share/malignant", "share/uncertain", "share/unfamiliar")
ALARMS_FIRST = 4  # of last night, before everything else
MOST_ALARMS = 60  # nights that the page names, the last ones; the JSON has all
CHANGES_NAMED = 5  # values named on the page, those that changed most
_ABOUT_ESTIMATES = (
    "Expected metrics are computed from the model's probabilities alone, and are only right if these are calibrated: "
    "with images of another kind, or another mix of diagnoses, they can stay high while the true ones fall. The band "
    "contains the true value if the probabilities are right. Balanced accuracy is the mean over the diagnoses of which "
    "at least one image is expected; rarer ones are left out."
)


def watch_json(watch: Watch, champion: str = "") -> dict[str, Any]:
    """Return everything as values of strict JSON; champion: a line about who that is, empty for nothing."""
    told: dict[str, Any] = strict_json({
        "format": NIGHTS_FORMAT,
        "research_use": "not a diagnosis",
        "model": watch.nights[-1].night.model or next((each.night.model for each in watch.nights), ""),
        "grouped_by": _with_rows(watch).grouped_by or None,
        "champion": champion or None,
        "notes": list(watch.notes),
        "limits": watch.limits,
        "references": [
            {"kind": one.kind, "about": one.about, "estimates": one.estimates, "usual": one.usual}
            for one in watch.references
        ],
        "nights_with_alarms": watch.alarms,
        "nights": [_night_json(each) for each in watch.nights],
        "lesionflow_version": __version__,
    }, digits=6)  # fmt: skip
    return told


def _with_rows(watch: Watch) -> Night:
    """A night that shows what a row stands for, which is the same in all nights with images."""
    return next((each.night for each in watch.nights if each.night.images), watch.nights[-1].night)


def _night_json(watched: WatchedNight) -> dict[str, Any]:
    night = watched.night
    return {
        "night": night.name,
        "report": str(night.file),
        "images": night.images,
        "failed": night.failed,
        "images_failed": night.images_failed,
        "waiting": night.waiting,
        "is_reference": watched.is_reference,
        "alarms": watched.alarms,
        "values": night.values,
        "estimates": night.estimates,
        "distances": {
            each.against: {
                name: {"distance": distance.size, "p_value": each.corrected[name]}
                for name, distance in each.distances.items()
            }
            for each in watched.comparisons
        },
    }


def watch_page(watch: Watch, champion: str = "") -> str:
    """Return the page: last night, what changed, what waits, who is champion; then every value over time."""
    last = watch.nights[-1]
    column = _with_rows(watch).grouped_by
    rows = _ABOUT_GROUPS.format(column=column) if column else ""
    model = f"Scored with {last.night.model or 'no model'}."
    head = [pages.paragraph(line) for line in (model, champion, rows) if line]
    alarms = _in_order(last)
    head += [pages.warning(f"{last.night.name}: {alarm.text}.") for alarm in alarms[:ALARMS_FIRST]]
    if more := alarms[ALARMS_FIRST:]:
        head.append(pages.warning(f"{counted(len(more), 'more alarm')} of {last.night.name}: see below."))
    if not last.alarms:
        head.append(pages.paragraph(f"No alarm for {last.night.name}."))
    head += [pages.paragraph(pages.sentence(note)) for note in watch.notes]
    sections = [
        pages.section(f"Last night: {last.night.name}", pages.headline(_tiles(last)), _changes(last)),
        pages.section("What waits for review", pages.paragraph(_waiting(last))),
    ]
    if watch.alarms:
        nights = [each for each in watch.nights if each.alarms][-MOST_ALARMS:]
        told = [(night.night.name, "\n".join(alarm.text for alarm in _in_order(night))) for night in nights]
        heading = f"{watch.alarms} of {counted(len(watch.nights), 'night')} with an alarm"
        sections.append(pages.section(heading, pages.facts(told)))
    for heading, drawn in charts(watch).items():
        about = [pages.paragraph(_ABOUT_ESTIMATES)] if heading == EXPECTED_METRICS else []
        sections.append(pages.section(heading, *about, *map(pages.chart, drawn)))
    sections.append(pages.section("How this was compared", pages.facts(_facts(watch))))
    return pages.page("The nights", head, sections)


def _in_order(watched: WatchedNight) -> list[Alarm]:
    """A night's alarms for a person: limits of a value, what the night as a whole is, shares of calls, distances."""
    return sorted(watched.alarms, key=_says_less)


def _says_less(alarm: Alarm) -> int:
    if not alarm.against:
        return 0
    if alarm.value.startswith("expected_") or alarm.value in _OF_THE_NIGHT:
        return 1
    return 2 if alarm.value.startswith("share/") else 3


def _tiles(watched: WatchedNight) -> list[tuple[str, str, str]]:
    night = watched.night
    unread = f"{night.failed} could not be read"
    if night.grouped_by and night.images_failed is not None:
        images = counted(night.images_failed, "image")
        unread = f"{night.failed} without a readable image; {images} could not be read"
    tiles = [(f"{night.thing}s", f"{night.images:,}", unread)]
    for name in ("share/malignant", "share/unfamiliar"):
        if name in night.values:
            tiles.append((value_in_words(name, night), f"{night.values[name]:.1%}", ""))
    for name, estimate in night.estimates.items():
        tiles.append(
            (value_in_words(name, night), f"{estimate.value:.2f}", f"{estimate.low:.2f} to {estimate.high:.2f}")
        )
    return tiles


def _changes(watched: WatchedNight) -> Any:
    """The values that differ from the first nights with the most certainty."""
    compared = next((each for each in watched.comparisons if each.against == NIGHTS), None)
    if compared is None:
        return pages.paragraph("There are no nights before it to compare it with.")
    order = sorted(compared.distances, key=lambda name: compared.distances[name].p_value)[:CHANGES_NAMED]
    rows = []
    for name in order:
        size = compared.distances[name].size
        told = f"{100 * size:+.1f} percentage points" if is_share(name) else f"distance {size:.2f}"
        rows.append((value_in_words(name, watched.night), told, f"{compared.corrected[name]:.2g}"))
    return pages.table(
        ("value", "from the first nights", "p-value, corrected"),
        rows,
        f"What changed most, with {_compared(watched.night)}",
    )


def _compared(night: Night) -> str:
    return f"every {night.thing}" if night.grouped_by else "one image of each lesion, where lesions are known"


def _waiting(watched: WatchedNight) -> str:
    waiting = watched.night.waiting
    told = enumerated(f"{count:,} {why}" for why, count in waiting.items())
    rows = counted(sum(waiting.values()), f"{watched.night.thing} of {watched.night.name}", "is", "are")
    return f"{rows} for a person to look at: {told}."


def _facts(watch: Watch) -> list[tuple[str, str]]:
    limits, of = watch.limits, _with_rows(watch)
    return [
        *((each.kind, each.about) for each in watch.references),
        ("an alarm", f"by chance in at most {limits.level:.1%} of the nights that are like the reference"),
        ("what is compared", f"{_compared(of)}; the charts of shares are of all {of.thing}s"),
        ("limits", f"distributions {limits.distribution:g}, shares {limits.share:g}, categories {limits.category:g}"),
    ]
