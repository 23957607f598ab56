"""Made-up evaluations for tests of figures, pages and cards."""

from __future__ import annotations

import io

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from lesionflow.diagnoses import HAM10000
from lesionflow.evaluation.measure import measure
from lesionflow.evaluation.result import Evaluation
from lesionflow.evaluation.slices import Gap, Slice, largest_gaps
from lesionflow.model.card import AVERAGED, SINGLE, Calibration, Card, Estimate
from lesionflow.model.decision import decide, softmax
from lesionflow.model.prediction import LabelledPredictions, with_labels

PRIOR = tuple([1 / len(HAM10000.names)] * len(HAM10000.names))
CALIBRATION = Calibration(
    malignant_threshold=0.25,
    uncertain_below=0.5,
    figures={"ece_before": 0.2, "ece_after": 0.01, "images": 300.0, "sensitivity_asked_for": 0.95},
)


def answers(labels: np.ndarray, seed: int = 0, strength: float = 2.0) -> tuple[np.ndarray, LabelledPredictions]:
    """Logits that lean towards the truth, and calibrated predictions made of them; two images a lesion."""
    logits = np.random.default_rng(seed).normal(0, 1, (len(labels), len(HAM10000.names)))
    logits[np.arange(len(labels)), labels] += strength
    logits *= strength  # so they are the logarithm of the likelihood, whose softmax is the true chance
    said = decide(logits, np.full(len(labels), np.nan), CALIBRATION, PRIOR)
    ids = np.array([f"image_{place:03}" for place in range(len(labels))])
    lesions = np.array([f"lesion_{place // 2:03}" for place in range(len(labels))])
    return logits, with_labels(said, ids, lesions, labels)


def full_labels(images: int = 280) -> np.ndarray:
    """All seven diagnoses equally often."""
    return np.arange(images) % len(HAM10000.names)


def by_sex(found: LabelledPredictions) -> tuple[list[Slice], list[Gap]]:
    """Three slices, the last one small."""
    slices = []
    for value, start, small in (("female", 0, False), ("male", 1, False), ("unknown", 5, True)):
        members = found.take(np.arange(start, len(found), 60 if small else 2))
        lesions = len(np.unique(members.lesion_ids))
        slices.append(Slice("sex", value, len(members), lesions, small, measure(members, resamples=50)))
    return slices, largest_gaps(slices, measure(found, resamples=50))


def card(**changes: object) -> Card:
    values: dict[str, object] = {
        "network": "cnn", "height": 64, "width": 64, "data_name": "clinic", "data_digest": "d" * 64, "demo": False,
        "split_digest": "5" * 64, "split_seed": 7, "split_fractions": (0.7, 0.15, 0.15), "prior": PRIOR,
        "calibrations": {SINGLE: CALIBRATION, AVERAGED: CALIBRATION},
        "metrics": {
            part: {
                "balanced_accuracy": Estimate(0.7123, 0.6512, 0.7634), "accuracy": Estimate(0.81, 0.78, 0.84),
                "accuracy_of_always_nv": Estimate(0.667, 0.64, 0.69), "ece": Estimate(0.021, 0.01, 0.04),
                "malignant_sensitivity": Estimate(0.95, 0.92, 0.97),
                "malignant_specificity": Estimate(0.64 if part == "test" else 0.61, 0.6, 0.67),
                "sensitivity_mel": Estimate(0.6, 0.5, 0.7),
            }
            for part in ("train", "validation", "test")
        },
        "training": {"best_epoch": 19, "epochs": 24, "balance": "oversample", "label_smoothing": 0.05, "seed": 7},
        "versions": {"lesionflow": "0.9.1"},
        "digest": "c" * 64,
    }  # fmt: skip
    return Card(**{**values, **changes})  # type: ignore[arg-type]


def not_all_known(**images: int) -> dict[str, object]:
    """A card's source of 200 images; images: of how many which column is not known."""
    told = {"name": "moles", "licence": "", "training_only": False, "diagnoses": {}, "not_known": images}
    return told | {"images": {"train": 140, "validation": 30, "test": 30}}


def made_evaluation(labels: np.ndarray | None = None, **changes: object) -> Evaluation:
    """An evaluation of made-up answers."""
    labels = full_labels() if labels is None else labels
    logits, found = answers(labels)
    values: dict[str, object] = {
        "model": "lesionflow v3", "card": card(), "data": "clinic", "data_digest": "e" * 64, "demo": False,
        "part": "test", "predictions": found, "metrics": measure(found, resamples=50), "calibration": CALIBRATION,
        "uncalibrated": softmax(3 * logits), "resamples": 50, "time": "2026-01-01T00:00:00+00:00",
    }  # fmt: skip
    return Evaluation(**{**values, **changes})  # type: ignore[arg-type]


def drawn(figure: Figure) -> np.ndarray:
    """The figure as grey pixels, (height, width) uint8."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=60)
    return np.asarray(Image.open(buffer).convert("L"))


def texts(figure: Figure) -> str:
    """All that is written in a figure's axes."""
    found = [text.get_text() for axes in figure.axes for text in axes.texts]
    for axes in figure.axes:
        found += [axes.get_title(place) for place in ("left", "center", "right")]
        found += [axes.get_xlabel(), axes.get_ylabel()]
        found += axes.get_legend_handles_labels()[1]
        found += [tick.get_text() for tick in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return "\n".join(found)
