"""The options of each function as keywords, for type checkers and editors.

The configuration objects state and check them; these have the same names and types, which a test compares, and exist
since no type checker derives a `TypedDict` from a dataclass.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypedDict, TypeVar

from lesionflow.errors import UsageError, did_you_mean
from lesionflow.options import Config
from lesionflow.storage.location import Location

_Config = TypeVar("_Config", bound=Config)


class TrainingOptions(TypedDict, total=False):
    """Fields of `TrainingConfig`."""

    data: str
    model: str
    preset: str
    extra: str
    diagnoses: str
    labels: str
    start_from: str
    last_layer: str
    image_size: int | None
    small_first: float | None
    epochs: int | None
    batch_size: int | None
    learning_rate: float | None
    weight_decay: float | None
    balance: str | None
    loss: str
    label_smoothing: float | None
    mixup: float | None
    augmentation: float
    quality: float
    consistency: float
    teacher: str
    teacher_share: float
    mirrored: bool | None
    averaging: float
    width: float | None
    patience: int
    keep: str | None
    precision: str
    validation_fraction: float
    test_fraction: float
    folds: int
    malignant_sensitivity: float
    call: float
    refer_share: float
    seed: int
    deterministic: bool


class ReportOptions(TypedDict, total=False):
    """Fields of `ReportConfig`."""

    format: str | None
    columns: str | None
    top_k: int | None
    html: Location | None
    summary: Location | None
    overwrite: bool
    group_by: str | None
    pool: str
    rank_by: str | None
    sample: int | None
    by: str
    sample_out: Location | None
    sample_seed: int
    on_error: str
    max_failures: str | None
    failed_as: str | None
    log: bool
    log_report: bool
    quiet: bool


class ScoringOptions(ReportOptions, total=False):
    """Fields of `ScoringConfig`."""

    resume: bool
    recursive: bool
    pattern: str | None
    also: str | None
    tta: bool
    device: str
    batch_size: int | None
    workers: int | None
    shard_size: int
    shard: str | None
    engine: str
    ray_address: str | None
    cpus_per_task: int | None
    gpus_per_task: float | None


class EvaluationOptions(TypedDict, total=False):
    """Fields of `EvaluationConfig`."""

    part: str | None
    diagnoses: str | None
    mapping: str | None
    labels: str | None
    group_by: str | None
    pool: str
    tta: bool
    resamples: int
    stability: int | None
    overwrite: bool
    log: bool
    experiment: str


class ExplanationOptions(TypedDict, total=False):
    """Fields of `ExplanationConfig`."""

    target: str | None
    overwrite: bool
    resume: bool


class PromotionOptions(TypedDict, total=False):
    """Fields of `PromotionConfig`."""

    probability: float
    melanoma_margin: float
    ece_ceiling: float
    stability_ceiling: float | None


class DownloadOptions(TypedDict, total=False):
    """Fields of `DownloadConfig`."""

    part: str
    accept_licence: bool
    keep_archives: bool
    parallel: int
    server: str | None
    tries: int


class MonitorOptions(TypedDict, total=False):
    """Fields of `MonitorConfig`."""

    reference: str | None
    reference_nights: int
    limits: str | None
    images: int
    registered_model: str | None
    overwrite: bool


class WebOptions(TypedDict, total=False):
    """Fields of `WebConfig`."""

    runtime: str | None
    archives: str | None
    overwrite: bool


class ExportOptions(TypedDict, total=False):
    """Fields of `ExportConfig`."""

    format: str
    precision: str
    data: str | None
    images: str | None
    max_difference: float | None
    max_changed_calls: float | None


def configured(
    function: Callable[..., Any], kind: type[_Config], config: _Config | None, overrides: Mapping[str, Any]
) -> _Config:
    """The configuration of a function with some options replaced; without one, the defaults of `kind` are used.

    Raises `UsageError` for an unknown name or an invalid value.
    """
    known = [field.name for field in dataclasses.fields(kind)]
    for name in overrides:
        if name not in known:
            own = inspect.signature(function).parameters.keys() - {"overrides"}  # which may be meant as well
            raise UsageError(f"{kind.__name__} has no option {name!r}{did_you_mean(name, (*known, *own))}")
    if config is not None and not isinstance(config, kind):
        raise UsageError(f"config={config!r}: must be of type {kind.__name__}; give single options by their names")
    return kind(**overrides) if config is None else dataclasses.replace(config, **overrides)
