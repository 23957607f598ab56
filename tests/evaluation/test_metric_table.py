"""A new metric is one entry of the table: it has to come out wherever metrics are shown."""

import dataclasses
import io

import numpy as np
import pytest
from rich.console import Console

from lesionflow.cli.compare import _side_by_side
from lesionflow.diagnoses import HAM10000
from lesionflow.evaluation.measure import measure
from lesionflow.evaluation.metrics import OF_DIAGNOSIS, TABLE, Metric, Place, in_words, metrics_of, shown_at
from lesionflow.evaluation.model_card import model_card, terms_and_metrics
from lesionflow.evaluation.page import evaluation_page
from lesionflow.evaluation.result import evaluation_json
from lesionflow.evaluation.slices import Slice, largest_gaps
from lesionflow.registry.compared_model import ComparedModel
from tests.evaluation.evaluations import answers, card, full_labels, made_evaluation

NAME, WORDS, SHORT = "share_called_df", "share of images called dermatofibroma", "called df"


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> Metric:
    """The table with one entry more, which is shown at every place."""
    metric = Metric(
        NAME,
        WORDS,
        SHORT,
        shown=frozenset(Place),
        share=lambda images: (images.called == 3, np.ones(len(images), bool)),
    )
    monkeypatch.setitem(metrics_of(), NAME, metric)
    return metric


def test_an_entry_comes_out_everywhere(entry: Metric) -> None:
    found = answers(full_labels())[1]
    metrics = measure(found, resamples=50)
    assert metrics[NAME].value == pytest.approx((found.called == 3).mean()) and in_words(NAME) == WORDS
    assert all(entry in shown_at(place) for place in Place)

    halves = [found.take(np.arange(start, len(found), 2)) for start in (0, 1)]
    groups = [
        Slice("sex", value, len(half), len(half), False, measure(half, resamples=50))
        for value, half in zip(("female", "male"), halves, strict=True)
    ]
    gaps = largest_gaps(groups, metrics)
    assert NAME in [gap.metric for gap in gaps]

    evaluation = made_evaluation(metrics=metrics, slices=groups, gaps=gaps)
    page = evaluation_page(evaluation)
    assert page.count(WORDS) >= 1 and "Called df" in page and "<th>called\ndf</th>" in page
    assert NAME in evaluation_json(evaluation)["metrics"]

    its_card = card()
    its_card = dataclasses.replace(its_card, metrics={part: dict(metrics) for part in its_card.metrics})
    assert f"| {WORDS} |" in model_card(its_card) and f"{SHORT} " in terms_and_metrics(its_card)
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(_side_by_side((ComparedModel("a/1", its_card, None),), ("validation",)))
    assert SHORT in console.export_text()


def test_short_words_fit_where_there_is_little_room() -> None:
    for metric in metrics_of().values():
        if metric.shown & {Place.HEADLINE, Place.COMPARISON, Place.TERMS, Place.GROUPS, Place.GROUPS_PLOT}:
            assert 0 < len(metric.short) <= 21, metric.name
        assert (metric.share is None) != (metric.compute is None), metric.name
    applying = [entry for entry in TABLE if isinstance(entry, Metric) and entry.applies(HAM10000)]
    assert len(metrics_of()) == len(applying) + 7 * len(OF_DIAGNOSIS)
