"""The one object that says how to train; the command line and MLflow's parameters are made from its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lesionflow.datasets.sampling import BALANCES, positive_shares
from lesionflow.diagnoses import DIAGNOSES
from lesionflow.errors import UsageError, did_you_mean
from lesionflow.options import FILES, check_options, option, read_option
from lesionflow.training.presets import ALL, AUTO, NETWORKS, PRESETS, preset_of

PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")
LOSSES = ("cross-entropy", "logit-adjusted", "focal")
OF_PRESET = "the preset's"
# What help lists the options under.
DATA, SHOWN, FIT = "Data and networks", "What the networks are shown", "How they are fitted"
SPLIT, REPEATING = "Split and operating point", "Repeating it"


@dataclass(frozen=True)
class TrainingConfig:
    """What to train, on what and how. Values out of range raise `UsageError` before any work starts.

    Fields whose default is None take the value of the preset for the network; `resolved` fills them in, and what trains
    is given nothing else.
    """

    data: str = option(
        "demo",
        "Folder with HAM10000's metadata CSV and images, or 'demo' for a synthetic set.",
        group=DATA,
        metavar="FOLDER",
        completes=("demo", FILES),
    )
    model: str = option(
        ALL,
        f"Networks to train, separated by commas: {', '.join(NETWORKS)} (needs the extra imagenet), or all.",
        group=DATA,
        metavar="NAMES",
        completes=(*NETWORKS, ALL),
        several=True,
    )
    preset: str = option(
        AUTO,
        "Settings for what is not given: full is for a GPU, quick for two CPU cores; auto looks for a GPU.",
        choices=(AUTO, *PRESETS),
        group=DATA,
    )
    image_size: int = option(
        None,
        "Height and width in pixels that images are brought to.",
        kind=int,
        low=16,
        high=1024,
        unset=OF_PRESET,
        group=SHOWN,
    )
    epochs: int = option(None, "Epochs at most.", kind=int, low=1, high=1000, unset=OF_PRESET, group=FIT)
    batch_size: int = option(None, "Images in one step.", kind=int, low=1, high=65_536, unset=OF_PRESET, group=FIT)
    learning_rate: float = option(
        None,
        "Peak learning rate, reached after the warm-up.",
        kind=float,
        low=1e-9,
        high=10,
        unset=OF_PRESET,
        group=FIT,
    )
    weight_decay: float = option(None, "Weight decay of AdamW.", kind=float, low=0, high=10, unset=OF_PRESET, group=FIT)
    balance: str = option(
        None,
        "How often rare diagnoses are shown in training.",
        kind=str,
        choices=tuple(BALANCES),
        unset=OF_PRESET,
        group=SHOWN,
    )
    loss: str = option("cross-entropy", "What training minimises.", choices=LOSSES, group=FIT)
    label_smoothing: float = option(
        None, "Share of each label spread over all diagnoses.", kind=float, low=0, high=0.9, unset=OF_PRESET, group=FIT
    )
    mixup: float = option(
        None,
        "Blend pairs of training images, by shares from Beta(mixup, mixup); 0: none.",
        kind=float,
        low=0,
        high=10,
        unset=OF_PRESET,
        group=SHOWN,
    )
    augmentation: float = option(
        1.0, "Strength of random zooms, shifts and colours; 0 keeps flips.", low=0, high=3, group=SHOWN
    )
    averaging: float = option(
        0.999,
        "Share of the past in a moving average of the weights, less in short trainings; 0: none.",
        low=0,
        high=0.99999,
        group=FIT,
    )
    width: float = option(1.0, "Multiplies the channels of cnn and vgg.", low=0.1, high=8, group=FIT)
    patience: int = option(
        15, "Epochs without better validation balanced accuracy before stopping.", low=1, high=1000, group=FIT
    )
    precision: str = option(
        "auto", "Number format of the arithmetic; auto mixes on a GPU.", choices=PRECISIONS, group=FIT
    )
    validation_fraction: float = option(
        0.15, "Share of lesions that choose the epoch and the champion.", low=0.01, high=0.8, group=SPLIT
    )
    test_fraction: float = option(
        0.15, "Share of lesions that are looked at once, at the end.", low=0.01, high=0.8, group=SPLIT
    )
    malignant_sensitivity: float = option(
        0.95,
        "Share of malignant validation images that the malignant threshold has to reach.",
        low=0.5,
        high=1,
        group=SPLIT,
    )
    refer_share: float = option(0.1, "Share of validation images referred as uncertain.", low=0, high=0.9, group=SPLIT)
    seed: int = option(
        0, "Seed of the split, the sampler, the weights and the augmentation.", low=0, high=2**31 - 1, group=REPEATING
    )
    deterministic: bool = option(False, "The same figures every time on the same machine; slower.", group=REPEATING)

    def __post_init__(self) -> None:
        check_options(self)
        unknown = [name for name in self.model.split(",") if name not in (*NETWORKS, ALL)]
        if unknown:
            known = (*NETWORKS, ALL)
            raise UsageError(
                f"--model {unknown[0]}: choose from {', '.join(known)}, separated by commas"
                f"{did_you_mean(unknown[0], known)}"
            )
        if self.validation_fraction + self.test_fraction > 0.9:
            raise UsageError("--validation-fraction and --test-fraction leave less than a tenth for training")

    @property
    def networks(self) -> tuple[str, ...]:
        """The names of the networks to train, each once."""
        return NETWORKS if ALL in self.model.split(",") else tuple(dict.fromkeys(self.model.split(",")))

    @property
    def fractions(self) -> tuple[float, float, float]:
        """The shares of training, validation and test."""
        rest = 1 - self.validation_fraction - self.test_fraction
        return (rest, self.validation_fraction, self.test_fraction)

    def resolved(self, network: str, preset: str) -> TrainingConfig:
        """For one network, with the preset's values where none are given."""
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        filled = {name: value for name, value in preset_of(preset, network).items() if given[name] is None}
        return dataclasses.replace(self, model=network, preset=preset, **filled)

    def believed_prior(self, labels: np.ndarray) -> np.ndarray:
        """How frequent a network trained so takes each diagnosis to be: (7,) float64, above 0.

        labels: of the training part, (images,) int64. A network believes what the sampler showed; the logit-adjusted
        loss has taken that out already.
        """
        if self.loss == "logit-adjusted":
            return np.full(len(DIAGNOSES), 1 / len(DIAGNOSES))
        return positive_shares(labels, self.balance, len(DIAGNOSES))

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> TrainingConfig:
        """From what `parameters` gave, as text; what else is among them is left out."""
        return cls(
            **{
                field.name: read_option(field, parameters[field.name])
                for field in dataclasses.fields(cls)
                if field.name in parameters
            }
        )

    def parameters(self) -> dict[str, str | int | float]:
        """Every field that has a value, by name."""
        return {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
