"""What a registry is asked for where nothing is said, and the one object that says what promotion asks."""

from __future__ import annotations

from dataclasses import dataclass

from lesionflow.defaults import DEFAULT_MODEL as DEFAULT_MODEL
from lesionflow.defaults import DEFAULT_NAME as DEFAULT_NAME
from lesionflow.options import check_options, option

GATES = "Gates"  # what help lists the options under


@dataclass(frozen=True)
class PromotionConfig:
    """What the gates ask. Values out of range raise `UsageError` before any work starts."""

    probability: float = option(
        0.95, "How probably the balanced accuracy has to be better than the champion's.", low=0.5, high=1, group=GATES
    )
    melanoma_margin: float = option(
        0.02, "How much lower than the champion's the melanoma sensitivity may be.", low=0, high=1, group=GATES
    )
    ece_ceiling: float = option(
        0.05, "Highest calibration error (ECE), or what chance gives on so few images.", low=0, high=1, group=GATES
    )
    stability_ceiling: float | None = option(
        None, "Highest share of calls that any harmless change of the images may move.", kind=float, low=0, high=1,
        group=GATES, unset="not asked",
    )  # fmt: skip

    def __post_init__(self) -> None:
        check_options(self)


USUAL = PromotionConfig()
