"""The one object that says how to train; the command line and MLflow's parameters are made from its fields."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

from lesionflow.data.sampling import BALANCES
from lesionflow.errors import UsageError
from lesionflow.training.networks import NETWORKS

PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")


def _option(
    default: Any,
    description: str,
    *,
    choices: tuple[str, ...] = (),
    low: float = -math.inf,
    high: float = math.inf,
) -> Any:
    """A field with what the command line's help and the validation need: its meaning, choices or inclusive range."""
    return dataclasses.field(
        default=default, metadata={"help": description, "choices": choices, "low": low, "high": high}
    )


@dataclass(frozen=True)
class TrainingConfig:
    """What to train, on what and how. Values out of range raise `UsageError` before any work starts."""

    data: str = _option("demo", "Folder with HAM10000's metadata CSV and images, or 'demo' for a synthetic set.")
    model: str = _option("all", "Network to train.", choices=(*NETWORKS, "all"))
    image_size: int = _option(64, "Height and width in pixels that images are brought to.", low=16, high=1024)
    epochs: int = _option(30, "Epochs at most.", low=1, high=1000)
    batch_size: int = _option(32, "Images in one step.", low=1, high=65_536)
    learning_rate: float = _option(2e-3, "Peak learning rate, reached after the warm-up.", low=1e-9, high=10)
    weight_decay: float = _option(0.05, "Weight decay of AdamW.", low=0, high=10)
    label_smoothing: float = _option(0.05, "Share of each label spread over all diagnoses.", low=0, high=0.9)
    balance: str = _option("oversample", "How often rare diagnoses are shown in training.", choices=tuple(BALANCES))
    augmentation: float = _option(1.0, "Strength of random zooms, shifts and colours; 0 keeps flips.", low=0, high=3)
    patience: int = _option(15, "Epochs without better validation balanced accuracy before stopping.", low=1, high=1000)
    precision: str = _option("auto", "Number format of the arithmetic; auto mixes on a GPU.", choices=PRECISIONS)
    validation_fraction: float = _option(
        0.15, "Share of lesions that choose the epoch and the champion.", low=0.01, high=0.8
    )
    test_fraction: float = _option(0.15, "Share of lesions that are looked at once, at the end.", low=0.01, high=0.8)
    seed: int = _option(0, "Seed of the split, the sampler, the weights and the augmentation.", low=0, high=2**31 - 1)

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value, limits = getattr(self, field.name), field.metadata
            option = "--" + field.name.replace("_", "-")
            if limits["choices"] and value not in limits["choices"]:
                raise UsageError(f"{option} {value}: choose one of {', '.join(limits['choices'])}")
            if not isinstance(value, str) and not limits["low"] <= value <= limits["high"]:
                raise UsageError(f"{option} {value}: must be from {limits['low']:g} to {limits['high']:g}")
        if self.validation_fraction + self.test_fraction > 0.9:
            raise UsageError("--validation-fraction and --test-fraction leave less than a tenth for training")

    @property
    def networks(self) -> tuple[str, ...]:
        """The names of the networks to train."""
        return NETWORKS if self.model == "all" else (self.model,)

    @property
    def fractions(self) -> tuple[float, float, float]:
        """The shares of training, validation and test."""
        rest = 1 - self.validation_fraction - self.test_fraction
        return (rest, self.validation_fraction, self.test_fraction)

    def parameters(self) -> dict[str, str | int | float]:
        """Every field by name."""
        return dataclasses.asdict(self)
