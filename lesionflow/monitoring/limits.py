"""Options of `lesionflow monitor`, and limits beyond which a night raises an alarm: the defaults, or a YAML file."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from lesionflow.errors import UsageError, did_you_mean
from lesionflow.options import FILES, MODELS, Config, option, range_told
from lesionflow.yaml_files import read_yaml

NO_LIMIT = math.inf
_OPEN_ENDS = (("low", -NO_LIMIT), ("high", NO_LIMIT))  # the missing end of a value's limits
_SHARES = ("share/", "failed", "expected_")  # what names of values from 0 to 1 begin with


def _limit(usual: float, high: float = NO_LIMIT, *, needed: bool = False) -> Any:
    """A field with its maximum; needed: it cannot be turned off with null."""
    return field(default=usual, metadata={"high": high, "needed": needed})


@dataclass(frozen=True)
class Limits:
    """When a night raises an alarm.

    A distance counts if it exceeds its limit and that of any night of the reference from the others, and is not
    chance: its p-value, corrected for the number of the night's tests, is below `level`.
    """

    # the chance that a night like the reference raises an alarm about any distance
    level: float = _limit(0.002, 1, needed=True)
    distribution: float = _limit(0.1, 1)  # of two distribution functions, 0 to 1 (Kolmogorov and Smirnov)
    share: float = _limit(0.03, 1)  # a difference of two shares of the images
    category: float = _limit(0.2, 1)  # the share of images that would have to change their category
    # times these limits, where the reference is the model's validation part
    from_validation: float = _limit(3.0, needed=True)
    estimate: float = _limit(0.05, 1)  # by how much an expected metric may fall below the reference's
    fewest_images: int = _limit(1, needed=True)  # in a night
    failed: float = _limit(0.05, 1)  # share of the images that could not be read
    values: Mapping[str, tuple[float, float]] = field(default_factory=dict)  # lowest and highest, by a value's name
    distances: Mapping[str, float] = field(default_factory=dict)  # of single values; they replace the three above

    def of_distance(self, name: str, usual: float) -> float:
        """The limit of a value's distance; usual: the default for its kind."""
        return next((limit for pattern, limit in self.distances.items() if fnmatchcase(name, pattern)), usual)

    def of_value(self, name: str) -> tuple[float, float]:
        """The lower and upper limit of a value."""
        found = (ends for pattern, ends in self.values.items() if fnmatchcase(name, pattern))
        return next(found, (-NO_LIMIT, NO_LIMIT))

    def without_value(self, values: Collection[str], distances: Collection[str]) -> list[str]:
        """The limits of single values that are of none of these: perhaps misspelt, they never raise an alarm."""
        there = (("values", self.values, values), ("distances", self.distances, distances))
        return [
            f"{kind}: {pattern}{did_you_mean(pattern, names)}"
            for kind, patterns, names in there
            for pattern in patterns
            if not any(fnmatchcase(name, pattern) for name in names)
        ]


def read_limits(file: Path | None) -> Limits:
    """Read limits from a YAML file with fields of `Limits` as keys; the others keep their defaults.

    `values` has a name or a pattern such as `share/*` and the ends `low` and `high`, either or both; `distances` a name
    or a pattern and a number, or null for no limit. Raises `UsageError` if the file cannot be read, or has an invalid
    limit.
    """
    if file is None:
        return Limits()
    values = read_yaml(file, str(file)) or {}
    known = {each.name: each for each in fields(Limits)}
    if not isinstance(values, dict):
        raise UsageError(f"{file}: write one limit per line, such as 'failed: 0.02'; choose from {', '.join(known)}")
    if unknown := [str(name) for name in values if name not in known]:
        raise UsageError(
            f"{file}: {unknown[0]!r} is not a limit{did_you_mean(unknown[0], known)}; choose from {', '.join(known)}"
        )
    read: dict[str, Any] = {}
    for name, value in values.items():
        if name == "values":
            read[name] = {
                key: _ends(each, f"{file}: values: {key}", 1 if key.startswith(_SHARES) else NO_LIMIT)
                for key, each in _table(value, file).items()
            }
        elif name == "distances":
            read[name] = {
                key: _number(each, f"{file}: distances: {key}", 1) for key, each in _table(value, file).items()
            }
        else:
            limit = known[name]
            read[name] = _number(value, f"{file}: {name}", limit.metadata["high"])
            if read[name] == NO_LIMIT and limit.metadata["needed"]:
                raise UsageError(f"{file}: {name} has to be a number")
            if isinstance(limit.default, int) and not read[name].is_integer():
                raise UsageError(f"{file}: {name}: {value} is not a whole number")
    return Limits(**read)


def _table(value: object, file: Path) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{file}: values and distances are tables of names and limits")
    return {str(name): each for name, each in value.items()}


def _ends(value: object, where: str, most: float) -> tuple[float, float]:
    if not isinstance(value, dict) or not value or set(value) - {"low", "high"}:
        raise UsageError(f"{where}: write low, high or both, such as {{low: 0.8}}")
    low, high = (_number(value[end], where, most) if end in value else other for end, other in _OPEN_ENDS)
    if low > high:
        raise UsageError(f"{where}: low {low} is above high {high}")
    return low, high


def _number(value: object, where: str, most: float) -> float:
    if value is None:
        return NO_LIMIT
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value) or value < 0:
        raise UsageError(f"{where}: {value!r} is not a number from 0 on; null stands for no limit")
    if most < value < NO_LIMIT:
        raise UsageError(f"{where}: {value} must be {range_told(0, most)}")
    return float(value)


COMPARISON = "Comparison"  # what help lists options under


@dataclass(frozen=True)
class MonitorConfig(Config):
    """How to watch nights. Values out of range raise `UsageError` before any work starts."""

    reference: str | None = option(
        None,
        "Also compare the nights with a report, or with the validation part of a model.",
        kind=str, metavar="MODEL|REPORT", unset="the first nights alone", group=COMPARISON,
        completes=(FILES, "pretrained", MODELS),
    )  # fmt: skip
    reference_nights: int = option(
        14, "Number of first nights that the others are compared with.", low=1, high=366, group=COMPARISON
    )
    limits: str | None = option(
        None, "YAML file with the limits beyond which a night raises an alarm.", kind=str, metavar="FILE",
        completes=(FILES,), unset="the limits listed in 'Watch the nights'", group=COMPARISON,
    )  # fmt: skip
    images: int = option(
        0, "Number of images of each night to measure: size, light, colours, sharpness, format, camera; 0: "
        "none.", low=0, high=100_000, group=COMPARISON,
    )  # fmt: skip
    registered_model: str | None = option(
        None, "Show the champion of this registered model on the page, and its date.", kind=str, metavar="NAME",
        unset="none", group="MLflow",
    )  # fmt: skip
    overwrite: bool = option(False, "Replace an earlier page and its JSON.")
