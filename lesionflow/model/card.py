"""The card: what a bundle says about itself, as JSON that is validated field by field."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lesionflow.diagnoses import HAM10000, LabelSet, labels_from_json
from lesionflow.errors import BundleError, UsageError, counted, os_errors_as
from lesionflow.images import PIXELS_VERSION, READ_PIXELS_VERSIONS
from lesionflow.storage.location import is_no_folder

CARD_FILE, ONNX_FILE, KERAS_FILE = "card.json", "model.onnx", "model.keras"
VALIDATION_FILE = "validation.npz"  # what the model says of the validation part: comparisons rest on it
ABOUT_FILE = "model.json"  # of an export for another runtime, which has no card
LEAK = "LEAK"  # the first word of a warning that measured images trained a model
TRAINED_ON_FILE = "trained_on.npz"  # digests of lesions and images of the training part: leaks are found with it
HASHES_FILE = "perceptual_hashes.npz"  # of the same images: so are copies that were saved again under other names
# Names of inputs and outputs, of a bundle's graph and of files for other runtimes.
IMAGE, PROBABILITIES, DISTANCE = "image", "probabilities", "distance"
DIGESTED_FILES = (ONNX_FILE, KERAS_FILE, VALIDATION_FILE, TRAINED_ON_FILE, HASHES_FILE)
CARD_FORMAT = 4  # what is written is always the newest
READ_FORMATS = (2, 3, CARD_FORMAT)  # 2 had no licence, and up to 3 the diagnoses were always the seven of HAM10000
CROSS_VALIDATION = "cross_validation"  # among metrics: not the model's, but of others that were trained as it was
SINGLE, AVERAGED = "single", "tta"  # one look at an image; the average of its flips and quarter turns


class Estimate(NamedTuple):
    """A value and the bounds of its 95 % interval, which are NaN if it rests on too few lesions."""

    value: float
    low: float
    high: float


def strict_json(value: Any, digits: int | None = None) -> Any:
    """Values for strict JSON: records by name, no arrays or NumPy numbers, null for NaN and infinity.

    digits: to which floating-point numbers are rounded; all unless given.
    """
    if dataclasses.is_dataclass(value):
        value = vars(value)
    elif hasattr(value, "_asdict"):  # a named tuple
        value = value._asdict()
    if isinstance(value, Mapping):
        return {str(name): strict_json(item, digits) for name, item in value.items()}
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [strict_json(item, digits) for item in value]
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value)
    if isinstance(value, (float, np.floating)):
        number = float(value) if digits is None else float(f"{value:.{digits}g}")
        return number if math.isfinite(number) else None
    if value is None:
        return None
    return str(value).encode("utf-8", "replace").decode()  # a file's name can hold what is no text


@dataclass(frozen=True)
class Calibration:
    """Turns a network's outputs into probabilities and decisions; fitted by `evaluation.calibration`."""

    temperature: float = 1.0  # logits are divided by it
    logit_offsets: tuple[float, ...] = ()  # and these are added, a correction of the prior; zeros unless given
    malignant_threshold: float = 0.5  # from this malignant probability on, an image is called malignant
    uncertain_below: float = 0.0  # a call whose probability is lower is referred
    unfamiliar_above: float | None = None  # an image farther from the training images is referred
    figures: dict[str, float] = field(default_factory=dict)  # how well it fits, on the validation part
    call_strength: float = 1.0  # of the call's correction for the prior: 0 calls the most probable diagnosis


@dataclass(frozen=True)
class Card:
    """What a bundle says about itself."""

    network: str  # its name, as `--model` of a training has it
    height: int  # of the input, in pixels
    width: int  # the same
    data_name: str  # of the folder that the training images came from, or demo
    data_digest: str  # of their ids, diagnoses and bytes
    demo: bool  # whether they are synthetic
    split_digest: str  # of which image is in which part of the split
    split_seed: int  # what the split was drawn with
    split_fractions: tuple[float, float, float]  # the shares of lesions in training, validation and test
    prior: tuple[float, ...] = ()  # each diagnosis's share of the training images; equal ones unless given
    # of single and tta
    calibrations: dict[str, Calibration] = field(default_factory=lambda: {SINGLE: Calibration()}, repr=False)
    metrics: dict[str, dict[str, Estimate]] = field(default_factory=dict, repr=False)  # part -> metric -> value
    training: dict[str, Any] = field(default_factory=dict, repr=False)  # the configuration and what came of it
    versions: dict[str, str] = field(default_factory=dict, repr=False)  # of the packages that it was trained with
    licence: str = ""  # of the training images, where it is known; it binds the use of the model
    labels: LabelSet = field(default=HAM10000, repr=False)  # the diagnoses, in the order of the outputs
    pixels_version: int = PIXELS_VERSION  # of how images become pixels; 1 and 2 differ little, others are refused
    format: int = CARD_FORMAT  # of the card itself
    digests: dict[str, str] = field(default_factory=dict, repr=False)  # file name -> SHA-256
    digest: str = ""  # SHA-256 of all the other fields: the identity of the bundle

    def __post_init__(self) -> None:
        number = len(self.labels)
        if self.prior == ():
            object.__setattr__(self, "prior", (1 / number,) * number)
        zeros = (0.0,) * number
        whole = {
            mode: dataclasses.replace(each, logit_offsets=zeros) if each.logit_offsets == () else each
            for mode, each in self.calibrations.items()
        }
        object.__setattr__(self, "calibrations", whole)

    @property
    def classes(self) -> tuple[str, ...]:
        """The short names of the diagnoses, in the order of the outputs."""
        return self.labels.names

    @property
    def data_names(self) -> list[str]:
        """The names of the training data's sources if there were several, otherwise the name of its folder."""
        names = [dataset_name(str(source["name"])) for source in self.training.get("sources", ())]
        return names if len(names) > 1 else [self.data_name]

    @property
    def data_told(self) -> str:
        """The same as a text."""
        return ", ".join(self.data_names)

    @property
    def measured_like(self) -> list[str]:
        """The same without sources that only trained: the prior has the frequencies of the others."""
        sources = self.training.get("sources", ())
        names = [dataset_name(str(source["name"])) for source in sources if not source["training_only"]]
        return names if len(sources) > 1 else [self.data_name]

    def measured_on(self, part: str) -> list[str]:
        """The same of sources with images in a part of the split."""
        sources = self.training.get("sources", ())
        names = [dataset_name(str(source["name"])) for source in sources if source["images"][part]]
        return names if len(sources) > 1 else [self.data_name]

    @property
    def leaks(self) -> list[str]:
        """What training said of models it built on that had seen images of its validation or test part."""
        return [text for text in self.training.get("warnings", ()) if text.startswith(LEAK)]

    @property
    def split_by(self) -> str:
        """What is on one side of the split as a whole: lesion or patient."""
        return str(self.training.get("split_by", "lesion"))

    @property
    def split_limit(self) -> str:
        """How far that is known, to be said wherever it is: empty if it is of all images."""
        unknown = [source.get("not_known", {}) for source in self.training.get("sources", ())]
        count = sum(each.get(f"{self.split_by}_id", 0) for each in unknown)
        return f" as far as known (of {counted(count, 'image')} the {self.split_by} is not)" if count else ""

    @property
    def label(self) -> str:
        """The name of an unregistered bundle in reports and messages."""
        return f"{self.network}@{self.digest[:12]}"

    @property
    def full_label(self) -> str:
        """The same with the whole digest, which identifies the bundle."""
        return f"{self.network}@{self.digest}"

    @property
    def marked_label(self) -> str:
        """The label, with demo data marked."""
        return self.label + (" (demo data)" if self.demo else "")


def dataset_name(source: str) -> str:
    """The usual name of a data set, if its folder's name shows which it is."""
    return "HAM10000" if "ham10000" in source.lower() else source


def write_card(folder: Path, card: Card) -> Card:
    """Write the card atomically; returns it with its own digest."""
    card = dataclasses.replace(card, format=CARD_FORMAT)
    card = dataclasses.replace(card, digest=_card_digest(_values(card)))
    partial = folder / f"{CARD_FILE}.partial"
    partial.write_text(json.dumps(_values(card), indent=2, sort_keys=True) + "\n")
    os.replace(partial, folder / CARD_FILE)
    return card


def _values(card: Card) -> dict[str, Any]:
    metrics = {
        part: {name: strict_json(tuple(each)) for name, each in found.items()}  # without the names, to be short
        for part, found in card.metrics.items()
    }
    return dataclasses.asdict(card) | {"metrics": metrics}


def read_card(folder: Path) -> Card:
    """Read and verify only the card of a bundle. Raises `BundleError`."""
    if is_no_folder(folder):
        raise BundleError(f"{folder}: no such bundle folder")
    try:
        content = read_file(folder / CARD_FILE)
    except BundleError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            exported = "this is an export of a model; " if (folder / ABOUT_FILE).is_file() else ""
            told = f"{error}: {exported}name the folder of one, models:/NAME@ALIAS or pretrained"
            raise BundleError(told) from error.__cause__
        raise
    return parse_card(content, str(folder / CARD_FILE))


def parse_card(content: bytes, file: str) -> Card:
    """Verify the content of a card; file: its name in messages. Raises `BundleError`."""
    try:
        values = json.loads(content.decode("utf-8"))
        recorded = values["digest"]
        if values["format"] not in READ_FORMATS:
            raise BundleError(
                f"{file}: format {values['format']!r}, this lesionflow reads {' and '.join(map(str, READ_FORMATS))}; "
                "use the one that wrote it, or train the model again"
            )
        if recorded != _card_digest(values):
            raise BundleError(f"{file}: altered since it was trained (digest differs); restore or retrain it")
        card = _card(values)
        _check(card)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, UsageError) as error:
        raise BundleError(
            f"{file}: not the card of a bundle ({type(error).__name__}: {error}); restore or retrain it"
        ) from error
    return card


def read_file(file: Path) -> bytes:
    """The content of one of a bundle's files. Raises `BundleError`."""
    with os_errors_as(BundleError, f"{file}: cannot be read", "a bundle needs it"):
        return file.read_bytes()


def sha256(content: bytes) -> str:
    """The digest of a file, as recorded in a card."""
    return hashlib.sha256(content).hexdigest()


def _card(values: dict[str, Any]) -> Card:
    values["labels"] = _labels(values)
    for name in ("split_fractions", "prior"):
        values[name] = tuple(values[name])
    if not values["prior"] or not all(fields["logit_offsets"] for fields in values["calibrations"].values()):
        raise ValueError("a prior or offsets of logits are empty")
    values["calibrations"] = {
        mode: Calibration(**(fields | {"logit_offsets": tuple(fields["logit_offsets"])}))
        for mode, fields in values["calibrations"].items()
    }
    values["metrics"] = {
        part: {
            name: Estimate(*(math.nan if number is None else number for number in values))
            for name, values in metrics.items()
        }
        for part, metrics in values["metrics"].items()
    }
    return Card(**values)


def _labels(values: dict[str, Any]) -> LabelSet:
    """The label set of a card; before format 4, cards had only the names, which were always the same."""
    if values["format"] == CARD_FORMAT:
        return labels_from_json(values["labels"])
    if "labels" in values or tuple(values.pop("classes")) != HAM10000.names:
        raise ValueError(f"a card of format {values['format']} has the classes {', '.join(HAM10000.names)}")
    return HAM10000


def _check(card: Card) -> None:
    """Refuse an invalid card even if its digest matches: anyone can write a card with a matching digest."""
    _check_kinds(card)
    if card.pixels_version not in READ_PIXELS_VERSIONS:
        readable = " and ".join(map(str, READ_PIXELS_VERSIONS))
        raise ValueError(f"trained on pixels of version {card.pixels_version}, this one decodes {readable}")
    if not all(1 <= side <= 4096 for side in (card.height, card.width)):
        raise ValueError(f"input of {card.height} x {card.width} pixels")
    if len(card.split_fractions) != 3 or not _numbers(*card.split_fractions):
        raise ValueError("fractions of the split have to be finite numbers, one per part")
    if len(card.prior) != len(card.labels) or not _numbers(*card.prior) or min(card.prior) <= 0:
        raise ValueError("the prior has to be a number above 0 for each diagnosis")
    if SINGLE not in card.calibrations:
        raise ValueError("it has no calibration")
    for calibration in card.calibrations.values():
        _check_calibration(calibration, len(card.labels))
    found = [each for metrics in card.metrics.values() for each in metrics.values()]
    if not _numbers(*(each.value for each in found), *(end for each in found for end in each[1:] if end == end)):
        raise ValueError("metrics have to be finite numbers: the value and the ends of its interval")
    if not all(isinstance(value, str) for value in (*card.digests.values(), *card.versions.values())):
        raise ValueError("digests and versions have to be text")
    if ONNX_FILE not in card.digests or not set(card.digests) <= set(DIGESTED_FILES):
        raise ValueError(f"digests of {sorted(card.digests)}")


def _check_calibration(calibration: Calibration, diagnoses: int) -> None:
    _check_kinds(calibration)
    if len(calibration.logit_offsets) != diagnoses or not _numbers(*calibration.logit_offsets):
        raise ValueError("logit offsets have to be finite numbers, one per diagnosis")
    thresholds = (calibration.malignant_threshold, calibration.uncertain_below, calibration.unfamiliar_above or 0.0)
    if not _numbers(calibration.temperature, *thresholds, *calibration.figures.values()):
        raise ValueError("temperature, thresholds and metrics of a calibration have to be finite numbers")
    if not _numbers(calibration.call_strength) or not 0 <= calibration.call_strength <= 1:
        raise ValueError("the strength of the call has to be a number from 0 to 1")
    if calibration.temperature <= 0:
        raise ValueError(f"temperature {calibration.temperature}")


_KINDS: dict[str, Any] = {
    "str": str, "int": int, "bool": bool, "float": (float, int), "tuple": tuple, "dict": dict,
    "float | None": (float, int, type(None)), "LabelSet": LabelSet,
}  # fmt: skip


def _check_kinds(values: Any) -> None:
    for each in dataclasses.fields(values):
        value, kind = getattr(values, each.name), str(each.type).partition("[")[0]
        if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "bool"):
            raise ValueError(f"{each.name} is of type {type(value).__name__}, not {each.type}")


def _numbers(*values: object) -> bool:
    """Whether all are finite numbers that a float can hold, which huge integers are not."""
    return all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and -1e300 < value < 1e300 for value in values
    )


def _card_digest(values: dict[str, Any]) -> str:
    rest = {name: value for name, value in values.items() if name != "digest"}
    return sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode())
