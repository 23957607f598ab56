"""Defaults of the registry, and the options of promotion."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lesionflow.errors import UsageError
from lesionflow.options import Config, option

GATES = "Gates"  # what help lists the options under


@dataclass(frozen=True)
class PromotionConfig(Config):
    """Thresholds of the gates. Values out of range raise `UsageError` before any work starts."""

    probability: float = option(
        0.95,
        "Required probability that the balanced accuracy is better than the champion's.",
        low=0.5,
        high=1,
        group=GATES,
    )
    melanoma_margin: float = option(
        0.02, "How far the sensitivity to the diagnosis not to miss (melanoma) may fall below the champion's.",
        low=0, high=1, group=GATES,
    )  # fmt: skip
    ece_ceiling: float = option(
        0.05, "Highest calibration error (ECE), unless chance alone gives more.", low=0, high=1, group=GATES
    )
    stability_ceiling: float | None = option(
        None, "Highest share of calls that may change under any harmless change of images.", kind=float, low=0, high=1,
        group=GATES, unset="no such gate",
    )  # fmt: skip


USUAL = PromotionConfig()


def check_model_name(name: str) -> str:
    """Check and return a registered model's name. Raises `UsageError` for one that no address can contain."""
    if not isinstance(name, str):
        raise UsageError(f"registered_model={name!r}: must be a text")  # only a program can give it
    if not name.strip() or name != name.strip():
        raise UsageError(f"{name!r}: a model's name can neither be empty nor begin or end with a space")
    if address := re.fullmatch(r"(?:models:/)?([^@/:']+)/(\d+)", name):  # what messages call a version
        model, version = address.groups()
        raise UsageError(
            f"{name}: a version, where a model's name belongs; the name is {model!r}, the version {version}"
        )
    if wrong := [mark for mark in "@/:'" if mark in name]:
        raise UsageError(f"{name}: a model's name cannot contain {wrong[0]!r}; choose another")
    if re.fullmatch("m-[0-9a-f]{32}", name):
        raise UsageError(f"{name}: means another model in an address; choose another name")
    return name
