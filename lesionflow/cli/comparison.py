"""A comparison on a terminal, and for machines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import click

from lesionflow.errors import counted, first_few
from lesionflow.model.card import nan_as_null

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from lesionflow.api.compare import Comparison
    from lesionflow.api.later_truth import ReportComparison
    from lesionflow.diagnoses import LabelSet
    from lesionflow.evaluation.metrics import Difference
    from lesionflow.registry.compared_model import ComparedModel

NAMES = 20  # characters of the column that names the rows: melanoma sensitivity
FIGURE = 19  # of a model's column: 0.812 (0.790-0.834)


def print_comparison(comparison: Comparison, parts: tuple[str, ...], console: Console) -> None:
    """Print models side by side, as many as fit, and below them the differences from the first."""
    models, abreast = comparison.models, max(1, (console.width - NAMES) // (FIGURE + 1))  # three at 80 characters
    for start in range(0, len(models), abreast):
        console.print(_side_by_side(models[start : start + abreast], parts))
        console.print()
    if len(models) == 1:
        click.echo(f"{models[0].label} stands alone; name another model to compare it with")
    if comparison.not_comparable:
        click.secho("NOT COMPARABLE", bold=True, fg="red")
        for label, why in comparison.not_comparable.items():
            click.echo(f"The metrics of {label} cannot be set against the others: {why}.")
        click.echo()
    for label, differences in comparison.differences.items():
        title, labels = f"{label} minus {models[0].label}, validation", models[0].card.labels
        if ground := comparison.common_grounds.get(label):
            title, labels = (
                f"{title}, as {ground.labels.name} on {counted(ground.images, 'image')} of both",
                ground.labels,
            )
            click.echo(f"{ground.labels.name}: {ground.mapping}")
        console.print(_differences(title, differences, labels))
        console.print()


def print_report_comparison(found: ReportComparison, console: Console) -> None:
    """Print both models of a report by the truth that came later, and how the second differs from the first."""
    from lesionflow.evaluation.metrics import Place, shown_at

    click.echo(found.about)
    table = _table_of(found.models)
    for metric in shown_at(Place.COMPARISON, found.labels):
        values = [metrics.get(metric.name) for metrics in found.metrics]
        table.add_row(metric.short, *("" if value is None else f"{value:.3f}" for value in values))
    console.print(table)
    console.print()
    console.print(_differences(f"{found.models[1]} minus {found.models[0]}", found.differences, found.labels))


def report_as_json(found: ReportComparison) -> dict[str, Any]:
    """The same for machines."""
    known = found.truths[0]
    return {
        "report": found.report,
        "models": list(found.models),
        "images": len(known.predictions),
        "scored": known.scored,
        "notes": list(found.notes),
        "metrics": dict(zip(found.models, map(dict, found.metrics), strict=True)),
        "differences": {name: nan_as_null(vars(difference)) for name, difference in found.differences.items()},
    }


def as_json(comparison: Comparison, parts: tuple[str, ...]) -> dict[str, Any]:
    """Everything by name, for machines."""
    return {
        "first": comparison.models[0].label,
        "models": [_described(model, parts) for model in comparison.models],
        "differences": {
            label: {name: nan_as_null(vars(difference)) for name, difference in differences.items()}
            for label, differences in comparison.differences.items()
        },
        "not_comparable": comparison.not_comparable,
        "common_grounds": {
            label: {"labels": ground.labels.name, "mapping": ground.mapping, "images": ground.images}
            for label, ground in comparison.common_grounds.items()
        },
    }


def _described(model: ComparedModel, parts: tuple[str, ...]) -> dict[str, Any]:
    card = model.card
    return {
        "model": model.label,
        "card_digest": card.digest,
        "network": card.network,
        "data": card.data_name,
        "demo": card.demo,
        "data_digest": card.data_digest,
        "split_digest": card.split_digest,
        "height": card.height,
        "width": card.width,
        "registered": model.registered.isoformat(timespec="seconds") if model.registered else None,
        "metrics": {
            part: {name: nan_as_null(estimate._asdict()) for name, estimate in card.metrics.get(part, {}).items()}
            for part in parts
        },
    }


def _table_of(models: Iterable[str]) -> Table:
    """An empty table with a column for each model."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, padding=0)
    table.add_column("", width=NAMES)
    for model in models:
        table.add_column(model, width=FIGURE, overflow="fold")
    return table


def _side_by_side(models: tuple[ComparedModel, ...], parts: tuple[str, ...]) -> Table:
    from lesionflow.evaluation.metrics import Place, ends, shown_at

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
            found = [card.metrics.get(part, {}).get(metric.name) for card in cards]
            table.add_row(metric.short, *(f"{x.value:.3f} ({ends(x, to='-')})" if x else "" for x in found))
    table.caption, table.caption_justify = "in brackets: 95 % intervals", "left"
    return table


def _differences(title: str, differences: Mapping[str, Difference], labels: LabelSet) -> Table:
    from rich import box
    from rich.table import Table

    from lesionflow.evaluation.metrics import Place, ends, shown_at

    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), title=title, title_justify="left",
        caption="better: probability of being better, paired bootstrap over lesions", caption_justify="left",
    )  # fmt: skip
    table.add_column("", width=NAMES)
    for column in ("difference", "95 % interval", "better"):
        table.add_column(column, justify="right", no_wrap=True)
    shown = shown_at(Place.COMPARISON, labels)
    for metric in shown:
        if metric.name in differences:
            found = differences[metric.name]
            table.add_row(
                metric.short,
                f"{found.value:+.4f}",
                ends(found, "+.4f"),
                f"{found.probability_better:.3f}",
            )
    if left_out := [each.short for each in shown if each.name not in differences]:
        table.caption = f"{table.caption}; not defined: {first_few(left_out)}"
    return table
