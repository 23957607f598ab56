"""A model's folder for the Hugging Face hub: the bundle, and its card with the metadata that the hub reads."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lesionflow.evaluation.metrics import in_words
from lesionflow.evaluation.model_card import licence_of
from lesionflow.model.card import Card

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

# The hub's names of licences, by how cards name them; others are told by name alone.
LICENCES = {
    "CC BY-NC 4.0": "cc-by-nc-4.0",
    "CC BY 4.0": "cc-by-4.0",
    "CC BY-SA 4.0": "cc-by-sa-4.0",
    "CC BY-NC-SA 4.0": "cc-by-nc-sa-4.0",
    "CC0": "cc0-1.0",
    "CC-0": "cc0-1.0",
}
SHOWN = ("balanced_accuracy", "macro_auc", "malignant_sensitivity", "malignant_specificity", "ece")
_PART = "test"


def hub_card(card: Card, text: str) -> str:
    """A model card with the hub's metadata before it, made and checked by `huggingface_hub`.

    card: the bundle's; text: its model card, Markdown.
    """
    from huggingface_hub import ModelCard, ModelCardData

    licence = licence_of(card)
    known = LICENCES.get(licence)
    results = eval_results(card)
    data = ModelCardData(
        license=known or "other",
        license_name=None if known else _identifier(licence or "unknown"),
        language=None,
        library_name="lesionflow",
        pipeline_tag="image-classification",
        tags=["dermatology", "dermatoscopy", "skin-lesions", "onnx", *(["synthetic-data"] if card.demo else [])],
        # With results, the hub wants a name; without, it wants none.
        model_name=card.label if results else None,
        eval_results=results or None,
    )
    return str(ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}"))


def eval_results(card: Card) -> list[EvalResult]:
    """The metrics of the test part as the hub lists them; the intervals stand in the card's text."""
    from huggingface_hub import EvalResult

    metrics = card.metrics.get(_PART, {})
    return [
        EvalResult(
            task_type="image-classification",
            task_name="Diagnosis of dermatoscopic images",
            dataset_type=_identifier(tested_on(card)),
            dataset_name=tested_on(card),
            dataset_split=_PART,
            metric_type=name,
            metric_name=in_words(name),
            metric_value=round(metrics[name].value, 4),
        )
        for name in SHOWN
        if name in metrics
    ]


def tested_on(card: Card) -> str:
    """The data set of the test part, by the field's name for it where the name of its folder tells it."""
    if card.demo:
        return "lesionflow demo"
    sources = [source["name"] for source in card.training.get("sources", ()) if source["images"].get("test")]
    names = sources or [card.data_name]
    return " and ".join("HAM10000" if "ham10000" in name.lower() else name for name in names)


def _identifier(text: str) -> str:
    """A text as the hub's identifiers are written: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-") or "unknown"
