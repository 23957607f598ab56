"""A model in a comparison: its card, and its predictions for the validation part."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from lesionflow.diagnoses import LabelSet
from lesionflow.errors import DataError, RegistryError, UsageError
from lesionflow.evaluation.label_mapping import LabelMapping, in_common, onto_common
from lesionflow.evaluation.measure import metric_values
from lesionflow.evaluation.metrics import few_of
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


_MEASURE_BOTH = "compare them on other labelled images with 'lesionflow compare --data'"


@dataclass(frozen=True)
class CommonGround:
    """The basis for comparing two models: diagnoses that both know, and images of these that both have."""

    labels: LabelSet
    mapping: str  # which of either model's diagnoses count as each; empty where both call them the same
    images: int
    left_out: int  # images of other diagnoses
    told: tuple[str, ...]  # sentences: what each model was asked, and where the differences say little
    values: Mapping[str, Mapping[str, float]] = field(repr=False)  # label -> metric -> value on these images


def common_ground(
    first: ComparedModel, second: ComparedModel
) -> tuple[LabelledPredictions, LabelledPredictions, CommonGround]:
    """Return the predictions of models with different label sets for the same validation images, in common diagnoses.

    The splits of one data set differ a little with its diagnoses, so that only some images of a validation part are in
    the other one too. Raises `DataError` where there is no such image, or the label sets have nothing in common; it
    says how both can be measured.
    """
    ours, theirs = first.card, second.card
    _mappings(first, second)
    if first.validation is None or second.validation is None:
        raise DataError(_without_validation(first if first.validation is None else second))
    shared = np.intersect1d(first.validation.image_ids, second.validation.image_ids)
    if (ours.data_name, ours.split_seed) != (theirs.data_name, theirs.split_seed) or not len(shared):
        raise DataError(
            f"{first.label} has the diagnoses of {ours.labels.name}, {second.label} those of {theirs.labels.name}, and "
            f"their validation parts have no images in common; {_MEASURE_BOTH}"
        )
    if why := _why_flattered(first, second):
        raise DataError(why)
    return on_common_images(first, first.validation, second, second.validation)


def on_common_images(
    first: ComparedModel, said: LabelledPredictions, second: ComparedModel, said_too: LabelledPredictions
) -> tuple[LabelledPredictions, LabelledPredictions, CommonGround]:
    """Return what two models say of the images that both have, asked among the diagnoses that both know."""
    mappings = _mappings(first, second)
    common, told, found, others = mappings[0].coarse, [], [], np.empty(0, str)
    for model, answers, mapping in zip((first, second), (said, said_too), mappings, strict=True):
        kept = in_common(answers, model.card, mapping)
        found.append(kept)
        others = np.union1d(others, np.setdiff1d(answers.image_ids, kept.image_ids))
        if mapping.names != mapping.fine.names:
            told.append(f"of {model.label}, these diagnoses count as one of {common.name}: {mapping.told}")
        if left := [name for name in model.card.classes if name not in mapping.fine.names]:
            told.append(
                f"{model.label} is asked among {', '.join(mapping.fine.names)} alone: without its probabilities of "
                f"{', '.join(left)}, and the rest scaled to a sum of 1"
            )
        if mapping.contradicting:
            told.append(
                f"{', '.join(mapping.contradicting)} of {model.label} count as malignant in one label set alone: "
                "metrics of malignant against benign mix both"
            )
    shared = np.intersect1d(found[0].image_ids, found[1].image_ids)
    ours, theirs = (each.take(np.isin(each.image_ids, shared)) for each in found)
    if not len(shared):
        raise DataError(f"no image of {', '.join(common.names)} is there for both {first.label} and {second.label}")
    told += few_of(ours)
    values = {first.label: metric_values(ours), second.label: metric_values(theirs)}
    counted_as = "; ".join(dict.fromkeys(each.told for each in mappings if each.names != each.fine.names))
    return ours, theirs, CommonGround(common, counted_as, len(shared), len(others), tuple(told), values)


def _mappings(first: ComparedModel, second: ComparedModel) -> tuple[LabelMapping, LabelMapping]:
    try:
        return onto_common(first.card.labels, second.card.labels)
    except UsageError as error:
        raise DataError(f"{error} in 'lesionflow evaluate', with both on the same data") from error


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
    if why := _why_flattered(first, second):
        return why
    without = next((each for each in (first, second) if each.validation is None), None)
    return _without_validation(without) if without else ""


def _why_flattered(first: ComparedModel, second: ComparedModel) -> str:
    """Say if one model is known to have learnt from measured images, and the other not; empty if they are alike."""
    for each, other in ((first, second), (second, first)):
        if leaks := [text for text in each.card.leaks if text not in other.card.leaks]:
            return f"of {each.label}, but not of {other.label}: {'; '.join(leaks)}; {_MEASURE_BOTH}"
    return ""


def _without_validation(model: ComparedModel) -> str:
    return f"{model.label} came without {VALIDATION_FILE}, its predictions for the validation part; {_MEASURE_BOTH}"
