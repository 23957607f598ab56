"""Whether the model of a report was trained on the images that it is measured on."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from lesionflow.errors import LesionflowError
from lesionflow.evaluation.later_truth import LaterTruth, leak_of
from lesionflow.model.card import CARD_FILE, TRAINED_ON_FILE, read_card
from lesionflow.model.files import read_arrays
from lesionflow.model.shipped import PRETRAINED


def trained_before(model: str, found: LaterTruth, tracking_uri: str | None) -> tuple[bool, str]:
    """Whether a model, by the label that its report has, is known to be trained on some of the images; and a sentence.

    The sentence is empty where it was not; where that cannot be found out, it says why.
    """
    from lesionflow.registry.versions import resolve  # which brings MLflow along only for a registry's model

    why = "its report names no registered version"
    address = PRETRAINED if model.startswith(f"{PRETRAINED} ") else ""
    if version := re.match(r"[^/@:]+/\d+(?= \(|$)", model):
        address = f"models:/{version.group()}"
    try:
        with tempfile.TemporaryDirectory(prefix="lesionflow-model-") as folder:
            if address:
                resolved = resolve(address, Path(folder), tracking_uri, (CARD_FILE, TRAINED_ON_FILE))
                known = read_arrays(resolved.folder, read_card(resolved.folder), TRAINED_ON_FILE)
                if known is not None and resolved.label == model:
                    leak = leak_of(found, known)
                    return leak.images > 0, leak.describe(model) if leak.images else ""
                why = "it does not tell its training lesions" if known is None else f"{address} is {resolved.label}"
    except LesionflowError as error:
        why = str(error)
    return False, f"whether {model} was trained on these images cannot be said: {why}"
