"""One chart for each value over time: where its line, its interval and its alarms are drawn, as numbers for a page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lesionflow.model.card import Estimate
from lesionflow.monitoring.performance import ESTIMATES
from lesionflow.monitoring.watch import NIGHTS, Watch, WatchedNight, in_words

WIDTH, HEIGHT = 640, 150  # of a chart, in the page's units
LEFT, RIGHT, TOP, BOTTOM = 52, 8, 8, 20  # beside what is drawn
EXPECTED_METRICS = "Expected metrics, without labels"  # the heading of their charts


@dataclass(frozen=True)
class Point:
    """A night's value."""

    x: float
    y: float
    alarm: bool
    text: str  # what is shown of it when one points there


@dataclass(frozen=True)
class Chart:
    """A value over the nights."""

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
    estimates = [_estimate_chart(name, nights) for name in ESTIMATES]
    shares = [name for name in _names(nights) if name.startswith("share/")]
    first = ["share/malignant", "share/unfamiliar", "share/uncertain"]
    others = [name for name in shares if name not in first]
    medians = [name for name in _names(nights) if name.startswith("median/")]
    found = {
        EXPECTED_METRICS: [chart for chart in estimates if chart.points],
        "How many": [_value_chart(name, nights) for name in ("images", "failed")],
        "What was called": [_value_chart(name, nights) for name in [*first, *others]],
        "What the images are": [_value_chart(name, nights) for name in medians],
        "How far from the first nights": _distance_charts(nights, NIGHTS),
    }
    for kind in dict.fromkeys(each.against for night in nights for each in night.comparisons):
        if kind != NIGHTS:
            found[f"How far from {kind}"] = _distance_charts(nights, kind)
    return {heading: some for heading, some in found.items() if some}


def _names(nights: Sequence[WatchedNight]) -> list[str]:
    return list(dict.fromkeys(name for each in nights for name in each.night.values))


def _value_chart(name: str, nights: Sequence[WatchedNight]) -> Chart:
    values = [each.night.values.get(name) for each in nights]
    return _chart(
        in_words(name), name, nights, values, whole=name == "images", percent=name != "images" and "/" in name
    )


def _estimate_chart(name: str, nights: Sequence[WatchedNight]) -> Chart:
    found = [each.night.estimates.get(name) for each in nights]
    return _chart(in_words(name), name, nights, [one.value if one else None for one in found], intervals=found)


def _distance_charts(nights: Sequence[WatchedNight], kind: str) -> list[Chart]:
    compared = [{one.against: one.distances for one in each.comparisons}.get(kind, {}) for each in nights]
    names = dict.fromkeys(name for each in compared for name in each if not name.startswith("share/"))
    return [
        _chart(
            in_words(name), name, nights, [each[name].size if name in each else None for each in compared], against=kind
        )
        for name in names
    ]


def _chart(
    title: str, name: str, nights: Sequence[WatchedNight], values: Sequence[float | None], *,
    intervals: Sequence[Estimate | None] = (), whole: bool = False, percent: bool = False, against: str | None = None,
) -> Chart:  # fmt: skip
    known = [value for value in values if value is not None]
    ends = [end for each in intervals if each for end in (each.low, each.high)]
    low, high, step = _axis([*known, *ends, *([0.0] if against or whole or percent else [])])
    told: Callable[[float], str] = _whole if whole else _percent if percent else _short

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
    ticks = [low + step * index for index in range(round((high - low) / step) + 1)]
    return Chart(
        title=title,
        about=" ".join(f"{told(value)} in {night}" for night, value in last),
        points=tuple(points),
        line=" ".join(f"{point.x},{point.y}" for point in points),
        band=" ".join(f"{left},{top}" for left, top in band),
        ticks=tuple((y(tick), f"{tick:.0%}" if percent and step >= 0.01 else told(tick)) for tick in ticks),
        names=_axis_names(nights, x),
        reference_until=x(reference - 1) + (x(1) - x(0)) / 2 if reference and len(nights) > 1 else 0.0,
        alarms=sum(point.alarm for point in points),
    )


def _axis_names(nights: Sequence[WatchedNight], x: Callable[[int], float]) -> tuple[tuple[float, str, str], ...]:
    shown = [(0, "start"), (len(nights) - 1, "end")] if len(nights) > 1 else [(0, "start")]
    return tuple((x(index), anchor, nights[index].night.name[:24]) for index, anchor in shown)


def _axis(values: Sequence[float]) -> tuple[float, float, float]:
    """The ends of an axis and the step of its lines: round numbers around the values, three to six steps."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    spread = max(high - low, abs(high) * 1e-3, 1e-6)
    power = 10 ** math.floor(math.log10(spread / 3))
    step = next(power * factor for factor in (1, 2, 5, 10) if spread / (power * factor) <= 5)
    low, high = math.floor(low / step) * step, math.ceil(high / step) * step
    return low, high if high > low else low + step, step


def _whole(value: float) -> str:
    return f"{value:,.0f}"


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
