"""How to make the page; the command line is made from its fields."""

from __future__ import annotations

from dataclasses import dataclass

from lesionflow.options import FILES, check_options, option
from lesionflow.webapp.runtime import RUNTIME


@dataclass(frozen=True)
class WebConfig:
    """How to make the page. Values out of range raise `UsageError`."""

    runtime: str | None = option(
        None,
        f"The archive of {RUNTIME.name} {RUNTIME.version} from npm, or a folder that holds it, for machines without a "
        "network.", kind=str, metavar="PATH", completes=(FILES,), unset="downloaded once, into the cache",
    )  # fmt: skip
    overwrite: bool = option(False, "Replace the page that is in the folder.")

    def __post_init__(self) -> None:
        check_options(self)
