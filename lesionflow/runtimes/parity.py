"""Compares an exported file with its bundle, and measures the cost of a lower precision."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lesionflow.errors import ReportError, counted
from lesionflow.evaluation.measure import measure
from lesionflow.evaluation.metrics import Place, shown_at, with_interval
from lesionflow.evaluation.stability import measure_stability
from lesionflow.model.card import SINGLE, Card, Estimate
from lesionflow.model.prediction import Predictions, with_labels
from lesionflow.model.predictor import Outputs, Predictor
from lesionflow.runtimes.artifact import Run

MOST_IMAGES = 200  # that file and bundle are compared on
STABILITY_IMAGES = 100  # each of which is changed in fifteen ways
MOST_FOR_RANGES = 200  # images that int8 takes its ranges from


@dataclass(frozen=True)
class Parity:
    """How far a file's answers are from its bundle's, on the same pixels."""

    images: int
    of: str  # which images
    largest_difference: float  # of a probability
    changed_calls: float  # share of images whose call differs
    changed_flags: float  # whose malignant flag differs
    changed_referrals: float  # whose refer column differs
    max_difference: float  # what was allowed of the first
    max_changed_calls: float  # and of the calls


def compare_answers(bundle: Predictions, artifact: Predictions, of: str, limits: tuple[float, float]) -> Parity:
    """Compare what a file and its bundle say of the same images; limits: as `ExportConfig.limits` has them."""
    return Parity(
        images=len(bundle),
        of=of,
        largest_difference=float(np.abs(bundle.probabilities - artifact.probabilities).max()),
        changed_calls=float((bundle.called != artifact.called).mean()),
        changed_flags=float((bundle.malignant != artifact.malignant).mean()),
        changed_referrals=float((bundle.refer != artifact.refer).mean()),
        max_difference=limits[0],
        max_changed_calls=limits[1],
    )


def check_parity(parity: Parity) -> None:
    """Raise `ReportError` if a file's answers differ from its bundle's by more than is allowed."""
    found = [
        f"{what} {value:.4g}, at most {most:g} is allowed ({name})"
        for what, value, most, name in (
            ("largest difference of a probability", parity.largest_difference, parity.max_difference,
             "--max-difference"),
            ("share of calls that differ", parity.changed_calls, parity.max_changed_calls, "--max-changed-calls"),
        )
        if not value <= most  # written this way, NaN fails too
    ]  # fmt: skip
    if found:
        raise ReportError(
            f"on {counted(parity.images, 'image')} the file does not predict what the bundle does: {'; '.join(found)}"
        )


@dataclass(frozen=True)
class Cost:
    """The cost of a precision on labelled images: metrics with 95 % intervals from a bootstrap over lesions."""

    images: int
    of: str  # which images
    bundle: dict[str, Estimate]  # balanced accuracy, ECE, and `stability`: share of calls that harmless changes move
    artifact: dict[str, Estimate]

    def rows(self) -> list[tuple[str, str, str]]:
        """For each metric its name in words, and the values of bundle and file."""
        shown = [(metric.name, metric.display_name) for metric in shown_at(Place.PRECISION)]
        shown.append(("stability", "calls that harmless changes move"))
        return [
            (words, with_interval(self.bundle.get(name)), with_interval(self.artifact.get(name)))
            for name, words in shown
        ]


@dataclass(frozen=True)
class LabelledPixels:
    """Labelled images as a network sees them."""

    of: str  # which they are
    image_ids: Sequence[str]
    lesion_ids: Sequence[str]
    paths: Sequence[str]
    labels: np.ndarray  # (images,) indices into the label set
    pixels: np.ndarray  # (images, height, width, 3) uint8

    def take(self, members: np.ndarray) -> LabelledPixels:
        """The images at some indices, (members,) int64."""
        ids, lesions, paths = ([each[member] for member in members] for each in
                               (self.image_ids, self.lesion_ids, self.paths))  # fmt: skip
        return LabelledPixels(self.of, ids, lesions, paths, self.labels[members], self.pixels[members])


def measure_cost(bundle: Predictor, artifact: Predictor, images: LabelledPixels) -> Cost:
    """Measure a bundle and a file made of it on the same labelled images, for `Cost`."""
    return Cost(len(images.labels), images.of, _measured(bundle, images), _measured(artifact, images))


def _measured(predictor: Predictor, images: LabelledPixels) -> dict[str, Estimate]:
    said = with_labels(
        predictor.predict_many(images.pixels, np.arange(len(images.labels))),
        np.asarray(images.image_ids), np.asarray(images.lesion_ids), images.labels,
    )  # fmt: skip
    metrics = measure(said)
    table = {"image_id": images.image_ids, "lesion_id": images.lesion_ids, "path": images.paths}
    moved = measure_stability(predictor, table, most=STABILITY_IMAGES)
    found = {metric.name: metrics[metric.name] for metric in shown_at(Place.PRECISION) if metric.name in metrics}
    return found if moved is None else found | {"stability": moved.calls}


def without_ranges(images: LabelledPixels) -> tuple[LabelledPixels, np.ndarray]:
    """Set aside the images that int8 takes its ranges from, whole lesions of them.

    Returns
    -------
    rest : LabelledPixels
        What the cost is measured on.
    samples : (images, height, width, 3) uint8
        A fifth of the images, or 200.
    """
    lesions = np.asarray(images.lesion_ids)
    order = np.random.default_rng(0).permutation(np.unique(lesions))
    first = {lesion: index for index, lesion in enumerate(order)}
    ranked = np.argsort([first[lesion] for lesion in lesions], kind="stable")
    count = max(1, min(MOST_FOR_RANGES, len(lesions) // 5))
    aside = np.isin(lesions, lesions[ranked[:count]])
    if aside.all():
        raise ReportError(f"{images.of}: too few lesions for int8, which needs some to calibrate; give more")
    return images.take(np.flatnonzero(~aside)), images.pixels[np.flatnonzero(aside)[:MOST_FOR_RANGES]]


_LEAST = 1e-9  # probability: int8 has zeros, which have no logarithm


class RuntimePredictor(Predictor):
    """Predictions of a file for another runtime, decided and measured as a bundle's `Predictor` does."""

    def __init__(self, card: Card, run: Run):
        self.card, self.run = card, run
        self.averaged, self.device = False, "cpu"
        self.threads = 2  # not 1, with which batches would run in parallel: not every runtime supports that
        # The file has applied temperature and offsets already.
        self.calibration = dataclasses.replace(
            card.calibrations[SINGLE], temperature=1.0, logit_offsets=(0.0,) * len(card.labels)
        )

    def measure(self, pixels: np.ndarray) -> Outputs:
        """(batch, height, width, 3) uint8 to logarithms of probabilities (batch, classes) and distances (batch,)."""
        probabilities, distances = self.run(np.asarray(pixels))
        return np.log(np.maximum(probabilities, _LEAST)), distances
