"""Options of `lesionflow monitor`; the command line is made from their fields."""

from __future__ import annotations

from dataclasses import dataclass

from lesionflow.options import FILES, check_options, option

COMPARISON = "Comparison"  # what help lists options under


@dataclass(frozen=True)
class MonitorConfig:
    """How to watch nights. Values out of range raise `UsageError` before any work starts."""

    reference: str | None = option(
        None,
        "A model, whose validation part the nights are compared with as well, or a report.",
        kind=str, metavar="MODEL|REPORT", unset="the first nights alone", group=COMPARISON,
    )  # fmt: skip
    reference_nights: int = option(
        14, "How many of the first nights the others are compared with.", low=1, high=366, group=COMPARISON
    )
    limits: str | None = option(
        None, "YAML file with limits from which a night raises an alarm.", kind=str, metavar="FILE",
        completes=(FILES,), unset="those that 'Watch the nights' lists", group=COMPARISON,
    )  # fmt: skip
    images: int = option(
        0, "How many images of each night to measure: size, light, colours, sharpness, format, camera.",
        low=0, high=100_000, group=COMPARISON,
    )  # fmt: skip
    registered_model: str | None = option(
        None, "Say on the page who is champion of this registered model, and since when.", kind=str, metavar="NAME",
        unset="say nothing", group="MLflow",
    )  # fmt: skip
    overwrite: bool = option(False, "Replace an earlier page and its JSON.")

    def __post_init__(self) -> None:
        check_options(self)
