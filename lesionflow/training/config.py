"""Options of training, its presets, and the YAML file with which a run can be repeated.

The command line and MLflow's parameters are made from its fields. `docs/experiments.md` has the trials behind presets.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lesionflow.datasets.label_words import diagnoses_option, labels_option
from lesionflow.datasets.sampling import BALANCES, positive_shares
from lesionflow.diagnoses import HAM10000, LabelSet, built_in_set, read_label_set
from lesionflow.errors import UsageError, did_you_mean
from lesionflow.model.files import PRETRAINED
from lesionflow.options import FILES, FOLDERS, MODELS, SEPARATOR, Config, option, option_name, read_option
from lesionflow.storage.location import path_here
from lesionflow.training.imagenet import PUBLISHED

if TYPE_CHECKING:
    import yaml

LARGER = tuple(name for name in PUBLISHED if name != "efficientnet")  # which are not among all
NETWORKS = ("cnn", "vgg", *PUBLISHED)
ALL = "all"

# Settings that a network needs on any device.
_FROM_SCRATCH: dict[str, Any] = {
    "learning_rate": 2e-3, "weight_decay": 0.05, "balance": "oversample", "label_smoothing": 0.05, "mixup": 0.0,
    "small_first": 0.0, "mirrored": False, "width": 1.0, "keep": "best",
}  # fmt: skip
_FROM_IMAGENET: dict[str, Any] = {
    "learning_rate": 1e-3, "weight_decay": 0.05, "balance": "sqrt", "label_smoothing": 0.1, "mixup": 0.2,
    "small_first": 0.0, "mirrored": False, "width": 1.0, "keep": "best",
}  # fmt: skip
NEEDED: dict[str, dict[str, Any]] = {
    "cnn": _FROM_SCRATCH, "vgg": _FROM_SCRATCH, **dict.fromkeys(PUBLISHED, _FROM_IMAGENET),
}  # fmt: skip

# What the weights of a trained model need in place of the network's own settings: they know most already, and a clinic
# has few images. From a model of other cameras and 200 images, a peak rate of 3e-4 forgets in eight epochs what it had
# gained after three (balanced accuracy 0.34, 0.42; 0.28 before), and 1e-4 reaches 0.50 (docs/experiments.md). The
# validation part of so few has some fifty images, whose best epoch is chance: the last one is better on others.
FROM_A_MODEL: dict[str, Any] = {"learning_rate": 1e-4, "small_first": 0.0, "keep": "last"}

# Settings for reasonable times: full on a GPU, quick on two CPU cores. Sizes and lengths of full have not
# been compared yet: `experiments/trials.toml` has the trials, under [gpu].
PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "full": {
        "cnn": {"image_size": 128, "epochs": 80, "batch_size": 64},
        "vgg": {"image_size": 128, "epochs": 80, "batch_size": 64},
        **{network: {"image_size": 160, "epochs": 30, "batch_size": 64} for network in PUBLISHED},
    },
    "quick": {
        "cnn": {"image_size": 64, "epochs": 16, "batch_size": 32},
        "vgg": {"image_size": 64, "epochs": 16, "batch_size": 32},
        **{network: {"image_size": 112, "epochs": 10, "batch_size": 32, "small_first": 0.6} for network in PUBLISHED},
    },
}
# Instead with that many images to train on or more: what 16 epochs reach, in two fifths of the time (HAM10000 has 7,000
# of them). With 639 images, whose epochs are short, half as many were worse by 0.03 of balanced accuracy.
MANY_IMAGES = 3500
PRESETS_OF_MANY: dict[tuple[str, str], dict[str, Any]] = {("quick", "cnn"): {"epochs": 8, "small_first": 0.6}}
AUTO = "auto"


def preset_of(preset: str, network: str) -> dict[str, Any]:
    """The settings of a preset for a network, by option."""
    return NEEDED[network] | PRESETS[preset][network]


PRECISIONS = ("auto", "float32", "mixed_float16", "mixed_bfloat16")
LOSSES = ("cross-entropy", "logit-adjusted", "focal")
OF_PRESET = "the preset's"
# Options that name a file or a model, which can lie elsewhere when a training is resumed.
LOCATIONS = ("data", "extra", "diagnoses", "labels", "start_from", "teacher")
IMAGENET = "imagenet"
# What help lists the options under.
DATA, TRAINING_IMAGES, FIT = "Data and networks", "Training images", "Training"
SPLIT, REPEATING = "Split and operating point", "Repeating and resuming"


@dataclass(frozen=True)
class TrainingConfig(Config):
    """What to train, on what and how. Values out of range raise `UsageError` before any work starts.

    Fields whose default is None take the value of the preset for the network; `resolved` fills them in, and what trains
    is given nothing else.
    """

    data: str = option(
        "demo",
        "Labelled images: the folder of HAM10000, another supported folder or table, or 'demo' for a synthetic set. "
        "Repeat it for several data sets.", group=DATA, metavar="FOLDER", completes=("demo", FILES), repeated=True,
    )  # fmt: skip
    model: str = option(
        ALL, f"Networks to train, separated by commas: cnn, vgg; with the extra imagenet also {', '.join(PUBLISHED)}; "
        "or all, without the two larger ones.", group=DATA, metavar="NAMES", completes=(*NETWORKS, ALL), several=True,
    )  # fmt: skip
    preset: str = option(
        AUTO, "Values of options not given: full is for a GPU, quick for two CPU cores; auto looks for a GPU.",
        choices=(AUTO, *PRESETS), group=DATA,
    )  # fmt: skip
    extra: str = option(
        "",
        "A data set for training only: none of its images are in the validation or test part. Can be repeated.",
        group=DATA, metavar="FOLDER", completes=(FILES,), repeated=True,
    )  # fmt: skip
    diagnoses: str = diagnoses_option("", unset=f"that of --start-from MODEL, or {HAM10000.name}", group=DATA)
    labels: str = labels_option(group=DATA)
    start_from: str = option(
        "", "Model whose weights training starts from: a bundle's folder, models:/NAME@ALIAS, models:/NAME/VERSION, "
        "pretrained or imagenet; a model also sets the default --diagnoses, network, width, size, rate, --keep and "
        "--mirrored.",
        group=DATA, metavar="MODEL", completes=(FOLDERS, "imagenet", "pretrained", MODELS),
        unset="imagenet for efficientnet and the larger ones, random weights for the others",
    )  # fmt: skip
    last_layer: str = option(
        "kept", "Whether the last layer of --start-from is kept, or refitted to the training images.",
        choices=("kept", "refitted"), group=DATA, needs="--start-from MODEL",
    )  # fmt: skip
    image_size: int = option(
        None, "Height and width in pixels that images are scaled to.", kind=int, low=16, high=1024, unset=OF_PRESET,
        group=TRAINING_IMAGES,
    )  # fmt: skip
    small_first: float = option(
        None, "Share of the epochs, the first ones, that train on images of two thirds of that size, which is faster.",
        kind=float, low=0, high=0.9, unset=OF_PRESET, group=TRAINING_IMAGES,
    )  # fmt: skip
    epochs: int = option(None, "Maximum number of epochs.", kind=int, low=1, high=1000, unset=OF_PRESET, group=FIT)
    batch_size: int = option(None, "Images per step.", kind=int, low=1, high=65_536, unset=OF_PRESET, group=FIT)
    learning_rate: float = option(
        None, "Peak learning rate, reached after the warm-up.", kind=float, low=1e-9, high=10, unset=OF_PRESET,
        group=FIT,
    )  # fmt: skip
    weight_decay: float = option(None, "Weight decay of AdamW.", kind=float, low=0, high=10, unset=OF_PRESET, group=FIT)
    balance: str = option(
        None, "How strongly rare diagnoses are oversampled in training.", kind=str, choices=tuple(BALANCES),
        unset=OF_PRESET, group=TRAINING_IMAGES,
    )  # fmt: skip
    loss: str = option("cross-entropy", "Loss function.", choices=LOSSES, group=FIT)
    label_smoothing: float = option(
        None, "Share of each label spread over all diagnoses.", kind=float, low=0, high=0.9, unset=OF_PRESET, group=FIT
    )
    mixup: float = option(
        None, "Blend pairs of training images, by shares from Beta(mixup, mixup); 0: none.", kind=float, low=0, high=10,
        unset=OF_PRESET, group=TRAINING_IMAGES,
    )  # fmt: skip
    augmentation: float = option(
        1.0, "Strength of random zooms, shifts and colours; 0 keeps flips.", low=0, high=3, group=TRAINING_IMAGES
    )
    quality: float = option(
        0.0,
        "Strength of random white balance, softness and JPEG compression; 0: none.",
        low=0,
        high=1.5,
        group=TRAINING_IMAGES,
    )
    consistency: float = option(
        0.0, "Weight of the difference between the answers to two views of each image; 0: one view.", low=0, high=100,
        group=FIT,
    )  # fmt: skip
    teacher: str = option(
        "", "Model to distil, by its answers averaged over each image's flips and turns, in addition to the labels: a "
        "bundle's folder, models:/NAME@ALIAS, models:/NAME/VERSION or pretrained.", group=FIT, metavar="MODEL",
        unset="labels alone", completes=(FOLDERS, "pretrained", MODELS),
    )  # fmt: skip
    teacher_share: float = option(
        0.5, "Weight of --teacher in the targets.", low=0, high=1, group=FIT, needs="--teacher MODEL"
    )
    mirrored: bool = option(
        None,
        "Export a model that averages over an image and its mirror image: mirroring never changes a call; takes twice "
        "the time.", kind=bool, unset=OF_PRESET, group=FIT,
    )  # fmt: skip
    averaging: float = option(
        0.999, "Decay of a moving average of the weights, reduced in short trainings; 0: none.", low=0,
        high=0.99999, group=FIT,
    )  # fmt: skip
    width: float = option(
        None, "Factor for the channels of cnn and vgg.", kind=float, low=0.1, high=8,
        unset="1.0, or that of --start-from MODEL", group=FIT,
    )  # fmt: skip
    patience: int = option(
        15, "Epochs without better validation balanced accuracy before stopping; with --keep last, all are trained.",
        low=1, high=1000, group=FIT,
    )  # fmt: skip
    keep: str = option(
        None, "Epoch whose weights are kept: the one with the best validation balanced accuracy, or the last one.",
        kind=str, choices=("best", "last"), unset="best, and from a trained model last", group=FIT,
    )  # fmt: skip
    precision: str = option(
        "auto", "Floating-point precision; auto uses a mixed one where that is faster.", choices=PRECISIONS, group=FIT
    )
    validation_fraction: float = option(
        0.15, "Share of lesions for choosing the epoch and the champion.", low=0.01, high=0.8, group=SPLIT
    )
    test_fraction: float = option(0.15, "Share of lesions looked at once, at the end.", low=0.01, high=0.8, group=SPLIT)
    folds: int = option(
        0, "Number of cross-validation folds: as many other models are trained first, each measured on lesions that it "
        "has not seen; 0: none.", low=3, high=20, zero=True, group=SPLIT,
    )  # fmt: skip
    malignant_sensitivity: float = option(
        0.95, "Sensitivity to malignant validation images at the operating point.", low=0.5, high=1,
        group=SPLIT,
    )  # fmt: skip
    call: float = option(
        1.0, "How strongly the call corrects for the frequencies of the diagnoses: 0 calls the most probable one, 1 "
        "the one most probable if all were equally frequent.", low=0, high=1, group=SPLIT,
    )  # fmt: skip
    refer_share: float = option(0.1, "Share of validation images referred as uncertain.", low=0, high=0.9, group=SPLIT)
    seed: int = option(
        0, "Seed of the split, the sampler, the weights and the augmentation.", low=0, high=2**31 - 1, group=REPEATING
    )
    deterministic: bool = option(False, "Same results every time on the same machine; slower.", group=REPEATING)

    def __post_init__(self) -> None:
        for name in ("data", "extra"):  # from Python, several can be given as a list
            if isinstance(getattr(self, name), list | tuple):
                object.__setattr__(self, name, SEPARATOR.join(map(str, getattr(self, name))))
        super().__post_init__()
        if self.diagnoses:
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
        if self.start_from == IMAGENET and not set(self.networks) <= set(PUBLISHED):
            raise UsageError(
                f"--start-from imagenet: only {', '.join(PUBLISHED)} have such weights; give --model efficientnet"
            )
        if self.teacher == IMAGENET:
            raise UsageError(
                f"--teacher {IMAGENET}: ImageNet weights know no diagnoses to teach; they are for --start-from alone, "
                "a teacher is a trained model, such as pretrained"
            )
        if self.starts_from_bundle and len(self.networks) > 1 and ALL not in self.model.split(","):
            raise UsageError("--start-from: a model's weights are of one network; name one with --model")
        if self.validation_fraction + self.test_fraction > 0.9:
            raise UsageError(
                "--validation-fraction and --test-fraction leave less than a tenth for training; lower one"
            )
        if self.folds and self.validation_fraction + 1 / self.folds > 0.9:
            raise UsageError("--folds and --validation-fraction leave less than a tenth for training; make one smaller")

    @functools.cached_property
    def label_set(self) -> LabelSet:
        """The label set of `diagnoses`, as its file is when it is first asked for."""
        return read_label_set(self.diagnoses or HAM10000.name)

    @property
    def networks(self) -> tuple[str, ...]:
        """The names of the networks to train, each once."""
        named = [
            *(name for name in NETWORKS if ALL in self.model.split(",") and name not in LARGER),
            *(name for name in self.model.split(",") if name != ALL),
        ]
        return tuple(dict.fromkeys(named))

    @property
    def data_sets(self) -> tuple[str, ...]:
        """The locations of the data sets that are split."""
        return tuple(path for path in self.data.split(SEPARATOR) if path)

    @property
    def extra_sets(self) -> tuple[str, ...]:
        """The locations of the data sets that are only used for training."""
        return tuple(path for path in self.extra.split(SEPARATOR) if path)

    @property
    def starts_from_bundle(self) -> bool:
        """Whether training starts from the weights of a trained model."""
        return self.start_from not in ("", IMAGENET)

    @property
    def fractions(self) -> tuple[float, float, float]:
        """The shares of training, validation and test."""
        rest = 1 - self.validation_fraction - self.test_fraction
        return (rest, self.validation_fraction, self.test_fraction)

    @property
    def small_epochs(self) -> int:
        """How many epochs train on smaller images; never the last."""
        return min(round(self.small_first * self.epochs), self.epochs - 1)

    def resolved(self, network: str, preset: str, images: int = 0) -> TrainingConfig:
        """The configuration for one network, with the preset's values for options not given.

        images: how many there are to train on.
        """
        given = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        settings = preset_of(preset, network)
        if images >= MANY_IMAGES:
            settings |= PRESETS_OF_MANY.get((preset, network), {})
        if self.starts_from_bundle:
            settings |= FROM_A_MODEL
        filled = {name: value for name, value in settings.items() if given[name] is None}
        return dataclasses.replace(self, model=network, preset=preset, **filled)

    def believed_prior(self, labels: np.ndarray, classes: int) -> np.ndarray:
        """The prior that a network trained like this assumes: (classes,) float64, above 0.

        labels: of the training part, (images,) int64. A network believes what the sampler showed; the logit-adjusted
        loss has taken that out already.
        """
        if self.loss == "logit-adjusted":
            return np.full(classes, 1 / classes)
        return positive_shares(labels, self.balance, classes)

    @classmethod
    def from_parameters(cls, parameters: Mapping[str, str]) -> TrainingConfig:
        """Read a configuration from the text of its `parameters`; other names are ignored."""
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


CONFIG_FILE = "config.yaml"  # among a run's artifacts
NAME_KEYS = ("experiment", "registered_model")  # keys that are no field of the configuration, but belong to a training
_ELSEWHERE = ("tracking_uri", "cache", "resume", "config")  # of one machine, or of one call
_FIELDS = {field.name: field for field in dataclasses.fields(TrainingConfig)}


def read_settings(text: str, file: str) -> dict[str, Any]:
    """The values of a configuration file by option; names may have dashes.

    Every value is read as the command line would read it, whatever YAML takes it for: `1e-3` is a number, `no` a name.
    Raises `UsageError`, which names file, line and key, for what is unknown, doubled, of another type or out of range.
    """
    import yaml

    values: dict[str, Any] = {}
    for key, node in _entries(text, file):
        name, where = key.value.replace("-", "_"), f"{file}, line {key.start_mark.line + 1}"
        if name in _ELSEWHERE:
            raise UsageError(f"{where}: {key.value} belongs to the command line, as {option_name(name)}")
        if name not in _FIELDS and name not in NAME_KEYS:
            known = (*_FIELDS, *NAME_KEYS)
            hint = did_you_mean(name, known) or f"; choose from {', '.join(known)}"
            raise UsageError(f"{where}: unknown key {key.value!r}{hint}")
        if name in values:
            raise UsageError(f"{where}: {key.value} is given a second time; leave one out")
        value: Any = node.value
        if isinstance(node, yaml.SequenceNode) and name in _FIELDS and _FIELDS[name].metadata["repeated"]:
            value = SEPARATOR.join(str(each.value) for each in value)
        if not isinstance(value, str):
            raise UsageError(
                f"{where}: {key.value} is a list or a table; write one value, several names with commas between"
            )
        if not value:
            raise UsageError(f"{where}: {key.value} has no value; write one, or leave the line out")
        try:
            values[name] = read_option(_FIELDS[name], value) if name in _FIELDS else value
        except UsageError as error:
            raise UsageError(f"{where}: {key.value}: {error}") from None
    try:
        TrainingConfig(**{name: value for name, value in values.items() if name in _FIELDS})
    except UsageError as error:  # values that do not go together
        raise UsageError(f"{file}: {error}") from None
    return values


def settings_text(config: TrainingConfig, names: Mapping[str, str], about: str) -> str:
    """The file that `read_settings` reads this configuration from; about: a line to begin with.

    Data that are no built-in set are where they were: the path is a whole one.
    """
    import yaml

    values: dict[str, Any] = config.parameters() | dict(names)
    for name in ("start_from", "teacher", "labels"):
        named = str(values.get(name, PRETRAINED))
        if named not in (IMAGENET, PRETRAINED):  # nor an address, which is no path that is there
            values |= {name: _whole(named, name)} if path_here(named, option_name(name)).exists() else {}
    if config.diagnoses and not built_in_set(config.diagnoses):
        values["diagnoses"] = _whole(config.diagnoses, "diagnoses")
    for name, given in (("data", config.data_sets), ("extra", config.extra_sets)):
        whole = [path if path == "demo" else _whole(path, name) for path in given]
        values |= {name: whole if len(whole) > 1 else whole[0]} if whole else {}
    return f"# {about}\n" + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _whole(given: str, name: str) -> str:
    """The absolute path of what an option names, without `..`; links stay where that means the same."""
    path = path_here(given, option_name(name))
    plain, real = os.path.abspath(path), os.path.realpath(path)
    return plain if os.path.realpath(plain) == real else real


def _entries(text: str, file: str) -> list[tuple[yaml.ScalarNode, yaml.Node]]:
    """The keys and values of the file, as nodes, which know their lines; nothing of it is made into objects."""
    import yaml

    try:
        root = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UsageError(f"{file}{line}: not YAML: {error.problem}") from None
    except (yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{file}: not YAML: {(str(error).splitlines() or ['nested too deeply'])[0]}") from None
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode) or not all(isinstance(key, yaml.ScalarNode) for key, _ in root.value):
        raise UsageError(f"{file}: write a line for each option, such as 'epochs: 20'")
    return list(root.value)
