"""The bundle that ships with lesionflow: `pretrained` in place of a model's name, for whoever has trained none."""

from __future__ import annotations

from pathlib import Path

from lesionflow.defaults import SHIPPED_LICENCE
from lesionflow.errors import BundleError
from lesionflow.model.card import CARD_FILE, ONNX_FILE

PRETRAINED = "pretrained"
FOLDER = Path(__file__).parents[1] / PRETRAINED  # which scripts/train_pretrained.sh fills


def is_shipped() -> bool:
    """Whether this installation has the bundle."""
    return (FOLDER / CARD_FILE).is_file() and (FOLDER / ONNX_FILE).is_file()


def pretrained_folder() -> Path:
    """The folder of the bundle. Raises `BundleError` where this installation came without it."""
    if not is_shipped():
        raise BundleError(
            f"{PRETRAINED}: this installation of lesionflow came without it, nothing is in {FOLDER}; install a release "
            "anew, or train a model with 'lesionflow train'"
        )
    return FOLDER


def in_its_place() -> str:
    """What to add where another model was not found; empty where the bundle is missing too."""
    if not is_shipped():
        return ""
    return f": {PRETRAINED} is the one that comes with lesionflow ({SHIPPED_LICENCE})"
