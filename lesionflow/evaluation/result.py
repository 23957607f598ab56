"""The results of an evaluation as one record, from which its page, figures and JSON are made."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lesionflow.datasets.split import HELD_OUT
from lesionflow.errors import counted
from lesionflow.evaluation.bootstrap import SECTION_RESAMPLES
from lesionflow.evaluation.calibration import coverage_curve, reliability
from lesionflow.evaluation.call_strength import CallStrength
from lesionflow.evaluation.curves import roc
from lesionflow.evaluation.label_mapping import LabelMapping, nameless_told, not_measurable_told
from lesionflow.evaluation.measure import confusion_matrix
from lesionflow.evaluation.metrics import doubts, few_of
from lesionflow.evaluation.model_card import as_text, unknown_lesions
from lesionflow.evaluation.plots import Picture
from lesionflow.evaluation.shift import MUCH_UNFAMILIAR, Shift
from lesionflow.evaluation.slices import Gap, Slice
from lesionflow.evaluation.stability import Stability
from lesionflow.model.card import Calibration, Card, Estimate, strict_json
from lesionflow.model.prediction import TRUSTED, UNCERTAIN, UNFAMILIAR, LabelledPredictions
from lesionflow.version import __version__

EVALUATION_FORMAT = 1
NOT_A_DEVICE = "For research. Not a medical device: nothing here may decide about a patient."
FEW_LESIONS = 100  # evaluated: fewer say little of anything


@dataclass(frozen=True)
class Evaluation:
    """The results of a model on labelled images."""

    model: str  # as the user knows it
    card: Card
    data: str  # description of the evaluated images
    data_digest: str
    demo: bool  # whether they are synthetic
    part: str  # of the split: train, validation or test; all without one
    predictions: LabelledPredictions = field(repr=False)
    metrics: Mapping[str, Estimate]
    calibration: Calibration  # the one that was applied
    slices: Sequence[Slice] = field(default=(), repr=False)
    gaps: Sequence[Gap] = field(default=(), repr=False)
    warnings: tuple[str, ...] = ()  # from the caller, above all about lesions that the model was trained on
    # Probabilities without the calibration: (images, diagnoses).
    uncalibrated: np.ndarray | None = field(default=None, repr=False)
    averaged: bool = False  # over flips and quarter turns
    resamples: int = 2000  # of the bootstrap
    seed: int = 0  # its own
    time: str = ""  # ISO 8601
    shift: Shift | None = field(default=None, repr=False)  # from the training images; of images from elsewhere
    strengths: Sequence[CallStrength] = field(default=(), repr=False)  # what other calls would come to
    stability: Stability | None = field(default=None, repr=False)  # under harmless changes of the images
    pooled: int = 0  # images behind the predictions, where each is of a lesion; 0 where each is of an image
    mapping: LabelMapping | None = None  # where the model's label set and that of the images differ
    sources: np.ndarray | None = field(default=None, repr=False)  # of each prediction, where the data are of several
    pictures: tuple[Picture, ...] = field(default=(), repr=False)

    @property
    def lesions(self) -> int:
        """The number of different lesions."""
        return len(np.unique(self.predictions.lesion_ids))

    @property
    def unit(self) -> str:
        """The unit of measurement: images or lesions."""
        return "lesions" if self.pooled else "images"

    @property
    def measured(self) -> str:
        """The number of measured images or lesions, in words."""
        if self.pooled:
            return f"{counted(self.lesions, 'lesion')}, {counted(self.pooled, 'image')} pooled"
        return f"{counted(len(self.predictions), 'image')} of {counted(self.lesions, 'lesion')}"

    @property
    def about(self) -> str:
        """Model, data and part, for the line below a figure."""
        return f"{self.model} on {self.data}, {self.part}: {self.measured}"

    @property
    def before(self) -> LabelledPredictions | None:
        """The predictions before calibration, with the most probable diagnosis as call."""
        if self.uncalibrated is None:
            return None
        called = self.uncalibrated.argmax(axis=1)
        return dataclasses.replace(self.predictions, probabilities=self.uncalibrated, called=called)

    @property
    def all_warnings(self) -> tuple[str, ...]:
        """The given warnings and those that follow from the metrics, most serious first."""
        return (*self.warnings, *_own_warnings(self))


def _own_warnings(evaluation: Evaluation) -> list[str]:
    warnings = []
    if evaluation.demo:
        warnings.append("the evaluated images are synthetic demo data: the metrics have no medical meaning")
    elif evaluation.card.demo:
        warnings.append("the model was trained on synthetic demo data: it has no medical meaning")
    if evaluation.part in HELD_OUT:  # of the model's own split
        warnings.extend(evaluation.card.training.get("warnings", ()))
        warnings.extend(
            text for text in map(as_text, unknown_lesions(evaluation.card)) if text not in evaluation.warnings
        )
    if evaluation.part == "validation":
        warnings.append(
            "the epoch, the calibration and the thresholds were chosen on these images: the metrics are too good"
        )
    unfamiliar = evaluation.shift.unfamiliar if evaluation.shift else None
    if unfamiliar is not None and unfamiliar.low > MUCH_UNFAMILIAR:
        warnings.append(
            f"{unfamiliar.value:.0%} of the {evaluation.unit} are unlike the training images: the model was not made "
            "for them"
        )
    if mapping := evaluation.mapping:
        groups = "" if mapping.names == mapping.fine.names else f"counted: {mapping.told}"
        told = (not_measurable_told(mapping), groups, nameless_told(mapping))
        warnings.append("; ".join(filter(None, told)))
        if mapping.contradicting:
            # Probabilities and truth count as in the coarse set, but a model's flag as in its own.
            counted_as = "metrics of malignant against benign mix both" if mapping.of_model else "the latter counts"
            warnings.append(
                f"{', '.join(mapping.contradicting)} count as malignant in one of {mapping.fine.name} and "
                f"{mapping.coarse.name} alone: {counted_as}"
            )
    if evaluation.lesions < FEW_LESIONS:
        warnings.append(
            f"only {counted(evaluation.lesions, 'lesion')}: the intervals are wide, and may still be too narrow"
        )
    warnings += doubts(evaluation.metrics, len(evaluation.predictions.label_set))
    return warnings + few_of(evaluation.predictions, evaluation.unit)


def evaluation_json(evaluation: Evaluation) -> dict[str, Any]:
    """All metrics of an evaluation as strict JSON; undefined values are left out or null."""
    predictions = evaluation.predictions
    names = predictions.label_set.names
    counts = np.bincount(predictions.labels, minlength=len(names))
    curves = {"malignant": roc(predictions.is_malignant, predictions.malignant_probability)}
    for index, diagnosis in enumerate(names):
        curves[diagnosis] = roc(predictions.labels == index, predictions.probabilities[:, index])
    values = {
        "format": EVALUATION_FORMAT,
        "research_use": NOT_A_DEVICE,
        "warnings": list(evaluation.all_warnings),
        "model": evaluation.model,
        "data": evaluation.data,
        "part": evaluation.part,
        "unit": evaluation.unit,
        "images": len(predictions),
        "images_pooled": evaluation.pooled or None,
        "lesions": evaluation.lesions,
        "images_by_diagnosis": dict(zip(names, counts, strict=True)),
        "images_by_refer": {word: (predictions.refer == word).sum() for word in (TRUSTED, UNCERTAIN, UNFAMILIAR)},
        "intervals": {"level": 0.95, "method": "bootstrap over lesions", "resamples": evaluation.resamples,
                      "resamples_of_sections": SECTION_RESAMPLES, "seed": evaluation.seed},
        "metrics": evaluation.metrics,
        "confusion_matrix": {
            "rows": "true", "columns": "called", "diagnoses": names,
            "images": confusion_matrix(predictions),
        },
        "mapping": evaluation.mapping and _mapping(evaluation.mapping),
        "slices": evaluation.slices,
        "gaps": [_gap(gap) for gap in evaluation.gaps],
        "calibration": vars(evaluation.calibration) | {"averaged": evaluation.averaged},
        "reliability": reliability(predictions),
        "reliability_before_calibration": None if evaluation.before is None else reliability(evaluation.before),
        "coverage": coverage_curve(predictions),
        "shift": evaluation.shift,
        "call_strengths": evaluation.strengths,
        "stability": evaluation.stability,
        "roc": {
            name: {"false_positive_rate": curve[0], "true_positive_rate": curve[1], "auc": curve[2]}
            for name, curve in curves.items()
            if curve is not None
        },
        "provenance": _provenance(evaluation),
    }  # fmt: skip
    plain: dict[str, Any] = strict_json(values, digits=8)
    return plain


def _mapping(mapping: LabelMapping) -> dict[str, Any]:
    return {
        "from": mapping.fine.name,
        "to": mapping.coarse.name,
        "diagnoses": mapping.groups,
        "probabilities_summed": mapping.of_model,
        "not_measurable": mapping.not_measurable,
    }


def _provenance(evaluation: Evaluation) -> dict[str, Any]:
    return {
        "bundle_label": evaluation.card.label,
        "bundle_digest": evaluation.card.digest,
        "network": evaluation.card.network,
        "input": f"{evaluation.card.height} x {evaluation.card.width}",
        "trained_on": evaluation.card.data_told,
        "trained_on_digest": evaluation.card.data_digest,
        "demo_model": evaluation.card.demo,
        "split_digest": evaluation.card.split_digest,
        "split_seed": evaluation.card.split_seed,
        "split_by": evaluation.card.split_by,
        "data_digest": evaluation.data_digest,
        "demo_data": evaluation.demo,
        "lesionflow_version": __version__,
        "trained_with": evaluation.card.versions,
        "time": evaluation.time,
    }


def _gap(gap: Gap) -> dict[str, Any]:
    """A gap, its two slices by value: they stand among the slices."""
    ends = {"lowest": gap.lowest, "highest": gap.highest}
    by_end = {
        end: {"value": each.value, "images": each.images, gap.metric: each.metrics[gap.metric]}
        for end, each in ends.items()
    }
    return {name: value for name, value in vars(gap).items() if name not in ends} | {"size": gap.size} | by_end
