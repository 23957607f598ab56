"""Compare: models side by side, and whether a difference on the same validation images is more than chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lesionflow.errors import DataError
from lesionflow.evaluation.metrics import Difference
from lesionflow.evaluation.metrics import compare as paired_differences
from lesionflow.registry.champion import find_champion
from lesionflow.registry.compared_model import ComparedModel, compared_model_of, find_compared_model, why_not_comparable
from lesionflow.registry.config import DEFAULT_NAME
from lesionflow.registry.versions import parse_address
from lesionflow.tracking.client import connect


@dataclass(frozen=True)
class Comparison:
    """Models side by side; differences are those of validation, each model minus the first."""

    models: tuple[ComparedModel, ...]  # the first is the one that the others are measured against
    differences: dict[str, dict[str, Difference]] = field(default_factory=dict)  # label -> metric -> difference
    not_comparable: dict[str, str] = field(default_factory=dict)  # label -> why


def compare(models: Sequence[str], *, tracking_uri: str | None = None, resamples: int = 2000) -> Comparison:
    """Compare models with the first of them; one alone with the champion, where there is another.

    models: `models:/NAME/VERSION`, `models:/NAME@ALIAS`, `pretrained` or folders of bundles; one that is named twice
    counts once.
    Differences come from a paired bootstrap over the lesions of the validation part; the test part chooses nothing.
    Raises what `find_compared_model` raises.
    """
    if len(models) == 1 or any(model.startswith("models:") for model in models):
        connect(tracking_uri)
    named = [find_compared_model(model) for model in models]
    if len(models) == 1:
        name = parse_address(models[0])[0] if models[0].startswith("models:") else DEFAULT_NAME
        champion = find_champion(name)
        named = ([] if champion is None else [compared_model_of(champion)]) + named
    found = list({model.label: model for model in named}.values())
    differences, not_comparable = {}, {}
    first = found[0]
    for other in found[1:]:
        why = why_not_comparable(first, other)
        if not why:
            assert first.validation is not None and other.validation is not None
            try:
                differences[other.label] = paired_differences(other.validation, first.validation, resamples=resamples)
            except DataError as error:
                why = str(error)
        if why:
            not_comparable[other.label] = why
    return Comparison(tuple(found), differences, not_comparable)
