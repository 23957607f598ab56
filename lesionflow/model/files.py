"""A bundle: a trained model on disk. `card.json` and `model.onnx` score; the other files compare and train on.

Scoring reads the graph and the card alone. Neither can carry code, and both are checked against digests first.
"""

from __future__ import annotations

import dataclasses
import io
import os
from pathlib import Path

import numpy as np

from lesionflow.defaults import SHIPPED_LICENCE
from lesionflow.errors import BundleError
from lesionflow.model.card import (
    CARD_FILE,
    CARD_FORMAT,
    HASHES_FILE,
    KERAS_FILE,
    ONNX_FILE,
    TRAINED_ON_FILE,
    VALIDATION_FILE,
    Card,
    read_card,
    read_file,
    sha256,
    write_card,
)
from lesionflow.storage.location import local_path

PRETRAINED = "pretrained"  # in place of a model's name: the bundle that comes with lesionflow
PRETRAINED_FOLDER = Path(__file__).parents[1] / PRETRAINED  # which scripts/train_pretrained.sh fills
NOT_SHIPPED = (KERAS_FILE, VALIDATION_FILE)  # of the shipped bundle, which has to be small: what scoring does not read
# of any bundle, as not everybody may pass on what they tell of single images: ids and answers, a little of each picture
REMOVABLE = (VALIDATION_FILE, HASHES_FILE)


def read_bundle(folder: str | os.PathLike[str]) -> tuple[Card, bytes]:
    """Read and verify a bundle; returns its card and the bytes of its ONNX graph.

    The bytes returned are the ones that were checked. Raises `BundleError` for a missing or altered file, an unknown
    format, other diagnoses or another decoder than this version's.
    """
    folder = Path(folder)
    card = read_card(folder)
    # Only further training needs the Keras file, and a registry need not send what scoring does not read.
    if KERAS_FILE in card.digests and (folder / KERAS_FILE).exists():
        _checked(folder, card, KERAS_FILE)
    return card, _checked(folder, card, ONNX_FILE)


def check_whole(folder: Path) -> Card:
    """Verify every file that a bundle's card names; returns the card. Raises `BundleError`.

    The bundle that ships comes without `NOT_SHIPPED`, an early one without `TRAINED_ON_FILE` too, and so does what was
    exported from it or registered. `REMOVABLE` may be missing from any.
    """
    card = read_card(folder)
    not_shipped = NOT_SHIPPED if card.format == CARD_FORMAT else (*NOT_SHIPPED, TRAINED_ON_FILE)
    # They are absent on purpose only if all of the first are.
    left_out = REMOVABLE if any((folder / name).exists() for name in NOT_SHIPPED) else (*not_shipped, *REMOVABLE)
    for name in card.digests:
        if name not in left_out or (folder / name).exists():
            _checked(folder, card, name)
    return card


def write_arrays(folder: Path, card: Card, name: str, arrays: dict[str, np.ndarray]) -> Card:
    """Write a file of arrays into a bundle; returns the card with its digest."""
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    (folder / name).write_bytes(stream.getvalue())
    return write_card(folder, dataclasses.replace(card, digests=card.digests | {name: sha256(stream.getvalue())}))


def read_arrays(folder: Path, card: Card, name: str) -> dict[str, np.ndarray] | None:
    """The arrays in one of a bundle's files; None if the bundle lacks it.

    Raises `BundleError` where the file was altered.
    """
    if name not in card.digests or not (folder / name).exists():
        return None
    content = _checked(folder, card, name)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as stored:
            return dict(stored)
    except (ValueError, OSError, EOFError, KeyError) as error:
        raise BundleError(f"{folder / name}: not a file of arrays ({error}); restore or retrain it") from error


def _checked(folder: Path, card: Card, name: str) -> bytes:
    content = read_file(folder / name)
    if sha256(content) != card.digests[name]:
        raise BundleError(f"{folder / name}: altered since it was trained (digest differs); restore or retrain it")
    return content


def bundle_of_logged_model(location: str) -> Path | None:
    """Return the bundle in the folder of a logged model, by its path or file URI; None if it is not a bundle."""
    path = local_path(location)
    try:  # MLflow keeps what `data_path` named under data/, by its own name; a bundle is one folder there
        folders = list((Path(path) / "data").iterdir()) if path else []
    except (OSError, ValueError):
        return None
    return folders[0] if len(folders) == 1 and os.path.isdir(folders[0]) else None


def is_shipped() -> bool:
    """Whether this installation includes the shipped bundle."""
    return (PRETRAINED_FOLDER / CARD_FILE).is_file() and (PRETRAINED_FOLDER / ONNX_FILE).is_file()


def pretrained_folder() -> Path:
    """The folder of the shipped bundle. Raises `BundleError` if this installation lacks it."""
    if not is_shipped():
        raise BundleError(
            f"{PRETRAINED}: this installation of lesionflow came without it, nothing is in {PRETRAINED_FOLDER}; "
            "install a release, or train a model with 'lesionflow train'"
        )
    return PRETRAINED_FOLDER


def in_its_place() -> str:
    """Hint for messages about a missing model: the shipped bundle; empty if that is missing too."""
    if not is_shipped():
        return ""
    return f": {PRETRAINED} is the one that comes with lesionflow ({SHIPPED_LICENCE})"
