"""The summary of a scoring run, as JSON for machines."""

from __future__ import annotations

import dataclasses
import itertools
import json
import platform
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from lesionflow.diagnoses import HAM10000, LabelSet
from lesionflow.errors import IMAGE_FAILURES
from lesionflow.images import PIXELS_VERSION
from lesionflow.model.card import AVERAGED, SINGLE, Card
from lesionflow.model.columns import utf8
from lesionflow.model.prediction import TRUSTED, UNCERTAIN, UNFAMILIAR, Row, probability_columns
from lesionflow.storage.location import Location
from lesionflow.version import __version__

SUMMARY_FORMAT = 2
HISTOGRAM_BINS = 20  # of equal width between 0 and 1
ROWS_AT_ONCE = 1024  # that are counted together


@dataclass
class Counts:
    """Counts of images by outcome, updated while the rows go by."""

    diagnoses: dict[str, int] = field(default_factory=lambda: dict.fromkeys(HAM10000.names, 0))  # as called
    malignant: int = 0  # at the bundle's operating point
    referred: dict[str, int] = field(default_factory=lambda: {UNCERTAIN: 0, UNFAMILIAR: 0})  # by why
    failures: dict[str, int] = field(default_factory=dict)  # of images, by word of `IMAGE_FAILURES`
    # Rows in each of `HISTOGRAM_BINS`, by column.
    histograms: dict[str, list[int]] = field(default_factory=dict, repr=False)
    both: int = 0  # that two models were asked about
    disagreed: int = 0  # of these, on which the two disagree
    failed: int = 0  # rows with an error: fewer than images that failed, where a row stands for a group of them
    behind: int = 0  # images behind the rows, where these stand for groups

    @classmethod
    def of(cls, labels: LabelSet) -> Counts:
        """Return empty counts for a model with this label set."""
        return cls(dict.fromkeys(labels.names, 0))

    def add(self, rows: Sequence[Row]) -> None:
        """Count some rows of one model."""
        for word, count in Counter(row.reason for row in rows if row.prediction is None).items():
            self.failures[word] = self.failures.get(word, 0) + count
            self.failed += count
        said = [row.prediction for row in rows if row.prediction is not None]
        if not said:
            return
        probabilities, called, malignant, refer, (labels, *_) = zip(*said, strict=True)
        for index, count in Counter(called).items():
            self.diagnoses[labels.names[index]] += count
        self.malignant += sum(malignant)
        asked_both = [row for row in rows if row.also is not None]
        self.both += len(asked_both)
        self.disagreed += sum(row.disagrees for row in asked_both)
        for why, count in Counter(refer).items():
            if why != TRUSTED:
                self.referred[why] += count
        self._add_histograms(
            _histograms(
                np.fromiter(itertools.chain.from_iterable(probabilities), np.float64).reshape(len(said), -1), labels
            )
        )

    def count_images(self, failed: Iterable[Row], behind: int = 0) -> None:
        """Count failed images instead of failed rows, if a row stands for a group of images.

        behind: images behind all rows.
        """
        self.behind, self.failures = behind, dict(Counter(row.reason for row in failed))

    @property
    def images(self) -> int:
        """All inputs; more than the rows if these stand for groups."""
        return self.behind or self.scored + self.failed

    @property
    def images_failed(self) -> int:
        """Images that could not be read, whatever a row stands for."""
        return sum(self.failures.values())

    def speed(self, seconds: float, resumed: int) -> float:
        """Images per second; resumed: images that were scored before."""
        return max(self.images - resumed, 0) / max(seconds, 1e-9)

    def _add_histograms(self, histograms: Mapping[str, Sequence[int]]) -> None:
        for column, counts in histograms.items():
            bins = self.histograms.setdefault(column, [0] * HISTOGRAM_BINS)
            bins[:] = [sum(pair) for pair in zip(bins, counts, strict=True)]

    def update(self, other: Counts) -> None:
        """Add the counts of another."""
        for mine, theirs in (
            (self.diagnoses, other.diagnoses), (self.referred, other.referred), (self.failures, other.failures)
        ):  # fmt: skip
            for name, count in theirs.items():
                mine[name] = mine.get(name, 0) + count
        self.malignant += other.malignant
        self.failed += other.failed
        self.both += other.both
        self.disagreed += other.disagreed
        self._add_histograms(other.histograms)

    def counting(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Yield the rows and count them in batches; the counts are complete once the iterator has ended."""
        waiting = iter(rows)
        while batch := list(itertools.islice(waiting, ROWS_AT_ONCE)):
            self.add(batch)
            yield from batch

    @property
    def scored(self) -> int:
        """Rows with a diagnosis."""
        return sum(self.diagnoses.values())

    @property
    def malignant_share(self) -> float:
        """The share of scored rows that are malignant at the operating point; 0 without any."""
        return self.malignant / self.scored if self.scored else 0.0


def _histograms(probabilities: np.ndarray, labels: LabelSet) -> dict[str, list[int]]:
    """Counts of (rows, classes) probabilities in `HISTOGRAM_BINS`, by column of the report."""
    malignant = np.zeros(len(probabilities))
    for index in labels.malignant_indices:  # in the order of `IndexedPrediction.malignant_probability`: the same bits
        malignant += probabilities[:, index]
    own = [index for index, name in enumerate(labels.names) if name != "malignant"]
    chances = np.column_stack([probabilities[:, own], malignant])  # (rows, columns)
    bin_of = np.where(chances < 1, chances * HISTOGRAM_BINS, HISTOGRAM_BINS - 1).astype(np.int64)
    columns = probability_columns(labels.names)
    bin_of += HISTOGRAM_BINS * np.arange(len(columns))  # bins of their own for each column, to count in one go
    counts = np.bincount(bin_of.ravel(), minlength=HISTOGRAM_BINS * len(columns)).reshape(len(columns), -1)
    return dict(zip(columns, counts.tolist(), strict=True))


def provenance(
    model: str, card: Card, options: Mapping[str, object], now: datetime | None = None, *, averaged: bool = False
) -> dict[str, str]:
    """The provenance of a report as names and text, for Parquet metadata and the summary.

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
        "trained_on": card.data_told,
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
    """The summary as JSON values; `images` and `images_failed` count images, other counts rows, which may be groups.

    sources: what `provenance` gave; seconds: from the first image to the last row; resumed: images that an earlier
    run had done, which no seconds were spent on; left_out: files of the folder that are no images, by kind.
    """
    provenance: dict[str, Any] = dict(sources)
    for name in ("options", "demo_model", "prior", "calibration"):
        if name in provenance:
            provenance[name] = json.loads(provenance[name])
    return {
        "format": SUMMARY_FORMAT,
        "research_use": "not a diagnosis",
        "report": None if report is None else utf8(str(report)),
        "images": counts.images,
        "scored": counts.scored,
        "failed": counts.failed,
        "images_failed": counts.images_failed,
        "diagnoses": dict(counts.diagnoses),
        "malignant": counts.malignant,
        "malignant_share": round(counts.malignant_share, 6),
        "referred": dict(counts.referred),
        "disagreed": counts.disagreed if counts.both else None,
        "failures": {word: counts.failures[word] for word in IMAGE_FAILURES if word in counts.failures},
        "histograms": {column: list(counts) for column, counts in counts.histograms.items()},
        "left_out": dict(left_out or {}),
        "seconds": round(seconds, 3),
        "resumed": resumed,
        "images_per_second": round(counts.speed(seconds, resumed), 3) if seconds > 0 else None,
        "provenance": provenance,
    }


def summary_json(summary: Mapping[str, Any]) -> bytes:
    """A summary as JSON."""
    return (json.dumps(summary, indent=2, ensure_ascii=False) + "\n").encode()
