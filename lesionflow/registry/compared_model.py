"""A model in a comparison: its card, and its predictions for the validation part."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field

import numpy as np

from lesionflow.diagnoses import LabelSet
from lesionflow.errors import DataError, RegistryError, UsageError
from lesionflow.evaluation.label_mapping import map_between
from lesionflow.model.card import CARD_FILE, VALIDATION_FILE, Card
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.registry.versions import (
    LOGGED_MODEL,
    Version,
    find_validation,
    find_version,
    number_by_alias,
    opened,
    parse_address,
    registered_at,
    suggest_model,
)
from lesionflow.tracking.tracking_store import command_line


@dataclass(frozen=True)
class ComparedModel:
    """A registered version or a bundle that is compared with another."""

    label: str
    card: Card
    validation: LabelledPredictions | None = field(repr=False)  # of the validation part; None where it came without
    registered: datetime.datetime | None = None  # UTC; None for a bundle that is in no registry


def compared_model_of(version: Version) -> ComparedModel:
    """Return a registered version as a model to compare."""
    return ComparedModel(
        version.label, version.card, find_validation(version), registered_at(version.name, version.number)
    )


def find_compared_model(model: str) -> ComparedModel:
    """Return the model that an address names, as `versions.resolve` takes it.

    Raises `RegistryError` where the registry does not hold it, `BundleError` for a bundle that is not whole,
    `UsageError` for a text that is no address.
    """
    if model.startswith("models:") and not LOGGED_MODEL.fullmatch(model):
        name, alias, number = parse_address(model)
        if alias is not None:
            number = number_by_alias(name, alias)
        if number is None:
            command = command_line("history", name)
            raise RegistryError(
                f"no {alias} of {name} in the registry{suggest_model(name, str(alias))}; see what there was: {command}"
            )
        return compared_model_of(find_version(name, number))
    with opened(model, files=(CARD_FILE, VALIDATION_FILE)) as found:
        return ComparedModel(found.label, found.card, found.validation())


_MEASURE_BOTH = "evaluate both on the same data with 'lesionflow evaluate'"


@dataclass(frozen=True)
class CommonGround:
    """The basis for comparing models with different label sets: a mapping, and the images of both."""

    labels: LabelSet  # the coarser set
    mapping: str  # which diagnoses of the finer one count as each of it
    images: int  # of both validation parts: neither model was trained on them


def common_ground(
    first: ComparedModel, second: ComparedModel
) -> tuple[LabelledPredictions, LabelledPredictions, CommonGround]:
    """Return the predictions of models with different label sets for the same images, in the coarser set.

    The splits of one data set differ a little with its diagnoses, so that only some images of a validation part are in
    the other one too. Raises `DataError` where there is no such image, or neither set can be mapped onto the other; it
    says how both can be measured.
    """
    ours, theirs, how = first.card, second.card, _MEASURE_BOTH
    try:
        mapping = map_between(ours.labels, theirs.labels)
    except UsageError as error:
        raise DataError(f"{error} in 'lesionflow evaluate', with both on the same data") from error
    assert mapping is not None
    if first.validation is None or second.validation is None:
        raise DataError(_without_validation(first if first.validation is None else second))
    common = np.intersect1d(first.validation.image_ids, second.validation.image_ids)
    if (ours.data_name, ours.split_seed) != (theirs.data_name, theirs.split_seed) or not len(common):
        raise DataError(
            f"{first.label} has the diagnoses of {ours.labels.name}, {second.label} those of {theirs.labels.name}, and "
            f"their validation parts have no images in common; {how} and --diagnoses {mapping.coarse.name}"
        )
    found = []
    for said in (first.validation, second.validation):
        some = said.take(np.isin(said.image_ids, common))
        found.append(mapping.of_predictions(some) if some.label_set.is_like(mapping.fine) else some)
    return found[0], found[1], CommonGround(mapping.coarse, mapping.told, len(common))


def why_not_comparable(first: ComparedModel, second: ComparedModel) -> str:
    """Say why the metrics of two models cannot be compared; empty if they can."""
    ours, theirs = first.card.labels, second.card.labels
    if not ours.is_like(theirs):
        return (
            f"{first.label} has the diagnoses of {ours.name} ({', '.join(ours.names)}), {second.label} those of "
            f"{theirs.name} ({', '.join(theirs.names)}), so that reports would have other columns; 'lesionflow "
            "compare' says what can be compared of them"
        )
    if first.card.data_digest != second.card.data_digest:
        return f"{first.label} and {second.label} were trained on different data"
    if first.card.split_digest != second.card.split_digest:
        return f"{first.label} and {second.label} were trained on different splits of their data"
    for each, other in ((first, second), (second, first)):
        if leaks := [text for text in each.card.leaks if text not in other.card.leaks]:
            return f"of {each.label}, but not of {other.label}: {'; '.join(leaks)}; {_MEASURE_BOTH}"
        if each.validation is None:
            return _without_validation(each)
    return ""


def _without_validation(model: ComparedModel) -> str:
    return f"{model.label} came without {VALIDATION_FILE}, its predictions for the validation part; {_MEASURE_BOTH}"
