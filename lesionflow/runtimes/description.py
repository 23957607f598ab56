"""The files beside one for another runtime: JSON with all that is known about it, and a README with code to run it.

For the Hugging Face hub, a bundle's card gets the metadata that the hub reads.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from lesionflow.errors import enumerated
from lesionflow.evaluation.metrics import Place, shown_at
from lesionflow.evaluation.model_card import as_text, data_licence, licence_of
from lesionflow.model.card import ABOUT_FILE, DISTANCE, IMAGE, PROBABILITIES, SINGLE, Card, dataset_name, strict_json
from lesionflow.model.decision import prior_of_call
from lesionflow.pages import render
from lesionflow.runtimes.artifact import MODEL_FILES
from lesionflow.runtimes.config import LITERT, ONNX, OPENVINO, TORCH, ExportConfig
from lesionflow.runtimes.parity import Cost, Parity
from lesionflow.version import __version__

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

README_FILE, CARD_PAGE_FILE = "README.md", "model_card.html"
ABOUT_FORMAT = 1
_NOT_A_DEVICE = "For research. Not a medical device: nothing it says may decide about a patient."
PREPROCESSING = (
    "turn the image as its EXIF orientation says",
    "make three channels of 8 bits, red first; lay what is transparent over black, unless all of it is",
    "cut it evenly from both sides to the input's aspect ratio",
    "scale it to the input's size, bilinearly with all pixels of the original averaged (Pillow's BILINEAR)",
    "convert its colours to sRGB where it has a colour profile",
    "leave the values 0 to 255 as they are: the file scales them itself",
)
DECISION = {  # by column of a report, how it follows from the outputs
    "diagnosis": "the one whose probability exceeds its prior_of_the_call by the largest factor",
    "malignant": "yes where the probabilities of labels.malignant add up to thresholds.malignant or more; otherwise no",
    "refer": f"unfamiliar where {DISTANCE} is above thresholds.unfamiliar_above (null: nowhere); otherwise uncertain "
    "where the probability of the diagnosis is below thresholds.uncertain_below; otherwise no",
}
_PACKAGES = {ONNX: "onnxruntime", LITERT: "ai-edge-litert", OPENVINO: "openvino", TORCH: "torch"}
_IMPORTS = {
    ONNX: "import onnxruntime",
    LITERT: "from ai_edge_litert.interpreter import Interpreter",
    OPENVINO: "import openvino",
    TORCH: "import torch",
}


def left_out(format: str) -> list[str]:
    """Return what a file lacks compared with its bundle, one sentence each."""
    told = [
        "No averaging over turns (`--tta`) and no decoding of image files: only lesionflow reads DICOM and 16 bits "
        "a channel, applies every kind of colour profile and recognises damaged files.",
        "Not quite the same pixels: lesionflow scales images that are several times larger than the input in more than "
        "one step, and before it turns them, so pixels are up to a few grey levels apart, and probabilities a little.",
        "No Keras file and no predictions of the validation part: it cannot be trained on, compared or promoted.",
    ]
    if format == LITERT:
        told.append("One image at a time: with a batch of any size, LiteRT's fast kernels are not used.")
    if format == TORCH:
        told.append("float32 alone, on the processor.")
    return told


def tells_unfamiliar(card: Card) -> bool:
    """Whether a model refers images by their distance from the training images."""
    return card.calibrations[SINGLE].unfamiliar_above is not None


def describe_file(
    card: Card, label: str, config: ExportConfig, digests: dict[str, str], parity: Parity, cost: Cost | None
) -> dict[str, Any]:
    """Return the content of `model.json`.

    label: how reports name the model; digests: SHA-256 of the files, by name; cost: of the precision, where it was
    measured.
    """
    calibration = card.calibrations[SINGLE]
    return {
        "format": ABOUT_FORMAT,
        "made_with": f"lesionflow {__version__}",
        "model": label,
        "bundle": card.digest,
        "network": card.network,
        "runtime": config.format,
        "precision": config.precision,
        "files": digests,
        "input": {
            "name": IMAGE, "type": "uint8", "colours": "RGB",
            "shape": [1 if config.format == LITERT else None, card.height, card.width, 3],
        },
        "outputs": {
            PROBABILITIES: "(images, classes), calibrated: temperature and offsets are applied",
        } | ({DISTANCE: "(images,), from the training images"} if tells_unfamiliar(card) else {}),
        "preprocessing": list(PREPROCESSING),
        "labels": {
            "name": card.labels.name,
            "names": list(card.labels.names),
            "full_names": dict(card.labels.full_names),
            "malignant": list(card.labels.malignant),
        },
        "prior": list(card.prior),
        "prior_of_the_call": prior_of_call(card.prior, calibration.call_strength).tolist(),
        "decision": dict(DECISION),
        "calibration": {"temperature": calibration.temperature, "logit_offsets": list(calibration.logit_offsets)},
        "thresholds": {
            "malignant": calibration.malignant_threshold,
            "uncertain_below": calibration.uncertain_below,
            "unfamiliar_above": calibration.unfamiliar_above,
        },
        "licence": card.licence,
        "licence_of_the_data": as_text(data_licence(card)),
        "synthetic": card.demo,
        "use": _NOT_A_DEVICE,
        "parity": strict_json(parity),
        "cost": strict_json(cost),
        "left_out": left_out(config.format),
    }  # fmt: skip


def readme(card: Card, label: str, config: ExportConfig, parity: Parity, cost: Cost | None) -> str:
    """Return the README beside a file, Markdown, with code that runs it on one image, `mole.jpg`, and prints its call.

    The parameters are those of `describe_file`.
    """
    format, precision = config.format, config.precision
    text = render(
        "runtime_readme.md", card=card, label=label, format=format, precision=precision, parity=parity, cost=cost,
        package=_PACKAGES[format], file=MODEL_FILES[format], about_file=ABOUT_FILE, card_page=CARD_PAGE_FILE,
        left_out=left_out(format), licence=data_licence(card), use=_NOT_A_DEVICE, imported=_IMPORTS[format],
        tells_unfamiliar=tells_unfamiliar(card),
    )  # fmt: skip
    return f"{text}\n"


# The hub's names of licences, by their names in cards; other licences are given by name only.
HUB_LICENCES = {
    "CC BY-NC 4.0": "cc-by-nc-4.0",
    "CC BY 4.0": "cc-by-4.0",
    "CC BY-SA 4.0": "cc-by-sa-4.0",
    "CC BY-NC-SA 4.0": "cc-by-nc-sa-4.0",
    "CC0": "cc0-1.0",
    "CC-0": "cc0-1.0",
}
_PART = "test"


def hub_card(card: Card, text: str) -> str:
    """A model card with the hub's metadata before it, made and checked by `huggingface_hub`.

    card: the bundle's; text: its model card, Markdown.
    """
    from huggingface_hub import ModelCard, ModelCardData

    licence = licence_of(card)
    known = HUB_LICENCES.get(licence)
    results = eval_results(card)
    data = ModelCardData(
        license=known or "other",
        license_name=None if known else _identifier(licence or "unknown"),
        language=None,
        library_name="lesionflow",
        pipeline_tag="image-classification",
        tags=["dermatology", "dermatoscopy", "skin-lesions", "onnx", *(["synthetic-data"] if card.demo else [])],
        # The hub requires a name with results, and none without.
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
            metric_type=metric.name,
            metric_name=metric.display_name,
            metric_value=round(metrics[metric.name].value, 4),
        )
        for metric in shown_at(Place.HUB, card.labels)
        if metric.name in metrics
    ]


def tested_on(card: Card) -> str:
    """The data set of the test part, by its usual name if the name of its folder reveals it."""
    if card.demo:
        return "lesionflow demo"
    sources = [source["name"] for source in card.training.get("sources", ()) if source["images"].get("test")]
    names = sources or [card.data_name]
    return enumerated(map(dataset_name, names))


def _identifier(text: str) -> str:
    """A text as the hub's identifiers are written: small letters, digits and dashes."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-") or "unknown"
