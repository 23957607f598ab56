"""The options that say which diagnoses there are and what words mean them, for every command that reads labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lesionflow.diagnoses import BUILT_IN, HAM10000, LabelSet, read_label_set
from lesionflow.options import FILES, option


def diagnoses_option(default: str | None = HAM10000.name, *, unset: str = "", group: str = "") -> Any:
    """The field `diagnoses` of a configuration; unset: what stands for it where the default is None."""
    return option(
        default, f"The diagnoses that there are: {', '.join(BUILT_IN)}, or a YAML file of one's own.", kind=str,
        metavar="SET", completes=(*BUILT_IN, FILES), unset=unset, group=group,
    )  # fmt: skip


def labels_option(default: str | None = "", *, group: str = "") -> Any:
    """The field `labels` of a configuration."""
    return option(
        default, "YAML file that says what the words of the data mean.", kind=str, metavar="FILE", completes=(FILES,),
        unset="the words that 'lesionflow describe --labels' shows", group=group,
    )  # fmt: skip


@dataclass(frozen=True)
class LabelSetConfig:
    """Which diagnoses there are. A label set that cannot be read raises `UsageError`."""

    diagnoses: str = diagnoses_option()

    @property
    def label_set(self) -> LabelSet:
        """The diagnoses."""
        return read_label_set(self.diagnoses)
