"""The nights as a page for people, and as JSON for machines."""

from __future__ import annotations

import math
from typing import Any

from lesionflow import pages
from lesionflow.monitoring.charts import EXPECTED_METRICS, charts
from lesionflow.monitoring.limits import limits_json
from lesionflow.monitoring.watch import NIGHTS, Alarm, Comparison, Watch, WatchedNight, in_words
from lesionflow.version import __version__

NIGHTS_FORMAT = 1
_OF_THE_NIGHT = ("share/malignant", "share/uncertain", "share/unfamiliar")
ALARMS_FIRST = 4  # of last night, before everything else
MOST_ALARMS = 60  # nights that the page names, the last ones; the JSON has all
CHANGES = 5  # values named on the page, those that changed most
_ABOUT_ESTIMATES = (
    "Expected metrics rest on the model's probabilities alone. They hold where these are calibrated, and fail with "
    "them: images of another kind, or another mix of diagnoses, can leave them high while the true ones fall. The band "
    "is where the true value would be if the probabilities are right."
)


def watch_json(watch: Watch, champion: str = "") -> dict[str, Any]:
    """Return everything as values of strict JSON; champion: a line about who that is, empty for nothing."""
    return {
        "format": NIGHTS_FORMAT,
        "research_use": "not a diagnosis",
        "model": watch.nights[-1].night.model or next((each.night.model for each in watch.nights), ""),
        "grouped_by": _grouped_by(watch) or None,
        "champion": champion or None,
        "notes": list(watch.notes),
        "limits": limits_json(watch.limits),
        "references": [
            {
                "kind": each.kind,
                "about": each.about,
                "estimates": _rounded(each.estimates),
                "usual": _rounded(each.usual),
            }
            for each in watch.references
        ],
        "nights_with_alarms": watch.alarms,
        "nights": [_night_json(each) for each in watch.nights],
        "lesionflow_version": __version__,
    }


def _grouped_by(watch: Watch) -> str:
    """The column that the rows are grouped by, which all nights with images share; empty where an image has one."""
    return next((each.night.grouped_by for each in watch.nights if each.night.grouped_by), "")


def _night_json(watched: WatchedNight) -> dict[str, Any]:
    night = watched.night
    return {
        "night": night.name,
        "report": str(night.file),
        "images": night.images,
        "failed": night.failed,
        "waiting": night.waiting,
        "is_reference": watched.is_reference,
        "alarms": [vars(alarm) for alarm in watched.alarms],
        "values": _rounded(night.values),
        "estimates": {name: _rounded(estimate._asdict()) for name, estimate in night.estimates.items()},
        "distances": {each.against: _distances_json(each) for each in watched.comparisons},
    }


def _distances_json(compared: Comparison) -> dict[str, Any]:
    return {
        name: {"distance": _round(distance.size), "p_value": _round(compared.corrected[name])}
        for name, distance in compared.distances.items()
    }


def _rounded(values: Any) -> dict[str, Any]:
    return {name: _round(value) for name, value in values.items()}


def _round(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def watch_page(watch: Watch, champion: str = "") -> str:
    """Return the page: last night, what changed, what waits, who is champion; then every value over time."""
    last = watch.nights[-1]
    column = _grouped_by(watch)
    rows = f"These reports are grouped by {column}: what is called images below are its groups." if column else ""
    model = f"Scored with {last.night.model or 'no model'}."
    head = [pages.paragraph(line) for line in (model, champion, rows) if line]
    alarms = sorted(last.alarms, key=_says_less)
    head += [pages.warning(f"{last.night.name}: {alarm.text}.") for alarm in alarms[:ALARMS_FIRST]]
    if more := alarms[ALARMS_FIRST:]:
        head.append(pages.warning(f"{len(more)} more alarms of {last.night.name} are among those below."))
    if not last.alarms:
        head.append(pages.paragraph(f"No alarm for {last.night.name}."))
    head += [pages.paragraph(pages.sentence(note)) for note in watch.notes]
    sections = [
        pages.section(f"Last night: {last.night.name}", pages.headline(_tiles(last)), _changes(last)),
        pages.section("What waits for review", pages.paragraph(_waiting(last))),
    ]
    if watch.alarms:
        sections.append(pages.section(f"{watch.alarms} of {len(watch.nights)} nights with an alarm", _alarms(watch)))
    for heading, drawn in charts(watch).items():
        about = [pages.paragraph(_ABOUT_ESTIMATES)] if heading == EXPECTED_METRICS else []
        sections.append(pages.section(heading, *about, *map(pages.chart, drawn)))
    sections.append(pages.section("How this was compared", pages.facts(_facts(watch))))
    return pages.page("The nights", head, sections)


def _says_less(alarm: Alarm) -> int:
    """Order alarms for a person: limits of a value, then what the night as a whole is, shares of calls, distances."""
    if not alarm.against:
        return 0
    if alarm.value.startswith("expected_") or alarm.value in _OF_THE_NIGHT:
        return 1
    return 2 if alarm.value.startswith("share/") else 3


def _tiles(watched: WatchedNight) -> list[tuple[str, str, str]]:
    night = watched.night
    tiles = [("images", f"{night.images:,}", f"{night.failed} could not be read")]
    for name in ("share/malignant", "share/unfamiliar"):
        if name in night.values:
            tiles.append((in_words(name), f"{night.values[name]:.1%}", ""))
    for name, estimate in night.estimates.items():
        tiles.append((in_words(name), f"{estimate.value:.2f}", f"{estimate.low:.2f} to {estimate.high:.2f}"))
    return tiles


def _changes(watched: WatchedNight) -> Any:
    """The values that differ from the first nights with the most certainty."""
    compared = next((each for each in watched.comparisons if each.against == NIGHTS), None)
    if compared is None:
        return pages.paragraph("There are no nights before it to compare it with.")
    order = sorted(compared.distances, key=lambda name: compared.distances[name].p_value)[:CHANGES]
    rows = [
        (in_words(name), _change(name, compared), f"{compared.corrected[name]:.2g}")
        for name in order
    ]  # fmt: skip
    return pages.table(
        ("value", "from the first nights", "p-value, corrected"),
        rows,
        "What changed most, with one image of each lesion",
    )


def _change(name: str, compared: Comparison) -> str:
    size = compared.distances[name].size
    return f"{size:+.1%}" if name.startswith("share/") else f"distance {size:.2f}"


def _waiting(watched: WatchedNight) -> str:
    waiting = watched.night.waiting
    told = " and ".join(f"{count:,} {why}" for why, count in waiting.items())
    return f"{sum(waiting.values()):,} images of {watched.night.name} are for a person to look at: {told}."


def _alarms(watch: Watch) -> Any:
    nights = [each for each in watch.nights if each.alarms]
    told = [(each.night.name, "; ".join(alarm.text for alarm in each.alarms)) for each in nights[-MOST_ALARMS:]]
    return pages.facts(told)


def _facts(watch: Watch) -> list[tuple[str, str]]:
    facts = [(each.kind, each.about) for each in watch.references]
    limits = watch.limits
    facts += [
        ("an alarm", f"by chance in at most {limits.level:.1%} of the nights that are like the reference"),
        (
            "what is compared",
            "one image of each lesion, where lesions are known; the charts of shares are of all images",
        ),
        ("limits", f"distributions {limits.distribution:g}, shares {limits.share:g}, categories {limits.category:g}"),
    ]
    return facts
