"""Models that are known to be good or bad: made-up answers for a made-up validation part, in bundles and registered."""

from __future__ import annotations

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from lesionflow.diagnoses import HAM10000
from lesionflow.evaluation.measure import weighted_metrics
from lesionflow.model.card import ONNX_FILE, VALIDATION_FILE, Card, Estimate, write_card
from lesionflow.model.files import write_arrays
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.registry import versions
from lesionflow.tracking import runs as tracking

NAME = "lesions"
CARD = Card("cnn", 16, 16, "made up", "data", False, "split", 0, (0.7, 0.15, 0.15))
IMAGES = 420  # sixty of each diagnosis, two of each lesion
MELANOMA = HAM10000.names.index("mel")


def answers(right: float, *, melanomas: float | None = None, confidence: float | None = None) -> LabelledPredictions:
    """Answers of which a share is right, among melanomas another; the confidence is that share unless said otherwise.

    A better model is right wherever a worse one is, and the share is the same in every diagnosis.
    """
    labels = np.arange(IMAGES) % len(HAM10000.names)
    luck = np.random.default_rng(0).permuted(np.tile(np.arange(60) / 60, (len(HAM10000.names), 1)), axis=1)
    luck = luck.T.ravel()  # (images,), within each diagnosis evenly from 0 to 1
    share = np.where(labels == MELANOMA, right if melanomas is None else melanomas, right)
    called = np.where(luck < share, labels, (labels + 1) % len(HAM10000.names))
    sure = right if confidence is None else confidence
    probabilities = np.full((IMAGES, len(HAM10000.names)), (1 - sure) / (len(HAM10000.names) - 1))
    probabilities[np.arange(IMAGES), called] = sure
    return LabelledPredictions(
        image_ids=np.array([f"image{i:03}" for i in range(IMAGES)]),
        lesion_ids=np.array([f"lesion{i // 14:03}_{i % 7}" for i in range(IMAGES)]),
        labels=labels,
        probabilities=probabilities,
        called=called,
        malignant=probabilities[:, [0, 1, 4]].sum(axis=1) >= 0.5,
        refer=np.full(IMAGES, "no", dtype="<U10"),
    )


def card_of(said: LabelledPredictions, **changes: object) -> Card:
    """The card of a model that answers so."""
    figures = weighted_metrics(said, np.ones((1, len(said)), dtype=np.uint8))
    metrics = {name: Estimate(*(float(values[0]),) * 3) for name, values in figures.items() if np.isfinite(values[0])}
    return dataclasses.replace(CARD, metrics={"validation": metrics, "test": metrics}, **changes)  # type: ignore[arg-type]


def write_bundle(folder: Path, said: LabelledPredictions, *, keep_answers: bool = True, **changes: object) -> Card:
    """Write a bundle whose graph is none, as nothing runs it."""
    folder.mkdir(parents=True)
    (folder / ONNX_FILE).write_bytes(b"a graph")
    card = dataclasses.replace(card_of(said, **changes), digests={ONNX_FILE: hashlib.sha256(b"a graph").hexdigest()})
    if keep_answers:
        return write_arrays(folder, card, VALIDATION_FILE, said.arrays())
    return write_card(folder, card)


def register(folder: Path, said: LabelledPredictions, description: str = "", **options: object) -> versions.Version:
    """Write a bundle and register it as the next version of `NAME`."""
    card = write_bundle(folder, said, **options)  # type: ignore[arg-type]
    with tracking.run(folder.name, "tests", system_metrics=False):
        return versions.register_bundle(folder, card, NAME, b"an image", description)


def register_contenders(folder: Path) -> None:
    """Register what the tests of promotion need: the first is champion where a test makes it so."""
    register(folder / "1 modest", answers(0.6))
    register(folder / "2 good", answers(0.75))
    register(folder / "3 best", answers(0.9), "# The best\n\nof the made-up ones")
    register(folder / "4 not sure", answers(0.95, confidence=0.6))
    register(folder / "5 other split", answers(0.95), split_digest="another")
    register(folder / "6 without answers", answers(0.95), keep_answers=False)
