"""Compare models side by side, with intervals for their differences on the same validation images."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from rich.console import Console

from lesionflow.api.evaluate import ModelOnData, open_on
from lesionflow.defaults import DEFAULT_NAME
from lesionflow.errors import DataError, UsageError
from lesionflow.evaluation.config import EvaluationConfig
from lesionflow.evaluation.evaluate import predict_part
from lesionflow.evaluation.measure import compare as paired_differences
from lesionflow.evaluation.metrics import Difference
from lesionflow.model.prediction import LabelledPredictions
from lesionflow.options import check_needed, listed
from lesionflow.progress import show_status, stderr_console
from lesionflow.registry.champion import find_champion
from lesionflow.registry.compared_model import (
    CommonGround,
    ComparedModel,
    common_ground,
    compared_model_of,
    find_compared_model,
    on_common_images,
    why_not_comparable,
)
from lesionflow.registry.versions import LOGGED_MODEL, is_address, parse_address
from lesionflow.storage.location import location_text
from lesionflow.tracking.tracking_store import connect, kept_addresses


@dataclass(frozen=True)
class Comparison:
    """Models side by side, with the differences of each model minus the first, on validation or on given images."""

    models: tuple[ComparedModel, ...]  # the first is the one that the others are measured against
    differences: dict[str, dict[str, Difference]] = field(default_factory=dict)  # label -> metric -> difference
    not_comparable: dict[str, str] = field(default_factory=dict)  # label -> why
    # label -> of a model of other diagnoses; of every model that is compared on given images
    common_grounds: dict[str, CommonGround] = field(default_factory=dict)
    identical: list[str] = field(default_factory=list)  # labels of copies of the first, by their digest
    measured_on: str = "validation"  # or the name of given images
    notes: list[str] = field(default_factory=list)  # on given images: those that trained a model, and what is left out


@kept_addresses()
def compare(
    models: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    data: str | os.PathLike[str] | None = None,
    labels: str | os.PathLike[str] | None = None,
    tracking_uri: str | None = None,
    resamples: int = 2000,
    cache: Path | None = None,
    console: Console | None = None,
) -> Comparison:
    """Compare models with the first one, or a single model with the champion if that is another.

    Models of different diagnoses are asked among those that both know, as if there were no others, on images of these.

    Parameters
    ----------
    models : str, path or sequence of them
        Addresses as `registry.versions.resolve` takes them; duplicates count once.
    data : path, optional
        Labelled images to compare the models on, as `evaluate` takes them, where they have no validation part in
        common. Of data that a model was trained on, only images of its test part are measured.
    labels : path, optional
        YAML file with the meaning of the words in `data`.
    tracking_uri : str, optional
        Where models are registered.
    resamples : int
        Resamples of the paired bootstrap over lesions that the differences come from. Without `data`, these are lesions
        of the validation part: the test part chooses nothing.
    cache : path, optional
        Folder for decoded pixels.
    console : Console, optional
        Where progress goes; stderr by default.

    Returns
    -------
    Comparison
        The models, and how each differs from the first.

    Raises
    ------
    DataError
        If the data cannot be read.
    LesionflowError
        As raised by `registry.compared_model.find_compared_model`.
    """
    if labels is not None:
        check_needed("--labels", "--data DATA", {"data": data})
    how = EvaluationConfig(resamples=resamples, labels=None if labels is None else os.fspath(labels))
    addresses = [location_text(model, "models") for model in listed(models)]
    if not addresses:
        raise UsageError("models: is an empty list; name one or more")
    if len(addresses) == 1 or any(map(is_address, addresses)):
        connect(tracking_uri)
    named = {address: find_compared_model(address) for address in addresses}
    if len(addresses) == 1:
        registered = addresses[0].startswith("models:") and not LOGGED_MODEL.fullmatch(addresses[0])
        name = parse_address(addresses[0])[0] if registered else DEFAULT_NAME
        champion = find_champion(name)
        if champion is not None:
            named = {f"models:/{champion.name}/{champion.number}": compared_model_of(champion)} | named
    found = list({model.label: model for model in named.values()}.values())
    if data is not None:
        first_address = {model.label: address for address, model in reversed(named.items())}
        return _compare_on(data, [(first_address[model.label], model) for model in found], how, cache, console)
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


def _compare_on(
    data: str | os.PathLike[str],
    models: list[tuple[str, ComparedModel]],
    how: EvaluationConfig,
    cache: Path | None,
    console: Console | None,
) -> Comparison:
    """Compare models, each with its address, on labelled images."""
    found = [model for _, model in models]
    with show_status("reading images", console or stderr_console()) as status:
        sets = [model.card.labels for model in found]
        opened: list[ModelOnData] = []
        for address, _ in models:
            opened.append(open_on(address, data, how, None, cache, opened, sets))
        chosen = [each.image_keys[each.members] for each in opened]
        shared = [np.concatenate(chosen[1:] or chosen), *[chosen[0]] * len(chosen[1:])]
        opened = [
            dataclasses.replace(each, members=each.members[np.isin(own, others)])
            for each, own, others in zip(opened, chosen, shared, strict=True)
        ]
        status("looking for images that the models were trained on")
        warnings = {each.label: each.warnings(cache) for each in opened}
        notes = [
            told if label in told or all(told in others for others in warnings.values()) else f"{label}: {told}"
            for label, every in warnings.items() for told in every
        ]  # fmt: skip
        notes += [
            f"{each.label} was trained on these data: only the images of its {each.part} part count"
            for each in opened if each.part != "all"
        ]  # fmt: skip
        said = [predict_part(each.predictor, each.decoded(cache, status))[1] for each in opened]
    comparison = Comparison(tuple(found), measured_on=opened[0].images.name, notes=[*dict.fromkeys(notes)])
    for other, answers, on_data, own in zip(found[1:], said[1:], opened[1:], chosen[1:], strict=True):
        if other.card.digest == found[0].card.digest:
            comparison.identical.append(other.label)
            continue
        try:
            ours, theirs, ground = on_common_images(found[0], said[0], other, answers)
            comparison.common_grounds[other.label] = _counted(ground, (opened[0], on_data), (chosen[0], own))
            comparison.differences[other.label] = paired_differences(theirs, ours, resamples=how.resamples)
        except DataError as error:
            comparison.not_comparable[other.label] = str(error)
    return comparison


def _counted(
    ground: CommonGround, models: tuple[ModelOnData, ModelOnData], chosen: tuple[np.ndarray, np.ndarray]
) -> CommonGround:
    """Count what is left out of the images of two models' parts: for its diagnosis, and as it is in one part alone.

    chosen: the images of either part.
    """
    shared = np.intersect1d(models[0].image_keys, models[1].image_keys)
    ours, theirs = (np.intersect1d(each, shared) for each in chosen)
    both, told = len(np.intersect1d(ours, theirs)), ground.told
    if all(each.part != "all" for each in models) and both < max(len(ours), len(theirs)):
        parts = [
            f"the {each.part} part of {each.label} has {len(of)}"
            for each, of in zip(models, (ours, theirs), strict=True)
        ]
        told = (f"of images that both know, {' and '.join(parts)}: the {both} in both count", *told)
    others = len(np.setdiff1d(np.union1d(*chosen), shared)) + both - ground.images
    return dataclasses.replace(ground, left_out=others, told=told)
