"""The one object that says how to score; the command line is made from its fields."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lesionflow.errors import UsageError

DEVICES = ("auto", "cpu", "cuda")
FORMATS = ("csv", "parquet", "jsonl", "isic")


def _option(
    kind: type,
    default: Any,
    description: str,
    *,
    choices: tuple[str, ...] = (),
    low: int = 1,
    high: int = 2**31,
    unset: str = "",
) -> Any:
    """A field with what the command line's help and the validation need; `unset` says what None stands for."""
    return dataclasses.field(
        default=default,
        metadata={
            "kind": kind,
            "help": description,
            "choices": choices,
            "low": low,
            "high": high,
            "unset": unset,
        },
    )


@dataclass(frozen=True)
class ScoringConfig:
    """How to score and what to write. Values out of range raise `UsageError` before any work starts."""

    recursive: bool = _option(bool, True, "Whether folders below a folder count.")
    pattern: str | None = _option(
        str, None, "Names of files to take from a folder, such as '*.png'.", unset="by ending"
    )
    format: str | None = _option(str, None, "Format of the report.", choices=FORMATS, unset="by the ending of --out")
    columns: str | None = _option(str, None, "Columns of the report, separated by commas.", unset="all")
    top_k: int | None = _option(int, None, "Add the K most probable diagnoses, most probable first.", high=7)
    html: Path | None = _option(Path, None, "Write a page with a sortable table and thumbnails as well.")  # noqa: RUF009
    summary: Path | None = _option(Path, None, "Write counts, failures and provenance as JSON as well.")  # noqa: RUF009
    overwrite: bool = _option(bool, False, "Replace the report if it exists, and begin anew what was not finished.")
    resume: bool = _option(bool, False, "Go on with what an earlier run of the same command did not finish.")
    on_error: str = _option(str, "row", "What an image that cannot be read does.", choices=("row", "fail"))
    max_failures: str | None = _option(str, None, "Stop at more failed images than N, or than P%.", unset="never stop")
    device: str = _option(str, "auto", "Where the network runs.", choices=DEVICES)
    batch_size: int | None = _option(int, None, "Images in one batch.", high=65_536, unset="16, or 64 with cuda")
    workers: int | None = _option(int, None, "Threads that decode and infer.", high=1024, unset="two a core")
    shard_size: int = _option(int, 512, "Images between two points from which --resume can go on.", high=1_000_000)
    quiet: bool = _option(bool, False, "Print errors only.")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, limits = getattr(self, field.name), field.metadata
            option = "--" + field.name.replace("_", "-")
            if value is None:
                continue
            if limits["choices"] and value not in limits["choices"]:
                raise UsageError(f"{option} {value}: choose one of {', '.join(limits['choices'])}")
            if limits["kind"] is int and not limits["low"] <= value <= limits["high"]:
                raise UsageError(f"{option} {value}: must be from {limits['low']} to {limits['high']}")
        self.failures_allowed(0)

    @property
    def column_names(self) -> tuple[str, ...] | None:
        """The columns asked for; None stands for the default ones."""
        return None if self.columns is None else tuple(name.strip() for name in self.columns.split(","))

    def failures_allowed(self, images: int) -> int | None:
        """How many of so many images may fail before the run stops; None for all."""
        if self.on_error == "fail":
            return 0
        if self.max_failures is None:
            return None
        limit = str(self.max_failures)
        if re.fullmatch(r"[0-9]+", limit):
            return int(limit)
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?%", limit) and float(limit[:-1]) <= 100:
            return int(images * float(limit[:-1]) / 100)
        raise UsageError(f"--max-failures {limit}: write a number of images, or a share such as 5%")
