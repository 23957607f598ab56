"""The model card as Markdown: what a model is, its metrics, and what it must not be used for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from lesionflow.datasets.label_columns import ATTRIBUTES
from lesionflow.datasets.licences import AUTHORS, AUTHORS_OF, FREE, LICENCE, SOME_NOT_KNOWN, is_published
from lesionflow.datasets.raw_labels import without_lesions, without_patients
from lesionflow.datasets.split import HELD_OUT, PARTS
from lesionflow.errors import counted
from lesionflow.evaluation.call_strength import CallStrength, strength_rows
from lesionflow.evaluation.metrics import Place, in_words, shown_at, with_interval
from lesionflow.evaluation.slices import Gap, attribute_in_words, gap_sentence
from lesionflow.evaluation.stability import STABILITY, stability_told
from lesionflow.model.card import AVERAGED, CROSS_VALIDATION, SINGLE, Card, dataset_name
from lesionflow.pages import render, sentence

LONGEST = 5000  # characters of a version's description: the columns of MLflow's databases hold no more
LONGEST_NAME = 40
BEGINNING = "some of the beginning"  # what stands before the sections, warnings first
# Sections in the order in which a description has room for them.
NOT_TO_MISS = ("Licence of the data", BEGINNING, "Metrics", "Limits", "Use", "Data")
GAPS_NAMED = 3


def model_card(
    card: Card,
    gaps: Sequence[Gap] = (),
    sizes: Mapping[str, tuple[int, int]] | None = None,
    strengths: Sequence[CallStrength] = (),
) -> str:
    """The card in Markdown, after Mitchell et al. 2019 (arXiv:1810.03993).

    gaps: the largest between slices of the test part, the largest first; sizes: images and lesions of each part of the
    split, where they are known; strengths: what calls of other strengths would come to on the validation part.
    """
    calibration, known, sources = card.calibrations[SINGLE], card.metrics, card.training.get("sources", ())
    measured = [part for part in HELD_OUT if part in known]
    specificities = {part: known[part].get("malignant_specificity") for part in measured}
    text = render(
        "model_card.md", card=card, plain=_plain, parts=PARTS, sizes=sizes or {}, with_interval=with_interval,
        built_on=_built_on(card.training), data=_names(card.data_names), escaped=_escaped,
        told_of_training=_told_of_training(card.training), sources=[*map(_source, sources)],
        only_training=any(source["training_only"] for source in sources),
        measured=measured, metrics=_metrics(card, measured), calibration=calibration, figures=calibration.figures,
        specificities={part: each.value for part, each in specificities.items() if each is not None},
        folds=_metrics(card, [CROSS_VALIDATION]) if CROSS_VALIDATION in known else "",
        averages=AVERAGED in card.calibrations, stability=_stability_told(card),
        other_calls=_table(*strength_rows(strengths, calibration.call_strength, card.labels.not_to_miss))
        if strengths else "",
        gaps=[gap_sentence(gap, _plain) for gap in gaps[:GAPS_NAMED]],
        limits=limits(card), licence=data_licence(card),
    )  # fmt: skip
    return f"{text}\n"


def fitting(text: str) -> str:
    """A model card as a version's description: what has no room is chosen here, section by section, and named."""
    if len(text) <= LONGEST:
        return text
    sections = re.split(r"^(?=## )", text, flags=re.MULTILINE)
    names = [BEGINNING, *(section.partition("\n")[0].removeprefix("## ") for section in sections[1:])]
    told = (
        "\n\n*Left out, as MLflow keeps {:,} characters: {}. The whole is model_card.md among the run's artifacts.*\n"
    )
    room, left_out = LONGEST - len(told.format(LONGEST, ", ".join(names))), []
    for i in sorted(range(len(names)), key=lambda i: [*NOT_TO_MISS, names[i]].index(names[i])):
        if len(sections[i]) > room:
            left_out.append(names[i])
            sections[i] = sections[i][:room] if names[i] == BEGINNING else ""
        room -= len(sections[i])
    return "".join(sections) + told.format(LONGEST, ", ".join(left_out))


def limits(card: Card, elsewhere: bool = False) -> list[str]:
    """The limits of the model, one sentence each; elsewhere: of images that are no part of its own split."""
    measured = (
        "These metrics are of the images evaluated here alone: "
        if elsewhere
        else "It was measured on images of the same origin as those it was trained on: "
    )
    return [
        f"It knows {len(card.classes)} diagnoses ({', '.join(card.classes)}) and calls every image one of them, also "
        "healthy skin, other diseases and images of anything else.",
        f"Its probabilities are for images with diagnoses as frequent as in {_names(card.measured_like)}; elsewhere "
        "they are off.",
        f"{measured}other cameras, clinics and skins can make it worse.",
        "Images of one lesion are not independent evidence; intervals come from resampling lesions, and say nothing of "
        "other data.",
        *map(sentence, [*unknown_lesions(card), *_unknown_patients_and_attributes(card)]),
    ]


def unknown_lesions(card: Card) -> list[str]:
    """A warning about measured images of unknown lesions, as far as the card says."""
    return without_lesions(*_not_known(card, "lesion_id"))


def _unknown_patients_and_attributes(card: Card) -> list[str]:
    unknown, total, where = _not_known(card, "patient_id")
    told = without_patients(unknown, total, where)
    if total and unknown == total:
        told.append("it is unknown which images are of one patient: one patient's may stand on two sides of the split")
    lacking = []
    for name in ATTRIBUTES:
        of_each = {_plain(dataset_name(source["name"])): _lacks_all(source, name) for source in _measured(card)}
        if any(of_each.values()):
            of = "" if all(of_each.values()) else f" of {', '.join(source for source, no in of_each.items() if no)}"
            lacking.append(f"{attribute_in_words(name)}{of}")
    return [*told, *([f"not known, so nothing is measured by it: {'; '.join(lacking)}"] if lacking else [])]


def _measured(card: Card) -> list[dict[str, Any]]:
    """The sources with images in a part that is measured, of cards that say what is not known of them."""
    sources = [source for source in card.training.get("sources", ()) if "not_known" in source]
    return [source for source in sources if any(source["images"][part] for part in HELD_OUT)]


def _not_known(card: Card, column: str) -> tuple[int, int, str]:
    """Of how many measured sources' images a column is not known, of how many in all, and which sources these are."""
    sources = _measured(card)
    counts = {_plain(dataset_name(source["name"])): source["not_known"].get(column, 0) for source in sources}
    where = f" ({', '.join(name for name, count in counts.items() if count)})" if len(sources) > 1 else ""
    total = sum(sum(source["images"].values()) for source in sources)
    return sum(source["not_known"].get(column, 0) for source in sources), total, where


def _lacks_all(source: Mapping[str, Any], column: str) -> bool:
    return bool(source["not_known"].get(column, 0) == sum(source["images"].values()))


def licence_of(card: Card) -> str:
    """The name of the training images' licence; empty if unknown."""
    if _is_synthetic(card) and not card.licence:  # a licence is that of a model it built on
        return FREE
    # Cards of format 2 had no licence, and what they name their data is all there is to go by.
    return LICENCE if not card.licence and "ham10000" in card.data_name.lower() else card.licence


def sources_of(card: Card) -> list[dict[str, str]]:
    """Name and licence of everything a model learnt from, also by way of models it built on, each once.

    Tables of several people may have one name: they are apart where their licences are.
    """
    sources = card.training.get("sources") or [{"name": card.data_name, "licence": licence_of(card)}]
    found: dict[tuple[str, str], dict[str, str]] = {}
    # Images of HAM10000 are recognised in data sets of any name.
    of_ham10000 = [{"name": "HAM10000", "licence": LICENCE}] if _trained_on_ham10000(card) else []
    for source in (*sources, *of_ham10000, *card.training.get("inherited_sources", ())):
        name = dataset_name(str(source["name"]))
        licence = _known(source) or (FREE if source in sources and _is_synthetic(card) else "")
        for each in (licence, "") if _known(source) and _without_licence(source) else (licence,):
            found[name, each] = {"name": name, "licence": each}
    return [*found.values()]


def _is_synthetic(card: Card) -> bool:
    """Whether all images of a training were drawn; cards of earlier versions say of none that it is free to use."""
    sources = card.training.get("sources", ())
    free = [source["licence"] == FREE and not _without_licence(source) for source in sources]
    return card.demo and (all(free) or not any(FREE in source["licence"] for source in sources))


def _trained_on_ham10000(card: Card) -> bool:
    # Cards of 0.1.0 do not say so; their licence was known of HAM10000 alone.
    return bool(card.training.get("ham10000", licence_of(card) == LICENCE))


def data_licence(card: Card) -> str:
    """The licence terms of the training images and of those of models that training built on, as far as known."""
    inherited = card.training.get("inherited_sources", ())
    told = [_own_licence(card, inherited)]
    for model in dict.fromkeys(source["model"] for source in inherited):
        names = [_with_terms(source) for source in inherited if source["model"] == model]
        told.append(f"It is built on {_plain(model)}, which was trained on {', '.join(names)}.")
    if {*map(_known, inherited)} - {"", FREE}:
        commercial = ", no commercial use" if any(_known(source) == LICENCE for source in inherited) else ""
        told.append(f"Their licences bind the use of this model, too: name the authors of the data{commercial}.")
    return " ".join(told)


def _own_licence(card: Card, inherited: Sequence[Mapping[str, Any]]) -> str:
    if _is_synthetic(card):
        return f"The training images are synthetic, drawn by lesionflow: {FREE}, of no medical value."
    sources, licence = card.training.get("sources", ()), licence_of(card).removesuffix(f", {SOME_NOT_KNOWN}")
    if inherited:  # whose licences are among the card's
        licence = ", ".join(dict.fromkeys(filter(None, map(_known, sources))))
    named = [f"HAM10000 ({AUTHORS})"] if _trained_on_ham10000(card) else []
    names = [source["name"] for source in sources]
    named += [f"{name} ({AUTHORS_OF[name]})" for name in names if name in AUTHORS_OF]
    without, owners = [source for source in sources if _without_licence(source)], ""
    if without:
        images = counted(sum(map(_without_licence, without)), "image")
        whose = _names([dataset_name(str(source["name"])) for source in without])
        owners = f" Of {images} the licence is not known: ask the owner of {whose} what may be done with them."
    if licence == LICENCE and named:
        which = "all of which are" if len(named) > 1 else "which is"
        return (
            f"Trained on {', '.join(named)}, {which} under {LICENCE}. That binds the use of this model: name the "
            f"authors of the data, no commercial use.{owners}"
        )
    if licence:
        authors = f": name the authors of {', '.join(named)}" if named else ""
        told = f"{'Training' if without else 'The training'} images are under {_escaped(licence)}"
        return f"{told}, which binds the use of this model{authors}.{owners}"
    return f"Ask the owner of {_names(card.data_names)} what may be done with what is trained on it."


def terms_and_metrics(card: Card) -> str:
    """One line for users of a model: the data's licence, and its metrics on the test part."""
    images = sum(source["images"]["test"] for source in card.training.get("sources", ()))
    number = f"{counted(images, 'image')} of " if images else ""
    leaks = "".join(f" {leak}." for leak in card.leaks)
    return as_text(
        f"{data_licence(card)} On its test part, {number}{_names(card.measured_on('test'))}, with 95% intervals: "
        f"{metrics_told(card)}.{leaks}"
    )


def metrics_told(card: Card) -> str:
    """The most important metrics of a model on its test part, with 95% intervals."""
    test = card.metrics.get("test", {})
    told = [
        f"{metric.short} {with_interval(test[metric.name])}"
        for metric in shown_at(Place.TERMS, card.labels)
        if metric.name in test
    ]
    return ", ".join(told) or "none were kept"


def _told_of_training(training: Mapping[str, Any]) -> list[str]:
    """How the model was trained, as far as the card says; empty for an unfinished training."""
    told = {
        "epochs": f"epoch {training.get('best_epoch')} of at most {training.get('epochs', '?')} was kept",
        "balance": f"rare diagnoses: {training.get('balance')}",
        "label_smoothing": f"label smoothing {training.get('label_smoothing')}",
        "augmentation": f"augmentation {training.get('augmentation')}",
        "seed": f"seed {training.get('seed')}",
    }
    return [words for name, words in told.items() if name in training and "best_epoch" in training]


def _stability_told(card: Card) -> str:
    """What harmless changes move, and of which images; empty if the card does not say."""
    if STABILITY not in card.metrics:
        return ""
    told, images = stability_told(card.metrics[STABILITY]), card.training.get("stability_images")
    if images:
        lesions = counted(card.training["stability_lesions"], "lesion")
        told = f"of {counted(images, 'image')} of {lesions} of the validation part, {told}"
    return sentence(told)


def _built_on(training: Mapping[str, Any]) -> list[str]:
    """The models that training built on, each with the options that named it, as far as the card says."""
    labels = [*map(str, training.get("learnt_from", ()))]
    roles: dict[str, list[str]] = {label: [] for label in labels}
    if labels and training.get("start_from", "") not in ("", "imagenet"):
        refitted = training.get("last_layer") == "refitted"
        roles[labels[0]] += ["`--start-from`", *(["`--last-layer refitted`"] if refitted else [])]
    if labels and training.get("teacher"):
        roles[labels[-1]].append("`--teacher`")
    return [_plain(label) + (f" ({', '.join(role)})" if role else "") for label, role in roles.items()]


def _source(source: Mapping[str, Any]) -> str:
    """A source as a card has it (`datasets.combined.describe_sources`), in words."""
    name = str(source["name"])
    authors = f" ({AUTHORS_OF[name]})" if name in AUTHORS_OF else ""
    only = ", training only" if source["training_only"] else ""
    licence, without = _escaped(_known(source)) or "licence not known", _without_licence(source)
    if _known(source) and without:
        licence += f", licence not known of {counted(without, 'image')}"
    return f"{_plain(dataset_name(name))}{authors}, {counted(sum(source['images'].values()), 'image')}{only}, {licence}"


def _with_terms(source: Mapping[str, Any]) -> str:
    """A source of a model that training built on, with its authors and its licence."""
    name = str(source["name"])
    authors = AUTHORS if name == "HAM10000" else AUTHORS_OF.get(name, "")
    licence = _escaped(_known(source)) or "licence not known"
    return f"{_plain(name)} ({', '.join(filter(None, (authors, licence)))})"


def _known(source: Mapping[str, Any]) -> str:
    """The licence of a source; empty if it is not known."""
    return str(source["licence"]) or (LICENCE if is_published(str(source["name"])) else "")


def _without_licence(source: Mapping[str, Any]) -> int:
    """The number of a source's images without a known licence."""
    images = source.get("images", {})
    return int(source.get("not_known", {}).get("licence", 0)) if _known(source) else sum(images.values())


def _metrics(card: Card, parts: Sequence[str]) -> str:
    shown = [metric.name for metric in shown_at(Place.MODEL_CARD, card.labels)]
    rows = [
        [in_words(name), *(with_interval(card.metrics[part].get(name)) for part in parts)]
        for name in shown
        if any(name in card.metrics[part] for part in parts)
    ]
    return _table(["metric", *(part.replace("_", "-") for part in parts)], rows)


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (header, *rows)]
    return "\n".join([lines[0], "|---" * len(header) + "|", *lines[1:]])


def _plain(text: str) -> str:
    """A name that Markdown shows as it is: names of data sets and groups are their owners' to choose."""
    text = " ".join(text.split())
    return _escaped(text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 1] + "…")


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(_plain, names))


_SIGNS = r"([\\`*_{}\[\]<>#|!])"  # which mean something in Markdown


def _escaped(text: str) -> str:
    return re.sub(_SIGNS, r"\\\1", " ".join(text.split()))


def as_text(markdown: str) -> str:
    """A sentence of the card for a terminal or a page, which show names as they are."""
    return re.sub(r"\\" + _SIGNS, r"\1", markdown)
