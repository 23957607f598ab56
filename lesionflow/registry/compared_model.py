"""A model as comparisons see it: its card, and its predictions for the validation part."""

from __future__ import annotations

import datetime
import shlex
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lesionflow.errors import RegistryError
from lesionflow.model.card import CARD_FILE, VALIDATION_FILE, Card, read_card
from lesionflow.model.files import read_arrays
from lesionflow.model.prediction import LabelledPredictions, read_labelled
from lesionflow.registry.versions import (
    LOGGED_MODEL,
    Version,
    find_validation,
    find_version,
    number_by_alias,
    parse_address,
    registered_at,
    resolve,
    suggest_model,
)


@dataclass(frozen=True)
class ComparedModel:
    """A registered version or a bundle that is compared with another."""

    label: str
    card: Card
    validation: LabelledPredictions | None  # of the validation part; None where it came without
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
            command = shlex.join(["lesionflow", "history", name])
            raise RegistryError(
                f"no {alias} of {name} in the registry{suggest_model(name, str(alias))}; see what there was: {command}"
            )
        return compared_model_of(find_version(name, number))
    with tempfile.TemporaryDirectory() as folder:
        found = resolve(model, Path(folder), files=(CARD_FILE, VALIDATION_FILE))
        card = read_card(found.folder)
        validation = read_labelled(read_arrays(found.folder, card, VALIDATION_FILE), card.labels)
        return ComparedModel(found.label, card, validation)


def why_not_comparable(first: ComparedModel, second: ComparedModel) -> str:
    """Say why the metrics of two models cannot be compared; empty where they can."""
    ours, theirs = first.card.labels, second.card.labels
    if not ours.is_like(theirs):
        return (
            f"{first.label} has the diagnoses of {ours.name} ({', '.join(ours.names)}), {second.label} those of "
            f"{theirs.name} ({', '.join(theirs.names)}); evaluate both on the same images with `lesionflow evaluate`, "
            "and compare what is said of malignant lesions"
        )
    if first.card.data_digest != second.card.data_digest:
        return f"{first.label} and {second.label} were trained on different data"
    if first.card.split_digest != second.card.split_digest:
        return f"{first.label} and {second.label} were trained on different splits of their data"
    for each in (first, second):
        if each.validation is None:
            return (
                f"{each.label} came without {VALIDATION_FILE}, its predictions for the validation part; train it again"
            )
    return ""
