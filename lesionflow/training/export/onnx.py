"""From a trained Keras network to a bundle: the exported graph has to say what the network says."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lesionflow.errors import TrainingError
from lesionflow.model.card import KERAS_FILE, ONNX_FILE, Card, sha256, write_card
from lesionflow.model.decision import softmax
from lesionflow.training.backend import exports_through_tensorflow
from lesionflow.training.export.float16_weights import round_weights, store_halves
from lesionflow.training.export.mirrored import average_mirrored
from lesionflow.training.export.ood_distance import add_distance

if TYPE_CHECKING:
    import keras

    from lesionflow.datasets.split import Split

PARITY_TOLERANCE = 1e-4  # largest difference of a probability between the exported graph and Keras
PARITY_SAMPLES = 32


def write_bundle(
    folder: Path,
    network: keras.Model,
    card: Card,
    pixels: np.ndarray,
    labels: np.ndarray,
    split: Split,
    *,
    mirrored: bool = False,
) -> Card:
    """Export a trained network and its card into a new folder; returns the card with digests.

    pixels: (images, height, width, 3) uint8; labels: (images,). The network's weights are rounded, in place, to what
    the graph stores. The graph has to agree with Keras on images of the validation part, and learns from the training
    part what is familiar. mirrored: the graph averages over each image and its mirror image. Raises `TrainingError`
    where a probability differs by `PARITY_TOLERANCE` or more.
    """
    folder.mkdir(parents=True)
    round_weights(network)
    network.save(folder / KERAS_FILE)
    _export(network, folder)
    add_distance(folder / ONNX_FILE, pixels, labels, split.train)
    if mirrored:
        average_mirrored(folder / ONNX_FILE)
    _store_halves(folder / ONNX_FILE)
    samples = np.asarray(pixels[split.validation[:PARITY_SAMPLES]])
    difference = _largest_difference(network, (folder / ONNX_FILE).read_bytes(), samples, mirrored)
    if not difference < PARITY_TOLERANCE:  # so written, a NaN fails too
        raise TrainingError(
            f"the exported graph differs from Keras by {difference:.2g} in a probability, "
            f"{PARITY_TOLERANCE:g} is allowed; this is a fault of the export, please report it"
        )
    card = dataclasses.replace(
        card,
        training=card.training | {"export_difference": difference},
        digests={name: sha256((folder / name).read_bytes()) for name in (ONNX_FILE, KERAS_FILE)},
    )
    return write_card(folder, card)


def _export(network: keras.Model, folder: Path) -> None:
    import keras

    if keras.backend.backend() == "tensorflow" or not exports_through_tensorflow():
        export_onnx(network, folder)
        return
    # Whoever trains on another backend borrows TensorFlow in a process of its own.
    command = [
        sys.executable,
        "-c",
        "import sys; from lesionflow.training.export.onnx import _export_saved; _export_saved(sys.argv[1])",
    ]
    done = subprocess.run(
        [*command, str(folder)], env=os.environ | {"KERAS_BACKEND": "tensorflow"}, capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TrainingError(f"export to ONNX through TensorFlow failed ({last}); reinstall tensorflow and tf2onnx")


def _export_saved(folder: str) -> None:
    import keras

    export_onnx(keras.models.load_model(Path(folder) / KERAS_FILE), Path(folder))


def export_onnx(network: keras.Model, folder: Path) -> None:
    """Write a Keras network as `model.onnx`: (batch, height, width, 3) float32 to (batch, classes) logits."""
    import keras

    network(keras.ops.zeros((1, *network.input_shape[1:])))  # Keras exports only what has been called
    with warnings.catch_warnings():  # converters warn of their own workings; the parity gate says whether they matter
        warnings.simplefilter("ignore")
        network.export(str(folder / ONNX_FILE), format="onnx", verbose=False)
    _in_one_file(folder / ONNX_FILE)


def _in_one_file(file: Path) -> None:
    """Put weights that an exporter wrote beside the graph into it, so that the graph's digest is of them too."""
    import onnx

    beside = file.with_name(f"{file.name}.data")
    if beside.exists():
        onnx.save(onnx.load(str(file)), str(file))
        beside.unlink()


def _store_halves(file: Path) -> None:
    import onnx

    model = onnx.load(str(file))
    store_halves(model)
    onnx.checker.check_model(model)
    file.write_bytes(model.SerializeToString())


def _largest_difference(network: keras.Model, graph: bytes, samples: np.ndarray, mirrored: bool = False) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    images = samples.astype(np.float32)  # (images, height, width, 3)
    exported = session.run(None, {session.get_inputs()[0].name: images})[0]
    seen = [images, images[:, :, ::-1]] if mirrored else [images]
    original = np.mean([network.predict(view, verbose=0) for view in seen], axis=0)
    return float(np.abs(softmax(exported) - softmax(original)).max())
