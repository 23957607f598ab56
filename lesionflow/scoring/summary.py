"""What a scoring run came to, as JSON for machines."""

from __future__ import annotations

import dataclasses
import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lesionflow.atomic import atomic_file
from lesionflow.diagnoses import HAM10000, LabelSet
from lesionflow.errors import IMAGE_FAILURES
from lesionflow.images.decode import PIXELS_VERSION
from lesionflow.model.card import AVERAGED, SINGLE, Card
from lesionflow.model.columns import utf8
from lesionflow.model.prediction import TRUSTED, UNCERTAIN, UNFAMILIAR, Row, probability_columns
from lesionflow.storage.location import Location
from lesionflow.version import __version__

SUMMARY_FORMAT = 2
HISTOGRAM_BINS = 20  # of equal width between 0 and 1


@dataclass
class Counts:
    """How many images came to what, counted while the rows go by."""

    diagnoses: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HAM10000.names, 0))  # as called
    malignant: int = 0  # at the bundle's operating point
    referred: dict[str, int] = field(default_factory=lambda: {UNCERTAIN: 0, UNFAMILIAR: 0})  # by why
    failures: dict[str, int] = field(default_factory=dict)  # by word of `IMAGE_FAILURES`
    histograms: dict[str, list[int]] = field(default_factory=dict)  # rows in each of `HISTOGRAM_BINS`, by column
    # The lists of `histograms` in the order of a row's probabilities, the malignant one last: looked up once.
    _bins: list[list[int]] = field(default_factory=list, init=False, repr=False, compare=False)

    @classmethod
    def of(cls, labels: LabelSet) -> Counts:
        """Return what counts the rows of a model with this label set."""
        return cls(dict.fromkeys(labels.names, 0))

    def add(self, row: Row) -> None:
        """Count one row."""
        if row.prediction is None:
            self.failures[row.reason] = self.failures.get(row.reason, 0) + 1
            return
        self.diagnoses[row.prediction.labels.names[row.prediction.called]] += 1
        self.malignant += row.prediction.malignant
        if row.prediction.refer != TRUSTED:
            self.referred[row.prediction.refer] += 1
        chances = (*row.prediction.probabilities, row.prediction.malignant_probability)
        for bins, chance in zip(self._bins or self._begin_histograms(row.prediction.labels), chances, strict=True):
            bins[int(chance * HISTOGRAM_BINS) if chance < 1 else -1] += 1

    def _begin_histograms(self, labels: LabelSet) -> list[list[int]]:
        for column in probability_columns(labels.names):
            self.histograms.setdefault(column, [0] * HISTOGRAM_BINS)
        # A diagnosis called malignant is counted as the sum over the malignant ones, which it is.
        own = [[0] * HISTOGRAM_BINS if name == "malignant" else self.histograms[f"p_{name}"] for name in labels.names]
        self._bins = [*own, self.histograms["p_malignant"]]
        return self._bins

    def update(self, other: Counts) -> None:
        """Count what another has counted."""
        for mine, theirs in (
            (self.diagnoses, other.diagnoses), (self.referred, other.referred), (self.failures, other.failures)
        ):  # fmt: skip
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        self.malignant += other.malignant
        for column, counts in other.histograms.items():
            bins = self.histograms.setdefault(column, [0] * HISTOGRAM_BINS)
            bins[:] = [sum(pair) for pair in zip(bins, counts, strict=True)]

    def counting(self, rows: Iterable[Row]) -> Iterator[Row]:
        """The rows, each counted as it goes by."""
        for row in rows:
            self.add(row)
            yield row

    @property
    def scored(self) -> int:
        """Rows with a diagnosis."""
        return sum(self.diagnoses.values())

    @property
    def failed(self) -> int:
        """Rows with an error."""
        return sum(self.failures.values())

    @property
    def malignant_share(self) -> float:
        """The share of scored rows that are malignant at the operating point; 0 without any."""
        return self.malignant / self.scored if self.scored else 0.0


def provenance(
    model: str, card: Card, options: Mapping[str, object], now: datetime | None = None, *, averaged: bool = False
) -> dict[str, str]:
    """Where the numbers of a report come from, as names and text: for Parquet metadata, and part of a summary.

    model: the label that the column `model` shows; options: what the user chose, by the option's name; now: a time
    other than the clock's; averaged: whether the flips and quarter turns of each image were.
    """
    calibration = dataclasses.asdict(card.calibrations[AVERAGED if averaged else SINGLE])
    return {
        "model": model,
        "bundle_label": card.label,
        "bundle_digest": card.digest,
        "network": card.network,
        "input": f"{card.height} x {card.width}",
        "trained_on": card.data_name,
        "licence": card.licence,
        "demo_model": json.dumps(card.demo),
        "prior": json.dumps(dict(zip(card.classes, card.prior, strict=True))),
        "calibration": json.dumps({"tta": averaged} | calibration),
        "pixels_version": str(PIXELS_VERSION),
        "lesionflow_version": __version__,
        "python_version": platform.python_version(),
        "time": (now or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds"),
        "options": json.dumps({name: _plain(value) for name, value in options.items()}, sort_keys=True),
    }


def _plain(value: object) -> object:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else utf8(str(value))


def build_summary(
    counts: Counts,
    seconds: float,
    report: Location | None,
    sources: Mapping[str, str],
    resumed: int = 0,
    left_out: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The summary as JSON values.

    sources: what `provenance` gave; seconds: from the first image to the last row; resumed: images that an earlier
    run had done, which no seconds were spent on; left_out: files of the folder that are no images, by kind.
    """
    images = counts.scored + counts.failed
    provenance: dict[str, Any] = dict(sources)
    for name in ("options", "demo_model", "prior", "calibration"):
        if name in provenance:
            provenance[name] = json.loads(provenance[name])
    return {
        "format": SUMMARY_FORMAT,
        "research_use": "not a diagnosis",
        "report": None if report is None else utf8(str(report)),
        "images": images,
        "scored": counts.scored,
        "failed": counts.failed,
        "diagnoses": dict(counts.diagnoses),
        "malignant": counts.malignant,
        "malignant_share": round(counts.malignant_share, 6),
        "referred": dict(counts.referred),
        "failures": {word: counts.failures[word] for word in IMAGE_FAILURES if word in counts.failures},
        "histograms": {column: list(counts) for column, counts in counts.histograms.items()},
        "left_out": dict(left_out or {}),
        "seconds": round(seconds, 3),
        "resumed": resumed,
        "images_per_second": round(max(images - resumed, 0) / seconds, 3) if seconds > 0 else None,
        "provenance": provenance,
    }


def write_summary(summary: Mapping[str, Any], out: Location, overwrite: bool) -> None:
    """Write a summary, whole or not at all. Raises `ReportError` where it cannot be written."""
    with atomic_file(out, overwrite) as file:
        file.write(json.dumps(summary, indent=2, ensure_ascii=False).encode() + b"\n")
