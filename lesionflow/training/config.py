"""The one object that says how to train; the command line and MLflow's parameters are made from its fields."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from lesionflow.datasets.config import diagnoses_option, labels_option
from lesionflow.datasets.sampling import BALANCES, positive_shares
from lesionflow.diagnoses import LabelSet, read_label_set
from lesionflow.errors import UsageError, did_you_mean
from lesionflow.options import FILES, SEPARATOR, check_options, option, read_option
from lesionflow.training.presets import ALL, AUTO, NETWORKS, PRESETS, preset_of

PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")
LOSSES = ("cross-entropy", "logit-adjusted", "focal")
OF_PRESET = "the preset's"
IMAGENET = "imagenet"
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
        "Labelled images: HAM10000's folder, another folder or table that is read, or 'demo' for a synthetic set. "
        "Given again, it adds a data set.", group=DATA, metavar="FOLDER", completes=("demo", FILES), repeated=True,
    )  # fmt: skip
    model: str = option(
        ALL, f"Networks to train, separated by commas: {', '.join(NETWORKS)} (needs the extra imagenet), or all.",
        group=DATA, metavar="NAMES", completes=(*NETWORKS, ALL), several=True,
    )  # fmt: skip
    preset: str = option(
        AUTO, "Settings for what is not given: full is for a GPU, quick for two CPU cores; auto looks for a GPU.",
        choices=(AUTO, *PRESETS), group=DATA,
    )  # fmt: skip
    extra: str = option(
        "",
        "A data set for training only: none of its images is in the validation or the test part. Can be given again.",
        group=DATA, metavar="FOLDER", completes=(FILES,), repeated=True,
    )  # fmt: skip
    diagnoses: str = diagnoses_option(group=DATA)
    labels: str = labels_option(group=DATA)
    start_from: str = option(
        "", "Model whose weights training starts from: a bundle's folder, models:/NAME@ALIAS, models:/NAME/VERSION, "
        "pretrained or imagenet.", group=DATA, metavar="MODEL",
        unset="imagenet for efficientnet, random weights for the others",
    )  # fmt: skip
    last_layer: str = option(
        "kept", "What becomes of the last layer of --start-from: kept, or refitted to the training images.",
        choices=("kept", "refitted"), group=DATA,
    )  # fmt: skip
    image_size: int = option(
        None, "Height and width in pixels that images are brought to.", kind=int, low=16, high=1024, unset=OF_PRESET,
        group=SHOWN,
    )  # fmt: skip
    epochs: int = option(None, "Epochs at most.", kind=int, low=1, high=1000, unset=OF_PRESET, group=FIT)
    batch_size: int = option(None, "Images in one step.", kind=int, low=1, high=65_536, unset=OF_PRESET, group=FIT)
    learning_rate: float = option(
        None, "Peak learning rate, reached after the warm-up.", kind=float, low=1e-9, high=10, unset=OF_PRESET,
        group=FIT,
    )  # fmt: skip
    weight_decay: float = option(None, "Weight decay of AdamW.", kind=float, low=0, high=10, unset=OF_PRESET, group=FIT)
    balance: str = option(
        None, "How often rare diagnoses are shown in training.", kind=str, choices=tuple(BALANCES), unset=OF_PRESET,
        group=SHOWN,
    )  # fmt: skip
    loss: str = option("cross-entropy", "What training minimises.", choices=LOSSES, group=FIT)
    label_smoothing: float = option(
        None, "Share of each label spread over all diagnoses.", kind=float, low=0, high=0.9, unset=OF_PRESET, group=FIT
    )
    mixup: float = option(
        None, "Blend pairs of training images, by shares from Beta(mixup, mixup); 0: none.", kind=float, low=0, high=10,
        unset=OF_PRESET, group=SHOWN,
    )  # fmt: skip
    augmentation: float = option(
        1.0, "Strength of random zooms, shifts and colours; 0 keeps flips.", low=0, high=3, group=SHOWN
    )
    quality: float = option(
        0.0, "Strength of random white balance, softness and JPEG compression; 0: none.", low=0, high=1.5, group=SHOWN
    )
    consistency: float = option(
        0.0, "Weight of the difference between the answers to two views of each image; 0: one view.", low=0, high=100,
        group=FIT,
    )  # fmt: skip
    teacher: str = option(
        "", "Model whose answers, averaged over each image's flips and turns, training learns beside the labels: a "
        "bundle's folder, models:/NAME@ALIAS, models:/NAME/VERSION or pretrained.", group=FIT, metavar="MODEL",
        unset="labels alone",
    )  # fmt: skip
    teacher_share: float = option(0.5, "Share of --teacher in what training learns.", low=0, high=1, group=FIT)
    mirrored: bool = option(
        False,
        "The exported model averages over an image and its mirror image: calls stay when one is mirrored; twice the "
        "time.", group=FIT,
    )  # fmt: skip
    averaging: float = option(
        0.999, "Share of the past in a moving average of the weights, less in short trainings; 0: none.", low=0,
        high=0.99999, group=FIT,
    )  # fmt: skip
    width: float = option(1.0, "Multiplies the channels of cnn and vgg.", low=0.1, high=8, group=FIT)
    patience: int = option(
        15, "Epochs without better validation balanced accuracy before stopping.", low=1, high=1000, group=FIT
    )
    keep: str = option(
        "best", "Weights that are kept: of the epoch with the best validation balanced accuracy, or of the last one.",
        choices=("best", "last"), group=FIT,
    )  # fmt: skip
    precision: str = option(
        "auto", "Number format of the arithmetic; auto mixes where that is faster.", choices=PRECISIONS, group=FIT
    )
    validation_fraction: float = option(
        0.15, "Share of lesions that choose the epoch and the champion.", low=0.01, high=0.8, group=SPLIT
    )
    test_fraction: float = option(
        0.15, "Share of lesions that are looked at once, at the end.", low=0.01, high=0.8, group=SPLIT
    )
    malignant_sensitivity: float = option(
        0.95, "Share of malignant validation images that the malignant threshold has to reach.", low=0.5, high=1,
        group=SPLIT,
    )  # fmt: skip
    call: float = option(
        1.0, "How strongly the call corrects for the diagnoses' frequencies: 0 calls the most probable one, 1 the most "
        "probable if all were equally frequent.", low=0, high=1, group=SPLIT,
    )  # fmt: skip
    refer_share: float = option(0.1, "Share of validation images referred as uncertain.", low=0, high=0.9, group=SPLIT)
    seed: int = option(
        0, "Seed of the split, the sampler, the weights and the augmentation.", low=0, high=2**31 - 1, group=REPEATING
    )
    deterministic: bool = option(False, "The same numbers every time on the same machine; slower.", group=REPEATING)

    def __post_init__(self) -> None:
        for name in ("data", "extra"):  # from Python, several can be given as a list
            if isinstance(getattr(self, name), list | tuple):
                object.__setattr__(self, name, SEPARATOR.join(map(str, getattr(self, name))))
        check_options(self)
        read_label_set(self.diagnoses)  # a set that cannot be read is said before anything else
        unknown = [name for name in self.model.split(",") if name not in (*NETWORKS, ALL)]
        if unknown:
            known = (*NETWORKS, ALL)
            raise UsageError(
                f"--model {unknown[0]}: choose from {', '.join(known)}, separated by commas"
                f"{did_you_mean(unknown[0], known)}"
            )
        if not self.data_sets:
            raise UsageError("--data: name a data set, or 'demo'")
        if self.start_from == IMAGENET and set(self.networks) != {"efficientnet"}:
            raise UsageError("--start-from imagenet: only efficientnet has such weights; give --model efficientnet")
        if self.starts_from_bundle and len(self.networks) > 1 and ALL not in self.model.split(","):
            raise UsageError("--start-from: a model's weights are of one network; name one with --model")
        if self.validation_fraction + self.test_fraction > 0.9:
            raise UsageError("--validation-fraction and --test-fraction leave less than a tenth for training")

    @property
    def label_set(self) -> LabelSet:
        """The diagnoses that there are."""
        return read_label_set(self.diagnoses)

    @property
    def networks(self) -> tuple[str, ...]:
        """The names of the networks to train, each once."""
        return NETWORKS if ALL in self.model.split(",") else tuple(dict.fromkeys(self.model.split(",")))

    @property
    def data_sets(self) -> tuple[str, ...]:
        """Where the data sets lie that are split."""
        return tuple(path for path in self.data.split(SEPARATOR) if path)

    @property
    def extra_sets(self) -> tuple[str, ...]:
        """Where those lie that only train."""
        return tuple(path for path in self.extra.split(SEPARATOR) if path)

    @property
    def starts_from_bundle(self) -> bool:
        """Whether the first weights are those of a trained model."""
        return self.start_from not in ("", IMAGENET)

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

    def believed_prior(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """How frequent a network trained so takes each diagnosis to be: (classes,) float64, above 0.

        labels: of the training part, (images,) int64. A network believes what the sampler showed; the logit-adjusted
        loss has taken that out already.
        """
        if self.loss == "logit-adjusted":
            return np.full(classes, 1 / classes)
        return positive_shares(labels, self.balance, classes)

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
        return {name: value for name, value in dataclasses.asdict(self).items() if value not in (None, "")}
