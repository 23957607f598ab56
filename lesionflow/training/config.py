"""The one object that says how to train; the command line and MLflow's parameters are made from its fields."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from lesionflow.data.sampling import BALANCES
from lesionflow.errors import UsageError
from lesionflow.options import check_options, option
from lesionflow.training.networks import NETWORKS

PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")


@dataclass(frozen=True)
class TrainingConfig:
    """What to train, on what and how. Values out of range raise `UsageError` before any work starts."""

    data: str = option("demo", "Folder with HAM10000's metadata CSV and images, or 'demo' for a synthetic set.")
    model: str = option("all", "Network to train.", choices=(*NETWORKS, "all"))
    image_size: int = option(64, "Height and width in pixels that images are brought to.", low=16, high=1024)
    epochs: int = option(30, "Epochs at most.", low=1, high=1000)
    batch_size: int = option(32, "Images in one step.", low=1, high=65_536)
    learning_rate: float = option(2e-3, "Peak learning rate, reached after the warm-up.", low=1e-9, high=10)
    weight_decay: float = option(0.05, "Weight decay of AdamW.", low=0, high=10)
    label_smoothing: float = option(0.05, "Share of each label spread over all diagnoses.", low=0, high=0.9)
    balance: str = option("oversample", "How often rare diagnoses are shown in training.", choices=tuple(BALANCES))
    augmentation: float = option(1.0, "Strength of random zooms, shifts and colours; 0 keeps flips.", low=0, high=3)
    patience: int = option(15, "Epochs without better validation balanced accuracy before stopping.", low=1, high=1000)
    precision: str = option("auto", "Number format of the arithmetic; auto mixes on a GPU.", choices=PRECISIONS)
    validation_fraction: float = option(
        0.15, "Share of lesions that choose the epoch and the champion.", low=0.01, high=0.8
    )
    test_fraction: float = option(0.15, "Share of lesions that are looked at once, at the end.", low=0.01, high=0.8)
    malignant_sensitivity: float = option(
        0.95, "Share of malignant validation images that the malignant threshold has to reach.", low=0.5, high=1
    )
    refer_share: float = option(0.1, "Share of validation images referred as uncertain.", low=0, high=0.9)
    seed: int = option(0, "Seed of the split, the sampler, the weights and the augmentation.", low=0, high=2**31 - 1)

    def __post_init__(self) -> None:
        check_options(self)
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
