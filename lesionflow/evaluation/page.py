"""An evaluation as a web page: first what matters most and what to be careful about, then the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from lesionflow import pages
from lesionflow.datasets.split import PARTS
from lesionflow.evaluation.bootstrap import SECTION_RESAMPLES
from lesionflow.evaluation.call_strength import strengths_section
from lesionflow.evaluation.label_mapping import not_measurable_told
from lesionflow.evaluation.metrics import (
    FEWEST_LESIONS,
    INTERVAL_RULE,
    OF_DIAGNOSIS,
    Metric,
    Place,
    ends,
    overall_metrics,
    shown_at,
    with_interval,
)
from lesionflow.evaluation.model_card import GAPS_NAMED, as_text, data_licence, limits
from lesionflow.evaluation.plots import Picture
from lesionflow.evaluation.result import NOT_A_DEVICE, Evaluation
from lesionflow.evaluation.shift import Shift
from lesionflow.evaluation.slices import attribute_in_words, gap_sentence
from lesionflow.evaluation.stability import Stability
from lesionflow.model.card import Estimate
from lesionflow.model.decision import rule_of_call
from lesionflow.model.prediction import UNCERTAIN, UNFAMILIAR

if TYPE_CHECKING:
    from markupsafe import Markup

SHOWN_WIDTH = 640  # pixels of a figure on the page


def evaluation_page(evaluation: Evaluation) -> str:
    """The page of an evaluation, with everything inside: it needs no network and runs no script."""
    from markupsafe import Markup

    said, calibration, shift = evaluation.predictions, evaluation.calibration, evaluation.shift
    labels, malignant, names = said.label_set, said.is_malignant, evaluation.card.labels.malignant
    pictures = {picture.name: picture for picture in evaluation.pictures}

    def shown(names: Sequence[str] | None) -> list[Markup]:
        """The figures of some names, each of which is shown once; None: those that are left."""
        return [_figure(pictures.pop(name)) for name in (names or tuple(pictures)) if name in pictures]

    warnings = [*map(pages.sentence, evaluation.all_warnings)]
    elsewhere = evaluation.part not in PARTS
    told = map(as_text, [*limits(evaluation.card, elsewhere), data_licence(evaluation.card)])
    sections = pages.render(
        "evaluation.html", evaluation=evaluation, metrics=evaluation.metrics, calibration=calibration,
        unit=evaluation.unit, shown=shown, with_interval=with_interval, headline=_headline(evaluation),
        always=_always(evaluation), diagnoses_present=len(np.unique(said.labels)), facts=_facts(evaluation),
        not_measurable=evaluation.mapping and pages.sentence(not_measurable_told(evaluation.mapping)).removesuffix("."),
        by_diagnosis=_by_diagnosis(evaluation),
        malignant_names=" or ".join(filter(None, (", ".join(names[:-1]), names[-1]))),
        malignant=malignant.sum(), benign=(~malignant).sum(),
        found=int(said.malignant[malignant].sum()), flagged=int(said.malignant[~malignant].sum()),
        malignant_metrics=_metrics_table(
            evaluation, [each for each in overall_metrics(labels) if each.name.startswith("malignant_")],
            "Malignant against benign",
        ),
        answers=len(said), uncertain=(said.refer == UNCERTAIN).sum(), unfamiliar=(said.refer == UNFAMILIAR).sum(),
        strengths=evaluation.strengths
        and strengths_section(evaluation.strengths, calibration.call_strength, labels.not_to_miss),
        stability=evaluation.stability, changes=evaluation.stability and _changes(evaluation.stability),
        shift=shift, scores=shift and _scores(shift, evaluation.unit), fewest_lesions=FEWEST_LESIONS,
        gaps=[gap_sentence(gap) for gap in evaluation.gaps[:GAPS_NAMED]], groups=_slices_table(evaluation),
        all_metrics=_metrics_table(evaluation, overall_metrics(labels), "With 95% intervals"),
        interval_rule=INTERVAL_RULE,
        limits=[text for text in told if text not in warnings],
    )  # fmt: skip
    head = [pages.paragraph(f"Evaluated on {evaluation.data}, {evaluation.part}."), pages.warning(NOT_A_DEVICE)]
    head += map(pages.warning, warnings)
    return pages.page(f"Evaluation of {evaluation.model}", head, [Markup(sections)])  # escaped as it was rendered


def _figure(picture: Picture) -> Markup:
    alternative = f"{picture.message}. {picture.how_to_read}"
    return pages.image(picture.png(), "png", alternative, picture.how_to_read, SHOWN_WIDTH)


def _headline(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    metrics = shown_at(Place.HEADLINE, evaluation.predictions.label_set)
    shown = [(metric.name, metric.headline or metric.short) for metric in metrics]
    return [
        (f"{label[:1].upper()}{label[1:]}", f"{evaluation.metrics[name].value:.3f}", _beside(evaluation, name))
        for name, label in shown
        if name in evaluation.metrics
    ]


def _beside(evaluation: Evaluation, name: str) -> str:
    interval = ends(evaluation.metrics[name])
    if name == "accuracy" and (always := _always(evaluation)):
        return f"{interval}; always {always[0]}: {always[1].value:.3f}"
    return interval


def _always(evaluation: Evaluation) -> tuple[str, Estimate] | None:
    """The answer that is right most often without looking at the image, and its accuracy; None if that is none."""
    for name, words in (("accuracy_of_always_nv", "nv"), ("accuracy_of_always_commonest", "the most frequent one")):
        if name in evaluation.metrics and evaluation.metrics[name].value:
            return words, evaluation.metrics[name]
    return None


def _facts(evaluation: Evaluation) -> list[tuple[str, str]]:
    card = evaluation.card
    views = "each image once"
    if card.training.get("mirrored"):
        views = "the average over each image and its mirror image"
    if evaluation.averaged:
        views = "the average over flips and quarter turns of each image"
    pairs = [
        ("Model", f"{evaluation.model}: network {card.network}, {card.height} x {card.width} pixels, {views}"),
        ("Bundle", card.digest),
        ("Trained on", f"{card.data_told}{' (synthetic demo data)' if card.demo else ''}, split by {card.split_by}"
         f"{card.split_limit} with seed {card.split_seed}"),
        ("Evaluated on", f"{evaluation.data}, {evaluation.part}"),
        ("Data", evaluation.data_digest),
        ("Measured", evaluation.measured),
        ("Intervals", f"95%, from {evaluation.resamples} bootstrap resamples of lesions, {SECTION_RESAMPLES} for those "
         "of bins, groups, harmless changes and the difference from the training images, as images of one lesion are "
         f"no independent evidence (seed {evaluation.seed})"),
        ("Calls", f"the diagnosis called is {rule_of_call(evaluation.calibration.call_strength)}"),
    ]  # fmt: skip
    if evaluation.mapping:
        pairs.append(("Counted as", evaluation.mapping.told))
    if evaluation.time:
        pairs.append(("Time", evaluation.time))
    return pairs


def _by_diagnosis(evaluation: Evaluation) -> Markup:
    labels = evaluation.predictions.label_set
    counts = np.bincount(evaluation.predictions.labels, minlength=len(labels))
    rows = [
        [f"{diagnosis} ({labels.full_names[diagnosis]})", str(count)]
        + [_two_lines(evaluation.metrics.get(f"{metric.name}_{diagnosis}")) for metric in OF_DIAGNOSIS]
        for diagnosis, count in zip(labels.names, counts, strict=True)
    ]
    header = ["diagnosis", evaluation.unit, *(metric.display_name.replace(" ", "\n") for metric in OF_DIAGNOSIS)]
    return pages.table(header, rows, "Each diagnosis against the rest, with 95% intervals")


def _changes(found: Stability) -> Markup:
    rows = [[moved.display_name, _two_lines(moved.calls, 3), _two_lines(moved.flags, 3)] for moved in found.changes]
    return pages.table(["change", "calls\nthat differ", "flags\nthat differ"], rows, "Shares, with 95% intervals")


def _scores(shift: Shift, unit: str) -> Markup:
    rows = [
        [score.display_name, f"{score.here:.3f}", f"{score.validation:.3f}", _two_lines(score.difference, 3),
         _two_lines(score.same_mix, 3), f"{score.distance:.2f}"]
        for score in shift.scores
    ]  # fmt: skip
    header = ["score", "mean\nhere", "mean in\nvalidation", "difference", "difference,\nsame mix", "distance"]
    return pages.table(header, rows, f"Scores here and of {shift.validation_images} {unit} of validation")


def _slices_table(evaluation: Evaluation) -> Markup:
    shown = shown_at(Place.GROUPS, evaluation.predictions.label_set)
    rows = [
        [f"{attribute_in_words(each.attribute)}: {each.value}{' (small)' if each.small else ''}"]
        + [f"{each.lesions}" if evaluation.pooled else f"{each.images}\n{each.lesions}"]
        + [_two_lines(each.metrics.get(metric.name)) for metric in shown]
        for each in evaluation.slices
    ]
    header = [
        "group",
        "lesions" if evaluation.pooled else "images\nlesions",
        *(metric.short.replace(" ", "\n") for metric in shown),
    ]
    return pages.table(header, rows, f"Groups of {evaluation.unit}, with 95% intervals")


def _two_lines(estimate: Estimate | None, digits: int = 2) -> str:
    if estimate is None:
        return "–"
    return f"{estimate.value:.{digits}f}\n{ends(estimate, f'.{digits}f')}"


def _metrics_table(evaluation: Evaluation, shown: Sequence[Metric], caption: str) -> Markup:
    def row(metric: Metric) -> list[str]:
        if (estimate := evaluation.metrics.get(metric.name)) is None:
            return [metric.display_name, "not defined", "", ""]
        return [metric.display_name, *("–" if np.isnan(number) else f"{number:.3f}" for number in estimate)]

    return pages.table(["metric", "value", "from", "to"], [row(metric) for metric in shown], caption)
