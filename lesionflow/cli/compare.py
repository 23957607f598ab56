"""The command `compare`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lesionflow.cli.help import command, option
from lesionflow.cli.options import cache_option_of, labels_option_of, report_option, tracking_uri_option, truth_option
from lesionflow.cli.streams import warn
from lesionflow.cli.values import LABELLED, MODEL, Choice
from lesionflow.datasets.split import HELD_OUT
from lesionflow.errors import UsageError, counted, first_few
from lesionflow.model.card import strict_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from lesionflow.api.compare import Comparison
    from lesionflow.api.later_truth import ReportComparison
    from lesionflow.diagnoses import LabelSet
    from lesionflow.evaluation.metrics import Difference, Metric
    from lesionflow.model.card import Estimate
    from lesionflow.registry.compared_model import CommonGround, ComparedModel


@command(short_help="Print models side by side, and how they differ.")
@click.argument("models", nargs=-1, type=MODEL, metavar="[MODEL...]")
@option(
    "--data", type=LABELLED, metavar="DATA",
    help="Labelled images to compare the models on, in place of validation: what 'lesionflow evaluate' takes.",
)  # fmt: skip
@cache_option_of(needs="--data DATA")
@report_option("Report of 'lesionflow score --also' whose two models are compared, in place of MODEL.")
@truth_option
@labels_option_of("--data or --truth")
@option("--part", type=Choice(HELD_OUT), unset="both", help="Part of the split to show metrics of.")
@option("--json", "for_machines", is_flag=True, help="Print JSON.")
@tracking_uri_option
def compare(
    models: tuple[str, ...],
    data: str | None,
    cache: Path | None,
    report: Path | None,
    truth: Path | None,
    labels: Path | None,
    part: str | None,
    for_machines: bool,
    tracking_uri: str | None,
) -> None:
    """Print models side by side with their differences from the first; a single one is compared with the champion.

    A MODEL is models:/NAME/VERSION, models:/NAME@ALIAS, models:/NAME/latest, models:/m-ID, runs:/ID/model, pretrained
    (which comes with lesionflow) or the folder of a bundle. Differences are measured on validation, with 95 % intervals
    from a paired bootstrap over lesions, and only if data and split are the same; otherwise on the images of --data:
    all, or of data that a model was trained on, those of its test part. Images that trained a model are named.

    Models with different diagnoses are compared on images that both have, each asked among the diagnoses that both
    know: their probabilities are scaled to a sum of 1, and calls and flags follow from these. Where one model tells
    less apart, as benign and malignant alone, probabilities of the other are summed, and each of its own calls counts
    as the group that it is in.

    With --report and --truth, the two models of a night scored with --also are compared by diagnoses that came later.

    \b
    Example:
      lesionflow compare models:/lesionflow@champion models:/lesionflow/3
      lesionflow compare pretrained models:/lesionflow/3 --data our_lesions.csv
      lesionflow compare --report night.csv --truth labels.csv
    """
    if report or truth:
        if not (report and truth) or models or part or data:
            raise UsageError(
                "give --report and --truth, both and without MODEL, --data and --part: the report names two models"
            )
        from lesionflow.api.later_truth import compare_report

        _print_report(compare_report(report, truth, labels=labels, tracking_uri=tracking_uri), for_machines)
        return
    if not models:
        raise UsageError("name a model to compare, or give --report and --truth")
    if labels and not data:
        raise UsageError("--labels: says what words of --data or --truth mean; give one of these")
    from rich.console import Console

    from lesionflow.api.compare import compare

    comparison = compare(models, data=data, labels=labels, tracking_uri=tracking_uri, cache=cache)
    warn(comparison.notes)
    parts = (part,) if part else HELD_OUT
    if not for_machines:
        _print_comparison(comparison, parts, Console(highlight=False, markup=False))
        return
    warn(f"{label} is NOT COMPARABLE: {why}" for label, why in comparison.not_comparable.items())
    click.echo(json.dumps(strict_json(_comparison_as_json(comparison, parts)), indent=2))


def _print_report(found: ReportComparison, for_machines: bool) -> None:
    """Print both models of a report measured by later diagnoses, and the differences of the second from the first."""
    warn(found.notes)
    if for_machines:
        known = found.truths[0]
        values = {
            "report": found.report,
            "models": list(found.models),
            "images": len(known.predictions),
            "scored": known.scored,
            "notes": list(found.notes),
            "metrics": dict(zip(found.models, found.metrics, strict=True)),
            "differences": found.differences,
        }
        click.echo(json.dumps(strict_json(values), indent=2))
        return
    from rich.console import Console

    from lesionflow.evaluation.metrics import Place, shown_at

    console, table = Console(highlight=False, markup=False), _table_of(found.models)
    click.echo(found.about)
    for metric in shown_at(Place.COMPARISON, found.labels):
        _add_estimates(table, metric, found.metrics)
    console.print(table)
    console.print()
    console.print(_differences(f"{found.models[1]} minus {found.models[0]}", found.differences, found.labels))


_NAMES = 20  # characters of the column that names the rows: melanoma sensitivity
_VALUE = 19  # of a model's column: 0.812 (0.790-0.834)


def _print_comparison(comparison: Comparison, parts: tuple[str, ...], console: Console) -> None:
    """Print as many models side by side as fit, and below them the differences from the first."""
    models, abreast = comparison.models, max(1, (console.width - _NAMES) // (_VALUE + 1))  # three at 80 characters
    for start in range(0, len(models), abreast):
        console.print(_side_by_side(models[start : start + abreast], parts))
        console.print()
    if len(models) == 1:
        click.echo(f"{models[0].label} is the only model; name another one to compare it with")
    for label in comparison.identical:
        click.echo(f"{label} is the same model as {models[0].label}, with the same digest: nothing differs")
    if comparison.not_comparable:
        click.secho("NOT COMPARABLE", bold=True, fg="red")
        for label, why in comparison.not_comparable.items():
            click.echo(f"The metrics of {label} cannot be compared with the others: {why}.")
        click.echo()
    for label, differences in comparison.differences.items():
        title, labels = f"{label} minus {models[0].label}, {comparison.measured_on}", models[0].card.labels
        ground = comparison.common_grounds.get(label)
        if ground:
            title, labels = f"{title}, {_on(ground)}", ground.labels
            for told in ground.told:
                click.echo(f"{told}.")
        values = [ground.values[each] for each in (models[0].label, label)] if ground else ()
        console.print(_differences(title, differences, labels, values))
        console.print()


def _on(ground: CommonGround) -> str:
    """The diagnoses and images of a comparison, in words."""
    left_out = counted(ground.left_out, "image", "of another diagnosis is", "of other diagnoses are")
    told = f"as {ground.labels.name} on {counted(ground.images, 'image')} of both"
    return f"{told}; {left_out} left out" if ground.left_out else told


def _comparison_as_json(comparison: Comparison, parts: tuple[str, ...]) -> dict[str, Any]:
    """Everything by name, for `strict_json`."""
    return {
        "first": comparison.models[0].label,
        "measured_on": comparison.measured_on,
        "notes": comparison.notes,
        "models": [_described(model, parts) for model in comparison.models],
        "differences": comparison.differences,
        "not_comparable": comparison.not_comparable,
        "identical": comparison.identical,
        "common_grounds": {
            label: vars(ground) | {"labels": ground.labels.name} for label, ground in comparison.common_grounds.items()
        },
    }


def _described(model: ComparedModel, parts: tuple[str, ...]) -> dict[str, Any]:
    card = model.card
    return {
        "model": model.label,
        "card_digest": card.digest,
        "network": card.network,
        "data": card.data_told,
        "demo": card.demo,
        "data_digest": card.data_digest,
        "split_digest": card.split_digest,
        "height": card.height,
        "width": card.width,
        "registered": model.registered.isoformat(timespec="seconds") if model.registered else None,
        "metrics": {part: card.metrics.get(part, {}) for part in parts},
    }


def _table_of(models: Iterable[str]) -> Table:
    """An empty table with a column for each model."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    table.caption, table.caption_justify = "in brackets: 95 % intervals", "left"
    table.add_column("", width=_NAMES)
    for model in models:
        table.add_column(model, width=_VALUE, overflow="fold")
    return table


def _side_by_side(models: tuple[ComparedModel, ...], parts: tuple[str, ...]) -> Table:
    from lesionflow.evaluation.metrics import Place, shown_at

    table = _table_of([model.label for model in models])
    cards = [model.card for model in models]
    table.add_row("network", *(card.network for card in cards))
    table.add_row("input, pixels", *(f"{card.height} x {card.width}" for card in cards))
    table.add_row("data", *(f"{card.data_told} {card.data_digest[:8]}" for card in cards))
    table.add_row("split", *(card.split_digest[:8] for card in cards))
    table.add_row("registered", *(f"{model.registered:%Y-%m-%d}" if model.registered else "" for model in models))
    for part in parts:
        table.add_section()
        table.add_row(part, style="bold")
        for metric in shown_at(Place.COMPARISON, cards[0].labels):
            _add_estimates(table, metric, [card.metrics.get(part, {}) for card in cards])
    return table


def _add_estimates(table: Table, metric: Metric, models: Sequence[Mapping[str, Estimate]]) -> None:
    from lesionflow.evaluation.metrics import ends

    found = [metrics.get(metric.name) for metrics in models]
    table.add_row(metric.short, *(f"{each.value:.3f} ({ends(each, to='-')})" if each else "" for each in found))


def _differences(
    title: str, differences: Mapping[str, Difference], labels: LabelSet, values: Sequence[Mapping[str, float]] = ()
) -> Table:
    """A row for each metric; values: of the first model and of the other on the same images, where cards lack them."""
    from rich import box
    from rich.table import Table

    from lesionflow.evaluation.metrics import Place, ends, shown_at

    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), title=title, title_justify="left",
        caption="better: probability of being better, paired bootstrap over lesions", caption_justify="left",
    )  # fmt: skip
    table.add_column("", width=_NAMES)
    for column in (*("first", "other")[: len(values)], "difference", "95 % interval", "better"):
        table.add_column(column, justify="right", no_wrap=True)
    shown = shown_at(Place.COMPARISON, labels)
    for metric in shown:
        if metric.name in differences:
            found = differences[metric.name]
            table.add_row(
                metric.short,
                *(f"{each[metric.name]:.3f}" for each in values),
                f"{found.value:+.4f}",
                ends(found, "+.4f"),
                f"{found.probability_better:.3f}",
            )
    if left_out := [each.short for each in shown if each.name not in differences]:
        table.caption = f"{table.caption}; not defined: {first_few(left_out)}"
    return table
