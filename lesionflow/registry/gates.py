"""The gates of promotion: what a version must pass to replace the champion."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from lesionflow.diagnoses import LabelSet
from lesionflow.errors import DataError, counted, first_few
from lesionflow.evaluation.calibration import ece_by_chance
from lesionflow.evaluation.measure import compare, metric_values
from lesionflow.evaluation.metrics import (
    DECIDING,
    Difference,
    doubts,
    ends,
    sensitivity_not_to_miss,
    short_full_name,
)
from lesionflow.evaluation.stability import STABILITY
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.registry.compared_model import ComparedModel, why_not_comparable
from lesionflow.registry.config import USUAL, PromotionConfig

CALIBRATION = "ece"  # of the validation part, as `DECIDING` and the sensitivity of the diagnosis not to miss
_ROUNDING = 1e-9  # a loss of exactly the margin passes, no difference is no gain


@dataclass(frozen=True)
class Gate:
    """The result of one gate."""

    name: str
    passed: bool
    reason: str  # one sentence, with the values
    value: float | None = None  # None where nothing was measured
    limit: float | None = None


@dataclass(frozen=True)
class Verdict:
    """Whether a version becomes the champion, and why."""

    promote: bool
    reason: str
    gates: tuple[Gate, ...] = ()
    warning: str = ""  # about metrics that no gate checks, such as a first champion's, or that a leak flatters


@dataclass(frozen=True)
class LabelledNight:
    """Predictions of several models for the same images, whose diagnoses came later."""

    name: str  # of the report
    said: Mapping[str, LabelledPredictions]  # by a model's label
    trained_on: Mapping[str, str] = field(default_factory=dict)  # by model trained on these images: the warning
    unknown: Mapping[str, str] = field(default_factory=dict)  # by model for which that is unknown: why


def reach_verdict(
    challenger: ComparedModel,
    champion: ComparedModel | None,
    config: PromotionConfig = USUAL,
    night: LabelledNight | None = None,
) -> Verdict:
    """Decide whether the challenger replaces the champion: it must pass all gates.

    Their predictions for the same validation images are compared. Without a champion, and with real data against a
    champion of demo data, the gates that compare are passed, with images of a night as well.

    Parameters
    ----------
    challenger : ComparedModel
    champion : ComparedModel or None
    config : PromotionConfig
        The limits of the gates.
    night : LabelledNight, optional
        Images that both have scored, compared in place of validation, so that models of different data can be.
    """
    gates = (
        *_compared(challenger, champion, config, night),
        _calibrated(challenger, config),
        *_stable(challenger, config),
    )
    failed = [gate for gate in gates if not gate.passed]
    reasons = [gate.reason for gate in failed or gates if gate.reason]
    leaks = [text for text in challenger.card.leaks if not any(text in gate.reason for gate in failed)]
    warnings = [*leaks, *doubts(challenger.card.metrics["validation"], len(challenger.card.labels))]
    told = [text for text in warnings if not any(text in reason for reason in reasons)]
    return Verdict(not failed, "; ".join([*reasons, *told]), gates, "; ".join(warnings))


def _compared(
    challenger: ComparedModel, champion: ComparedModel | None, config: PromotionConfig, night: LabelledNight | None
) -> tuple[Gate, ...]:
    unused = "" if night is None else f"; {night.name} is not used"
    if champion is None:
        return _passed(f"no champion yet{unused}", challenger)
    if champion.card.demo and not challenger.card.demo:
        return _passed(f"real data outranks demo data, on which {champion.label} was trained{unused}", challenger)
    if challenger.card.demo and not champion.card.demo:
        told = f"demo data does not outrank real data, on which {champion.label} was trained{unused}"
        return (Gate("data", False, told),)
    new, old, where = challenger.validation, champion.validation, "validation"
    if night is not None:
        where = night.name
        if lacking := [each.label for each in (challenger, champion) if each.label not in night.said]:
            told = f"{night.name} is of {first_few(list(night.said))}, not of {first_few(lacking)}"
            return (Gate("data", False, f"not comparable: {told}; score both with --also"),)
        if leaks := [night.trained_on[each.label] for each in (challenger, champion) if each.label in night.trained_on]:
            return (Gate("data", False, f"not comparable: {'; '.join(leaks)}; take other images, or fewer"),)
        new, old = (_as_of(night.said[each.label], challenger.card.labels) for each in (challenger, champion))
    elif why := why_not_comparable(challenger, champion):
        return (Gate("data", False, f"not comparable: {why}"),)
    assert new is not None and old is not None
    try:
        asked = [name for name in (DECIDING, sensitivity_not_to_miss(challenger.card.labels)) if name]
        differences = compare(new, old, asked)
    except DataError as error:  # the same digest, but other images: a card written by hand
        return (Gate("data", False, f"not comparable: {error}"),)
    return (
        Gate(
            "data",
            True,
            f"same data and split as {champion.label}"
            if night is None
            else "; ".join([f"{counted(len(new), 'image')} of {where}", *night.unknown.values()]),
        ),
        _better(differences, (new, old), champion, config.probability, where),
        *_not_worse_at_not_to_miss(differences, champion, config.melanoma_margin, where),
    )


def _as_of(said: LabelledPredictions, labels: LabelSet) -> LabelledPredictions:
    """Predictions of a report with the label set of a card: a report does not tell the diagnosis not to miss."""
    return dataclasses.replace(said, label_set=labels) if said.label_set.names == labels.names else said


def _passed(why: str, challenger: ComparedModel) -> tuple[Gate, ...]:
    """The comparing gates, if there is nothing to compare with."""
    metrics, labels = challenger.card.metrics["validation"], challenger.card.labels
    named = {"balanced accuracy": metrics.get(DECIDING)}
    if labels.not_to_miss:
        named[_gate_not_to_miss(labels)] = metrics.get(sensitivity_not_to_miss(labels))
    told = {name: f"{name} {found.value:.4f}" if found else f"{name} not defined" for name, found in named.items()}
    return Gate("data", True, "; ".join([why, *challenger.card.leaks])), *(
        Gate(name, True, f"validation {what}") for name, what in told.items()
    )


def _better(
    differences: dict[str, Difference],
    said: tuple[LabelledPredictions, LabelledPredictions],
    champion: ComparedModel,
    probability: float,
    where: str,
) -> Gate:
    found = differences[DECIDING]
    likely, greater = found.probability_better >= probability, found.value > _ROUNDING  # equal ones are better with 0.5
    passed = likely and greater
    new, old = (metric_values(each)[DECIDING] for each in said)
    return Gate(
        "balanced accuracy",
        passed,
        f"{'better' if passed else 'not shown to be better'} than {champion.label}: {where} balanced accuracy "
        f"{new:.4f} against {old:.4f}, difference {_range(found)}, better with a probability of "
        f"{found.probability_better:.4f}, at least {probability:g} is required"
        + (", and a difference above 0" if likely and not greater else ""),
        found.probability_better,
        probability,
    )


def _gate_not_to_miss(labels: LabelSet) -> str:
    """The name of the gate for the diagnosis not to miss, such as `melanoma sensitivity`."""
    return f"{short_full_name(labels, labels.not_to_miss)} sensitivity"


def _not_worse_at_not_to_miss(
    differences: dict[str, Difference], champion: ComparedModel, margin: float, where: str
) -> tuple[Gate, ...]:
    """The gate for the diagnosis not to miss; none if the label set has no such diagnosis."""
    labels = champion.card.labels
    if not labels.not_to_miss:
        return ()
    name = _gate_not_to_miss(labels)
    found = differences.get(sensitivity_not_to_miss(labels))
    if found is None:
        part = "the validation part" if where == "validation" else where
        lacking = f"{part} has no {short_full_name(labels, labels.not_to_miss)}"
        return (Gate(name, False, lacking, None, -margin),)
    passed = found.value >= -margin - _ROUNDING
    told = f"{where} {name} differs from that of {champion.label} by {_range(found)}"
    return (Gate(name, passed, f"{told}, at least {-margin:g} is required", found.value, -margin),)


def _calibrated(challenger: ComparedModel, config: PromotionConfig) -> Gate:
    found = challenger.card.metrics["validation"].get(CALIBRATION)
    if found is None:
        return Gate("calibration", False, f"the card of {challenger.label} states no ECE of the validation part")
    chance = 0.0 if challenger.validation is None else ece_by_chance(challenger.validation.probabilities)
    limit = max(config.ece_ceiling, chance)
    told = f"validation ECE {found.value:.4f}, at most {limit:.4f} is allowed"
    if chance > config.ece_ceiling:
        images = counted(len(challenger.validation or ()), "image")
        told += f", what a perfectly calibrated model gets by chance on {images}"
    return Gate("calibration", found.value <= limit, told, found.value, limit)


def _stable(challenger: ComparedModel, config: PromotionConfig) -> tuple[Gate, ...]:
    """The gate of `--stability-ceiling`, if given."""
    limit = config.stability_ceiling
    if limit is None:
        return ()
    found = challenger.card.metrics.get(STABILITY, {}).get("worst_calls")
    if found is None:
        told = f"the card of {challenger.label} states no stability; train it with this version of lesionflow"
        return (Gate("stability", False, told, None, limit),)
    told = f"the harmless change with most effect alters {found.value:.4f} of the calls, at most {limit:g} is allowed"
    return (Gate("stability", found.value <= limit, told, found.value, limit),)


def _range(difference: Difference) -> str:
    known = "" if math.isnan(difference.low) else "95 % interval "
    return f"{difference.value:+.4f} ({known}{ends(difference, '+.4f')})"
