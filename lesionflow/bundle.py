"""A bundle: a trained model on disk, as `model.onnx`, `model.keras` and `card.json`.

Scoring reads the graph and the card alone. Neither can carry code, and both are checked against digests first.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lesionflow.data.pixels import PIXELS_VERSION
from lesionflow.diagnoses import DIAGNOSES
from lesionflow.errors import BundleError, TrainingError

if TYPE_CHECKING:
    import keras
    import numpy as np

CARD_FILE, ONNX_FILE, KERAS_FILE = "card.json", "model.onnx", "model.keras"
CARD_FORMAT = 1
PARITY_TOLERANCE = 1e-4  # largest difference of a probability between the exported graph and Keras


@dataclass(frozen=True)
class Card:
    """What a bundle says about itself."""

    network: str
    height: int  # of the input, in pixels
    width: int
    data_name: str
    data_digest: str
    demo: bool
    split_digest: str
    split_seed: int
    split_fractions: tuple[float, float, float]
    temperature: float = 1.0  # logits are divided by it
    logit_offsets: tuple[float, ...] = (0.0,) * len(DIAGNOSES)  # and these are added, a correction of the prior
    thresholds: dict[str, float] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)  # part of the split -> metric -> value
    training: dict[str, Any] = field(default_factory=dict)  # the configuration and what came of it
    versions: dict[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] = DIAGNOSES
    pixels_version: int = PIXELS_VERSION
    format: int = CARD_FORMAT
    digests: dict[str, str] = field(default_factory=dict)  # file name -> SHA-256
    digest: str = ""  # SHA-256 of all the other fields: the identity of the bundle

    @property
    def label(self) -> str:
        """How reports and messages name a bundle that no registry has named."""
        return f"{self.network}@{self.digest[:12]}"


def write_bundle(folder: Path, network: keras.Model, card: Card, samples: np.ndarray) -> Card:
    """Export a trained network and its card into a new folder; returns the card with digests.

    samples: (images, height, width, 3) uint8, real inputs on which the exported graph has to agree with Keras. Raises
    `TrainingError` where a probability differs by `PARITY_TOLERANCE` or more.
    """
    folder.mkdir(parents=True)
    network.save(folder / KERAS_FILE)
    _export(network, folder)
    difference = _largest_difference(network, (folder / ONNX_FILE).read_bytes(), samples)
    if not difference < PARITY_TOLERANCE:  # so written, a NaN fails too
        raise TrainingError(
            f"the exported graph differs from Keras by {difference:.2g} in a probability, "
            f"{PARITY_TOLERANCE:g} is allowed; this is a fault of the export, please report it"
        )
    card = dataclasses.replace(
        card,
        training=card.training | {"export_difference": difference},
        digests={name: _sha256((folder / name).read_bytes()) for name in (ONNX_FILE, KERAS_FILE)},
    )
    return write_card(folder, card)


def write_card(folder: Path, card: Card) -> Card:
    """Write the card, whole or not at all; returns it with its own digest."""
    card = dataclasses.replace(card, digest=_card_digest(dataclasses.asdict(card)))
    partial = folder / f"{CARD_FILE}.partial"
    partial.write_text(json.dumps(dataclasses.asdict(card), indent=2, sort_keys=True) + "\n")
    os.replace(partial, folder / CARD_FILE)
    return card


def read_bundle(folder: str | os.PathLike[str]) -> tuple[Card, bytes]:
    """Read and verify a bundle; returns its card and the bytes of its ONNX graph.

    The bytes returned are the ones that were checked. Raises `BundleError` for a missing or altered file, an unknown
    format, other diagnoses or another decoder than this version's.
    """
    folder = Path(folder)
    card = read_card(folder)
    graph = b""
    for name, digest in card.digests.items():
        if name != ONNX_FILE and not (folder / name).exists():
            continue  # only training on needs it, and a registry is not asked to send what scoring does not read
        content = _read(folder / name)
        if _sha256(content) != digest:
            raise BundleError(f"{folder / name}: altered since it was trained (digest differs); restore or retrain it")
        if name == ONNX_FILE:
            graph = content
    return card, graph


def read_card(folder: Path) -> Card:
    """Read and verify a bundle's card alone."""
    file = folder / CARD_FILE
    if not folder.is_dir():
        raise BundleError(f"{folder}: no such bundle folder")
    try:
        values = json.loads(_read(file).decode("utf-8"))
        recorded = values["digest"]
        if values["format"] != CARD_FORMAT:
            raise BundleError(f"{file}: format {values['format']!r}, this version reads {CARD_FORMAT}; use a newer one")
        if recorded != _card_digest(values):
            raise BundleError(f"{file}: altered since it was trained (digest differs); restore or retrain it")
        for name in ("split_fractions", "logit_offsets", "classes"):
            values[name] = tuple(values[name])
        card = Card(**values)
        _check(card)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise BundleError(f"{file}: not the card of a bundle ({type(error).__name__}: {error})") from error
    return card


def _check(card: Card) -> None:
    """Refuse what a matching digest alone would let through: a card that somebody wrote with a digest of their own."""
    for each in dataclasses.fields(card):
        value, kind = getattr(card, each.name), str(each.type).partition("[")[0]
        if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "bool"):
            raise ValueError(f"{each.name} is a {type(value).__name__}, not a {each.type}")
    if card.classes != DIAGNOSES:
        raise ValueError(f"classes are {card.classes}, this version knows {DIAGNOSES}")
    if card.pixels_version != PIXELS_VERSION:
        raise ValueError(f"trained on pixels of version {card.pixels_version}, this one decodes {PIXELS_VERSION}")
    if not all(1 <= side <= 4096 for side in (card.height, card.width)):
        raise ValueError(f"input of {card.height} x {card.width} pixels")
    if len(card.logit_offsets) != len(DIAGNOSES) or not _numbers(card.temperature, *card.logit_offsets):
        raise ValueError("temperature and logit offsets have to be finite numbers, an offset a diagnosis")
    if card.temperature <= 0:
        raise ValueError(f"temperature {card.temperature}")
    if len(card.split_fractions) != 3 or not _numbers(*card.split_fractions, *card.thresholds.values()):
        raise ValueError("fractions of the split and thresholds have to be finite numbers, a fraction a part")
    if not all(isinstance(metrics, dict) for metrics in card.metrics.values()):
        raise ValueError("metrics have to be numbers by name, by part of the split")
    if not all(isinstance(value, str) for value in (*card.digests.values(), *card.versions.values())):
        raise ValueError("digests and versions have to be text")
    if ONNX_FILE not in card.digests or not set(card.digests) <= {ONNX_FILE, KERAS_FILE}:
        raise ValueError(f"digests of {sorted(card.digests)}")


_KINDS: dict[str, Any] = {"str": str, "int": int, "bool": bool, "float": (float, int), "tuple": tuple, "dict": dict}


def _numbers(*values: object) -> bool:
    """Whether all are finite numbers; an integer of hundreds of digits, which no float can hold, is none."""
    return all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and -1e300 < value < 1e300 for value in values
    )


def _card_digest(values: dict[str, Any]) -> str:
    rest = {name: value for name, value in values.items() if name != "digest"}
    return _sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode())


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BundleError(f"{file}: cannot be read ({error.strerror}); a bundle needs it") from error


def _export(network: keras.Model, folder: Path) -> None:
    import keras

    if keras.backend.backend() == "tensorflow":
        export_onnx(network, folder)
        return
    # Keras exports ONNX through TensorFlow; whoever trains on another backend borrows it in a process of its own.
    command = [
        sys.executable,
        "-c",
        "import sys; from lesionflow.bundle import _export_saved; _export_saved(sys.argv[1])",
    ]
    done = subprocess.run(
        [*command, str(folder)],
        env=os.environ | {"KERAS_BACKEND": "tensorflow"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TrainingError(f"export to ONNX failed ({last}); it needs tensorflow and tf2onnx beside the backend")


def _export_saved(folder: str) -> None:
    import keras

    export_onnx(keras.models.load_model(Path(folder) / KERAS_FILE), Path(folder))


def export_onnx(network: keras.Model, folder: Path) -> None:
    """Write a Keras network as `model.onnx`: input (batch, height, width, 3) float32, output (batch, 7) logits."""
    import keras

    network(keras.ops.zeros((1, *network.input_shape[1:])))  # Keras exports only what has been called
    network.export(str(folder / ONNX_FILE), format="onnx", verbose=False)


def _largest_difference(network: keras.Model, graph: bytes, samples: np.ndarray) -> float:
    import numpy as np
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    images = samples.astype(np.float32)  # (images, height, width, 3)
    exported = session.run(None, {session.get_inputs()[0].name: images})[0]
    original = network.predict(images, verbose=0)
    return float(np.abs(softmax(exported) - softmax(original)).max())


def softmax(logits: np.ndarray) -> np.ndarray:
    """(images, classes) logits to probabilities, in float64."""
    import numpy as np

    logits = np.asarray(logits, dtype=np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
