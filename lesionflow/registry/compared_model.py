"""A model as comparisons see it: what its card says, and what it says itself of the validation part."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

from lesionflow.errors import RegistryError
from lesionflow.model.card import VALIDATION_FILE, Card, read_card
from lesionflow.model.files import read_arrays
from lesionflow.model.prediction import LabelledPredictions, read_labelled
from lesionflow.registry.versions import (
    Version,
    find_validation,
    find_version,
    number_by_alias,
    parse_address,
    registered_at,
    resolve_folder,
    suggest_model,
)


@dataclass(frozen=True)
class ComparedModel:
    """A registered version or a bundle that is compared with another."""

    label: str
    card: Card
    validation: LabelledPredictions | None  # what it says of the validation part; None where it came without
    registered: datetime.datetime | None = None  # UTC; None for a bundle that is in no registry


def compared_model_of(version: Version) -> ComparedModel:
    """A registered version as one to compare."""
    return ComparedModel(
        version.label, version.card, find_validation(version), registered_at(version.name, version.number)
    )


def find_compared_model(model: str) -> ComparedModel:
    """The model that `models:/NAME/VERSION`, `models:/NAME@ALIAS`, `pretrained` or a bundle's folder names.

    Raises `RegistryError` where the registry does not hold it, `BundleError` for a bundle that is not whole,
    `UsageError` where the text is none of the four.
    """
    if model.startswith("models:"):
        name, alias, number = parse_address(model)
        if alias is not None:
            number = number_by_alias(name, alias)
        if number is None:
            raise RegistryError(
                f"no {alias} of {name} in the registry{suggest_model(name, str(alias))}; 'lesionflow history {name}' "
                "says what there was"
            )
        return compared_model_of(find_version(name, number))
    found = resolve_folder(model)
    card = read_card(found.folder)
    return ComparedModel(found.label, card, read_labelled(read_arrays(found.folder, card, VALIDATION_FILE)))


def why_not_comparable(first: ComparedModel, second: ComparedModel) -> str:
    """Why figures of one cannot be set against figures of the other; empty where they can."""
    if first.card.data_digest != second.card.data_digest:
        return f"{first.label} and {second.label} were trained on different data"
    if first.card.split_digest != second.card.split_digest:
        return f"{first.label} and {second.label} were trained on different splits of their data"
    for each in (first, second):
        if each.validation is None:
            return f"{each.label} came without {VALIDATION_FILE}, what it says of each validation image; train it again"
    return ""
