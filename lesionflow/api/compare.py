"""Compare models side by side, with intervals for their differences on the same validation images."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field

from lesionflow.defaults import DEFAULT_NAME
from lesionflow.errors import DataError, UsageError
from lesionflow.evaluation.config import EvaluationConfig
from lesionflow.evaluation.measure import compare as paired_differences
from lesionflow.evaluation.metrics import Difference
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.options import listed
from lesionflow.registry.champion import find_champion
from lesionflow.registry.compared_model import (
    CommonGround,
    ComparedModel,
    common_ground,
    compared_model_of,
    find_compared_model,
    why_not_comparable,
)
from lesionflow.registry.versions import LOGGED_MODEL, is_address, parse_address
from lesionflow.storage.location import location_text
from lesionflow.tracking.tracking_store import connect, kept_addresses


@dataclass(frozen=True)
class Comparison:
    """Models side by side, with the differences on validation of each model minus the first."""

    models: tuple[ComparedModel, ...]  # the first is the one that the others are measured against
    differences: dict[str, dict[str, Difference]] = field(default_factory=dict)  # label -> metric -> difference
    not_comparable: dict[str, str] = field(default_factory=dict)  # label -> why
    common_grounds: dict[str, CommonGround] = field(default_factory=dict)  # label -> of a model of other diagnoses
    identical: list[str] = field(default_factory=list)  # labels of copies of the first, by their digest


@kept_addresses()
def compare(
    models: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    tracking_uri: str | None = None,
    resamples: int = 2000,
) -> Comparison:
    """Compare models with the first one, or a single model with the champion if that is another.

    Parameters
    ----------
    models : str, path or sequence of them
        Addresses as `registry.versions.resolve` takes them; duplicates count once.
    tracking_uri : str, optional
        Where models are registered.
    resamples : int
        Resamples of the paired bootstrap over the lesions of the validation part, which the differences come from. The
        test part chooses nothing.

    Returns
    -------
    Comparison
        The models, and how each differs from the first.

    Raises
    ------
    LesionflowError
        As raised by `registry.compared_model.find_compared_model`.
    """
    how = EvaluationConfig(resamples=resamples)
    addresses = [location_text(model, "models") for model in listed(models)]
    if not addresses:
        raise UsageError("models: is an empty list; name one or more")
    if len(addresses) == 1 or any(map(is_address, addresses)):
        connect(tracking_uri)
    named = [find_compared_model(model) for model in addresses]
    if len(addresses) == 1:
        registered = addresses[0].startswith("models:") and not LOGGED_MODEL.fullmatch(addresses[0])
        name = parse_address(addresses[0])[0] if registered else DEFAULT_NAME
        champion = find_champion(name)
        named = ([] if champion is None else [compared_model_of(champion)]) + named
    found = list({model.label: model for model in named}.values())
    comparison, first = Comparison(tuple(found)), found[0]
    for other in found[1:]:
        if other.card.digest == first.card.digest:
            comparison.identical.append(other.label)
            if first.validation is None or other.validation is None:
                continue
        try:
            ours, theirs = _comparable(first, other, comparison)
            comparison.differences[other.label] = paired_differences(theirs, ours, resamples=how.resamples)
        except DataError as error:
            comparison.not_comparable[other.label] = str(error)
    return comparison


def _comparable(
    first: ComparedModel, other: ComparedModel, comparison: Comparison
) -> tuple[LabelledPredictions, LabelledPredictions]:
    """Predictions of both for the same images, in one label set. Raises `DataError` if they cannot be compared."""
    if not first.card.labels.is_like(other.card.labels):
        ours, theirs, ground = common_ground(first, other)
        comparison.common_grounds[other.label] = ground
        return ours, theirs
    if why := why_not_comparable(first, other):
        raise DataError(why)
    assert first.validation is not None and other.validation is not None
    return first.validation, other.validation
