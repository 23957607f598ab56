"""An evaluation as one web page: first what matters and what to beware of, then everything else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from lesionflow import pages
from lesionflow.evaluation.call_strength import strengths_section
from lesionflow.evaluation.label_mapping import not_measurable_told
from lesionflow.evaluation.metrics import OF_DIAGNOSIS, Metric, Place, ends, overall_metrics, shown_at, with_interval
from lesionflow.evaluation.model_card import data_licence, limits
from lesionflow.evaluation.plots import Picture
from lesionflow.evaluation.report import NOT_A_DEVICE, Evaluation
from lesionflow.evaluation.shift import Shift
from lesionflow.evaluation.slices import attribute_in_words, gap_sentence
from lesionflow.model.card import Estimate
from lesionflow.model.prediction import UNCERTAIN, UNFAMILIAR

if TYPE_CHECKING:
    from markupsafe import Markup

GAPS_NAMED = 3
SHOWN_WIDTH = 640  # pixels of a figure on the page


def evaluation_page(evaluation: Evaluation) -> str:
    """The page of an evaluation, with everything inside: it needs no network and runs no script."""
    pictures = {picture.name: picture for picture in evaluation.pictures}

    def shown(*names: str) -> list[Markup]:
        return [_figure(pictures.pop(name)) for name in names if name in pictures]

    sections = [
        pages.section("In short", _headline(evaluation), pages.paragraph(_in_short(evaluation))),
        pages.section("What was evaluated", _facts(evaluation)),
        pages.section(
            "Each diagnosis",
            *_not_measurable(evaluation),
            _by_diagnosis(evaluation),
            *shown("confusion_matrix", "roc_by_diagnosis"),
        ),
        pages.section("Malignant or benign", *_operating_point(evaluation), *shown("malignant_roc")),
        pages.section("Whether the probabilities can be believed", *_calibration(evaluation), *shown("reliability")),
        pages.section("What a person should look at", pages.paragraph(_refer(evaluation)), *shown("coverage")),
    ]
    if evaluation.strengths:
        labels = evaluation.predictions.label_set
        told = strengths_section(evaluation.strengths, evaluation.calibration.call_strength, labels.not_to_miss)
        sections.append(pages.section("What other calls would give", *told))
    if evaluation.stability:
        sections.append(pages.section("Whether calls stay when nothing of the lesion changes", *_stability(evaluation)))
    if evaluation.shift:
        sections.append(pages.section("How far these images are from the training images", *_shift(evaluation.shift)))
    if evaluation.slices:
        sections.append(
            pages.section(
                f"Groups of {evaluation.unit}", *_slices(evaluation), *shown("slices"), _slices_table(evaluation)
            )
        )
    for heading, names in (
        ("The worst mistakes", ("worst_mistakes",)),
        ("Where the network looks", ("heatmaps",)),
        ("How it was trained", ("learning_curves",)),
        ("More figures", tuple(pictures)),
    ):
        if drawn := shown(*names):
            sections.append(pages.section(heading, *drawn))
    sections.append(pages.section("All metrics", _all_metrics(evaluation)))
    sections.append(pages.section("Limits", pages.bullets([*limits(evaluation.card), data_licence(evaluation.card)])))
    head = [pages.paragraph(f"Evaluated on {evaluation.data}, {evaluation.part}."), pages.warning(NOT_A_DEVICE)]
    return pages.page(
        f"Evaluation of {evaluation.model}", [*head, *map(pages.warning, evaluation.all_warnings)], sections
    )


def _figure(picture: Picture) -> Markup:
    alternative = f"{picture.message}. {picture.how_to_read}"
    return pages.image(picture.png(), "png", alternative, picture.how_to_read, SHOWN_WIDTH)


def _headline(evaluation: Evaluation) -> Markup:
    parts = [
        (
            _capital(metric.headline or metric.short),
            f"{evaluation.metrics[metric.name].value:.3f}",
            _beside(evaluation, metric.name),
        )
        for metric in shown_at(Place.HEADLINE, evaluation.predictions.label_set)
        if metric.name in evaluation.metrics
    ]
    return pages.headline(parts)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _beside(evaluation: Evaluation, name: str) -> str:
    interval = ends(evaluation.metrics[name])
    if name == "accuracy" and (always := _always(evaluation)):
        return f"{interval}; always {always[0]}: {always[1].value:.3f}"
    return interval


def _always(evaluation: Evaluation) -> tuple[str, Estimate] | None:
    """What is called easily without a look, and how often that is right."""
    for name, words in (("accuracy_of_always_nv", "nv"), ("accuracy_of_always_commonest", "the most frequent one")):
        if name in evaluation.metrics:
            return words, evaluation.metrics[name]
    return None


def _in_short(evaluation: Evaluation) -> str:
    metrics, found, always, unit = evaluation.metrics, [], _always(evaluation), evaluation.unit
    if "balanced_accuracy" in metrics and always:
        present = len(np.unique(evaluation.predictions.labels))
        found.append(
            f"Of each diagnosis {metrics['balanced_accuracy'].value:.0%} of the {unit} are called rightly on average; "
            f"always answering {always[0]} would reach {1 / present if always[1].value else 0:.0%}."
        )
    if "accuracy" in metrics and always:
        found.append(
            f"Of all {unit} {metrics['accuracy'].value:.0%} are called rightly, where always answering {always[0]} is "
            f"right in {always[1].value:.0%}: accuracy alone says little here."
        )
    return " ".join([*found, "The small numbers are 95% intervals."])


def _facts(evaluation: Evaluation) -> Markup:
    card = evaluation.card
    views = "the average over flips and quarter turns" if evaluation.averaged else "one look at each image"
    pairs = [
        ("Model", f"{evaluation.model}: network {card.network}, {card.height} x {card.width} pixels, {views}"),
        ("Bundle", card.digest),
        ("Trained on", f"{card.data_told}{' (synthetic demo data)' if card.demo else ''}, split by lesion with seed "
         f"{card.split_seed}"),
        ("Evaluated on", f"{evaluation.data}, {evaluation.part}"),
        ("Data", evaluation.data_digest),
        ("Measured", evaluation.measured),
        ("Intervals", f"95%, from {evaluation.resamples} bootstrap resamples of lesions, as images of one lesion are "
         f"no independent evidence (seed {evaluation.seed})"),
        ("Calls", "the diagnosis whose probability exceeds its share of the training images by the largest factor"),
    ]  # fmt: skip
    if evaluation.mapping:
        pairs.append(("Counted as", evaluation.mapping.told))
    if evaluation.time:
        pairs.append(("Time", evaluation.time))
    return pages.facts(pairs)


def _not_measurable(evaluation: Evaluation) -> Iterator[Markup]:
    if evaluation.mapping:
        names = ", ".join(evaluation.mapping.not_measurable)
        yield pages.paragraph(f"{not_measurable_told(evaluation.mapping)}{names and ': '}{names}.")


def _by_diagnosis(evaluation: Evaluation) -> Markup:
    labels = evaluation.predictions.label_set
    counts = np.bincount(evaluation.predictions.labels, minlength=len(labels))
    rows = [
        [f"{diagnosis} ({labels.full_names[diagnosis]})", str(count)]
        + [_two_lines(evaluation.metrics.get(f"{metric.name}_{diagnosis}")) for metric in OF_DIAGNOSIS]
        for diagnosis, count in zip(labels.names, counts, strict=True)
    ]
    header = ["diagnosis", evaluation.unit, *(metric.words.replace(" ", "\n") for metric in OF_DIAGNOSIS)]
    return pages.table(header, rows, "Each diagnosis against the rest, with 95% intervals")


def _operating_point(evaluation: Evaluation) -> Iterator[Markup]:
    predictions, calibration, unit = evaluation.predictions, evaluation.calibration, evaluation.unit
    malignant, names = predictions.is_malignant, evaluation.card.labels.malignant
    found, flagged = int(predictions.malignant[malignant].sum()), int(predictions.malignant[~malignant].sum())
    asked = calibration.figures.get("sensitivity_asked_for")
    purpose = f", so chosen on the validation part that {asked:.0%} of its malignant images reach it" if asked else ""
    yield pages.paragraph(
        f"{'A lesion' if evaluation.pooled else 'An image'} is called malignant ({_or(names)}) from a malignant "
        f"probability of {calibration.malignant_threshold:.3g} on{purpose}."
    )
    yield pages.paragraph(
        f"Here that finds {found} of {malignant.sum()} malignant {unit}, and flags {flagged} of {(~malignant).sum()} "
        "benign ones with them"
        + (f": {flagged / found:.1f} false alarms for each malignant {unit[:-1]}." if found else ".")
    )
    shown = [metric for metric in overall_metrics(predictions.label_set) if metric.name.startswith("malignant_")]
    yield _metrics_table(evaluation, shown, "Malignant against benign")


def _or(names: Sequence[str]) -> str:
    return " or ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _calibration(evaluation: Evaluation) -> Iterator[Markup]:
    figures = evaluation.calibration.figures
    if "ece_before" in figures and "ece_after" in figures:
        yield pages.paragraph(
            f"The calibration was fitted on the validation part ({figures.get('images', 0):.0f} images): it divides "
            f"the network's outputs by {evaluation.calibration.temperature:.3f} and corrects for the mix of diagnoses "
            f"shown in training. There the calibration error (ECE) was {figures['ece_before']:.3f} before and "
            f"{figures['ece_after']:.3f} after."
        )
    if "ece" in evaluation.metrics:
        yield pages.paragraph(
            f"On these images it is {with_interval(evaluation.metrics['ece'])}: the gap between confidence and "
            "accuracy, averaged over images in 15 bins of equal width."
        )


def _refer(evaluation: Evaluation) -> str:
    refer = evaluation.predictions.refer
    uncertain, unfamiliar = int((refer == UNCERTAIN).sum()), int((refer == UNFAMILIAR).sum())
    text = (
        f"{uncertain} of {len(refer)} {evaluation.unit} are referred as uncertain (the call's probability is below "
        f"{evaluation.calibration.uncertain_below:.3g})"
    )
    if evaluation.calibration.unfamiliar_above is not None:
        text += f", {unfamiliar} as unlike the training images"
    kept = evaluation.metrics.get("accuracy_of_trusted")
    if kept is None:
        return text + "."
    return f"{text}. Of the others {with_interval(kept)} are called rightly."


def _stability(evaluation: Evaluation) -> Iterator[Markup]:
    found = evaluation.stability
    assert found is not None
    yield pages.paragraph(
        f"{found.images} images of {found.lesions} lesions, drawn with seed {found.seed}, were scored again after "
        f"changes that leave the lesion as it is. Over all changes {with_interval(found.calls)} of the calls and "
        f"{with_interval(found.flags)} of the malignant flags differ from those of the image itself."
    )
    rows = [[moved.words, _two_lines(moved.calls, 3), _two_lines(moved.flags, 3)] for moved in found.changes]
    yield pages.table(["change", "calls\nthat differ", "flags\nthat differ"], rows, "Shares, with 95% intervals")


def _shift(shift: Shift) -> Iterator[Markup]:
    if shift.unfamiliar is not None:
        beside = shift.unfamiliar_in_validation
        against = "" if beside is None else f", where it is {beside:.3f} of the model's own validation part"
        yield pages.paragraph(
            f"{with_interval(shift.unfamiliar)} of the images are unlike the training images{against}."
        )
    else:
        yield pages.paragraph("The model has no measure of how far an image is from its training images.")
    if not shift.scores:
        yield pages.paragraph("Its bundle came without what it says of its validation part: scores cannot be compared.")
        return
    rows = [
        [score.words, f"{score.here:.3f}", f"{score.validation:.3f}", _two_lines(score.difference, 3),
         _two_lines(score.same_mix, 3), f"{score.distance:.2f}"]
        for score in shift.scores
    ]  # fmt: skip
    header = ["score", "mean\nhere", "mean in\nvalidation", "difference", "difference,\nsame mix", "distance"]
    yield pages.table(header, rows, f"Scores here and of {shift.validation_images} validation images")
    yield pages.paragraph(
        "Same mix: with the diagnoses as frequent as in validation; what is left is not for want or plenty of a "
        "diagnosis. Distance: the greatest gap between the two distribution functions, 0 where they are the same."
    )


def _slices(evaluation: Evaluation) -> Iterator[Markup]:
    if evaluation.gaps:
        yield pages.paragraph("The largest gaps:")
        yield pages.bullets(gap_sentence(gap) for gap in evaluation.gaps[:GAPS_NAMED])
        yield pages.paragraph(
            "The two groups of a gap were picked because they differ most: a reason to look closer, not a proof."
        )
    else:
        yield pages.paragraph("No two groups have images enough to be compared.")


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


def _all_metrics(evaluation: Evaluation) -> Markup:
    return _metrics_table(evaluation, overall_metrics(evaluation.predictions.label_set), "With 95% intervals")


def _metrics_table(evaluation: Evaluation, shown: Sequence[Metric], caption: str) -> Markup:
    def row(metric: Metric) -> list[str]:
        if (estimate := evaluation.metrics.get(metric.name)) is None:
            return [metric.words, "not defined", "", ""]
        return [metric.words, *("–" if np.isnan(number) else f"{number:.3f}" for number in estimate)]

    return pages.table(["metric", "value", "from", "to"], [row(metric) for metric in shown], caption)
